"""Attacks on many stegos of one key of riis. The control is the same code with one nonce for all messages: then places,
masks and dithers return from message to message, as they did in the layout before.

The pictures here are so small that a header takes a quarter of their slots. Messages whose salts happen to be the same
share its places: that is why the bounds are above what chance alone gives.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import contextmanager

import numpy as np
import pytest
from riis_helpers import KEY, payload
from secrecy_helpers import constant_relations, unevenness

from stegcli.coding import ldpc
from stegcli.methods.riis import direct, luma, salts, search
from stegcli.methods.riis.carrier import Carrier
from stegcli.methods.riis.cells import Cells
from stegcli.methods.riis.digits import Digits
from stegcli.methods.riis.envelope import HEADER_BITS, SALTS, Letter
from stegcli.methods.riis.known import Known
from stegcli.methods.riis.order import Share, slots_of
from stegcli.methods.riis.spread import Spread, _forward
from stegcli.methods.riis.tiles import Tiles

STEGOS = 80
SLOTS = 3000
BY_SALTS = 0.6  # how much unevenness comes from the salts that happen to be the same


Changes = Callable[[np.ndarray, np.ndarray], np.ndarray]


@contextmanager
def nonces(same: bool):
    """The sender's chance: the same in every run, and for the control the same for every message."""
    chance = np.random.default_rng(5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "token_bytes", bytes if same else chance.bytes)
        yield


def noise_covers(count: int, side: int) -> np.ndarray:
    """Pictures without anything that makes one place better than another, uint8 (count, side, side, 3)."""
    grain = np.random.default_rng(1).normal(128, 20, (count, side, side, 3))
    return np.rint(grain).clip(60, 200).astype(np.uint8)


def in_digits(cover: np.ndarray, stego: np.ndarray) -> np.ndarray:
    return (cover != stego).reshape(1, -1)


def in_parities(cover: np.ndarray, stego: np.ndarray) -> np.ndarray:
    """By frequency, since coarse steps change less often."""
    carrier = Known(75)
    before, after = (Cells.of(picture, carrier.steps).parities() for picture in (cover, stego))
    return (before != after).reshape(-1, carrier.per_block).T


def in_groups(cover: np.ndarray, stego: np.ndarray) -> np.ndarray:
    """Coefficients that moved by more than rounding moves them."""
    moved = _forward(luma.to_blocks(stego)) - _forward(luma.to_blocks(cover))
    return np.abs(moved).reshape(1, -1) > 2


@pytest.mark.parametrize(
    ("carrier", "psnr", "changes", "count", "side"),
    [(Digits(), 48, in_digits, STEGOS, 64), (Known(75), 40, in_parities, 30, 48), (Spread(2.0), 36, in_groups, 60, 64)],
    ids=["digits", "known", "spread"],
)
def test_no_place_stands_out(carrier: Carrier, psnr: float, changes: Changes, count: int, side: int) -> None:
    """By who has all covers as well: places that change more often than others of their frequency."""

    def found(same: bool) -> float:
        covers = noise_covers(count, side)
        with nonces(same):
            stegos = [carrier.hide(c, [Letter(payload(20, i), KEY)], psnr) for i, c in enumerate(covers)]
        changed = np.array([changes(c, s) for c, s in zip(covers, stegos, strict=True)])
        return float(np.mean([unevenness(changed[:, group]) for group in range(changed.shape[1])]))

    assert abs(found(same=False) - 1) < BY_SALTS
    assert found(same=True) > 1 + 1.4 * BY_SALTS


@pytest.fixture(scope="module")
def coded() -> dict[bool, list[direct.Coded]]:
    """What lattices are to carry, by whether the nonce is the same for all messages."""
    found = {}
    for same in (False, True):
        with nonces(same):
            own = slots_of(SLOTS, 1, Share())
            found[same] = [direct.write(Letter(payload(20, i), KEY), own, 3) for i in range(STEGOS)]
    return found


def in_order(values: list[np.ndarray], coded: list[direct.Coded]) -> np.ndarray:
    """Values of the slots that each message takes -> (STEGOS, SLOTS), a fair coin where it takes none."""
    filled = np.random.default_rng(3).random((STEGOS, SLOTS))
    for row, one, slots in zip(filled, values, (c.slots for c in coded), strict=True):
        row[slots] = one
    return filled


def test_lattices_share_no_places(coded: dict[bool, list[direct.Coded]]) -> None:
    def taken(same: bool) -> np.ndarray:
        return np.array([np.isin(np.arange(SLOTS), c.slots) for c in coded[same]])

    assert abs(unevenness(taken(False)) - 1) < BY_SALTS
    assert unevenness(taken(True)) > 20


def test_lattices_share_no_dither(coded: dict[bool, list[direct.Coded]]) -> None:
    """Without the covers: values on one lattice show it by their mean phase, whatever the bits are."""

    def clearest(same: bool) -> float:
        phases = in_order([c.dither for c in coded[same]], coded[same])
        return float(np.abs(np.exp(4j * np.pi * phases).mean(axis=0)).max())

    by_chance = np.sqrt(np.log(SLOTS) / STEGOS)
    assert clearest(False) < 1.4 * by_chance
    assert clearest(True) > 0.99


def test_lattices_hold_no_relation(coded: dict[bool, list[direct.Coded]]) -> None:
    """Among the slots of one salt, which no attacker is told. The control has all its headers there."""
    head = salts.head(KEY, 0, slots_of(SLOTS, 1, Share()), direct.header_slots(SLOTS))
    chance = np.random.default_rng(2)
    control = [ldpc.encode_to(chance.integers(0, 2, HEADER_BITS, np.uint8), len(head.slots)) for _ in range(STEGOS)]
    assert len(constant_relations((np.array(control) ^ head.mask) > 0)) > 10
    bits = in_order([c.bits for c in coded[False]], coded[False])
    assert constant_relations(bits[:, head.slots] > 0.5) == []


def test_tiles_share_their_dithers_by_chance_alone() -> None:
    def clearest(same: bool) -> float:
        with nonces(same):
            drawn = np.array([Tiles()._tile(Letter(payload(5, i), KEY))[1] for i in range(STEGOS)])
        return float(np.abs(np.exp(4j * np.pi * drawn).mean(axis=0)).max())

    assert clearest(False) < 0.65  # of 80 messages a few have the same of 64 salts
    assert clearest(True) > 0.99


def test_salts_draw_what_has_nothing_in_common() -> None:
    slots = slots_of(SLOTS, 1, Share())
    heads = salts.heads(KEY, slots, 700)
    assert all(len(np.unique(row)) == 700 for row in heads.slots)
    assert np.array_equal(salts.head(KEY, 9, slots, 700).slots, heads[9].slots)
    taken = np.array([np.isin(np.arange(SLOTS), row) for row in heads.slots])
    assert abs(unevenness(taken) - 1) < 5 * np.sqrt(2 / SLOTS) + 0.1
    dithers = np.array([search.dither(KEY, salt, 16).reshape(-1) for salt in range(SALTS)])
    assert abs(np.corrcoef(dithers)[np.triu_indices(SALTS, 1)]).max() < 6 / np.sqrt(dithers.shape[1])
