"""Key file and pixels -> what a stego of lossless-inn's coset coder holds. Written from docs/format.md alone."""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SALTS, LEAST, MOST = 64, 256, 65_536


class NothingRevealedError(Exception):
    pass


# Key file, derivation


@dataclass(frozen=True)
class Secret:
    method: str
    secret: bytes

    def derive(self, purpose: str, number: int = 0) -> bytes:
        info = f"stegcli/1/{self.method}/{purpose}/{number}".encode("ascii")
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self.secret)

    def message(self, nonce: bytes) -> Secret:
        return Secret(self.method, self.derive("message", int.from_bytes(nonce, "big")))


def read_key(path: Path) -> Secret:
    record = np.load(path, allow_pickle=False)
    assert record.shape == ()
    assert int(record["version"]) == 2
    return Secret(record["method"].item().decode("ascii"), record["secret"].tobytes())


# Streams


class Stream:
    def __init__(self, seed: bytes):
        self.cipher = Cipher(algorithms.ChaCha20(seed, bytes(16)), mode=None).encryptor()

    def words(self, n: int) -> np.ndarray:
        return np.frombuffer(self.cipher.update(bytes(8 * n)), dtype="<u8")

    def integers(self, n: int, bound: int) -> np.ndarray:
        kept: list[int] = []
        while len(kept) < n:
            drawn = (int(w) for w in self.words(n - len(kept)))
            kept.extend(w % bound for w in drawn if w <= 2**64 - 1 - 2**64 % bound)
        return np.array(kept, dtype=np.int64)

    def permutation(self, n: int) -> np.ndarray:
        return np.lexsort((np.arange(n), self.words(n)))


def below(words: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    return ((words >> np.uint64(32)) * bounds.astype(np.uint64) >> np.uint64(32)).astype(np.int64)


# Trellis code


@dataclass(frozen=True)
class Code:
    slots: int
    bits: int

    @property
    def height(self) -> int:
        return 7 if self.slots >= 6_000_000 else 10

    @property
    def blocks(self) -> int:
        return max(1, self.slots // 4096)

    @property
    def length(self) -> int:
        return self.slots // self.blocks

    @property
    def rows(self) -> int:
        return -(-self.bits // self.blocks)

    @property
    def most_bits(self) -> int:
        return self.blocks * self.length

    def syndrome(self, slots: np.ndarray) -> np.ndarray:
        """Bits (..., slots) -> message bits (..., bits)."""
        if self.bits == 0:
            return slots[..., :0]
        seed = hashlib.sha256(f"stegcli/coset/{self.height}".encode("ascii")).digest()
        columns = Stream(seed).integers(self.length, 2 ** (self.height - 1)) | 1 | 2 ** (self.height - 1)
        starts = np.arange(self.rows) * self.length // self.rows
        blocks = slots[..., : self.most_bits].reshape(*slots.shape[:-1], self.blocks, self.length)
        message = np.zeros((*blocks.shape[:-1], self.rows + self.height), np.uint8)
        for t in range(self.height):
            touched = blocks & (columns >> t & 1).astype(np.uint8)
            message[..., t : t + self.rows] ^= np.bitwise_xor.reduceat(touched, starts, axis=-1)
        return message[..., : self.rows].reshape(*slots.shape[:-1], -1)[..., : self.bits]


# Coset layout


def header_places(key: Secret, n: int) -> np.ndarray:
    """-> the slots that each salt draws, (SALTS, min(65,536, n))."""
    most = min(MOST, n)
    strata = Stream(key.derive("coset strata"))
    first, second = strata.permutation(most), strata.permutation(most)
    places = []
    for salt in range(SALTS):
        stream = Stream(key.derive("coset places", salt))
        turn, shift = stream.integers(2, most)
        (start,) = stream.integers(1, n)
        stretch = first[(second[(np.arange(most) + turn) % most] + shift) % most]
        low, high = stretch * n // most, (stretch + 1) * n // most
        places.append((low + below(stream.words(most), high - low) + start) % n)
    return np.stack(places)


@dataclass(frozen=True)
class Header:
    nonce: bytes
    length: int
    share: int
    slots: np.ndarray


def headers(lower: np.ndarray, key: Secret) -> Iterator[Header]:
    """All headers of the lower plane whose zeros are zero."""
    places, pad_key = header_places(key, len(lower)), key.derive("coset pad")
    drawn, size = lower[places], LEAST
    while size <= places.shape[1]:
        code = Code(size, 200)
        count = code.rows * code.blocks
        for salt, bits in enumerate(Code(size, count).syndrome(drawn[:, :size])):
            nonce = np.packbits(bits[:128]).tobytes()
            pad = np.unpackbits(np.frombuffer(hmac.digest(pad_key, nonce, "sha256"), np.uint8))
            rest = bits[128:] ^ pad[: count - 128]
            if not rest[40:].any():
                length, share = struct.unpack("<IB", np.packbits(rest[:40]).tobytes())
                yield Header(nonce, length, share, places[salt, :size])
        size += size // 8


def dealt(slots: np.ndarray, message: Secret) -> np.ndarray:
    """Values of the slots -> values in the code's order."""
    n, code = len(slots), Code(len(slots), 0)
    stream = Stream(message.derive("slots"))
    (start,) = stream.integers(1, n)
    order = stream.permutation(code.length)
    turns, shifts = stream.integers(code.blocks, code.length), stream.integers(code.length, code.blocks)
    b, j = np.mgrid[: code.blocks, : code.length]
    q = (b + shifts[j]) % code.blocks
    return slots[(q * code.length + order[(j + turns[q]) % code.length] + start) % n].reshape(-1)


def reveal(pixels: np.ndarray, key: Secret) -> bytes:
    """uint8 (height, width, 3) -> the data."""
    slots = pixels.transpose(2, 0, 1).reshape(-1) % 4
    n = len(slots)
    for header in headers(slots & 1, key):
        if header.length <= Code(n - LEAST, 0).most_bits // 8 - 16:
            message = key.message(header.nonce)
            body = dealt(np.delete(slots, header.slots), message)
            bits = 8 * (header.length + 16)
            upper = bits * header.share // 256
            if max(upper, bits - upper) > len(body):
                continue
            count = n - len(header.slots)
            planes = [Code(count, bits - upper).syndrome(body & 1), Code(count, upper).syndrome(body >> 1)]
            sealed = np.packbits(np.concatenate(planes)).tobytes()
            fields = struct.pack("<IB", header.length, header.share)
            try:
                return ChaCha20Poly1305(message.derive("body")).decrypt(bytes(12), sealed, fields)
            except InvalidTag:
                continue
    raise NothingRevealedError
