"""Lattices: what a bit moves, and how surely it is read behind rounding and noise."""

from __future__ import annotations

import numpy as np
import pytest

from stegcli.methods.riis import lattice

N = 4000


def case(alpha: float, step: float = 10.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    values, bits, dither = rng.uniform(-200, 200, N), rng.integers(0, 2, N), rng.random(N)
    steps = np.full(N, step)
    return values + lattice.embed(values, bits, dither, steps, alpha), bits, dither, steps


@pytest.mark.parametrize("alpha", [0.5, 0.65, 0.9])
def test_clean_values_are_read_without_error(alpha: float) -> None:
    moved, bits, dither, steps = case(alpha)
    odds = lattice.log_odds(moved, dither, steps, alpha, 0.0, 0.2)
    assert np.mean((odds > 0) == bits) > (0.94 if alpha == 0.5 else 0.999)


def test_the_change_is_uniform_whatever_the_bits_are() -> None:
    rng = np.random.default_rng(1)
    change = lattice.embed(np.zeros(N), np.zeros(N, np.int64), rng.random(N), 10.0, 0.6)
    assert np.isclose(change.var(), (0.6 * 10) ** 2 / 12, rtol=0.06)
    assert np.abs(change).max() <= 3.0


def test_rounding_is_known_to_be_no_normal_noise() -> None:
    """The same values, read once with the steps that they were rounded to and once with noise of that variance."""
    moved, bits, dither, steps = case(0.65)
    rounded = np.rint(moved / 5) * 5
    exact = lattice.log_odds(rounded, dither, steps, 0.65, 5.0, 0.3)
    as_noise = lattice.log_odds(rounded, dither, steps, 0.65, 0.0, 5 / 12**0.5)

    def bits_told(odds: np.ndarray) -> float:
        return float(1 - np.mean(np.logaddexp(0, -odds * (2.0 * bits - 1))) / np.log(2))

    assert bits_told(exact) > bits_told(as_noise) + 0.01


def test_the_noise_is_found_from_values_of_unknown_bits() -> None:
    moved, _, dither, steps = case(0.75)
    noisy = moved + np.random.default_rng(2).normal(0, 1.5, N)
    assert lattice.fit(noisy, dither, steps, 0.75, (0.3, 1.5, 4.0)) == 1.5


def test_odds_of_another_dither_say_nothing() -> None:
    moved, bits, _, steps = case(0.65)
    odds = lattice.log_odds(moved, np.random.default_rng(9).random(N), steps, 0.65, 0.0, 0.5)
    assert abs(np.mean((odds > 0) == bits) - 0.5) < 0.03
