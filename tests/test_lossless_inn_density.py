"""lossless-inn: the density that gives the coset coder its costs, and changes that cost more one way than the other."""

import numpy as np
import pytest
import torch
from hiding import hide, reveal
from skimage import data as samples

from stegcli import weights
from stegcli.coding import payload, trellis
from stegcli.coding.payload import Plan
from stegcli.errors import WeightsError
from stegcli.keys import key as keys
from stegcli.methods.lossless_inn import costs, recipe_density
from stegcli.methods.lossless_inn.density import Density, log_likelihood
from stegcli.methods.lossless_inn.directed import DirectedPlanes
from stegcli.methods.lossless_inn.fitted import Fitted, losses
from stegcli.methods.lossless_inn.method import build
from stegcli.nn import tensors
from stegcli.pictures import image
from stegcli.pictures.image import Picture
from stegcli.recipe import Noise, Step

SMALL = {"coder": "coset", "costs": "density", "width": 4, "side": 5}


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    net = Density(width=4, side=5)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return net.requires_grad_(False)


@pytest.fixture(scope="module")
def fitted(net):
    return Fitted.of({name: tensor.numpy() for name, tensor in net.state_dict().items()}, 4, 5)


@pytest.fixture
def levels():
    return torch.randint(0, 256, (1, 3, 20, 24), generator=torch.Generator().manual_seed(1)).float()


# -- the density


def test_a_sample_does_not_see_itself_but_the_other_colours_of_its_place(net, levels):
    changed = levels.clone()
    changed[0, 1, 10, 12] = (levels[0, 1, 10, 12] + 100) % 256
    for before, after in zip(net(levels), net(changed), strict=True):
        moved = (before - after).abs()[0, :, 10, 12]
        assert moved[1] < 1e-3
        assert min(moved[0], moved[2]) > 1e-2


def test_reach_is_what_is_seen(net, levels):
    changed = levels.clone()
    changed[0, :, 10, 12] += 50
    moved = sum((a - b).abs().sum((0, 1)) for a, b in zip(net(levels), net(changed), strict=True)) > 1e-3
    rows, columns = moved.nonzero().T
    assert (rows.min(), rows.max()) == (10 - net.reach, 10 + net.reach)
    assert (columns.min(), columns.max()) == (12 - net.reach, 12 + net.reach)


def test_brightness_moves_the_mean_along(net, levels):
    mean, scale = net(levels)
    brighter_mean, same_scale = net(levels + 9)
    assert torch.allclose(brighter_mean, mean + 9, atol=1e-2)
    assert torch.allclose(same_scale, scale, rtol=1e-3)


def test_likelihood_of_all_levels_is_one():
    mean, scale = torch.tensor([[127.3], [100.0]]), torch.tensor([[0.05], [6.0]])
    mass = log_likelihood(torch.arange(-200.0, 500.0)[None], mean, scale).exp().sum(1)
    assert torch.allclose(mass, torch.ones(2), atol=1e-4)


