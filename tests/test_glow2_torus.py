"""glow2's latents: exactly normal whatever they carry, read with honest doubt, and worth nothing without the dither."""

import numpy as np
import pytest
from scipy import stats

from stegcli.coding import gray
from stegcli.keys.stream import Stream
from stegcli.methods.glow2 import torus

WIDTHS = range(1, 8)
EXACT = 0.99995
"""The correlation of what arrived untouched, as `noise` caps it."""


def uniform(n, seed=0):
    return Stream(bytes([seed] * 32)).uniform(n)


def random_bits(n, m, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (n, m), np.uint8)


def all_bits(m):
    """Every pattern of m bits once."""
    return (np.arange(2**m)[:, None] >> np.arange(m)[::-1] & 1).astype(np.uint8)


def through(z, r, seed=0, tails=None):
    """Latents -> what arrives, in float32 as from a flow; noise is Gaussian, or Student's t with so many degrees."""
    rng = np.random.default_rng([1, seed])
    noise = rng.standard_normal(len(z)) if tails is None else rng.standard_t(tails, len(z))
    return (r * z + np.sqrt(1 - r**2) * noise).astype(np.float32), np.full(len(z), r, np.float32)


def errors(bits, odds):
    return (bits != (odds > 0)).mean()


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1]


def looks_normal(z):
    return stats.kstest(z, "norm").pvalue > 0.01


# -- onto the circle


def test_circle_to_latents_is_the_normal_quantile():
    u = np.array([0.5, 0.975, 1.975, -0.025, 0.1])
    assert torus.to_normal(u) == pytest.approx(stats.norm.ppf([0.5, 0.975, 0.975, 0.975, 0.1]), rel=1e-12)


def test_from_normal_undoes_to_normal():
    u = uniform(1000)
    assert torus.from_normal(torus.to_normal(u)) == pytest.approx(u, abs=1e-12)


def test_ends_of_the_circle_are_finite():
    ends = torus.to_normal(np.array([0.0, 1.0, 2.0**-60, 1 - 2.0**-53]))
    assert np.isfinite(ends).all()
    assert np.abs(ends) == pytest.approx(8.2, abs=0.1)


# -- bits


@pytest.mark.parametrize("m", WIDTHS)
def test_neighbours_on_the_circle_differ_in_one_bit(m):
    patterns = all_bits(m)
    positions = gray.positions(patterns)
    assert sorted(positions) == list(range(2**m))
    around = patterns[np.argsort(positions)].astype(int)
    assert (np.abs(around - np.roll(around, 1, axis=0)).sum(1) == 1).all()


@pytest.mark.parametrize("m", WIDTHS)
def test_every_symbol_has_the_same_latents(m):
    """Exactly, not just nearly: a symbol turns the circle, and an even grid of dithers turns into itself."""
    grid = (np.arange(1024) + 0.5) / 1024
    expected = torus.to_normal(grid)
    for pattern in all_bits(m):
        latents = torus.write_bits(np.tile(pattern, (1024, 1)), grid)
        assert np.array_equal(np.sort(latents), expected)


