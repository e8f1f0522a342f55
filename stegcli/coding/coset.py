"""The coset layout: for slots that the receiver reads without error, each a number modulo 4, two planes of bits.

Each plane has a part of the message as its syndrome under a trellis code. The lower plane decides which slots change by
one, the upper one which way, so that the direction carries bits too.

    header   nonce (16 bytes) | (length (4), share (1), check of zeros (4 or more)) xor pad
             in the lower plane of slots drawn for one of SALTS salts, in as many slots as make its rate the body's
    body     in both planes of all other slots, dealt to the code's blocks by the message's own key

The receiver tries all salts and all sizes, all salts at once: bit s of a 64-bit word belongs to salt s. The pad is
HMAC-SHA256 of the nonce, so that a wrong try passes the check once in 2^32.

Reference for two planes: Minimizing additive distortion functions with non-binary embedding operation in
steganography (Filler, Fridrich, 2010).
"""

from __future__ import annotations

import hmac
import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from stegcli.coding import sealing, trellis
from stegcli.coding.places import MOST_DRAWN, Deal, HeaderPlaces
from stegcli.coding.sealing import FIELDS, NONCE_BYTES, TAG_BYTES, Sealed
from stegcli.errors import RevealError
from stegcli.keys.key import Key

SALTS = 64
LEAST_SIZE = 256  # slots of the smallest header
CHECK_BYTES = 4
HEADER_BITS = 8 * (NONCE_BYTES + FIELDS.size + CHECK_BYTES)  # the least: what a trellis has room for besides is check
PIECE = 2048  # slots that the receiver draws first, and then as many again: most headers are small


