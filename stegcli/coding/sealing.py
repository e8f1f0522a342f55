"""Data <-> sealed bits, under a fresh key for every message.

    message key = HKDF(key, nonce), nonce = 128 random bits
    body        = ChaCha20-Poly1305 of the data under the message key, its tag over length and note as well

The AEAD's own nonce is zero: its key serves one message only. With random nonces of 128 bits the chance that two of m
messages of a key share one is m^2 / 2^129. Without the key every bit is uniformly random.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from stegcli.errors import RevealError
from stegcli.keys.key import Key

NONCE_BYTES = 16
TAG_BYTES = 16
FIELDS = struct.Struct("<IB")  # length of the data in bytes; note: a layout's own byte, about how the body is coded
ZERO_NONCE = bytes(12)


@dataclass(frozen=True)
class Sealed:
    """One message, sealed. message: the key that its places, mask and coins come from. body: bits, uint8."""

    nonce: bytes
    message: Key
    length: int
    note: int
    body: np.ndarray


def body_bits(length: int) -> int:
    """Bytes of data -> bits of the sealed body."""
    return 8 * (length + TAG_BYTES)


def seal(data: bytes, key: Key, note: int) -> Sealed:
    """Data -> its sealed form under a fresh nonce. note: 0 to 255, authenticated along with the data."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    message = key.message(nonce)
    body = _cipher(message).encrypt(ZERO_NONCE, data, FIELDS.pack(len(data), note))
    return Sealed(nonce, message, len(data), note, np.unpackbits(np.frombuffer(body, np.uint8)))


def open_body(bits: np.ndarray, message: Key, length: int, note: int) -> bytes:
    """The bits of a body -> the data. Raises RevealError unless body, length and note are what was sealed."""
    try:
        return _cipher(message).decrypt(ZERO_NONCE, np.packbits(bits).tobytes(), FIELDS.pack(length, note))
    except InvalidTag as error:
        raise RevealError from error


def _cipher(message: Key) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(message.derive("body"))
