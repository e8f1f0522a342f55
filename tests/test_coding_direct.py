"""The direct layout: headers in random words at salted places, out of noise."""

from __future__ import annotations

import numpy as np
import pytest

from stegcli.coding import direct, payload
from stegcli.coding.direct import HEADER_SLOTS, SIGNS, STAGES, Header
from stegcli.errors import RevealError
from stegcli.keys.key import Key

SLOTS = 3000


def natural(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, SLOTS, np.uint8)


def log_odds(bits: np.ndarray) -> np.ndarray:
    return (8.0 * bits - 4).astype(np.float32)


@pytest.mark.parametrize("slots", [HEADER_SLOTS, 617, 1231, 1232, 50_000])
def test_a_header_lies_in_slots_of_its_own(key: Key, slots: int) -> None:
    for number in range(5):
        places, signs = direct._header(Header(bytes([number] * 16), 0, 0), key, slots)
        assert len(np.unique(places)) == len(places) == len(signs) == HEADER_SLOTS
        assert places.min() >= 0
        assert places.max() < slots


def test_header_says_what_was_written(key: Key) -> None:
    for header in (Header(bytes(16), 0, 0), Header(b"\xff" * 16, 2**25 - 1, 7), Header(bytes(range(16)), 12345, 5)):
        odds = np.zeros(SLOTS, np.float32)
        places, signs = direct._header(header, key, SLOTS)
        odds[places] = log_odds(signs)
        found, at = next(direct._headers(odds, key))
        assert found == header
        assert np.array_equal(at, places)


@pytest.mark.parametrize("rate", [0.05, 0.09])
def test_header_stands_wrong_signs(key: Key, rate: float) -> None:
    rng = np.random.default_rng(1)
    for number in range(2):
        header = Header(rng.bytes(16), number, 6)
        bits = natural(number)
        places, signs = direct._header(header, key, SLOTS)
        bits[places] = signs ^ (rng.random(HEADER_SLOTS) < rate)
        assert header in [found for found, _ in direct._headers(log_odds(bits), key)]


def test_one_wrong_sign_that_is_sure_of_itself_does_not_decide(key: Key) -> None:
    plan = payload.write(b"abc", key, natural(), 5)
    odds = log_odds(plan.bits)
    odds[np.flatnonzero(plan.used)[::40]] *= -1000
    header, _ = next(direct._headers(odds, key))
    assert (header.length, header.code) == (3, 5)


@pytest.mark.parametrize("stage", [0, 1, STAGES])
def test_damage_of_any_word_is_noticed(key: Key, stage: int) -> None:
    plan = payload.write(b"abc", key, natural(), 0)
    odds = log_odds(plan.bits)
    header, places = next(direct._headers(odds, key))
    word = places[stage * SIGNS : (stage + 1) * SIGNS]
    odds[word] = log_odds(np.random.default_rng(stage).integers(0, 2, SIGNS))
    with pytest.raises(RevealError):
        payload.read(odds, key, "direct")
    assert header.length == 3


def test_everything_behind_a_difference_is_drawn_anew(key: Key) -> None:
    """A bit of the nonce: its word and the words behind it become others, by chance alone alike."""
    base = int.from_bytes(bytes(range(16)), "big")
    _, first = direct._header(Header(base.to_bytes(16, "big"), 3, 0), key, SLOTS)
    _, other = direct._header(Header((base ^ 1 << 70).to_bytes(16, "big"), 3, 0), key, SLOTS)
    same = (first == other).reshape(-1, SIGNS).mean(1)
    assert (same[:3] == 1).all()
    assert abs(same[3:] - 0.5).max() < 0.25


def test_salts_share_places_by_chance_alone(key: Key) -> None:
    places = [direct._header(Header(bytes([s]) + bytes(15), 3, 0), key, SLOTS)[0] for s in range(12)]
    shared = [len(np.intersect1d(a, b)) for i, a in enumerate(places) for b in places[:i]]
    assert abs(np.mean(shared) - HEADER_SLOTS**2 / SLOTS) < 6


def test_length_that_does_not_fit_is_no_header(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = payload.write(b"abc", key, natural(), 0)
    places = np.flatnonzero(plan.used)[:HEADER_SLOTS]
    for length, code in ((2**25 - 1, 0), (3, 7), (4, 0), (3, 1)):
        lies = [(Header(bytes(16), length, code), places)]
        monkeypatch.setattr(direct, "_headers", lambda *_, lies=lies: iter(lies))
        with pytest.raises(RevealError):
            payload.read(log_odds(plan.bits), key, "direct")
