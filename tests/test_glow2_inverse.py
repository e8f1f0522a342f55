"""glow2's robust inverse: it begins as the plain one, hears of the quality, and learns from real JPEG files."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from skimage import data as samples
from torch import nn

from stegcli.methods.glow2 import recipe_flow
from stegcli.methods.glow2.inverse import RobustInverse, UNet
from stegcli.methods.glow2.noise import from_pixels
from stegcli.methods.glow2.recipe_inverse import (
    COLOUR_WEIGHT,
    RECIPE,
    TEMPERATURE,
    capacity,
    generate,
    inverse_loss,
    sample,
    through,
    validate,
)
from stegcli.nn import generators
from stegcli.nn.wavelet import WaveletFlow
from stegcli.recipe import Noise, Step

SHAPE = {"widths": [8, 8, 8], "steps": [1, 1, 1]}
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
        self.inverse = RobustInverse(SHAPE, features=[4, 6, 8])
        self.inverse.adopt(self.g2)


@pytest.fixture
def carrier():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Carrier()


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


@pytest.mark.parametrize("quality", [1, 40, 100])
def test_begins_as_the_plain_inverse_to_the_bit(carrier, photos, quality):
    received = torch.cat([from_pixels(p) for p in photos])
    found = carrier.inverse(received, torch.tensor([quality, 90]))
    assert torch.equal(found, carrier.g2(received)[0])
    assert found.shape == received.shape


def test_adopted_weights_are_its_own(carrier):
    before = {n: p.clone() for n, p in carrier.g2.state_dict().items()}
    disturbed(carrier.inverse, 0.1)
    assert all(torch.equal(p, before[n]) for n, p in carrier.g2.state_dict().items())


def test_another_shape_of_g2_is_refused(carrier):
    with pytest.raises(RuntimeError):
        carrier.inverse.adopt(WaveletFlow(widths=[8, 8, 16], steps=[1, 1, 1]))


@pytest.mark.parametrize("widths", [[4], [4, 6], [4, 6, 8]])
def test_unet_adds_nothing_at_first_and_then_as_the_quality_says(widths):
    net, x = UNet(widths), torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    assert torch.equal(net(x, torch.tensor([40, 90])), torch.zeros_like(x))
    disturbed(net, 0.1)
    low, high, mixed = (net(x, torch.tensor(q)) for q in ([40, 40], [90, 90], [40, 90]))
    assert (low - high).abs().max() > 1e-3
    assert torch.allclose(mixed, torch.stack([low[0], high[1]]), atol=1e-6)


def test_whole_numbers_and_floats_are_the_same_quality(carrier, photos):
    disturbed(carrier.inverse, 0.1)
    x = torch.cat([from_pixels(p) for p in photos])
    assert torch.equal(carrier.inverse(x, torch.tensor([40, 80])), carrier.inverse(x, torch.tensor([40.0, 80.0])))


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


def test_loss_is_the_error_of_each_band_with_colours_weighted_down(carrier, monkeypatch):
    """Of an inverse that finds nothing at all, the mean square of the latents themselves: 1."""
    monkeypatch.setattr(RobustInverse, "forward", lambda self, received, qf: torch.zeros_like(received))
    terms = inverse_loss(carrier, IMAGES, step())
    assert list(terms) == ["y1", "c1", "y2", "c2", "base"]
    for name, value in terms.items():
        expected = COLOUR_WEIGHT if name.startswith("c") else 1
        assert value.item() / expected == pytest.approx(1, abs=0.1)


def test_loss_hangs_on_the_step_alone(carrier):
    first, again, other = (
        total(inverse_loss(carrier, images, step(number)))
        for images, number in ((IMAGES, 0), (torch.rand_like(IMAGES), 0), (IMAGES, 1))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_all_of_the_inverse_learns_and_g2_stays(carrier):
    disturbed(carrier.inverse.restore, 0.05)
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
    assert losses[-1] < 0.9 * losses[0]


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
    assert shown.shape == (12, 3, 64, 64)
    assert shown.min() >= 0
    assert shown.max() <= 1


def test_recipe_is_for_the_g2_that_ships_trained():
    assert RECIPE.config["g2"] == recipe_flow.RECIPES["g2"].config["g2"]
    assert recipe_flow.TEMPERATURE == TEMPERATURE
    built = RobustInverse(**RECIPE.config["inverse"])
    built.adopt(generators.build(RECIPE.config["g2"]))
    assert RECIPE.stages[0].crop % built.flow.side == 0