class Planes(Protocol):
    """A cover as the coset layout sees it: `len()` slots of two planes, 0 the lower and 1 the upper."""

    def __len__(self) -> int: ...

    def share(self, bits: int, slots: int) -> int:
        """Message bits, the slots for them -> the part that the upper plane should carry, in 256ths. Asked first."""

    def plane(self, index: int, lower: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """-> the bits that cost least, uint8 (n,), and what each costs to flip, float32 (n,).

        For plane 1 `lower` holds the bits chosen in plane 0.
        """


@dataclass(frozen=True)
class Header:
    """What a header says, and the slots that it lies in, int64."""

    nonce: bytes
    length: int
    share: int
    slots: np.ndarray


def capacity(slots: int) -> int:
    """Slots -> the most bytes of data; negative where not even nothing fits."""
    return trellis.most_bits(max(0, slots - LEAST_SIZE)) // 8 - TAG_BYTES


def sizes(slots: int) -> Iterator[int]:
    """The sizes that a header may have, the smallest first: each an eighth more than the one before."""
    size = LEAST_SIZE
    while size <= min(slots, MOST_DRAWN):
        yield size
        size += size >> 3


def header_code(size: int) -> trellis.Code:
    """Slots of a header -> its code. Every row of every block carries a bit of the header."""
    code = trellis.Code(size, HEADER_BITS)
    return trellis.Code(size, code.rows * code.blocks)


def write(data: bytes, key: Key, planes: Planes) -> tuple[np.ndarray, Sealed, int]:
    """Data that fits -> what both planes of each slot are to be, uint8 (2, n); its seal; bits that they carry."""
    n = len(planes)
    bits = sealing.body_bits(len(data))
    share = planes.share(bits + HEADER_BITS, n)
    sealed = sealing.seal(data, key, share)
    low = bits - upper_bits(bits, share)
    size = _size(n, low, max(low, bits - low))
    code = header_code(size)
    header = HeaderPlaces(key, n).drawn(secrets.randbelow(SALTS)).take(size)
    rest = _others(n, header)
    deal = Deal(n - size, sealed.message.stream("slots"))
    # Costs of a large picture take hundreds of megabytes: each line lets go of those of the line before.
    lower, cost = planes.plane(0, None)
    lower = lower.copy()  # the planes may keep theirs
    lower[header] = trellis.embed(code, lower[header], cost[header], _header_bits(sealed, code.bits, key))
    body, cost = lower[rest], cost[rest]
    slots, cost = deal.take(body, cost)
    lower[rest] = _embedded(deal, slots, cost, sealed.body[:low], body)
    del slots, cost
    upper, cost = planes.plane(1, lower)
    # The code leaves a slot as it finds it where both bits cost the same. Coins decide those, else samples would go up
    # from even numbers and down from odd ones, as in LSB replacement.
    upper = np.where(cost == 0, sealed.message.stream("coins").bits(n), upper)
    body, cost = upper[rest], cost[rest]
    slots, cost = deal.take(body, cost)
    upper[rest] = _embedded(deal, slots, cost, sealed.body[low:], body)
    return np.stack([lower, upper]), sealed, code.bits + bits


def read(residues: np.ndarray, key: Key) -> bytes:
    """Each slot's number modulo 4, uint8 (n,) -> the data. Raises RevealError."""
    for header in _headers(residues & 1, key):
        if header.length <= capacity(len(residues)):
            try:
                return _open(residues, header, key)
            except RevealError:
                continue  # a wrong try that passed the check by chance
    raise RevealError


def _open(residues: np.ndarray, header: Header, key: Key) -> bytes:
    message = key.message(header.nonce)
    slots = len(residues) - len(header.slots)
    bits = sealing.body_bits(header.length)
    high = upper_bits(bits, header.share)
    if max(high, bits - high) > trellis.most_bits(slots):
        raise RevealError
    (dealt,) = Deal(slots, message.stream("slots")).take(residues[_others(len(residues), header.slots)])
    lower = trellis.extract(trellis.Code(slots, bits - high), dealt & 1)
    upper = trellis.extract(trellis.Code(slots, high), dealt >> 1)
    return sealing.open_body(np.concatenate([lower, upper]), message, header.length, header.share)


def _embedded(deal: Deal, slots: np.ndarray, cost: np.ndarray, bits: np.ndarray, body: np.ndarray) -> np.ndarray:
    """The slots' bits and costs as dealt, and the bits before -> the bits that carry the message."""
    deal.put(trellis.embed(trellis.Code(len(body), len(bits)), slots, cost, bits), body)
    return body


def _others(slots: int, header: np.ndarray) -> np.ndarray:
    """-> bool (slots,), true but for the header's slots."""
    others = np.ones(slots, bool)
    others[header] = False
    return others


def _size(slots: int, low: int, most: int) -> int:
    """Slots, the body's bits in the lower plane and in the fuller one -> the header's size of the nearest rate."""

    def off(size: int) -> float:
        return abs(math.log(header_code(size).bits / size * (slots - size) / max(1, low)))

    return min((s for s in sizes(slots) if most <= trellis.most_bits(slots - s)), key=off)


# -- the header


def _header_bits(sealed: Sealed, count: int, key: Key) -> np.ndarray:
    pad = _pad(key.derive("coset pad"), sealed.nonce)
    fields = FIELDS.pack(sealed.length, sealed.note).ljust(len(pad), b"\0")
    masked = bytes(a ^ b for a, b in zip(fields, pad, strict=True))
    return np.unpackbits(np.frombuffer(sealed.nonce + masked, np.uint8))[:count]


def _pad(header_key: bytes, nonce: bytes) -> bytes:
    return hmac.digest(header_key, nonce, "sha256")


def _headers(low: np.ndarray, key: Key) -> Iterator[Header]:
    """The lower plane -> all headers that pass the check."""
    if len(low) < LEAST_SIZE:
        return
    header_key = key.derive("coset pad")
    places = HeaderPlaces(key, len(low))
    draws = [places.drawn(salt) for salt in range(SALTS)]
    words = np.empty(0, np.uint64)
    for size in sizes(len(low)):
        while len(words) < size:
            words = np.append(words, _side_by_side([low[d.take(max(PIECE, len(words)))] for d in draws]))
        code = header_code(size)
        found = trellis.extract_words(code, words[:size])
        for salt, header in enumerate(np.packbits(_apart(found), axis=1)):
            opened = _opened(header.tobytes(), code.bits, header_key)
            if opened is not None:
                yield Header(*opened, places.drawn(salt).take(size))


def _opened(header: bytes, bits: int, header_key: bytes) -> tuple[bytes, int, int] | None:
    """A header of so many bits -> nonce, length and share, or None if the check fails."""
    nonce, masked = header[:NONCE_BYTES], header[NONCE_BYTES:]
    pad = _pad(header_key, nonce)[: len(masked)]
    if masked[FIELDS.size : FIELDS.size + CHECK_BYTES] != pad[FIELDS.size : FIELDS.size + CHECK_BYTES]:
        return None  # nearly every wrong try ends here
    plain = bytes(a ^ b for a, b in zip(masked, pad, strict=True))
    check = np.unpackbits(np.frombuffer(plain, np.uint8))[8 * FIELDS.size : bits - 8 * NONCE_BYTES]
    return None if check.any() else (nonce, *FIELDS.unpack(plain[: FIELDS.size]))


def _side_by_side(bits: list[np.ndarray]) -> np.ndarray:
    """64 arrays of bits (n,) -> words, uint64 (n,): bit s belongs to array s."""
    packed = np.packbits(np.stack(bits, axis=1), axis=1, bitorder="little")
    return packed.view("<u8").astype(np.uint64, copy=False).reshape(-1)


def _apart(words: np.ndarray) -> np.ndarray:
    """The inverse of `_side_by_side`: words (n,) -> bits, uint8 (64, n)."""
    each = words.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)
    return np.ascontiguousarray(np.unpackbits(each, axis=1, bitorder="little").T)


# -- the two planes


def upper_bits(bits: int, share: int) -> int:
    """How many of the message's bits the upper plane carries."""
    return bits * share // 256


def upper_share(bits: int, slots: int) -> int:
    """Message bits and slots -> the part that the upper plane should carry, in 256ths, where both ways cost the same.

    If the lower plane changes a share p of the slots, it carries H(p) bits a slot, and the directions of these
    changes p more. p solves H(p) + p = bits / slots.
    """
    low, high = 0.0, 0.5
    for _ in range(50):
        p = (low + high) / 2
        low, high = (p, high) if _entropy(p) + p < bits / slots else (low, p)
    return min(255, round(256 * high * slots / bits))


def _entropy(p: float) -> float:
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)
