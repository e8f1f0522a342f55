"""A message's bytes <-> the bits that colours carry: sealing, header, which number carries what.

    header   nonce (8, random) | length (4), drawing (4), encrypted | tag (5)      21 bytes
    body     ChaCha20-Poly1305 of the data under the message's own key, its tag over the header as well

The luminance is the same for sender and receiver, and no two covers share it. Its hash and the key tell where the
header lies and how it is turned, so two stegos under one key have nothing at the same places. The hash and the nonce,
128 bits together, give the message's own key (`Key.message`); all of the body comes from it: cipher, places, turns.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from stegcli.coding import ldpc
from stegcli.errors import RevealError
from stegcli.keys.key import Key

NONCE_BYTES = 8
FIELDS = struct.Struct(">IBBBB")  # length of the data; top and m; share of the room; temperature; gap
HEADER_TAG_BYTES = 5
HEADER_BYTES = NONCE_BYTES + FIELDS.size + HEADER_TAG_BYTES
HEADER_CODE = len(ldpc.RATES) - 1
HEADER_COPIES = 2
HEADER_NUMBERS = HEADER_COPIES * ldpc.coded_length(8 * HEADER_BYTES, HEADER_CODE)
TAG_BYTES = 16
ZERO_NONCE = bytes(12)
"""The AEAD's own nonce: its key serves one message only."""
SURE = 9.0
"""Log-odds beyond which a bit is known: only symbols outside the cell say otherwise (`symbols.OUTSIDE`)."""
SHARES = 64
"""Into so many steps the share of the room that the coded bits take is divided."""
TEMPERATURE_STEPS, GAP_STEPS = 50, 100
"""Temperatures are told in steps of one fiftieth, gaps in steps of one hundredth."""


@dataclass(frozen=True)
class Header:
    """What a receiver must know to read the body.

    length: of the data in bytes. top: of the drawing. m: bits that a number carries. share: of the room, in SHARES.
    temperature, gap: in TEMPERATURE_STEPS and GAP_STEPS.
    """

    nonce: bytes
    length: int
    top: int
    m: int
    share: int
    temperature: int = TEMPERATURE_STEPS
    gap: int = 0

    def key(self, key: Key, picture: int) -> Key:
        """The message's own."""
        return key.message(self.nonce + picture.to_bytes(8, "big"))

    @property
    def bits(self) -> int:
        """Of the sealed body."""
        return 8 * (self.length + TAG_BYTES)

    def used(self, numbers: int) -> int:
        """How many of the numbers that the body may use carry it."""
        return -(-numbers * self.share // SHARES)

    def coded(self, numbers: int) -> int:
        """How many coded bits there are, if the body may use so many numbers."""
        return self.used(numbers) * self.m

    def fields(self) -> bytes:
        return FIELDS.pack(self.length, 16 * self.top + self.m, self.share - 1, self.temperature, self.gap)


def fresh_nonce() -> bytes:
    return secrets.token_bytes(NONCE_BYTES)


def picture_number(grey: np.ndarray) -> int:
    """Luminance uint8 (h, w) -> a number of 64 bits that stands for the picture."""
    shape = struct.pack(">II", *grey.shape)
    return int.from_bytes(hashlib.sha256(shape + np.ascontiguousarray(grey).tobytes()).digest()[:8], "big")


def seal_header(header: Header, key: Key, picture: int) -> np.ndarray:
    """-> coded bits, uint8 (HEADER_NUMBERS,)."""
    fields = _mask(header.nonce, key, picture, header.fields())
    sealed = header.nonce + fields + _tag(header.nonce + fields, key, picture)
    coded = ldpc.encode(np.unpackbits(np.frombuffer(sealed, np.uint8)), HEADER_CODE)
    return np.tile(coded, HEADER_COPIES)


def open_header(odds: np.ndarray, key: Key, picture: int) -> Header | None:
    """Log-odds of the coded bits -> the header, None if there is none for this key."""
    together = odds.reshape(HEADER_COPIES, -1).sum(0)
    sealed = np.packbits(ldpc.decode(together, 8 * HEADER_BYTES, HEADER_CODE)).tobytes()
    nonce, fields, tag = _cut(sealed)
    if not hmac.compare_digest(tag, _tag(nonce + fields, key, picture)):
        return None
    length, shape, share, temperature, gap = FIELDS.unpack(_mask(nonce, key, picture, fields))
    return Header(nonce, length, shape >> 4, shape & 15, share + 1, temperature, gap)


def seal_body(data: bytes, header: Header, message: Key, numbers: int) -> np.ndarray:
    """Data -> coded bits, uint8 (coded,), for a body that may use so many numbers. message: the message's own key."""
    body = _cipher(message).encrypt(ZERO_NONCE, data, header.fields())
    return ldpc.encode_to(np.unpackbits(np.frombuffer(body, np.uint8)), header.coded(numbers))


def open_body(odds: np.ndarray, header: Header, message: Key) -> bytes:
    """The inverse of `seal_body`, from log-odds. Raises RevealError."""
    body = np.packbits(ldpc.decode_from(odds, header.bits, SURE)).tobytes()
    try:
        return _cipher(message).decrypt(ZERO_NONCE, body, header.fields())
    except InvalidTag as error:
        raise RevealError from error


def header_places(key: Key, picture: int, numbers: int) -> tuple[np.ndarray, np.ndarray]:
    """Of so many numbers, those that carry the header, and how each is turned."""
    places = key.stream("header places", picture).permutation(numbers)[:HEADER_NUMBERS]
    return places, key.stream("header dither", picture).uniform(HEADER_NUMBERS)


def body_places(message: Key, header: Header, numbers: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the numbers that the body may use, those that carry it, and how each is turned."""
    count = header.used(numbers)
    return message.stream("places").permutation(numbers)[:count], message.stream("dither").uniform(count)


def _cipher(message: Key) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(message.derive("body"))


def _mask(nonce: bytes, key: Key, picture: int, fields: bytes) -> bytes:
    """XOR with what the key tells of nonce and picture; its own inverse."""
    pad = key.message(nonce + picture.to_bytes(8, "big")).derive("header", length=len(fields))
    return bytes(a ^ b for a, b in zip(fields, pad, strict=True))


def _tag(sealed: bytes, key: Key, picture: int) -> bytes:
    return hmac.digest(key.derive("header tag", picture), sealed, "sha256")[:HEADER_TAG_BYTES]


def _cut(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    fields = NONCE_BYTES + FIELDS.size
    return sealed[:NONCE_BYTES], sealed[NONCE_BYTES:fields], sealed[fields:]
