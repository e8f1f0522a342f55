"""training/spam_rewards.py: what single moves add to a detector's answer, against the features computed anew."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from skimage import data as samples

sys.path.append(str(Path(__file__).parent.parent / "training"))

import spam_rewards
from spam_rewards import MARGIN, SpamRewards

from stegcli.detectors import schemes, spam

SIDE = 96


@pytest.fixture
def picture() -> np.ndarray:
    found: np.ndarray = np.clip(samples.coffee()[100 : 100 + SIDE, 100 : 100 + SIDE], 1, 254)
    return found


@pytest.fixture
def rewards() -> SpamRewards:
    """A detector with random weights."""
    found = SpamRewards()
    found.weights = np.random.default_rng(0).normal(size=2 * spam.COUNT)
    return found


def test_moves_add_what_the_features_say(picture: np.ndarray, rewards: SpamRewards) -> None:
    """To first order: a move changes the shares of the other triples too, a little more than their slope says."""
    found, whole = rewards.of(picture), rewards.weights @ spam.of_differences(picture)
    pairs = []
    for y, x, colour in np.random.default_rng(1).integers(
        (MARGIN, MARGIN, 0), (SIDE - MARGIN, SIDE - MARGIN, 3), (60, 3)
    ):
        for way, by in enumerate((1, -1)):
            changed = picture.astype(np.int16)
            changed[y, x, colour] += by
            added = rewards.weights @ spam.of_differences(changed.astype(np.uint8)) - whole
            pairs.append((added, found[way, y, x, colour]))
    expected, given = np.array(pairs).T
    assert np.corrcoef(expected, given)[0, 1] > 0.98
    assert np.abs(expected - given).mean() < 0.2 * np.abs(expected).mean()


def test_the_border_adds_nothing(picture: np.ndarray, rewards: SpamRewards) -> None:
    found = rewards.of(picture)
    assert found.shape == (2, SIDE, SIDE, 3)
    inner = np.zeros_like(found, bool)
    inner[:, MARGIN:-MARGIN, MARGIN:-MARGIN] = True
    assert not found[~inner].any()
    assert (found[inner] != 0).mean() > 0.9


def test_it_learns_what_gives_stegos_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spam_rewards, "EVERY", 8)
    detector, coffee = SpamRewards(), samples.coffee()
    rng = np.random.default_rng(2)
    shares = []
    for _ in range(16):
        corners = [(int(rng.integers(300)), int(rng.integers(500))) for _ in range(6)]
        covers = np.stack([coffee[y : y + SIDE, x : x + SIDE] for y, x in corners])
        stegos = np.stack([schemes.lsb_matching(c, SIDE**2, rng) for c in covers])
        shares.append(detector.see(covers, stegos))
    assert shares[:8] == [0.5] * 8
    assert np.mean(shares[8:]) > 0.85
    # A change of a colour by itself shows: what undoes changes lowers the answer.
    moves = stegos[0].astype(int) - covers[0]
    found = detector.of(stegos[0])
    undone = np.where(moves > 0, found[1], found[0])[moves != 0]
    assert undone.mean() < 0
