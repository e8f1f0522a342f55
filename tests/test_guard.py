"""The guard: it sees explosions that stay finite, of any sign and scale, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from stegcli.guard import PATIENCE, Guard

STEPS = 3000
START = 900


def alarms(losses: np.ndarray) -> list[int]:
    guard = Guard()
    return [i for i, loss in enumerate(losses) if guard.explodes(float(loss))]


def normal(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=STEPS)


def learning(first: float, last: float, noise: float) -> np.ndarray:
    """Quick at first, then slowly, with a noise that stays."""
    return last + (first - last) * np.exp(-np.arange(STEPS) / 60) + noise * normal()


LATER = np.arange(STEPS) - START
POSITIVE = learning(0.7, 0.035, 0.006)  # what lossless-inn's looks like
NEGATIVE = learning(7.2, -20, 2)  # a flow's: nats per dimension, summed over its bands


def growing(steps: float) -> np.ndarray:
    """1 until START, then e times as much every `steps` up to 20."""
    return np.exp(np.clip(LATER / steps, 0, np.log(20)))


@pytest.mark.parametrize(
    "losses",
    [POSITIVE * growing(1), POSITIVE * growing(20), POSITIVE * growing(100), NEGATIVE + 60 * (LATER > 0)],
    ids=["at once", "in 60 steps", "in 300 steps", "below zero"],
)
def test_explosions_are_seen(losses: np.ndarray) -> None:
    assert START + PATIENCE - 1 <= alarms(losses)[0] < START + 4 * PATIENCE


RISING = 0.005 + 0.045 * np.clip(np.arange(STEPS) / STEPS * 2 - 0.2, 0, 1)


@pytest.mark.parametrize(
    "losses",
    [
        POSITIVE,
        NEGATIVE,
        -POSITIVE,
        learning(3, -3, 2),
        POSITIVE * np.exp(normal(1)),
        -3 + 0.1 * np.abs(np.random.default_rng(2).standard_cauchy(STEPS)),
        NEGATIVE + 40 * (np.random.default_rng(3).random(STEPS) < 0.3),
        POSITIVE + RISING * 0.5,
        np.full(STEPS, 0.7),
        np.concatenate([0.7 + 1e-6 * normal()[:200], POSITIVE]),
    ],
    ids=[
        "learning", "below zero", "upside down", "through zero", "wide noise", "wider noise", "every third batch bad",
        "rising weight", "constant", "late start",
    ],
)  # fmt: skip
def test_what_is_healthy_is_left_alone(losses: np.ndarray) -> None:
    assert alarms(losses) == []


def test_a_bad_stretch_shorter_than_its_patience_is_none_of_its_business() -> None:
    assert alarms(POSITIVE + 100 * ((LATER >= 0) & (LATER < PATIENCE - 1))) == []


def test_a_new_level_is_accepted_in_the_end() -> None:
    """Else a loss that rises for good would halve the rate for ever."""
    seen = alarms(POSITIVE * np.where(LATER < 0, 1, 10))
    assert 1 <= len(seen) <= 5
    assert seen[-1] < START + 6 * PATIENCE


def test_calm_is_after_the_first_steps_and_when_nothing_is_high() -> None:
    guard = Guard()
    calm = []
    for loss in (*POSITIVE[:START], 100.0, POSITIVE[START]):
        guard.explodes(loss)
        calm.append(guard.calm)
    assert not any(calm[:99])
    assert calm[START - 1 :] == [True, False, True]
