"""A letter in slots that are read with doubt: header and body by LDPC codes, one coded bit a slot.

The body takes as many slots as its rate says and leaves the others alone, so that less data changes a picture less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from stegcli.coding import ldpc
from stegcli.errors import CapacityError, RevealError
from stegcli.keys.key import Key
from stegcli.methods.riis import envelope
from stegcli.methods.riis.envelope import Letter

HEADER_SLOTS = 2176  # rate 1/16
RATES = (0.75, 0.6, 0.5, 0.4, 0.32, 0.25, 0.18, 0.125)
"""Rates of a long body; its note is the index."""
SHORT = 200  # bits by which every body is protected as if it were longer: short codes stand less


class Places(Protocol):
    """Indices of the slots of a letter's header and body, in order."""

    @property
    def header(self) -> np.ndarray: ...

    @property
    def body(self) -> np.ndarray: ...


Odds = Callable[[np.ndarray], np.ndarray]
"""Indices of slots -> their log-odds."""


def room(slots: int, rate: int) -> int:
    """Slots for the body -> bytes of data."""
    return int(slots * RATES[rate] - SHORT) // 8 - envelope.TAG_BYTES


def write(letter: Letter, places: Places, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Letter -> indices of the slots that it takes, and the bit that each is to carry. Raises CapacityError."""
    header, body = envelope.seal(letter, rate)
    length = _length(len(body), rate)
    if length > len(places.body) or len(places.header) <= envelope.HEADER_BITS:
        raise CapacityError(max(0, room(len(places.body), rate)), len(letter.data))
    coded = [ldpc.encode_to(header, len(places.header)), ldpc.encode_to(body, length)]
    bits = np.concatenate(coded)
    slots = np.concatenate([places.header, places.body[:length]])
    # A code's parity bits depend on the others: the mask hides that.
    return slots, bits ^ letter.key.stream("mask").bits(len(bits))


def read(odds: Odds, places: Places, key: Key) -> bytes:
    """-> the data. Raises RevealError."""
    if len(places.header) <= envelope.HEADER_BITS:
        raise RevealError
    head = len(places.header)
    mask = key.stream("mask").bits(head)
    header = envelope.open_header(ldpc.decode_from(odds(places.header) * _sign(mask), envelope.HEADER_BITS), key)
    if header.note >= len(RATES) or header.body_bits >= len(places.body):
        raise RevealError
    length = _length(header.body_bits, header.note)
    if length > len(places.body):
        raise RevealError
    mask = key.stream("mask").bits(head + length)[head:]
    body = ldpc.decode_from(odds(places.body[:length]) * _sign(mask), header.body_bits)
    return envelope.open_body(body, header, key)


def _length(bits: int, rate: int) -> int:
    return int(np.ceil((bits + SHORT) / RATES[rate]))


def _sign(mask: np.ndarray) -> np.ndarray:
    return 1.0 - 2.0 * mask