MESSAGES = {
    "zeros": lambda n, m: np.zeros((n, m), np.uint8),
    "ones": lambda n, m: np.ones((n, m), np.uint8),
    "random": random_bits,
    "nearly all ones": lambda n, m: (np.random.default_rng(1).random((n, m)) < 0.95).astype(np.uint8),
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
@pytest.mark.parametrize("m", [1, 2, 5, 7])
def test_latents_are_normal_whatever_the_bits(message, m):
    n = 20_000
    latents = torus.write_bits(message(n, m), uniform(n, m))
    assert latents.dtype == np.float64
    assert looks_normal(latents)
    assert np.abs(latents).max() < 8.3


def test_without_the_dither_bits_and_latents_are_independent():
    bits = random_bits(40_000, 3)
    latents = torus.write_bits(bits, uniform(40_000))
    for column in bits.T:
        assert abs(correlation(column, latents)) < 4 / np.sqrt(len(bits))
        assert abs(correlation(column, np.abs(latents))) < 4 / np.sqrt(len(bits))
        assert stats.ks_2samp(latents[column == 0], latents[column == 1]).pvalue > 0.01


@pytest.mark.parametrize("m", WIDTHS)
def test_what_arrives_untouched_is_read_without_error(m):
    """r must be capped somewhere, but nothing has moved: even 7 bits of each latent come back."""
    bits, dither = random_bits(3000, m), uniform(3000)
    z = torus.write_bits(bits, dither).astype(np.float32)
    odds = torus.read_bits(z, np.full(3000, EXACT, np.float32), dither, m)
    assert odds.shape == (3000, m)
    assert np.isfinite(odds).all()
    assert errors(bits, odds) == 0


@pytest.mark.parametrize("m", WIDTHS)
def test_dithers_at_the_ends_are_read_too(m):
    patterns = all_bits(m)
    for end in (2.0**-53, 1e-9, 1 - 1e-9, 1 - 2.0**-53):
        dither = np.full(len(patterns), end)
        odds = torus.read_bits(torus.write_bits(patterns, dither), np.full(len(patterns), EXACT), dither, m)
        assert errors(patterns, odds) == 0


@pytest.mark.parametrize(("m", "r"), [(1, 0.5), (2, 0.9), (3, 0.95), (5, 0.998)])
def test_log_odds_know_how_often_they_are_wrong(m, r):
    """With the noise that they are made for. Sure and unsure bits are looked at apart."""
    n = 30_000
    bits, dither = random_bits(n, m), uniform(n)
    z, known = through(torus.write_bits(bits, dither), r, tails=torus.TAILS)
    odds = torus.read_bits(z, known, dither, m)
    expected, wrong = 1 / (1 + np.exp(np.abs(odds))), bits != (odds > 0)
    assert 0.01 < wrong.mean() < 0.4
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.5)):
        part = (expected >= low) & (expected < high)
        deviation = np.sqrt(expected[part].sum()) / part.sum()
        assert part.sum() > 200
        assert wrong[part].mean() == pytest.approx(expected[part].mean(), abs=4 * deviation)


@pytest.mark.parametrize(("m", "r"), [(1, 0.5), (2, 0.9), (5, 0.998)])
def test_log_odds_hold_for_gaussian_noise(m, r):
    """Noise with thinner tails than assumed: a little too modest, never boastful."""
    bits, dither = random_bits(30_000, m), uniform(30_000)
    z, known = through(torus.write_bits(bits, dither), r)
    odds = torus.read_bits(z, known, dither, m)
    expected = (1 / (1 + np.exp(np.abs(odds)))).mean()
    assert 0.75 * expected < errors(bits, odds) < 1.02 * expected


def test_one_outlier_does_not_make_sure():
    """What was hit far harder than its neighbours tell is doubted: log-odds of t grow with the logarithm alone."""
    dither = np.full(1, 0.25)
    far = torus.read_bits(np.array([6.0], np.float32), np.array([EXACT], np.float32), dither, 1)
    assert np.abs(far).max() < 30


def test_latents_that_did_not_arrive_say_nothing():
    odds = torus.read_bits(np.random.default_rng(0).standard_normal(100), np.zeros(100), uniform(100), 4)
    assert np.abs(odds).max() < 1e-4


def test_fewer_bits_stand_more_noise():
    rates = []
    for m in WIDTHS:
        bits, dither = random_bits(4000, m), uniform(4000)
        z, r = through(torus.write_bits(bits, dither), 0.95)
        rates.append(errors(bits, torus.read_bits(z, r, dither, m)))
    assert rates == sorted(rates)
    assert rates[0] < 0.1 < rates[4]


def test_with_another_dither_bits_are_a_coin_toss():
    bits = random_bits(20_000, 2)
    z, r = through(torus.write_bits(bits, uniform(20_000, 0)), 0.99)
    odds = torus.read_bits(z, r, uniform(20_000, 1), 2)
    assert errors(bits, odds) == pytest.approx(0.5, abs=0.01)


# -- numbers


