"""What coarse content tells of details: energies, and how colours follow luminance."""

import numpy as np
import pytest
import torch

from stegcli.nn.cues import CUES, PREDICTED, WINDOWS, cues, predicted


def noise(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def coloured(*factors, side=32):
    """Luminance and two colours that are its multiples."""
    luminance = noise(1, 1, side, side)
    return torch.cat([luminance, *(f * luminance for f in factors)], dim=1)


@pytest.mark.parametrize("size", [(2, 2), (4, 8), (32, 16)])
def test_shapes_at_any_size(size):
    told, factors = cues(noise(2, 3, *size))
    assert told.shape == (2, CUES, *size)
    assert factors.shape == (2, len(WINDOWS), 2, *size)
    assert predicted(noise(2, 3, *size), factors).shape == (2, PREDICTED, *size)
    assert told.isfinite().all()


def test_flat_content_tells_of_nothing():
    told, factors = cues(torch.full((1, 3, 16, 16), 0.4))
    assert factors.abs().max() == 0
    assert (told - told[..., :1, :1]).abs().max() < 1e-6


@pytest.mark.parametrize("pair", [(0.5, -0.3), (1.5, 0.0)])
def test_factors_are_found(pair):
    _, factors = cues(coloured(*pair))
    for colour, factor in enumerate(pair):
        assert factors[0, :, colour].mean().item() == pytest.approx(factor, rel=0.05, abs=1e-6)


def test_factors_stay_bounded():
    _, factors = cues(coloured(1000.0, -1000.0))
    assert factors.abs().max() <= 6


def test_what_follows_luminance_is_predicted():
    """Details of luminance (b, 3, h, w) come back times each colour's factor, first colour first, window by window."""
    _, factors = cues(coloured(0.5, -0.3))
    details = noise(1, 3, 32, 32, seed=1)
    expected = torch.cat([0.5 * details, -0.3 * details], dim=1)
    for window in predicted(details, factors).split(6, dim=1):
        assert (window - expected).abs().mean() < 0.05 * expected.abs().mean() + 0.02


def test_energies_follow_the_content():
    """Ten times the contrast raises each cue of luminance's energy by log 10: half of a square's logarithm."""
    calm, busy = (cues(c * coloured(0.0, 0.0))[0] for c in (1.0, 10.0))
    rise = (busy - calm)[0, 9:12].mean().item()
    assert rise == pytest.approx(np.log(10), rel=0.02)


def test_cues_look_no_further_than_their_windows():
    seen = noise(1, 3, 64, 64)
    changed = seen.clone()
    changed[..., :20, :] += 1
    moved = (cues(changed)[0] - cues(seen)[0]).abs().amax((0, 1, 3)) > 1e-9
    reach = 2 * (WINDOWS[-1] // 2) + 1  # what is left of colours is averaged after their factors were
    assert moved[:20].any()
    assert not moved[20 + reach :].any()


def test_rounding_hardly_changes_them():
    """Half a grey level of noise in flat content, which a file adds, stays below the floor."""
    flat = torch.full((1, 3, 32, 32), 0.4, dtype=torch.float64)
    moved = cues(flat + noise(1, 3, 32, 32) * 0.3 * 4 / 256)[0] - cues(flat)[0]
    assert moved.abs().mean() < 0.25
