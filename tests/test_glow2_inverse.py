"""glow2's robust inverse: it begins as the plain one, learns from real JPEG files, and reads them in the receiver."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from skimage import data as samples
from torch import nn

from stegcli.methods.glow2 import noise, recipe_flow, recipe_inverse
from stegcli.methods.glow2.inverse import RobustInverse
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.noise import from_pixels
from stegcli.methods.glow2.recipe_inverse import (
    RECIPE,
    TEMPERATURE,
    UNIT,
    capacity,
    generate,
    inverse_loss,
    sample,
    through,
    validate,
)
from stegcli.nn import generators
from stegcli.nn.wavelet import Pyramid, WaveletFlow
from stegcli.pictures import image
from stegcli.pictures.image import Picture
from stegcli.recipe import Noise, Step

SHAPE = {"widths": [8, 8, 8], "steps": [1, 1, 1]}
BANDS = ["y1", "y2"]
BATCH = 3
IMAGES = torch.zeros(BATCH, 3, 64, 64)


def disturbed(module, scale):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator))
    return module


class Carrier(nn.Module):
    """Stands in for the method: all that the recipe reads of it is `g2` and `inverse`."""

    def __init__(self):
        super().__init__()
        self.g2 = disturbed(WaveletFlow(**SHAPE), 0.05).requires_grad_(False)
        self.inverse = RobustInverse(SHAPE, BANDS)
        self.inverse.adopt(self.g2)


@pytest.fixture
def carrier():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Carrier()


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Nearly all draws of a flow that is not trained are clipped, so that to wait for others takes long."""
    monkeypatch.setattr(recipe_inverse, "STOCK", 4)
    monkeypatch.setattr(recipe_inverse, "acceptable", lambda x: True)


@pytest.fixture(scope="module")
def photos():
    """uint8 (2, 64, 64, 3)."""
    whole = samples.astronaut()
    return np.stack([whole[:64, 192:256], whole[64:128, 192:256]])


def step(number=0, count=BATCH):
    return Step(Noise.of(0, number, range(count)), 0.5)


def total(terms):
    return torch.stack(list(terms.values())).sum()


# -- the network


def test_begins_as_the_plain_inverse_to_the_bit(carrier, photos):
    received = torch.cat([from_pixels(p) for p in photos])
    assert torch.equal(carrier.inverse.reader(carrier.g2)(received)[0], carrier.g2(received)[0])


def test_only_its_bands_are_read_in_another_way(carrier, photos):
    disturbed(carrier.inverse, 0.1)
    received = torch.cat([from_pixels(p) for p in photos])
    plain, robust = carrier.g2(received)[0], carrier.inverse.reader(carrier.g2)(received)[0]
    for band in carrier.g2.bands(64, 64):
        assert torch.equal(band.of(plain), band.of(robust)) == (band.name not in BANDS), band.name


def test_its_weights_are_its_own(carrier):
    before = {n: p.clone() for n, p in carrier.g2.state_dict().items()}
    disturbed(carrier.inverse, 0.1)
    reader = carrier.inverse.reader(carrier.g2)
    assert all(torch.equal(p, before[n]) for n, p in carrier.g2.state_dict().items())
    assert set(carrier.g2.flows) == set(reader.flows)


def test_another_shape_of_g2_is_refused(carrier):
    with pytest.raises(RuntimeError):
        carrier.inverse.adopt(WaveletFlow(widths=[8, 16, 8], steps=[1, 1, 1]))


# -- in the receiver


@pytest.fixture
def method():
    config = {"g2": SHAPE, "inverse": {"flow": SHAPE, "bands": BANDS, "spread": {"y1": 0.25}}}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        built = Glow2(**config)
        disturbed(built.networks, 0.05)
        built.inverse.adopt(built.g2)
        disturbed(built.inverse, 0.1)
    return built


def test_jpeg_files_are_read_by_it_and_others_are_not(method, photos):
    for quality in (None, 80):
        picture = Picture(photos[0])
        if quality is not None:
            picture = image.decode(image.encode(picture, "JPEG", quality), "a stego")
        with torch.no_grad():
            flow = method.g2 if quality is None else method.inverse.reader(method.g2)
            expected = flow(from_pixels(picture.pixels))[0].flatten().numpy()
            assert np.array_equal(method.read(picture).z, expected)


def test_what_had_been_a_jpeg_is_read_by_it_too(method, photos):
    picture = image.decode(image.encode(Picture(photos[0]), "JPEG", 80), "a stego")
    with torch.no_grad():
        found = method.latents(picture.pixels, image.quantisation_of(80))
        assert np.array_equal(found.z, method.read(picture).z)


def test_its_errors_are_calibrated_by_band(method, photos):
    picture = image.decode(image.encode(Picture(photos[0]), "JPEG", 80), "a stego")
    with torch.no_grad():
        plain = noise.read(method.inverse.reader(method.g2), picture.pixels, picture.jpeg).spread
        found = method.read(picture).spread
    for band in method.bands(64, 64):
        factor = 0.25 if band.name == "y1" else 1
        assert np.allclose(found[band.stretch], factor * plain[band.stretch]), band.name


