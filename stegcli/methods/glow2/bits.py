"""A message's bytes <-> latents.

    bytes --seal--> body --code--> coded bits --key's permutation--> stretches of latents

The body is encrypted by ChaCha20-Poly1305 with a separate key for every nonce; its tag also authenticates the
descriptor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from stegcli.coding import ldpc
from stegcli.errors import RevealError
from stegcli.keys.key import Key
from stegcli.methods.glow2 import torus
from stegcli.methods.glow2.layout import TAG_BYTES, Stretch, coded_bits

FIXED_NONCE = bytes(12)
"""The AEAD's own nonce may be fixed: its key serves one message only."""


def write(data: bytes, descriptor: int, nonce: int, key: Key, room: Sequence[Stretch]) -> tuple[np.ndarray, np.ndarray]:
    """Data -> the places it uses and their latents."""
    body = _cipher(key, nonce).encrypt(FIXED_NONCE, data, _tied(descriptor))
    bits = np.unpackbits(np.frombuffer(body, np.uint8))
    length = coded_bits(len(bits), sum(s.size for s in room))
    used = _cut(room, length, key, nonce)
    coded = np.zeros(sum(s.size for s in used), np.uint8)
    coded[_order(len(coded), key, nonce)[:length]] = ldpc.encode_to(bits, length)
    dither = _dither(used, key, nonce)
    parts = [
        torus.write_bits(b.reshape(-1, s.bits), d) for s, b, d in zip(used, _split(coded, used), dither, strict=True)
    ]
    return np.concatenate([s.places for s in used]), np.concatenate(parts)


def read(
    z: np.ndarray, r: np.ndarray, length: int, descriptor: int, nonce: int, key: Key, room: Sequence[Stretch]
) -> bytes:
    """All received latents, their correlation with those sent, and the data's length in bytes -> the data.

    Raises RevealError.
    """
    bits = 8 * (length + TAG_BYTES)
    available = sum(s.size for s in room)
    if bits >= available:
        raise RevealError
    coded = coded_bits(bits, available)
    used = _cut(room, coded, key, nonce)
    dither = _dither(used, key, nonce)
    odds = [torus.read_bits(z[s.places], r[s.places], d, s.bits) for s, d in zip(used, dither, strict=True)]
    all_odds = np.concatenate([o.reshape(-1) for o in odds])
    order = _order(len(all_odds), key, nonce)[:coded]
    body = np.packbits(ldpc.decode_from(all_odds[order], bits)).tobytes()
    try:
        return _cipher(key, nonce).decrypt(FIXED_NONCE, body, _tied(descriptor))
    except InvalidTag as error:
        raise RevealError from error


def _cipher(key: Key, nonce: int) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(key.derive("body", nonce))


def _tied(descriptor: int) -> bytes:
    return descriptor.to_bytes(4, "big")


def _cut(room: Sequence[Stretch], length: int, key: Key, nonce: int) -> list[Stretch]:
    """The first stretches that hold `length` bits; the key selects the part of the last one that is used."""
    used: list[Stretch] = []
    for index, stretch in enumerate(room):
        if length <= 0:
            break
        count = min(len(stretch.places), -(-length // stretch.bits))
        order = key.stream(f"places {index}", nonce).permutation(len(stretch.places))[:count]
        used.append(Stretch(stretch.places[order], stretch.bits))
        length -= used[-1].size
    return used


def _dither(used: Sequence[Stretch], key: Key, nonce: int) -> list[np.ndarray]:
    counts = [len(s.places) for s in used]
    drawn = key.stream("dither", nonce).uniform(sum(counts))
    return np.split(drawn, np.cumsum(counts)[:-1])


def _order(n: int, key: Key, nonce: int) -> np.ndarray:
    """The order of coded bits: all blocks of the code get the same share of robust and weak places."""
    return key.stream("bits", nonce).permutation(n)


def _split(coded: np.ndarray, used: Sequence[Stretch]) -> list[np.ndarray]:
    return np.split(coded, np.cumsum([s.size for s in used])[:-1])
