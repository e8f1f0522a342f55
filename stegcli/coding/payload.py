"""Bytes <-> the bits that a picture carries: sealing, layout over the slots, coding.

    data --seal--> header | body --layout--> bits over the method's slots

A slot is one place of a picture that can carry bits. Two layouts:

    direct  for slots that may be read wrongly: each coded bit in one slot, see `direct`
    coset   for slots that are read without error, numbers modulo 4: the message is a syndrome, see `coset`

Messages of one key share nothing that an observer could find. Places, masks and coins come from a key of the message's
own; where its header lies, a salt decides, which the receiver finds by trying. There is no magic number and no plain
length. docs/format.md specifies both layouts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from stegcli.coding import coset, direct, sealing, trellis
from stegcli.coding.coset import Planes, upper_share
from stegcli.errors import CapacityError
from stegcli.keys.key import Key

__all__ = ["Layout", "Plan", "Planes", "capacity", "read", "read_residues", "upper_share", "write", "write_coset"]

Layout = Literal["direct", "coset"]


@dataclass(frozen=True)
class Plan:
    """What each slot is to carry: `bits` uint8 (n,) or (2, n), and which of them matter, `used` bool.

    coded_bits: length of what they carry together, header, tag and error correction included. key: the message's own,
    for whatever chance the sender needs besides; no other message has it.
    """

    bits: np.ndarray
    used: np.ndarray
    coded_bits: int
    key: Key


def capacity(slots: int, layout: Layout, code: int = 0) -> int:
    """Slots of a picture -> the most bytes of data it carries; negative where not even nothing fits."""
    return coset.capacity(slots) if layout == "coset" else direct.capacity(slots, code)


def write(data: bytes, key: Key, natural: np.ndarray, code: int = 0) -> Plan:
    """Data -> what the slots are to carry, in the direct layout.

    natural: uint8 (n,), the bits that the receiver would read from the untouched cover.
    code: index into ldpc.RATES. Raises CapacityError if it does not fit.
    """
    _check_room(data, len(natural), "direct", code)
    bits, used, sealed = direct.write(data, key, natural, code)
    return Plan(bits, used, int(used.sum()), sealed.message)


def write_coset(data: bytes, key: Key, planes: Planes) -> Plan:
    """Data -> what the slots are to carry, bits (2, n), in the coset layout. Raises CapacityError."""
    _check_room(data, len(planes), "coset", 0)
    bits, sealed, coded_bits = coset.write(data, key, planes)
    return Plan(bits, np.ones(bits.shape, bool), coded_bits, sealed.message)


def prepare_coset(slots: int, data: bytes) -> None:
    """Begin to load what `write_coset` needs for this data, beside other work."""
    trellis.prepare(slots, sealing.body_bits(len(data)))


def read(odds: np.ndarray, key: Key, layout: Layout) -> bytes:
    """Log-odds of each slot's bits (positive for 1), (n,) or for coset (2, n) -> the data.

    Raises RevealError, whatever is wrong.
    """
    if layout == "direct":
        return direct.read(odds, key)
    lower, upper = (odds > 0).astype(np.uint8)
    return read_residues(lower | upper << 1, key)


def read_residues(residues: np.ndarray, key: Key) -> bytes:
    """Each slot's number modulo 4, uint8 (n,) -> the data, in the coset layout. Raises RevealError."""
    return coset.read(residues, key)


def _check_room(data: bytes, slots: int, layout: Layout, code: int) -> None:
    room = capacity(slots, layout, code)
    if len(data) > room:
        raise CapacityError(max(0, room), len(data))
