"""Estimators of LSB replacement tell the share of samples that changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from skimage import data as samples

from stegcli.detectors import estimators


def replaced(channel: np.ndarray, rate: float) -> np.ndarray:
    """LSB replacement of random bits in a share of the samples."""
    rng = np.random.default_rng(0)
    chosen = rng.random(channel.shape) < rate
    return np.where(chosen, channel & 254 | rng.integers(0, 2, channel.shape, np.uint8), channel).astype(np.uint8)


@pytest.mark.parametrize("estimate", [estimators.spa, estimators.ws, estimators.rs])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.4, 0.8])
def test_estimators_tell_the_share_that_changed(estimate: Callable[[np.ndarray], float], rate: float) -> None:
    channel = np.ascontiguousarray(samples.camera()[::2, ::2])
    before = estimate(channel)
    assert abs(before) < 0.03
    assert estimate(replaced(channel, rate)) - before == pytest.approx(rate / 2, abs=0.03)


def test_the_test_of_pairs_finds_full_replacement() -> None:
    """It nears 1 there: their statistic is half of what its distribution says, as in the paper."""
    channel = np.ascontiguousarray(samples.camera()[::2, ::2])
    before, after = (estimators.chi_square(c) for c in (channel, replaced(channel, 1.0)))
    assert before < 0.6
    assert after > 0.9
