"""The wavelet flow: Haar and its inverse, where its latents lie, what depends on what, and JPEG's own colours."""

import math

import numpy as np
import pytest
import torch
from flow_helpers import settled
from PIL import Image as Pillow
from skimage import data as samples

from stegcli.nn import wavelet
from stegcli.nn.flow import Chain
from stegcli.nn.tensors import to_tensor
from stegcli.nn.wavelet import ConditionalGlow, WaveletFlow, haar, squeeze, unhaar

SIZES = [(8, 8), (16, 24), (32, 8)]


def drawn(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


def flow(levels=2, width=4, steps=1, cues=0):
    model = WaveletFlow([width] * (levels + 1), [steps] * (levels + 1), cues)
    return settled(model).double().requires_grad_(False)


# -- Haar


@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (2, 3, 8, 4), (1, 5, 6, 10)])
def test_haar_is_undone(shape):
    x = drawn(*shape)
    low, details = haar(x)
    assert low.shape == (shape[0], shape[1], shape[2] // 2, shape[3] // 2)
    assert details.shape == (shape[0], 3 * shape[1], shape[2] // 2, shape[3] // 2)
    assert torch.allclose(unhaar(low, details), x, atol=1e-12)
    low, details = drawn(*low.shape, seed=1), drawn(*details.shape, seed=2)
    for there, back in zip((low, details), haar(unhaar(low, details)), strict=True):
        assert torch.allclose(there, back, atol=1e-12)


def test_haar_is_orthonormal():
    """So it has no log-determinant, and an error in the bands is as large as that in the picture."""
    x = torch.eye(2 * 4 * 4, dtype=torch.float64).view(-1, 2, 4, 4)
    matrix = torch.cat([part.flatten(1) for part in haar(x)], dim=1)
    assert torch.allclose(matrix @ matrix.T, torch.eye(32, dtype=torch.float64), atol=1e-12)


def test_haar_tells_directions_apart():
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    for x, expected in ((ramp, 0), (ramp.transpose(2, 3), 1)):
        low, details = haar(x)
        assert low[0, 0, 0, 0] == 2 * x[0, 0, :2, :2].mean()
        assert details.abs().amax((0, 2, 3)).nonzero().flatten().tolist() == [expected]


def test_details_of_channels_do_not_mix():
    x = torch.zeros(1, 3, 4, 4)
    x[:, 1] = drawn(4, 4)
    assert haar(x)[1].abs().amax((0, 2, 3)).nonzero().flatten().tolist() == [3, 4, 5]


# -- bands


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("levels", [1, 2])
def test_bands_cover_z_once_in_order(size, levels):
    found = wavelet.bands(*size, levels)
    assert [b.name for b in found] == [f"{n}{i}" for i in range(1, levels + 1) for n in "yc"] + ["base"]
    assert [b.start for b in found] == [0, *(b.stretch.stop for b in found[:-1])]
    assert found[-1].stretch.stop == 3 * size[0] * size[1]
    for band in found:
        assert (band.height, band.width) == (size[0] >> band.level, size[1] >> band.level)
        assert band.channels == {"y": 3, "c": 6, "b": 12}[band.name[0]]
        assert band.size == band.channels * band.height * band.width


def test_band_is_its_stretch_of_z():
    z = torch.arange(2 * 3 * 8 * 8.0).view(2, 3, 8, 8)
    for band in wavelet.bands(8, 8, 2):
        part = band.of(z)
        assert part.shape == (2, band.channels, band.height, band.width)
        assert torch.equal(part.flatten(1), z.flatten(1)[:, band.stretch])


def test_flow_puts_every_band_where_it_says():
    model, x = flow(), drawn(2, 3, 16, 8)
    z, _ = model(x)
    for name, content, context in model.analyse(x):
        band = next(b for b in model.bands(16, 8) if b.name == name)
        assert torch.allclose(band.of(z), model.flow(name)(content, context)[0])


# -- the flow


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("levels", [1, 2])
def test_inverse_undoes_forward(size, levels):
    model, x = flow(levels, steps=2), drawn(2, 3, *size)
    z, ladj = model(x)
    assert z.shape == x.shape
    assert ladj.shape == (2,)
    assert torch.allclose(model.inverse(z), x, atol=1e-10)
    z = torch.from_numpy(np.random.default_rng(3).standard_normal(x.shape))
    assert torch.allclose(model(model.inverse(z))[0], z, atol=1e-8)


def test_single_precision_is_enough():
    """As it runs: a hundredth of a grey level."""
    model, x = flow(2, width=8, steps=3).float(), to_tensor(samples.astronaut()[:64, 192:256])
    assert (model.inverse(model(x)[0]) - x).abs().max() < 0.01 / 255


@pytest.mark.parametrize("levels", [1, 2])
def test_log_determinant_is_the_jacobians(levels):
    model, x = flow(levels), drawn(2, 3, 8, 8)
    _, ladj = model(x)
    for i in range(len(x)):
        item = x[i : i + 1]
        jacobian = torch.autograd.functional.jacobian(lambda v: model(v)[0], item).reshape(item.numel(), -1)
        assert torch.allclose(ladj[i], torch.linalg.slogdet(jacobian).logabsdet, atol=1e-8)


def test_items_of_a_batch_do_not_meet():
    model, x = flow(), drawn(3, 3, 8, 16)
    z, ladj = model(x)
    for i in range(3):
        alone, own = model(x[i : i + 1])
        assert torch.allclose(alone[0], z[i], atol=1e-12)
        assert torch.allclose(own[0], ladj[i])


def moved_bands(model, z, other):
    """Names of the bands that differ."""
    return {b.name for b in model.bands(*z.shape[2:]) if (b.of(z) - b.of(other)).abs().max() > 1e-9}


@pytest.mark.parametrize("cues", [0, 1])
def test_coarse_latents_depend_on_coarse_content_alone(cues):
    """What JPEG does to fine content does not reach them."""
    model, x = flow(cues=cues), drawn(1, 3, 16, 16)
    low, details = haar(x)
    changed = unhaar(low, details + 0.1 * drawn(*details.shape, seed=5))
    assert moved_bands(model, model(x)[0], model(changed)[0]) == {"y1", "c1"}
    lower, coarse = haar(low)
    changed = unhaar(unhaar(lower, coarse + 0.1 * drawn(*coarse.shape, seed=5)), details)
    assert moved_bands(model, model(x)[0], model(changed)[0]) == {"y1", "c1", "y2", "c2"}


@pytest.mark.parametrize("cues", [0, 1])
def test_luminance_does_not_see_the_colours_of_its_level(cues):
    """4:2:0 destroys fine colours, and with them nothing but c1."""
    model, x = flow(cues=cues), drawn(1, 3, 16, 16)
    low, details = haar(model._mix(x, model.colour))
    details[:, 3:] += 0.1 * drawn(1, 6, 8, 8, seed=5)
    changed = model._mix(unhaar(low, details), model.uncolour)
    assert moved_bands(model, model(x)[0], model(changed)[0]) == {"c1"}


def test_each_latent_moves_its_own_place():
    """A latent of the finest band moves the picture about its own place alone: nothing is squeezed over the picture."""
    model = flow(levels=1, steps=1)
    z = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 3, 64, 64)))
    changed = z.clone()
    band = model.bands(64, 64)[0]
    band.of(changed)[0, 0, 16, 16] += 1  # a view
    moved = (model.inverse(changed) - model.inverse(z)).abs().sum((0, 1))
    rows, columns = moved.nonzero(as_tuple=True)
    assert {32, 33} <= set(rows.tolist())
    assert rows.min() >= 12
    assert rows.max() <= 52
    assert columns.min() >= 12
    assert columns.max() <= 52