def test_training_makes_photos_likelier():
    torch.manual_seed(0)
    method = build(**SMALL)
    crop = np.ascontiguousarray(samples.coffee()[100:164, 200:264])
    images = tensors.to_tensor(crop)
    step = Step(Noise.of(0, 0, range(1)), 0.0)
    optimizer = torch.optim.Adam(method.networks.parameters(), lr=1e-2)
    seen = []
    for _ in range(40):
        loss = sum(recipe_density.likelihood_loss(method, images, step).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    assert seen[-1] < seen[0] - 0.5
    assert set(recipe_density.validate(method, images)) == {"nats", "nats_halved"}
    assert recipe_density.sample(method, images).shape == (3, 3, 64, 64)


# -- costs


class Expects:
    """A density around 100 of scale 1, whatever it is shown."""

    reach = 1

    def __call__(self, padded):
        inside = padded[:, 1:-1, 1:-1]
        return np.full_like(inside, 100), np.ones_like(inside)


def test_the_way_to_the_likely_is_cheap_and_the_way_back_dear():
    pixels = np.full((8, 8, 3), 100, np.uint8)
    pixels[:, :4] = 97
    up, down = (c.reshape(3, 8, 8) for c in costs.of_density(Expects(), pixels))
    assert up.dtype == np.float16
    assert (up[..., :4] == costs.OWN).all()
    assert (down[..., :4] > costs.OWN + costs.NATS / 2).all()
    assert np.allclose(up[..., 4:], down[..., 4:], rtol=1e-4)


def test_what_is_foretold_well_is_dear():
    class Sure(Expects):
        def __call__(self, padded):
            mean, scale = super().__call__(padded)
            return mean, scale / 4

    pixels = np.full((8, 8, 3), 97, np.uint8)
    (usual, _), (sure, _) = (costs.of_density(kind(), pixels) for kind in (Expects, Sure))
    assert np.allclose(sure, 4 * usual)


def test_costs_do_not_depend_on_tiles(fitted, levels, monkeypatch):
    pixels = levels[0].permute(1, 2, 0).numpy().astype(np.uint8)
    whole = costs.of_density(fitted, pixels)
    monkeypatch.setattr(costs, "TILE", 8)
    assert np.allclose(whole, costs.of_density(fitted, pixels), rtol=2e-3)


def test_costs_are_those_of_the_whole_picture_reflected_at_its_border(fitted, levels):
    pixels = levels[0].permute(1, 2, 0).numpy().astype(np.uint8)
    plain = levels[0].numpy()
    padded = np.pad(plain, ((0, 0), *[(fitted.reach, fitted.reach)] * 2), mode="reflect")
    mean, scale = fitted(padded)
    ways = losses(plain, mean, scale)
    expected = [(costs.OWN / scale + costs.NATS * np.maximum(nats, 0)).reshape(-1) for nats in ways]
    assert np.allclose(costs.of_density(fitted, pixels), expected, rtol=2e-3)


# -- directed changes


def carried(planes, bits):
    """Random bits through both planes, as the coset layout does it -> the two planes, and the message of each."""
    n = len(planes)
    high = bits * planes.share(bits, n) // 256
    found, messages = [], []
    for index, count in enumerate((bits - high, high)):
        x, cost = planes.plane(index, found[0] if index else None)
        code = trellis.Code(n, count)
        messages.append(np.random.default_rng(index).integers(0, 2, count, np.uint8))
        found.append(trellis.embed(code, x, cost, messages[-1]))
        assert np.array_equal(trellis.extract(code, found[-1]), messages[-1])
    return found[0], found[1]


def test_samples_move_the_cheap_way():
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, 8192).astype(np.int16)
    rises = rng.integers(0, 2, 8192).astype(bool)
    cheap, dear = np.full(8192, 0.5, np.float32), np.full(8192, 3.0, np.float32)
    planes = DirectedPlanes(levels, np.where(rises, cheap, dear), np.where(rises, dear, cheap))
    low, high = carried(planes, 1000)
    step = ((low | high << 1) - levels + 1 & 3) - 1
    moved = np.abs(step) == 1
    assert 0 < moved.mean() < 0.06
    assert ((step > 0) == rises)[moved].mean() > 0.95
    assert (step == 2).sum() < 5


@pytest.mark.parametrize("bits", [300, 3000, 8000])
def test_equal_ways_give_the_share_that_is_known_for_them(bits):
    ones = np.ones(8192, np.float32)
    planes = DirectedPlanes(np.full(8192, 100, np.int16), ones, ones)
    assert planes.share(bits, 8192) == pytest.approx(payload.upper_share(bits, 8192), abs=2)


def test_no_sample_leaves_the_range():
    levels = np.repeat(np.array([0, 255], np.int16), 4096)
    ones = np.ones(8192, np.float32)
    low, high = carried(DirectedPlanes(levels, ones, ones), 4000)
    method = build(**SMALL)
    planes = levels[: 3 * 32 * 64].reshape(3, 32, 64).astype(np.uint8)
    cover = Picture(np.ascontiguousarray(planes.transpose(1, 2, 0)))
    bits = np.stack([low, high])[:, : 3 * 32 * 64]
    plan = Plan(bits, np.ones_like(bits, bool), bits.size, keys.generate("lossless-inn", "test"))
    stego = method.carry(plan, cover, keys.generate("lossless-inn", "test"))
    assert np.abs(stego.pixels.astype(int) - cover.pixels).max() <= 3


# -- the method


def test_whoever_reveals_needs_no_density():
    torch.manual_seed(0)
    method = build(**SMALL)
    method.networks.requires_grad_(False)
    cover = Picture(np.ascontiguousarray(samples.coffee()[:64, :96]))
    key = keys.generate("lossless-inn", "test")
    hidden = hide(b"costs are the sender's", cover, key, method)
    plain = weights.load("lossless-inn", "coset-1")
    assert reveal(image.decode(hidden.file), key, plain) == b"costs are the sender's"


def test_unknown_costs_are_told():
    with pytest.raises(WeightsError, match="no costs"):
        build(coder="coset", costs="nonesuch")
    with pytest.raises(TypeError, match="width"):
        build(coder="coset", width=4)
