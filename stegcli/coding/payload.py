"""Bytes <-> the bits that a picture carries: sealing, layout over the slots, coding.

    data --seal--> header 17 bytes | body len(data) + 16 bytes --layout--> bits over the method's slots

    header = nonce (12, random) | length (4) and code or share (1), encrypted
    body   = ChaCha20-Poly1305 of the data under that nonce, its tag over length and code as well

Without the key every bit of it is uniformly random: there is no magic number and no plain length. A slot is one place
of a picture that can carry one bit; the key's permutation says which slot carries what. Two layouts:

    direct  each coded bit in one slot, protected by the code of `ecc` that the channel needs; slots beyond
            the payload are left as they are
    coset   for methods whose receiver reads every slot without error: a slot holds a number modulo 4, two planes of
            bits, and each plane has a part of the message as its syndrome (`coset`). The lower plane decides which
            samples change by one, the upper one which way, so that the direction carries bits too

Reference for two planes: Minimizing additive distortion functions with non-binary embedding operation in
steganography (Filler, Fridrich, 2010).
"""

from __future__ import annotations

import math
import secrets
import struct
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from stegcli.coding import ldpc, trellis
from stegcli.errors import CapacityError, RevealError
from stegcli.keys.key import Key

NONCE_BYTES = 12
TAG_BYTES = 16
FIELDS = struct.Struct("<IB")  # length of the data in bytes; index of the code, or the upper plane's share
HEADER_BYTES = NONCE_BYTES + FIELDS.size
HEADER_BITS = 8 * HEADER_BYTES
HEADER_CODE = len(ldpc.RATES) - 1  # the strongest
DIRECT_HEADER_SLOTS = ldpc.coded_length(HEADER_BITS, HEADER_CODE)
COSET_HEADER_SLOTS = 1024

Layout = Literal["direct", "coset"]


@dataclass(frozen=True)
class Plan:
    """What each slot is to carry: `bits` uint8 (n,) or (2, n), and which of them matter, `used` bool.

    coded_bits: length of what they carry together, header, tag and error correction included.
    """

    bits: np.ndarray
    used: np.ndarray
    coded_bits: int


def capacity(slots: int, layout: Layout, code: int = 0) -> int:
    """Slots of a picture -> the most bytes of data it carries; negative where not even nothing fits."""
    if layout == "coset":
        bits = trellis.most_bits(max(0, slots - COSET_HEADER_SLOTS))
    else:
        bits = ldpc.most_bits(max(0, slots - DIRECT_HEADER_SLOTS), code)
    return bits // 8 - TAG_BYTES


def write(data: bytes, key: Key, natural: np.ndarray, code: int = 0) -> Plan:
    """Data -> what the slots are to carry, in the direct layout.

    natural: uint8 (n,), the bits that the receiver would read from the untouched cover.
    code: index into ldpc.RATES. Raises CapacityError if it does not fit.
    """
    _check_room(data, len(natural), "direct", code)
    header, body = _seal(data, key, code)
    coded = np.concatenate([ldpc.encode(header, HEADER_CODE), ldpc.encode(body, code)])
    # Sealed bits look random, but a code's parity bits depend on them: the mask hides that.
    coded ^= key.stream("mask").bits(len(natural))[: len(coded)]
    places = key.stream("slots").permutation(len(natural))[: len(coded)]
    bits, used = natural.copy(), np.zeros(len(natural), bool)
    bits[places] = coded
    used[places] = True
    return Plan(bits, used, len(coded))


