"""One receiver's message <-> a sealed header and a sealed body, as bits. The one place where riis seals.

    header = nonce (12, random) | length of the data (4) and note (1), encrypted
    body   = ChaCha20-Poly1305 of the data under that nonce; its tag covers length and note as well

Without the key every bit is uniformly random. A carrier protects the header by the strongest code that it has, reads it
first and learns from it how long the body is; the note tells it how the body is coded.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from stegcli.errors import RevealError
from stegcli.keys.key import Key

NONCE_BYTES = 12
TAG_BYTES = 16
FIELDS = struct.Struct("<IB")
HEADER_BITS = 8 * (NONCE_BYTES + FIELDS.size)


@dataclass(frozen=True)
class Letter:
    """What one receiver gets, and the key that opens it."""

    data: bytes
    key: Key


@dataclass(frozen=True)
class Header:
    nonce: bytes
    length: int
    note: int

    @property
    def body_bits(self) -> int:
        return body_bits(self.length)


def body_bits(length: int) -> int:
    """Bytes of data -> bits of its sealed body."""
    return 8 * (length + TAG_BYTES)


def seal(letter: Letter, note: int) -> tuple[np.ndarray, np.ndarray]:
    """Letter, 0 <= note < 256 -> bits of header and body, uint8."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    fields = FIELDS.pack(len(letter.data), note)
    body = ChaCha20Poly1305(letter.key.derive("body")).encrypt(nonce, letter.data, fields)
    header = nonce + _crypted(fields, nonce, letter.key)
    return np.unpackbits(np.frombuffer(header, np.uint8)), np.unpackbits(np.frombuffer(body, np.uint8))


def open_header(bits: np.ndarray, key: Key) -> Header:
    """Bits (HEADER_BITS,) -> what they say, sensible or not: only the body's tag can tell."""
    data = np.packbits(bits).tobytes()
    nonce, sealed = data[:NONCE_BYTES], data[NONCE_BYTES:]
    return Header(nonce, *FIELDS.unpack(_crypted(sealed, nonce, key)))


def open_body(bits: np.ndarray, header: Header, key: Key) -> bytes:
    """Bits of the body -> the data. Raises RevealError if one bit is wrong."""
    fields = FIELDS.pack(header.length, header.note)
    try:
        return ChaCha20Poly1305(key.derive("body")).decrypt(header.nonce, np.packbits(bits).tobytes(), fields)
    except InvalidTag as error:
        raise RevealError from error


def _crypted(fields: bytes, nonce: bytes, key: Key) -> bytes:
    """XOR with the ChaCha20 keystream: its own inverse."""
    return Cipher(algorithms.ChaCha20(key.derive("header"), bytes(4) + nonce), mode=None).encryptor().update(fields)