# -- colours


def test_luminance_is_jpegs():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    expected = np.asarray(Pillow.fromarray(pixels).convert("YCbCr")).astype(float)
    matrix = np.array(wavelet.YCBCR)
    found = pixels @ matrix.T + [0, 128, 128]
    assert np.abs(found - expected).max() < 1.01  # Pillow's is rounded down


def test_grey_pictures_have_no_colours():
    grey = drawn(1, 1, 16, 16).expand(1, 3, 16, 16)
    for name, content, _ in flow().analyse(grey):
        if name[0] == "c":
            assert content.abs().max() < 1e-12


def test_colours_log_determinant():
    model = flow()
    assert model.ladj_of_colour == pytest.approx(math.log(abs(np.linalg.det(np.array(wavelet.YCBCR)))), rel=1e-9)
    assert torch.allclose(model.colour @ model.uncolour, torch.eye(3, dtype=torch.float64), atol=1e-12)


def test_buffers_are_not_in_the_weights():
    assert not {"colour", "uncolour"} & set(flow().state_dict())


# -- where it begins


@pytest.mark.parametrize("cues", [0, 2])
def test_fresh_flow_brings_pictures_to_order_one(cues):
    model = WaveletFlow([8] * 5, [2] * 5, cues)
    x = to_tensor(samples.astronaut()[:128, 128:256])
    with torch.no_grad():
        z, _ = model(x)
    for band in model.bands(128, 128):
        assert 0.1 < band.of(z).std() < 4, band.name