class Planes(Protocol):
    """A cover as the coset layout sees it: `len()` slots of two planes, 0 the lower and 1 the upper."""

    def __len__(self) -> int: ...

    def share(self, bits: int, slots: int) -> int:
        """Message bits, the slots for them -> the part that the upper plane should carry, in 256ths. Asked first."""

    def plane(self, index: int, lower: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """-> the bits that cost least, uint8 (n,), and what each costs to flip, float32 (n,).

        For plane 1 `lower` holds the bits chosen in plane 0.
        """


def write_coset(data: bytes, key: Key, planes: Planes) -> Plan:
    """Data -> what the slots are to carry, bits (2, n), in the coset layout. Raises CapacityError."""
    n, split = len(planes), COSET_HEADER_SLOTS
    _check_room(data, n, "coset", 0)
    share = planes.share(8 * (len(data) + TAG_BYTES), n - split)
    header, body = _seal(data, key, share)
    low = len(body) - _upper_bits(len(body), share)
    order = key.stream("slots").permutation(n)
    x, cost = (a[order] for a in planes.plane(0, None))
    bits = np.empty((2, n), np.uint8)
    bits[0, order[:split]] = trellis.embed(trellis.Code(split, HEADER_BITS), x[:split], cost[:split], header)
    bits[0, order[split:]] = trellis.embed(trellis.Code(n - split, low), x[split:], cost[split:], body[:low])
    x, cost = (a[order] for a in planes.plane(1, bits[0]))
    bits[1, order[:split]] = x[:split]
    upper = trellis.Code(n - split, len(body) - low)
    bits[1, order[split:]] = trellis.embed(upper, x[split:], cost[split:], body[low:])
    return Plan(bits, np.ones((2, n), bool), len(header) + len(body))


def read(soft: np.ndarray, key: Key, layout: Layout) -> bytes:
    """Log-odds of each slot's bits (positive for 1), (n,) or for coset (2, n) -> the data.

    Raises RevealError, whatever is wrong.
    """
    n = soft.shape[-1]
    split = COSET_HEADER_SLOTS if layout == "coset" else DIRECT_HEADER_SLOTS
    if n <= split:
        raise RevealError
    in_order = soft[..., key.stream("slots").permutation(n)]
    return (_read_coset if layout == "coset" else _read_direct)(in_order, n, split, key)


def _read_direct(in_order: np.ndarray, n: int, split: int, key: Key) -> bytes:
    in_order = in_order * (1.0 - 2.0 * key.stream("mask").bits(n))
    header = ldpc.decode(in_order[:split], HEADER_BITS, HEADER_CODE)
    nonce, length, code = _open_header(header, key)
    if code >= len(ldpc.RATES) or length > capacity(n, "direct", code):
        raise RevealError
    bits = 8 * (length + TAG_BYTES)
    body = ldpc.decode(in_order[split : split + ldpc.coded_length(bits, code)], bits, code)
    return _open_body(body, nonce, length, code, key)


def _read_coset(in_order: np.ndarray, n: int, split: int, key: Key) -> bytes:
    low_plane, high_plane = (in_order > 0).astype(np.uint8)
    header = trellis.extract(trellis.Code(split, HEADER_BITS), low_plane[:split])
    nonce, length, share = _open_header(header, key)
    if length > capacity(n, "coset"):
        raise RevealError
    bits = 8 * (length + TAG_BYTES)
    high = _upper_bits(bits, share)
    low_part = trellis.extract(trellis.Code(n - split, bits - high), low_plane[split:])
    high_part = trellis.extract(trellis.Code(n - split, high), high_plane[split:])
    return _open_body(np.concatenate([low_part, high_part]), nonce, length, share, key)


def _check_room(data: bytes, slots: int, layout: Layout, code: int) -> None:
    room = capacity(slots, layout, code)
    if len(data) > room:
        raise CapacityError(max(0, room), len(data))


def _upper_bits(bits: int, share: int) -> int:
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


def _seal(data: bytes, key: Key, code: int) -> tuple[np.ndarray, np.ndarray]:
    """Data -> the bits of header and body, as drawn in the module's docstring."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    fields = FIELDS.pack(len(data), code)
    body = ChaCha20Poly1305(key.derive("body")).encrypt(nonce, data, fields)
    header = nonce + _crypt_fields(fields, nonce, key)
    return np.unpackbits(np.frombuffer(header, np.uint8)), np.unpackbits(np.frombuffer(body, np.uint8))


def _open_header(bits: np.ndarray, key: Key) -> tuple[bytes, int, int]:
    header = np.packbits(bits).tobytes()
    nonce, sealed = header[:NONCE_BYTES], header[NONCE_BYTES:]
    length, code = FIELDS.unpack(_crypt_fields(sealed, nonce, key))
    return nonce, length, code


def _open_body(bits: np.ndarray, nonce: bytes, length: int, code: int, key: Key) -> bytes:
    try:
        body = np.packbits(bits).tobytes()
        return ChaCha20Poly1305(key.derive("body")).decrypt(nonce, body, FIELDS.pack(length, code))
    except InvalidTag as error:
        raise RevealError from error


def _crypt_fields(fields: bytes, nonce: bytes, key: Key) -> bytes:
    """XOR with the ChaCha20 keystream: its own inverse. The body's tag authenticates the fields."""
    return Cipher(algorithms.ChaCha20(key.derive("header"), bytes(4) + nonce), mode=None).encryptor().update(fields)
