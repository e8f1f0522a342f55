"""The trellis inside the outer code: exact, cheap, and through wrong slots."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from stegcli.methods.riis import trellis
from stegcli.methods.riis.trellis import Code


def case(slots: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, slots, np.uint8), rng.random(slots).astype(np.float32) ** 2


def message(bits: int) -> np.ndarray:
    return np.random.default_rng(bits).integers(0, 2, bits, np.uint8)


def log_odds(bits: np.ndarray, chance: float = 1e-4) -> np.ndarray:
    return (2.0 * bits - 1) * math.log((1 - chance) / chance)


@pytest.mark.parametrize(
    ("slots", "bits", "rate"), [(700, 136, 0.4), (1024, 136, 0.2), (9000, 3001, 0.9), (20000, 64, 0.5)]
)
def test_round_trip(slots: int, bits: int, rate: float) -> None:
    code, (x, rho) = Code(slots, bits, rate), case(slots)
    assert code.fits()
    y = trellis.embed(code, x, rho, message(bits))
    assert np.array_equal(trellis.extract(code, log_odds(y)), message(bits))
    assert np.array_equal(y[code.lanes * code.length :], x[code.lanes * code.length :])


def test_it_changes_few_and_cheap_slots() -> None:
    """At 0.45 coded bits a slot the best code would change 10 % of them."""
    code, (x, rho) = Code(12000, 4300, 0.8), case(12000)
    y = trellis.embed(code, x, rho, message(4300))
    assert (x != y).mean() < 0.2
    assert rho[x != y].mean() < 0.4 * rho.mean()


def test_wrong_slots_are_mended() -> None:
    code, (x, rho) = Code(12000, 3000, 0.55), case(12000)
    y = trellis.embed(code, x, rho, message(3000))
    wrong = np.random.default_rng(1).random(12000) < 0.004
    assert np.array_equal(trellis.extract(code, log_odds(y ^ wrong, 0.004)), message(3000))


def test_doubted_slots_weigh_less_than_sure_ones() -> None:
    """Three times as many wrong slots, all known to be doubtful."""
    code, (x, rho) = Code(12000, 3000, 0.55), case(12000)
    y = trellis.embed(code, x, rho, message(3000))
    doubtful = np.random.default_rng(1).random(12000) < 0.025
    soft = log_odds(y)
    soft[doubtful] = np.random.default_rng(2).choice([-0.01, 0.01], int(doubtful.sum()))
    assert np.array_equal(trellis.extract(code, soft), message(3000))


def test_wet_slots_at_the_start_of_a_lane_do_not_stop_it() -> None:
    """A white area may leave the first slots of a lane no choice."""
    code, (x, rho) = Code(6000, 1800, 0.9), case(6000)
    rho[:40] = 1e6
    y = trellis.embed(code, x, rho, message(1800))
    assert np.array_equal(y[:40], x[:40])
    assert np.array_equal(trellis.extract(code, log_odds(y)), message(1800))


def test_what_cannot_fit_is_said() -> None:
    assert not Code(1000, 1000, 0.9).fits()
    assert not Code(0, 100, 0.5).fits()
    assert not Code(100, 0, 0.5).fits()


def test_the_code_never_changes() -> None:
    digest = hashlib.sha256(trellis.columns(200).tobytes() + trellis.starts(200, 60).tobytes()).hexdigest()
    assert digest[:16] == "dd3102801893abff"
