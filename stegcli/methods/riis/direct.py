"""A letter in the slots of lattices: header and body by LDPC codes, one coded bit a slot, each slot with its dither.

The body takes as many slots as its rate says and leaves the others alone, so that less data changes a picture less.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stegcli.coding import ldpc
from stegcli.errors import CapacityError, RevealError
from stegcli.keys.key import Key
from stegcli.methods.riis import envelope, salts
from stegcli.methods.riis.envelope import HEADER_BITS, SALTS, Letter
from stegcli.methods.riis.order import Slots
from stegcli.methods.riis.salts import Head

HEADER_SLOTS = 2688  # rate 1/16
RATES = (0.75, 0.6, 0.5, 0.4, 0.32, 0.25, 0.18, 0.125)
"""Rates of a long body; its note is the index."""
SHORT = 200  # bits by which every body is protected as if it were longer: short codes stand less

Odds = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Slots and their dithers -> their log-odds."""
Fit = Callable[[np.ndarray, np.ndarray], Odds]
"""Slots that carry and their dithers -> how to read all slots, the channel having been found from these."""


@dataclass(frozen=True)
class Coded:
    """The slots that a letter takes, the bit that each is to carry, and its dither."""

    slots: np.ndarray
    bits: np.ndarray
    dither: np.ndarray


def header_slots(slots: int) -> int:
    """A receiver's slots -> how many of them hold the header; too few for one in a tiny picture."""
    return min(HEADER_SLOTS, slots // 4)


def room(slots: int, rate: int) -> int:
    """Slots for the body -> bytes of data."""
    return int(slots * RATES[rate] - SHORT) // 8 - envelope.TAG_BYTES


def write(letter: Letter, slots: Slots, rate: int) -> Coded:
    """Letter -> what the slots are to carry. Raises CapacityError."""
    sealed = envelope.seal(letter, rate)
    count = header_slots(len(slots))
    length = _length(len(sealed.body), rate)
    if count <= HEADER_BITS or count + length > len(slots):
        raise CapacityError(max(0, room(len(slots) - count, rate)), len(letter.data))
    head = salts.head(letter.key, envelope.salt_of(sealed.nonce), slots, count)
    body = slots.body(sealed.message, head.slots)[:length]
    # A code's parity bits depend on the others: the mask hides that.
    coded_header = ldpc.encode_to(envelope.header_bits(sealed), count) ^ head.mask
    coded_body = ldpc.encode_to(sealed.body, length) ^ sealed.message.stream("mask").bits(length)
    return Coded(
        np.concatenate([head.slots, body]),
        np.concatenate([coded_header, coded_body]),
        np.concatenate([head.dither, _dither(sealed.message, length)]),
    )


def read(ways: Sequence[tuple[Odds, Fit]], slots: Slots, key: Key) -> bytes:
    """-> the data, by one of several ways to read the slots. Raises RevealError.

    A way has two parts: log-odds by which a header shows although the channel is not known yet, and the fit.
    """
    count = header_slots(len(slots))
    if count <= HEADER_BITS:
        raise RevealError
    heads = salts.heads(key, slots, count)
    scores = [salts.scores(heads.unmasked(rough(heads.slots, heads.dither))) for rough, _ in ways]
    for number in salts.best(np.concatenate(scores)):
        way, salt = divmod(number, SALTS)
        with contextlib.suppress(RevealError):
            return _read(ways[way][1], heads[salt], salt, slots, key)
    raise RevealError


def _read(fit: Fit, head: Head, salt: int, slots: Slots, key: Key) -> bytes:
    odds = fit(head.slots, head.dither)
    bits = ldpc.decode_from(head.unmasked(odds(head.slots, head.dither)), HEADER_BITS)
    header = envelope.open_header(bits, salt, key)
    free = len(slots) - len(head.slots)
    if header.note >= len(RATES) or header.body_bits >= free:
        raise RevealError
    length = _length(header.body_bits, header.note)
    if length > free:
        raise RevealError
    body = slots.body(header.message, head.slots)[:length]
    sign = 1.0 - 2.0 * header.message.stream("mask").bits(length)
    coded = odds(body, _dither(header.message, length)) * sign
    return envelope.open_body(ldpc.decode_from(coded, header.body_bits), header)


def _dither(message: Key, length: int) -> np.ndarray:
    return salts.dither_of(np.frombuffer(message.stream("dither").bytes(length), np.uint8))


def _length(bits: int, rate: int) -> int:
    return int(np.ceil((bits + SHORT) / RATES[rate]))
