"""The linear detector finds what is there, and nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from stegcli.detectors import linear


def features(count: int, wide: int, shift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Covers that differ widely, and stegos of each that moved a little along one direction."""
    rng = np.random.default_rng(seed)
    covers = rng.normal(0, 1, (count, wide))
    way = rng.normal(0, 1, wide) / wide**0.5
    return covers, covers + shift * way + rng.normal(0, 0.05, (count, wide))


def test_a_shift_is_found_though_covers_differ_more() -> None:
    innocent, stego = features(120, 40, 4.0)
    found = linear.scores(innocent, stego, np.arange(80), np.arange(80, 120))
    assert (found[0] <= 0).mean() > 0.9
    assert (found[1] > 0).mean() > 0.9


def test_nothing_is_found_where_nothing_is() -> None:
    rng = np.random.default_rng(0)
    innocent, stego = rng.normal(0, 1, (2, 600, 100))
    assert linear.told_apart(innocent, stego)[0] == pytest.approx(0.5, abs=0.04)


def test_what_is_judged_is_not_learnt_from() -> None:
    innocent, stego = features(60, 30, 2.0)
    learn, test = np.arange(40), np.arange(40, 60)
    before = linear.scores(innocent, stego, learn, test)
    innocent[50:] += 100
    stego[50:] -= 100
    after = linear.scores(innocent, stego, learn, test)
    assert np.allclose(before[0][:10], after[0][:10])
    assert np.allclose(before[1][:10], after[1][:10])


def test_folds_judge_each_pair_once() -> None:
    innocent, stego = features(60, 30, 6.0)
    assert linear.told_in_folds(innocent, stego, np.arange(60) % 5) > 0.9
    assert linear.told_in_folds(innocent, innocent.copy(), np.arange(60) % 5) == pytest.approx(0.5)


def test_very_few_pairs_are_enough() -> None:
    innocent, stego = features(4, 10, 8.0)
    assert all(np.isfinite(s).all() for s in linear.scores(innocent, stego, np.array([0, 1]), np.array([2, 3])))
