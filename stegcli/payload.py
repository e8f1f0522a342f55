"""Bytes <-> the bits that a picture carries: sealing, layout over the slots, coding.

    data --seal--> header 17 bytes | body len(data) + 16 bytes --layout--> bits over the method's slots

    header = nonce (12, random) | length (4) and code (1), encrypted
    body   = ChaCha20-Poly1305 of the data under that nonce, its tag over length and code as well

Without the key every bit of it is uniformly random: there is no magic number and no plain length. A slot is one place of
a picture that can carry one bit; the key's permutation says which slot carries what. Two layouts:

    direct  each coded bit in one slot, protected by the code of `ecc` that the channel needs; slots beyond
            the payload are left as they are
    coset   the bits of all slots together have the message as their syndrome (`coset`); for methods whose
            receiver reads every slot without error
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from stegcli import coset, ecc
from stegcli.errors import CapacityError, RevealError
from stegcli.key import Key

NONCE_BYTES = 12
TAG_BYTES = 16
FIELDS = struct.Struct("<IB")  # length of the data in bytes, index of the code
HEADER_BYTES = NONCE_BYTES + FIELDS.size
HEADER_BITS = 8 * HEADER_BYTES
HEADER_CODE = len(ecc.RATES) - 1  # the strongest
DIRECT_HEADER_SLOTS = ecc.coded_length(HEADER_BITS, HEADER_CODE)
COSET_HEADER_SLOTS = 1024

Layout = Literal["direct", "coset"]


@dataclass(frozen=True)
class Plan:
    """What each slot is to carry: `bits` uint8 (n,), and which slots matter, `used` bool (n,)."""

    bits: np.ndarray
    used: np.ndarray


def capacity(slots: int, layout: Layout, code: int = 0) -> int:
    """Slots of a picture -> the most bytes of data it carries; negative where not even nothing fits."""
    if layout == "coset":
        bits = coset.most_bits(max(0, slots - COSET_HEADER_SLOTS))
    else:
        bits = ecc.most_bits(max(0, slots - DIRECT_HEADER_SLOTS), code)
    return bits // 8 - TAG_BYTES


def write(
    data: bytes, key: Key, layout: Layout, natural: np.ndarray, costs: np.ndarray | None = None, code: int = 0
) -> Plan:
    """Data -> what the slots are to carry.

    natural: uint8 (n,), the bits that the receiver would read from the untouched cover.
    costs: float (n,), what changing each slot costs (coset layout; all equal if None).
    code: index into ecc.RATES (direct layout).
    Raises CapacityError if it does not fit.
    """
    room = capacity(len(natural), layout, code)
    if len(data) > room:
        raise CapacityError(max(0, room), len(data))
    header, body = (np.unpackbits(np.frombuffer(part, np.uint8)) for part in _seal(data, key, code))
    order = key.stream("slots").permutation(len(natural))
    if layout == "coset":
        return _write_coset(header, body, order, natural, costs)
    return _write_direct(header, body, order, natural, key, code)


def read(soft: np.ndarray, key: Key, layout: Layout) -> bytes:
    """Log-odds of each slot (positive for 1) -> the data. Raises RevealError, whatever is wrong."""
    order = key.stream("slots").permutation(len(soft))
    split = COSET_HEADER_SLOTS if layout == "coset" else DIRECT_HEADER_SLOTS
    if len(soft) <= split:
        raise RevealError
    in_order = soft[order]
    if layout == "coset":
        bits = (in_order > 0).astype(np.uint8)
        header = coset.extract(coset.Code(split, HEADER_BITS), bits[:split])
    else:
        in_order = in_order * (1.0 - 2.0 * key.stream("mask").bits(len(soft)))
        header = ecc.decode(in_order[:split], HEADER_BITS, HEADER_CODE)
    nonce, length, code = _open_header(np.packbits(header).tobytes(), key)
    if code >= len(ecc.RATES) or length > capacity(len(soft), layout, code):
        raise RevealError
    body_bits = 8 * (length + TAG_BYTES)
    if layout == "coset":
        body = coset.extract(coset.Code(len(soft) - split, body_bits), bits[split:])
    else:
        end = split + ecc.coded_length(body_bits, code)
        body = ecc.decode(in_order[split:end], body_bits, code)
    return _open_body(np.packbits(body).tobytes(), nonce, length, code, key)


def _write_coset(
    header: np.ndarray, body: np.ndarray, order: np.ndarray, natural: np.ndarray, costs: np.ndarray | None
) -> Plan:
    x = natural[order]
    rho = np.ones(len(x), np.float32) if costs is None else costs[order]
    split = COSET_HEADER_SLOTS
    y = np.concatenate(
        [
            coset.embed(coset.Code(split, len(header)), x[:split], rho[:split], header),
            coset.embed(coset.Code(len(x) - split, len(body)), x[split:], rho[split:], body),
        ]
    )
    bits = np.empty_like(natural)
    bits[order] = y
    return Plan(bits, np.ones(len(natural), bool))


def _write_direct(
    header: np.ndarray, body: np.ndarray, order: np.ndarray, natural: np.ndarray, key: Key, code: int
) -> Plan:
    coded = np.concatenate([ecc.encode(header, HEADER_CODE), ecc.encode(body, code)])
    # Sealed bits look random, but a code's parity bits depend on them: the mask hides that.
    coded ^= key.stream("mask").bits(len(natural))[: len(coded)]
    places = order[: len(coded)]
    bits, used = natural.copy(), np.zeros(len(natural), bool)
    bits[places] = coded
    used[places] = True
    return Plan(bits, used)


def _seal(data: bytes, key: Key, code: int) -> tuple[bytes, bytes]:
    """Data -> header and body, as drawn in the module's docstring."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    fields = FIELDS.pack(len(data), code)
    body = ChaCha20Poly1305(key.derive("body")).encrypt(nonce, data, fields)
    return nonce + _crypt_fields(fields, nonce, key), body


def _open_header(header: bytes, key: Key) -> tuple[bytes, int, int]:
    nonce, sealed = header[:NONCE_BYTES], header[NONCE_BYTES:]
    length, code = FIELDS.unpack(_crypt_fields(sealed, nonce, key))
    return nonce, length, code


def _open_body(body: bytes, nonce: bytes, length: int, code: int, key: Key) -> bytes:
    try:
        return ChaCha20Poly1305(key.derive("body")).decrypt(nonce, body, FIELDS.pack(length, code))
    except InvalidTag as error:
        raise RevealError from error


def _crypt_fields(fields: bytes, nonce: bytes, key: Key) -> bytes:
    """XOR with the ChaCha20 keystream: its own inverse. The body's tag authenticates the fields."""
    return Cipher(algorithms.ChaCha20(key.derive("header"), bytes(4) + nonce), mode=None).encryptor().update(fields)
