import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri

from stegcli.coding import gray
from stegcli.methods.steg_cinn import symbols


@pytest.fixture
def rng():
    return np.random.default_rng(2)


@pytest.mark.parametrize("m", [1, 2, 3])
def test_narrow_cells_tell_every_bit(rng, m):
    bits, dither = rng.integers(0, 2, (500, m), np.uint8), rng.random(500)
    u = symbols.write(bits, dither, m)
    odds = symbols.log_odds(u - 1e-4, u + 1e-4, dither, m)
    assert np.array_equal(odds > 0, bits == 1)
    assert np.abs(odds).min() > 10
    assert symbols.information(odds, bits) == pytest.approx(500 * m, rel=1e-3)


@pytest.mark.parametrize("m", [1, 2, 3])
def test_no_bit_is_ever_contradicted(rng, m):
    """A bit is known, or in doubt; what is known is right."""
    bits, dither = rng.integers(0, 2, (5000, m), np.uint8), rng.random(5000)
    u = symbols.write(bits, dither, m)
    width = rng.random(5000)
    low = np.clip(u - width * rng.random(5000), 0, 1)
    odds = symbols.log_odds(low, np.clip(low + width, 0, 1), dither, m)
    known = np.abs(odds) > 5
    assert 0.1 < known.mean() < 0.9
    assert ((odds > 0) == (bits == 1))[known].all()


def test_the_whole_circle_tells_nothing():
    odds = symbols.log_odds(np.zeros(9), np.ones(9), np.linspace(0, 0.99, 9), 2)
    assert np.abs(odds).max() < 1e-6


@pytest.mark.parametrize("m", [1, 2, 3])
def test_latents_are_normal_whatever_the_bits(rng, m):
    for bits in (np.zeros((20_000, m), np.uint8), np.ones((20_000, m), np.uint8)):
        u = symbols.write(bits, rng.random(20_000), m)
        assert stats.kstest(ndtri(u), "norm").pvalue > 0.001


def test_neighbours_on_the_circle_differ_in_one_bit():
    every = np.array([[s >> 2 & 1, s >> 1 & 1, s & 1] for s in range(8)], np.uint8)
    ring = every[np.argsort(gray.positions(every))]
    assert np.array_equal(np.sort(gray.positions(every)), np.arange(8))
    assert (np.abs(np.diff(np.concatenate([ring, ring[:1]]).astype(int), axis=0)).sum(1) == 1).all()


def test_a_gap_keeps_latents_from_zero_and_signs_apart(rng):
    bits, dither = rng.integers(0, 2, (2000, 1), np.uint8), rng.random(2000)
    z = ndtri(symbols.write(bits, dither, 1, 0.1))
    assert np.abs(z).min() >= 0.1 - 1e-9
    assert np.array_equal(z > 0, bits[:, 0] == 1)


def test_expected_information_is_what_comes_across(rng):
    low = np.clip(rng.random(40_000) - 0.2, 0, 1)
    high = np.clip(low + rng.random(40_000), 0, 1)
    for m in (1, 2, 3):
        bits = rng.integers(0, 2, (40_000, m), np.uint8)
        u = low + rng.random(40_000) * (high - low)
        # The dither that makes these bits land on u.
        dither = (u - gray.positions(bits) / 2**m) % 1.0
        odds = symbols.log_odds(low, high, dither, m)
        expected = symbols.expected_information(low, high, m, u).sum()
        assert symbols.information(odds, bits) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("gap", [0.1, 0.8])
def test_expected_information_with_a_gap_is_what_comes_across(rng, gap):
    bits, dither = rng.integers(0, 2, (40_000, 1), np.uint8), rng.random(40_000)
    u = symbols.write(bits, dither, 1, gap)
    width = rng.random(40_000)
    low = np.clip(u - width * rng.random(40_000), 0, 1)
    high = np.clip(low + width, 0, 1)
    odds = symbols.log_odds(low, high, dither, 1, gap)
    expected = symbols.expected_information(low, high, 1, u, gap).sum()
    assert symbols.information(odds, bits) == pytest.approx(expected, rel=0.01)
