"""Scores -> accuracy with its interval, ROC area, P_E, ROC points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stegcli.detectors import figures


def test_sides_that_do_not_meet_are_told_without_error() -> None:
    found = figures.verdict(np.array([-3.0, -2.0, -1.0]), np.array([1.0, 2.0]))
    assert (found.accuracy, found.auc, found.p_e) == (1.0, 1.0, 0.0)
    assert found.high == 1.0
    assert found.low < 0.7  # five pictures say little


def test_a_threshold_off_its_place_costs_accuracy_but_no_area() -> None:
    found = figures.verdict(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]))
    assert found.accuracy == 0.5
    assert found.auc == 1.0
    assert found.p_e == 0.0


def test_equal_scores_are_chance() -> None:
    found = figures.verdict(np.zeros(40), np.zeros(40))
    assert found.accuracy == 0.5
    assert found.auc == pytest.approx(0.5)
    assert found.p_e == 0.5


def test_the_area_is_that_of_ranks() -> None:
    rng = np.random.default_rng(0)
    innocent, stego = rng.normal(0, 1, 80), rng.normal(0.7, 1, 60)
    expected = stats.mannwhitneyu(stego, innocent).statistic / (80 * 60)
    found = figures.verdict(innocent, stego)
    assert found.auc == pytest.approx(expected)
    assert found.accuracy == pytest.approx(((innocent <= 0).sum() + (stego > 0).sum()) / 140)


def test_the_curve_rises_from_corner_to_corner() -> None:
    rng = np.random.default_rng(1)
    found = figures.verdict(rng.normal(0, 1, 500), rng.normal(1, 1, 500))
    alarms, hits = np.array(found.roc).T
    assert found.roc[0] == (0.0, 0.0)
    assert found.roc[-1] == (1.0, 1.0)
    assert (np.diff(alarms) >= 0).all()
    assert (np.diff(hits) >= 0).all()
    assert len(found.roc) <= figures.POINTS
    assert found.p_e == pytest.approx(float(((alarms + 1 - hits) / 2).min()), abs=0.02)


@pytest.mark.parametrize(("right", "of"), [(5, 10), (0, 20), (20, 20), (530, 1000)])
def test_the_interval_is_wilsons(right: int, of: int) -> None:
    expected = stats.binomtest(right, of).proportion_ci(0.95, "wilson")
    assert figures.interval(right, of) == pytest.approx((expected.low, expected.high), abs=1e-6)