@torch.no_grad()
def test_fresh_flow_is_linear():
    """Couplings and contexts begin as the identity, whatever the seed."""
    model = WaveletFlow([4, 4, 4], [2, 2, 2]).double()
    x, y = drawn(1, 3, 8, 8), drawn(1, 3, 8, 8, seed=1)
    whole = model((x + y) / 2)[0]
    assert torch.allclose(whole, (model(x)[0] + model(y)[0]) / 2, atol=1e-9)


def test_band_flows_start_at_their_usual_spread():
    model = WaveletFlow([4, 4, 4], [1, 1, 1])
    for name, spread in (("y1", 0.05), ("y2", 0.05 * 1.7), ("c1", 0.01), ("c2", 0.01 * 1.7)):
        start = model.flow(name).chain.flows[0].log_scale
        assert start.exp().flatten().tolist() == pytest.approx([spread] * len(start))


@torch.no_grad()
def test_fresh_flow_with_cues_takes_off_the_colours_that_follow_luminance():
    """Where colours are luminance times one colour, only the estimate's floor and its tempering are left of them."""
    colour = torch.tensor([0.9, 0.5, 0.2], dtype=torch.float64).view(3, 1, 1)
    x = colour * (0.3 + 0.4 * drawn(1, 1, 128, 128))
    plain, cued = (WaveletFlow([4, 4], [1, 1], c).double()(x)[0] for c in (0, 1))
    band = WaveletFlow([4, 4], [1, 1]).bands(128, 128)[1]
    assert band.name == "c1"
    assert band.of(cued).std() < 0.25 * band.of(plain).std()


@torch.no_grad()
def test_analysis_of_one_band_is_that_of_all():
    model, x = flow(cues=1), drawn(1, 3, 16, 16)
    for name, content, context in model.analyse(x):
        alone = {n: (a, b) for n, a, b in model.analyse(x, name)}[name]
        assert torch.equal(alone[0], content)
        assert context is None or torch.equal(alone[1], context)


@torch.no_grad()
def test_border_looks_like_the_inside():
    """A flat picture has flat latents, to the corners: no zeros are padded."""
    model = flow(levels=2)
    z, _ = model(torch.full((1, 3, 32, 32), 0.7, dtype=torch.float64))
    for band in model.bands(32, 32):
        part = band.of(z)
        assert (part - part[..., :1, :1]).abs().max() < 1e-9


# -- parts


def test_squeeze_keeps_neighbours_together():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert squeeze(x)[0, :, 0, 0].tolist() == [0, 1, 4, 5]
    assert squeeze(x).shape == (1, 4, 2, 2)


def test_side_is_what_sizes_must_be_multiples_of():
    for levels in (1, 2, 3):
        model = flow(levels)
        assert model.side == 2 ** (levels + 1)
        assert model(drawn(1, 3, model.side, 2 * model.side))[0].shape == (1, 3, model.side, 2 * model.side)


def test_parts_are_named_as_their_bands():
    model = flow()
    assert set(model.flows) == {b.name for b in model.bands(8, 8)}
    assert isinstance(model.flow("y1"), ConditionalGlow)
    assert isinstance(model.flow("base"), Chain)