# -- what it learns from


def test_files_are_real_ones_each_of_its_quality(photos):
    arrived = through(torch.cat([from_pixels(p) for p in photos]), [40, 95], step(count=2).noise)
    for item, pixels, quality in zip(arrived, photos, [40, 95], strict=True):
        buffer = io.BytesIO()
        Pillow.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
        assert torch.equal(item[None], from_pixels(np.array(Pillow.open(buffer))))


def test_pictures_are_g2s_at_the_temperature(carrier):
    z = step().noise.normal(3, 64, 64)
    assert torch.allclose(carrier.g2(generate(carrier.g2, z))[0], TEMPERATURE * z, atol=1e-3)


def test_stock_is_drawn_once_and_is_g2s(carrier):
    stock = recipe_inverse.stock(carrier.g2, 64, 64)
    z, pixels = stock[0]
    assert stock[0][0] is z
    assert not torch.equal(stock[1][0], z)
    assert np.array_equal(pixels, noise.to_pixels(generate(carrier.g2, z[None])))
    assert recipe_inverse.stock(carrier.g2, 64, 64) is stock
    assert recipe_inverse.stock(carrier.g2, 32, 64) is not stock


def test_stock_passes_over_draws_that_no_sender_takes(carrier, monkeypatch):
    first, _ = recipe_inverse.Stock(carrier.g2, 64, 64)[0]
    answers = iter([False, True])
    monkeypatch.setattr(recipe_inverse, "acceptable", lambda x: next(answers))
    second, _ = recipe_inverse.Stock(carrier.g2, 64, 64)[0]
    assert not torch.equal(first, second)
    assert next(answers, None) is None


def test_loss_is_what_the_files_take_from_the_bands(carrier, monkeypatch):
    """Latents with noise of half their size have log2(5) / 2 bits each; their variance is 1.25."""

    def reader(self, g2):
        halves = [recipe_inverse.stock(g2, 64, 64)[i][0] for i in chosen]
        return lambda received: (TEMPERATURE * (torch.stack(halves) + 0.5 * torch.randn(BATCH, 3, 64, 64)), None)

    chosen = [int(g.integers(4)) for g in step().noise.generators]
    monkeypatch.setattr(RobustInverse, "reader", reader)
    torch.manual_seed(0)
    terms = inverse_loss(carrier, IMAGES, step())
    assert list(terms) == [*BANDS, "variance"]
    assert -float(terms["y1"] + terms["y2"]) == pytest.approx(math.log2(5) / 2, rel=0.02)
    assert float(terms["variance"]) == pytest.approx(UNIT * math.log(1.25) ** 2, rel=0.1)


def test_loss_hangs_on_the_step_alone(carrier):
    first, again, other = (
        total(inverse_loss(carrier, images, step(number)))
        for images, number in ((IMAGES, 0), (torch.rand_like(IMAGES), 0), (IMAGES, 1))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_all_of_the_inverse_learns_and_g2_stays(carrier):
    disturbed(carrier.inverse, 0.01)
    total(inverse_loss(carrier, IMAGES, step())).backward()
    assert all(p.grad is None for p in carrier.g2.parameters())
    for name, parameter in carrier.inverse.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_a_few_steps_lower_the_loss(carrier):
    optimizer = torch.optim.Adam(carrier.inverse.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = total(inverse_loss(carrier, IMAGES, step()))
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0] - 0.005


# -- how it is measured


def test_capacity_is_shannons(carrier):
    z = step().noise.normal(3, 64, 64)
    noise = step(1).noise.normal(3, 64, 64)
    bands = carrier.g2.bands(64, 64)
    expected = z[0].numel() * 0.5 * math.log2(1 + 1 / 0.5**2) / 8
    assert capacity(bands, z, z + 0.5 * noise) == pytest.approx(expected, rel=0.02)
    assert capacity(bands, z, 3 - 7 * (z + 0.5 * noise)) == pytest.approx(expected, rel=0.02)
    assert capacity(bands, z, noise) < 0.005 * expected
    assert capacity(bands, z, torch.zeros_like(z)) == 0


def test_validation_repeats_and_begins_with_both_alike(carrier):
    figures = validate(carrier, IMAGES)
    assert figures == validate(carrier, IMAGES)
    for quality in (90, 80, 40):
        assert figures[f"robust_q{quality}"] == figures[f"plain_q{quality}"]
    assert figures["plain_q90"] > figures["plain_q80"] > figures["plain_q40"] > 0


def test_sample_shows_pictures(carrier):
    shown = sample(carrier, IMAGES)
    assert shown.shape == (16, 3, 64, 64)
    assert shown.min() >= 0
    assert shown.max() <= 1


def test_recipe_is_for_the_g2_that_ships_trained():
    assert RECIPE.config["g2"] == recipe_flow.RECIPES["g2"].config["g2"]
    assert recipe_flow.TEMPERATURE == TEMPERATURE
    g2 = generators.build(RECIPE.config["g2"])
    assert isinstance(g2, Pyramid)
    RobustInverse(**RECIPE.config["inverse"]).adopt(g2)
    assert RECIPE.stages[0].crop % g2.side == 0
