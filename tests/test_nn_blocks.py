"""The block flow: JPEG's own coefficients, where its latents lie, and what depends on what."""

import numpy as np
import pytest
import torch
from flow_helpers import settled
from scipy.fft import dctn
from skimage import data as samples

from stegcli.nn import blocks
from stegcli.nn.blocks import BLOCK, LOW, BlockFlow, coarser, ring, rings
from stegcli.nn.tensors import to_tensor
from stegcli.nn.wavelet import MOST_STYLE, styles

SIZES = [(16, 16), (16, 48), (64, 32)]
SMALL = {"width": 6, "features": 4, "coarse_width": 6, "coarse_features": 4, "base_width": 4, "base_steps": 1}


LAST = ["y5", "y6", "c7", "base"]


def flow(octaves=1):
    return settled(BlockFlow(octaves, **SMALL), 0.1).double().requires_grad_(False)


def photo(height, width, top=0):
    return to_tensor(samples.astronaut()[top : top + height, 192 : 192 + width]).double()


# -- frequencies


@pytest.mark.parametrize("kind", ["y", "c"])
def test_rings_and_the_smaller_picture_have_every_frequency_once(kind):
    found = [i for k in rings(kind) for i in ring(k)] + coarser(LOW[kind])
    assert sorted(found) == list(range(BLOCK * BLOCK))
    for k in rings(kind):
        assert all(max(divmod(i, BLOCK)) == k for i in ring(k))
        assert len(ring(k)) == 2 * k + 1
        assert sorted(coarser(k) + ring(k)) == sorted(coarser(k + 1))


def test_halves_of_a_ring_are_the_two_directions():
    """The first half changes faster down the rows than along them: transposed, it is the second but for the corner."""
    for k in rings("c"):
        first, second = ring(k)[:k], ring(k)[k:]
        assert [(v * BLOCK + u) for u, v in (divmod(i, BLOCK) for i in first)] == second[:-1]


def test_coefficients_are_scipys():
    x = photo(16, 24)
    found = blocks._to_blocks(x, blocks._basis(BLOCK))
    for row in range(2):
        for column in range(3):
            block = x[0, 1, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8].numpy()
            assert np.allclose(found[0, 1, :, row, column].view(8, 8), dctn(block, norm="ortho"))
    assert torch.allclose(blocks._from_blocks(found, blocks._basis(BLOCK)), x)


