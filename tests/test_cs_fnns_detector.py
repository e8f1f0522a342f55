"""cs-fnns' detector: any size, gradients down to the picture, and a training that learns to see perturbations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from stegcli.methods.cs_fnns.cover import DARKEST, GRAIN, LIGHTEST, strength, within
from stegcli.methods.cs_fnns.detector import Detector
from stegcli.methods.cs_fnns.recipe_detector import RECIPE, pairs, random_pairs
from stegcli.methods.cs_fnns.search import deviation
from stegcli.recipe import Noise, Step

LOSS = RECIPE.stages[0].loss


class Carrier(nn.Module):
    """Stands in for the method: all that the recipe reads of it is `detector`."""

    def __init__(self, width: int = 4):
        super().__init__()
        self.detector = Detector(width)


@pytest.fixture
def carrier():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Carrier()


@pytest.fixture(scope="module")
def pictures():
    """Smooth waves, float32 (8, 3, 64, 64) in [0, 1]."""
    y, x = np.mgrid[:64, :64]
    waves = [np.sin(x / (4 + i)) * np.cos(y / (9 - i)) for i in range(8)]
    return torch.tensor(np.stack(waves), dtype=torch.float32)[:, None].expand(8, 3, 64, 64) * 0.3 + 0.5


def noise(step, count=8):
    return Noise.of(0, step, range(count))


def same(value):
    return torch.full((8,), float(value))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 127), (256, 64)])
def test_any_size_from_64(carrier, height, width):
    told = carrier.detector(torch.rand(2, 3, height, width) * 255)
    assert told.shape == (2,)
    assert torch.isfinite(told).all()


def test_smaller_pictures_are_refused(carrier):
    with pytest.raises(ValueError, match="smaller than 64"):
        carrier.detector(torch.zeros(1, 3, 64, 63))


def test_pictures_are_judged_one_by_one(carrier, pictures):
    levels = (pictures * 255).round()
    together, alone = carrier.detector(levels), torch.cat([carrier.detector(p[None]) for p in levels])
    torch.testing.assert_close(together, alone)


def test_gradient_reaches_every_sample(carrier):
    picture = (torch.rand(1, 3, 64, 64) * 20 + 100).requires_grad_(True)
    carrier.detector(picture).sum().backward()
    assert (picture.grad != 0).float().mean() > 0.99


def test_flat_colour_and_slopes_are_not_seen(carrier):
    slope = torch.arange(64.0).expand(1, 3, 64, 64)
    torch.testing.assert_close(carrier.detector(slope + 50), carrier.detector(torch.full((1, 3, 64, 64), 9.0)))


def test_size_of_the_file():
    tensors = Detector(**RECIPE.config["detector"]).state_dict()
    assert sum(t.numel() for t in tensors.values()) * 2 < 200_000


def test_pairs_differ_by_whole_levels_of_the_strength_asked_for(pictures):
    for psnr in (42, 46):
        covers, stegos = pairs(pictures, noise(0), same(psnr), same(0), same(0))
        assert torch.equal(covers, covers.round())
        assert torch.equal(stegos, stegos.round())
        assert (stegos - covers).std().item() == pytest.approx(deviation(psnr), rel=0.02)


def test_less_grain_and_a_perturbation_look_like_grain(pictures):
    left = strength(GRAIN, 46)
    covers, stegos = pairs(pictures, noise(0), same(46), same(GRAIN), same(left))
    for side in (covers, stegos):
        assert (side - within(pictures * 255)).std().item() == pytest.approx(GRAIN, rel=0.02)


def test_covers_keep_from_black_and_white(pictures):
    covers, _ = pairs((pictures > 0.5).float(), noise(0), same(46), same(0), same(0))
    assert (covers.min(), covers.max()) == (DARKEST, LIGHTEST)


def test_random_pairs_are_with_and_without_grain(pictures):
    drawn = [random_pairs(pictures, noise(step)) for step in range(10)]
    plain = torch.cat([(c == within(pictures * 255).round()).flatten(1).all(1) for c, _ in drawn])
    assert 20 < plain.sum() < 60


def test_loss_repeats_and_depends_on_the_step(carrier, pictures):
    first, again, other = (LOSS(carrier, pictures, Step(noise(s), 0.0))["bce"].item() for s in (1, 1, 2))
    assert first == again != other


def test_training_learns_to_see_perturbations(carrier, pictures):
    optimizer = torch.optim.Adam(carrier.parameters(), lr=1e-2)
    losses = []
    for step in range(30):
        optimizer.zero_grad()
        terms = LOSS(carrier, pictures[:4], Step(noise(step, 4), 0.0))
        terms["bce"].backward()
        optimizer.step()
        losses.append(terms["bce"].item())
    assert np.mean(losses[-10:]) < 0.6 < np.mean(losses[:5])
    figures = RECIPE.validate(carrier, pictures)
    assert figures["right_42"] > 0.9
    assert figures["right_46_grain"] < 0.8


@torch.no_grad()
def test_sample_is_a_sheet_of_four_columns(carrier, pictures):
    sheet = RECIPE.sample(carrier, pictures[:2])
    assert sheet.shape == (1, 3, 2 * 64, 4 * 64)
    assert sheet.min() >= 0
    assert sheet.max() <= 1
