"""One receiver's message <-> a sealed header and a sealed body, as bits.

    header = nonce (16 bytes) | (length of the data (4), note (1)) xor pad
    pad    = 5 bytes derived from the message's own key
    body   = sealed by `coding.sealing` under the message's own key

The nonce's first bits are the salt: it decides where the header lies, see `salts`. A carrier protects the header by the
strongest code that it has, reads it first and learns from it how long the body is; the note tells it how the body is
coded. Without the key every bit is uniformly random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stegcli.coding import sealing
from stegcli.coding.sealing import FIELDS, NONCE_BYTES, TAG_BYTES, Sealed
from stegcli.errors import RevealError
from stegcli.keys.key import Key

__all__ = ["HEADER_BITS", "SALTS", "TAG_BYTES", "Header", "Letter", "header_bits", "open_body", "open_header", "seal"]

HEADER_BITS = 8 * (NONCE_BYTES + FIELDS.size)
SALTS = 64


@dataclass(frozen=True)
class Letter:
    """What one receiver gets, and the key that opens it."""

    data: bytes
    key: Key


@dataclass(frozen=True)
class Header:
    """What a header says. message: the key that everything else of this message comes from."""

    message: Key
    length: int
    note: int

    @property
    def body_bits(self) -> int:
        return sealing.body_bits(self.length)


def seal(letter: Letter, note: int) -> Sealed:
    """Letter, 0 <= note < 256 -> its sealed form under a fresh nonce."""
    return sealing.seal(letter.data, letter.key, note)


def salt_of(nonce: bytes) -> int:
    """Nonce -> the salt, 0 <= salt < SALTS, that decides where its header lies."""
    return nonce[0] % SALTS


def header_bits(sealed: Sealed) -> np.ndarray:
    """-> (HEADER_BITS,) uint8"""
    fields = _padded(FIELDS.pack(sealed.length, sealed.note), sealed.message)
    return np.unpackbits(np.frombuffer(sealed.nonce + fields, np.uint8))


def open_header(bits: np.ndarray, salt: int, key: Key) -> Header:
    """Bits (HEADER_BITS,) from the places of a salt -> what they say, sensible or not: only the body's tag can tell.

    Raises RevealError if the nonce is not one of that salt.
    """
    data = np.packbits(bits).tobytes()
    nonce, fields = data[:NONCE_BYTES], data[NONCE_BYTES:]
    if salt_of(nonce) != salt:
        raise RevealError
    message = key.message(nonce)
    return Header(message, *FIELDS.unpack(_padded(fields, message)))


def open_body(bits: np.ndarray, header: Header) -> bytes:
    """Bits of the body -> the data. Raises RevealError if one bit is wrong."""
    return sealing.open_body(bits, header.message, header.length, header.note)


def _padded(fields: bytes, message: Key) -> bytes:
    """XOR with the message's pad: its own inverse."""
    pad = message.derive("header", length=len(fields))
    return bytes(a ^ b for a, b in zip(fields, pad, strict=True))