def test_smaller_pictures_are_the_picture_made_smaller():
    """Of its scale times what a side was divided by, as the low bands of Haar are."""
    model = BlockFlow(1, **SMALL).double()
    ramp = torch.linspace(0.2, 0.7, 32, dtype=torch.float64).expand(1, 3, 32, 32)
    coefficients = blocks._to_blocks(ramp, model.basis)
    for kind, divided in (("y", 2), ("c", 4)):
        smaller = model._smaller(coefficients, kind)
        assert smaller.shape[2:] == (32 // divided, 32 // divided)
        assert (smaller[0, 0, 0].diff() > 0).all()
        assert torch.allclose(smaller.mean() / divided, ramp.mean())
    flat = {n: c for n, c, _ in model.analyse(torch.full((1, 3, 16, 16), 0.75, dtype=torch.float64))}
    assert torch.allclose(flat["base"][:, :4], torch.tensor(0.25 * 8, dtype=torch.float64))
    assert all(content.abs().max() < 1e-12 for name, content in flat.items() if name != "base")


# -- bands


@pytest.mark.parametrize("size", SIZES)
def test_bands_cover_z_once_in_order(size):
    found = flow().bands(*size)
    assert [b.name for b in found] == [*(f"y{i}" for i in range(1, 5)), *(f"c{i}" for i in range(1, 7)), *LAST]
    assert [b.start for b in found] == [0, *(b.stretch.stop for b in found[:-1])]
    assert found[-1].stretch.stop == 3 * size[0] * size[1]
    assert [b.octave for b in found] == [1] * 8 + [2, 2, 2, 3, 3, 4]
    for kind in "yc":
        spreads = [b.spread for b in found if b.name[0] == kind and b.channels > 6]
        assert spreads == sorted(spreads)
    base = found[-1]
    assert (base.height << base.octave, base.width << base.octave) == size


def test_flow_puts_every_band_where_it_says():
    model, x = flow(), photo(16, 32)
    z, _ = model(x)
    for name, content, context in model.analyse(x):
        band = next(b for b in model.bands(16, 32) if b.name == name)
        assert torch.allclose(band.of(z), model.flow(name)(content, context)[0])


def test_one_kind_of_band_may_be_asked_for():
    model, x = flow(), photo(16, 16)
    whole = {n: (v, c) for n, v, c in model.analyse(x)}
    for only in ("y", "c", "y2", "y5", "c5", "base"):
        found = {n: (v, c) for n, v, c in model.analyse(x, only) if n.startswith(only)}
        assert set(found) == {n for n in whole if n.startswith(only)}
        for name, (content, context) in found.items():
            assert torch.equal(content, whole[name][0])
            assert context is None or torch.equal(context, whole[name][1])


# -- the flow


@pytest.mark.parametrize("size", SIZES)
def test_inverse_undoes_forward(size):
    model, x = flow(), photo(*size)
    z, ladj = model(x)
    assert z.shape == x.shape
    assert ladj.shape == (1,)
    assert torch.allclose(model.inverse(z), x, atol=1e-10)
    z = torch.from_numpy(np.random.default_rng(3).standard_normal(x.shape))
    assert torch.allclose(model(model.inverse(z))[0], z, atol=1e-7)


def test_single_precision_is_enough():
    """As it runs: a hundredth of a grey level."""
    model, x = flow(3).float(), photo(64, 64).float()
    assert (model.inverse(model(x)[0]) - x).abs().max() < 0.01 / 255


def test_log_determinant_is_the_jacobians():
    model, x = flow(), photo(16, 16)
    _, ladj = model(x)
    jacobian = torch.autograd.functional.jacobian(lambda v: model(v)[0], x, vectorize=True).reshape(x.numel(), -1)
    assert torch.allclose(ladj[0], torch.linalg.slogdet(jacobian).logabsdet, atol=1e-7)


def test_bands_are_drawn_by_so_much_warmer():
    """And the flow stays a bijection with its own log-determinant; what training sees does not change."""
    heat = {"c": 0.8, "c7": 0.9, "base": 0.7}
    plain, warm = flow(), settled(BlockFlow(1, **SMALL, heat=heat), 0.1).double().requires_grad_(False)
    x = photo(16, 16)
    (z, ladj), (other, warm_ladj) = plain(x), warm(x)
    for band in plain.bands(16, 16):
        factor = heat.get(band.name) or (0.8 if band.name[0] == "c" else 1.0)
        ladj = ladj - band.size * np.log(factor)
        assert torch.allclose(band.of(other) * factor, band.of(z))
    assert torch.allclose(warm_ladj, ladj)
    assert torch.allclose(warm.inverse(other), x)
    for (_, content, _), (_, same, _) in zip(plain.analyse(x), warm.analyse(x), strict=True):
        assert torch.equal(content, same)


STYLE = {"y1": [0.2, -0.1], "c7": [0.3], "y5": [0.0, 0.0, 0.4]}


def styled(ends: float = 0.0):
    """The flow of `flow()`, with styles."""
    return settled(BlockFlow(1, **SMALL, style=STYLE, ends=ends), 0.1).double().requires_grad_(False)


def test_styles_warm_bands_of_a_picture_as_its_base_says():
    """Other bands stay, and the factors are those of the styles of this picture alone."""
    plain, model, x = flow(), styled(), torch.cat([photo(16, 32, top) for top in (0, 40)])
    (z, ladj), (other, own) = plain(x), model(x)
    bands = plain.bands(16, 32)
    told = styles(bands[-1].of(z))
    for band in bands:
        loadings = STYLE.get(band.name, [])
        factor = (told[:, : len(loadings)] @ torch.tensor(loadings, dtype=torch.float64)).exp()
        assert torch.allclose(band.of(other) * factor.view(-1, 1, 1, 1), band.of(z))
        ladj = ladj - band.size * factor.log()
    assert torch.allclose(own, ladj)
    assert len(set(told[:, 0].tolist())) == 2


@pytest.mark.parametrize("ends", [0.0, 1 / 16])
def test_styles_and_ends_leave_a_bijection_with_its_log_determinant(ends):
    model, x = styled(ends), photo(16, 16).clamp(0.01, 0.99)
    z, ladj = model(x)
    assert torch.allclose(model.inverse(z), x, atol=1e-9)
    jacobian = torch.autograd.functional.jacobian(lambda v: model(v)[0], x, vectorize=True).reshape(x.numel(), -1)
    assert torch.allclose(ladj[0], torch.linalg.slogdet(jacobian).logabsdet, atol=1e-6)


def test_styles_of_random_latents_are_independent_bounded_and_do_not_tell_the_mean():
    base = torch.from_numpy(np.random.default_rng(0).standard_normal((4000, 12, 2, 4)))
    told = styles(base)
    assert told.shape == (4000, 12)
    assert told.abs().max() < MOST_STYLE
    drawn = MOST_STYLE * np.tanh(np.random.default_rng(1).standard_normal(100_000) / MOST_STYLE)
    assert torch.allclose(torch.cov(told.T), float(drawn.var()) * torch.eye(12, dtype=torch.float64), atol=0.06)
    mean = base.mean((2, 3))
    assert (told * mean).mean(0).abs().max() < 0.05
    assert torch.allclose(styles(base + 1), told)


def test_no_draw_of_a_flow_with_ends_is_clipped():
    z = torch.from_numpy(np.random.default_rng(1).standard_normal((8, 3, 16, 16)))
    x = styled(1 / 16).inverse(z)
    assert ((x >= 0) & (x <= 1)).all()
    beyond = styled().inverse(z)
    assert ((beyond < 0) | (beyond > 1)).any()


def test_items_of_a_batch_do_not_meet():
    model, x = flow(), torch.cat([photo(16, 16, top) for top in (0, 40, 80)])
    z, ladj = model(x)
    for i in range(3):
        alone, own = model(x[i : i + 1])
        assert torch.allclose(alone[0], z[i], atol=1e-10)
        assert torch.allclose(own[0], ladj[i])


def moved_bands(model, x, coefficient, plane=0):
    """Names of the bands whose latents move when one coefficient of every block does."""
    basis, uncolour = blocks._basis(BLOCK)[coefficient], model.uncolour[:, plane]
    pattern = basis.repeat(1, x.shape[2] // BLOCK, x.shape[3] // BLOCK)
    z, other = model(x)[0], model(x + 0.05 * uncolour.view(1, 3, 1, 1) * pattern[None])[0]
    return {b.name for b in model.bands(*x.shape[2:]) if (b.of(z) - b.of(other)).abs().max() > 1e-12}


def test_fine_luminance_does_not_reach_what_is_coarser():
    model, x = flow(), photo(32, 32)
    colours = {f"c{BLOCK - k}" for k in rings("c")}
    for k in rings("y"):
        assert moved_bands(model, x, ring(k)[0]) == {f"y{i}" for i in range(1, BLOCK - k + 1)} | colours


def test_colours_do_not_reach_fine_luminance():
    model, x = flow(), photo(32, 32)
    for k in rings("c"):
        assert moved_bands(model, x, ring(k)[0], plane=1) == {f"c{i}" for i in range(1, BLOCK - k + 1)}


def test_coarse_content_reaches_all_luminance_and_colours():
    model, x = flow(), photo(32, 32)
    assert moved_bands(model, x, 1) == {b.name for b in model.bands(32, 32)} - {"base"}


def test_every_parameter_learns():
    """Its loss is that of all flows: nothing in it is idle."""
    model = settled(BlockFlow(1, **SMALL), 0.2)
    z, ladj = model(photo(32, 32).float())
    (0.5 * z.square().sum() - ladj.sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name
