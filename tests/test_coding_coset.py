"""The coset layout: its header's size, what damage does, and chance where both ways cost the same."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcli.coding import coset, payload, sealing, trellis
from stegcli.coding.payload import Plan
from stegcli.coding.places import MOST_DRAWN
from stegcli.errors import RevealError
from stegcli.keys.key import Key


class Planes:
    """A cover with random bits in both planes, where every change costs the same."""

    def __init__(self, slots: int, share: int | None = None):
        self.bits = np.random.default_rng(slots).integers(0, 2, (2, slots), np.uint8)
        self._share = share

    def __len__(self) -> int:
        return self.bits.shape[1]

    def share(self, bits: int, slots: int) -> int:
        return payload.upper_share(bits, slots) if self._share is None else self._share

    def plane(self, index: int, lower: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        return self.bits[index], np.ones(len(self), np.float32)


def residues(plan: Plan) -> np.ndarray:
    return plan.bits[0] | plan.bits[1] << 1


def header_of(plan: Plan, key: Key) -> coset.Header:
    (header,) = coset._headers(plan.bits[0], key)
    return header


# Sizes


@pytest.mark.parametrize("slots", [256, 3000, 12_288, 1_179_648, 36_000_000])
def test_sizes_climb_by_an_eighth(slots: int) -> None:
    found = list(coset.sizes(slots))
    assert found[0] == 256
    assert found[-1] <= min(slots, MOST_DRAWN) < found[-1] + (found[-1] >> 3)
    assert all(1.12 < b / a <= 1.125 for a, b in itertools.pairwise(found))


@pytest.mark.parametrize("size", list(coset.sizes(10**6)))
def test_every_bit_that_a_header_can_hold_is_used(size: int) -> None:
    """A slot that belongs to no bit could be changed unseen."""
    code = coset.header_code(size)
    assert code.bits == code.rows * code.blocks
    assert 200 <= code.bits < 200 + code.blocks


@settings(max_examples=200, deadline=None, derandomize=True)
@given(slots=st.integers(3000, 40_000_000), rate=st.floats(0.0001, 0.9))
def test_header_has_the_rate_of_the_body(slots: int, rate: float) -> None:
    low = max(128, int(rate * slots))
    if low > trellis.most_bits(slots - 256):
        return
    size = coset._size(slots, low, low)
    off = math.log(coset.header_code(size).bits / size) - math.log(low / (slots - size))
    # Small bodies ask for more slots than a header may have, full ones for fewer than its bits need.
    if 256 < size < MOST_DRAWN / 1.125 and size < slots / 4:
        assert abs(off) < 0.1


def test_header_of_a_message_has_that_size(key: Key) -> None:
    plan = payload.write_coset(bytes(100), key, Planes(4000))
    low = 8 * 116 - coset.upper_bits(8 * 116, payload.upper_share(8 * 116 + 200, 4000))
    assert len(header_of(plan, key).slots) == coset._size(4000, low, low)


@pytest.mark.parametrize("share", [0, 1, 128, 255])
def test_any_share_at_full_capacity(key: Key, share: int) -> None:
    data = bytes(payload.capacity(2500, "coset"))
    assert payload.read_residues(residues(payload.write_coset(data, key, Planes(2500, share))), key) == data


# Damage


def test_every_slot_of_the_header_matters(key: Key) -> None:
    plan = payload.write_coset(b"abc", key, Planes(450))
    good, slots = residues(plan), header_of(plan, key).slots
    for slot in slots:
        bad = good.copy()
        bad[slot] ^= 1
        with pytest.raises(RevealError):
            payload.read_residues(bad, key)


@pytest.mark.parametrize("plane", [1, 2])
def test_slots_of_the_body_matter(key: Key, plane: int) -> None:
    """All but the few that the cut into blocks leaves over."""
    plan = payload.write_coset(bytes(60), key, Planes(1500))
    good, header = residues(plan), header_of(plan, key)
    others = np.setdiff1d(np.arange(1500), header.slots)
    for slot in others[:: len(others) // 20]:
        bad = good.copy()
        bad[slot] ^= plane
        with pytest.raises(RevealError):
            payload.read_residues(bad, key)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_noise_reveals_nothing(key: Key, seed: int) -> None:
    with pytest.raises(RevealError):
        payload.read_residues(np.random.default_rng(seed).integers(0, 4, 900, np.uint8), key)


@pytest.mark.parametrize(("length", "share"), [(2**32 - 1, 0), (2**32 - 1, 255), (4, 0), (3, 77)])
def test_a_header_that_lies_reveals_nothing(key: Key, length: int, share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However well its check fits: the tag covers length and share."""
    good = residues(payload.write_coset(b"abc", key, Planes(2000)))
    opened = coset._opened
    lies = lambda *given: None if opened(*given) is None else (opened(*given)[0], length, share)  # noqa: E731
    monkeypatch.setattr(coset, "_opened", lies)
    with pytest.raises(RevealError):
        payload.read_residues(good, key)


def test_a_wrong_try_that_passes_does_not_hide_the_right_one(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    good = residues(payload.write_coset(b"abc", key, Planes(2000)))
    found = list(coset._headers(good & 1, key))
    wrong = coset.Header(bytes(16), 3, 0, np.arange(256))
    monkeypatch.setattr(coset, "_headers", lambda *_: iter([wrong, *found]))
    assert payload.read_residues(good, key) == b"abc"


# What the sender leaves to chance


def test_coins_decide_where_both_cost_the_same(key: Key) -> None:
    """Else the code would keep the bit that it finds."""

    class Free(Planes):
        def plane(self, index: int, lower: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
            return np.zeros(len(self), np.uint8), np.full(len(self), 1 - index, np.float32)

    upper = payload.write_coset(b"abc", key, Free(4000)).bits[1]
    assert 0.45 < upper.mean() < 0.55


def test_messages_have_their_own_deal_and_salt(key: Key) -> None:
    plans = [payload.write_coset(b"abc", key, Planes(2000)) for _ in range(8)]
    headers = [header_of(plan, key) for plan in plans]
    assert len({h.nonce for h in headers}) == 8
    assert len({tuple(h.slots[:4]) for h in headers}) > 4
    assert len({plan.key.secret for plan in plans}) == 8
    assert all(plan.key.secret == key.message(h.nonce).secret for plan, h in zip(plans, headers, strict=True))


def test_nonces_are_128_bits_of_the_system() -> None:
    assert sealing.NONCE_BYTES == 16
    drawn = {sealing.seal(b"", Key("m", "w", bytes(32)), 0).nonce for _ in range(50)}
    assert len(drawn) == 50