def numbers(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


def read(x, r, copies=1, wrong=False, tails=None):
    """Numbers -> what is read of so many copies after noise."""
    total = 0
    for index in range(copies):
        dither = uniform(len(x), index)
        z, known = through(torus.write_numbers(x, dither), r, index, tails)
        total = total + torus.number_fit(z, known, uniform(len(x), 99) if wrong else dither)
    return torus.read_numbers(total)[0]


def rms(a, b):
    return np.sqrt(np.mean((a - b) ** 2))


NUMBERS = {
    "normal": numbers,
    "zeros": np.zeros,
    "one sign": lambda n: np.abs(numbers(n)),
    "far beyond the clip": lambda n: 100 * numbers(n),
}


@pytest.mark.parametrize("make", NUMBERS.values(), ids=NUMBERS)
def test_latents_are_normal_whatever_the_numbers(make):
    n = 20_000
    latents = torus.write_numbers(make(n), uniform(n))
    assert looks_normal(latents)


def test_without_the_dither_numbers_and_latents_are_independent():
    x = numbers(40_000)
    latents = torus.write_numbers(x, uniform(40_000))
    for f in (np.asarray, np.abs, np.sign):
        assert abs(correlation(f(x), latents)) < 4 / np.sqrt(len(x))
        assert abs(correlation(f(x), np.abs(latents))) < 4 / np.sqrt(len(x))


def test_numbers_come_back_from_what_arrives_untouched():
    x = numbers(3000)
    dither = uniform(3000)
    fit = torus.number_fit(torus.write_numbers(x, dither), np.full(3000, EXACT), dither)
    assert fit.shape == (3000, torus.GRID)
    found, deviation = torus.read_numbers(fit)
    assert found.dtype == deviation.dtype == np.float32
    step = 2 * torus.MOST / (torus.GRID - 1)
    assert rms(found, x) < step / 2
    usual = np.abs(x) < 2.5
    assert np.abs(found - x)[usual].max() < 1.2 * step


def test_numbers_beyond_the_clip_come_back_as_the_clip():
    """Neither end is taken for the other: the guard band lies between them."""
    x = np.repeat([-1e6, -5, -torus.MOST, torus.MOST, 5, 1e6], 500)
    dither = uniform(len(x))
    found, _ = torus.read_numbers(torus.number_fit(torus.write_numbers(x, dither), np.full(len(x), EXACT), dither))
    assert found == pytest.approx(x.clip(-torus.MOST, torus.MOST), abs=0.35)


def test_noise_costs_and_copies_help():
    x = numbers(3000)
    by_noise = [rms(read(x, r), x) for r in (0.999, 0.99, 0.95, 0.8)]
    assert by_noise == sorted(by_noise)
    by_copies = [rms(read(x, 0.95, copies), x) for copies in (1, 2, 4)]
    assert by_copies[1] < 0.75 * by_copies[0]
    assert by_copies[2] < 0.75 * by_copies[1]


def test_what_is_read_is_a_mean_and_never_worse_than_nothing():
    """The error is uncorrelated with what was found, which is 0 where nothing arrived."""
    x = numbers(6000)
    for r in (0.95, 0.7, 0.3):
        found = read(x, r, tails=torus.TAILS)
        assert rms(found, x) < rms(0, x)
        assert abs(correlation(x - found, found)) < 4 / np.sqrt(len(x))
    assert np.abs(read(x, 0.0)).max() < 1e-3


def test_with_another_dither_numbers_are_nothing():
    x = numbers(10_000)
    assert abs(correlation(read(x, 0.999, wrong=True), x)) < 4 / np.sqrt(len(x))


@pytest.mark.parametrize("r", [0.3, 0.7, 0.95, 0.99])
def test_the_deviation_is_that_of_the_error(r):
    x, dither = numbers(6000), uniform(6000)
    z, known = through(torus.write_numbers(x, dither), r, tails=torus.TAILS)
    found, deviation = torus.read_numbers(torus.number_fit(z, known, dither))
    assert rms(found, x) == pytest.approx(np.sqrt(np.mean(deviation**2)), rel=0.1)
    sure = deviation < np.median(deviation)
    assert rms(found[sure], x[sure]) < rms(found[~sure], x[~sure])


def test_the_deviation_goes_from_nothing_to_one():
    x, dither = numbers(3000), uniform(3000)
    z = torus.write_numbers(x, dither)
    deviations = [torus.read_numbers(torus.number_fit(z, np.full(3000, r), dither))[1] for r in (0.0, 0.9, EXACT)]
    assert deviations[0] == pytest.approx(np.ones(3000), abs=1e-3)
    assert 0.1 < deviations[1].mean() < 0.9
    assert deviations[2].mean() < 0.05
    assert deviations[2][np.abs(x) < 2.5].max() < 0.15
