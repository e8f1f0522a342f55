"""Lossless files: numbers of base M in the samples themselves, read as sample modulo M.

With base M a sample carries log2 M bits at a mean squared error of (M^2 - 1) / 12, or (M^2 + 2) / 12 where M is even.
A body takes as few samples and as small a base as it needs; a share of the samples may have the next base, so that any
length fits snugly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stegcli.errors import CapacityError, RevealError
from stegcli.keys.key import Key
from stegcli.methods.riis import envelope
from stegcli.methods.riis.carrier import PSNR, Carrier, Seen
from stegcli.methods.riis.envelope import Letter
from stegcli.methods.riis.order import Share, own_units

# Base: bits and samples of a group that holds them; within 1.2 % of log2 of the base.
GROUPS = {2: (1, 1), 3: (30, 19), 4: (2, 1), 5: (23, 10), 6: (31, 12), 7: (14, 5), 8: (3, 1), 9: (19, 6)}
BASES = tuple(GROUPS)
SHARES = 30  # a note says base and how many 30ths of the samples have the next one


@dataclass(frozen=True)
class Digits(Carrier):
    """No options: what the stego's quality allows decides the base."""

    def room(self, cover: np.ndarray, receivers: int, psnr: float = PSNR) -> int:
        samples = len(own_units(cover.size, Share(receivers - 1, receivers))) - envelope.HEADER_BITS
        notes = [n for n in range(len(BASES) * SHARES - SHARES + 1) if _error(n) <= 255**2 / 10 ** (psnr / 10)]
        return _most_bits(int(0.99 * samples), max(notes, default=0)) // 8 - envelope.TAG_BYTES

    def hide(self, cover: np.ndarray, letters: Sequence[Letter], psnr: float = PSNR) -> np.ndarray:
        stego = cover.reshape(-1).copy()
        for index, letter in enumerate(letters):
            places = _order(letter.key, stego.size, Share(index, len(letters)))
            free = len(places) - envelope.HEADER_BITS
            bits = envelope.body_bits(len(letter.data))
            note = next((n for n in range(SHARES, (len(BASES) - 1) * SHARES + 1) if _most_bits(free, n) >= bits), None)
            if note is None:
                raise CapacityError(_most_bits(free, (len(BASES) - 1) * SHARES) // 8, len(letter.data))
            header, body = envelope.seal(letter, note)
            mask = letter.key.stream("mask").integers(stego.size, math.lcm(*BASES))
            _write(stego, places[: len(header)], header, 2, mask)
            _write_body(stego, places[len(header) :], body, note, mask)
        return stego.reshape(cover.shape)

    def stronger(self) -> Digits | None:
        return None

    def reveal(self, seen: Seen, key: Key, share: Share) -> bytes:
        samples = seen.pixels.reshape(-1)
        places = _order(key, samples.size, share)
        if len(places) <= envelope.HEADER_BITS:
            raise RevealError
        mask = key.stream("mask").integers(samples.size, math.lcm(*BASES))
        head, rest = places[: envelope.HEADER_BITS], places[envelope.HEADER_BITS :]
        header = envelope.open_header(_read(samples, head, 2, mask).astype(np.uint8), key)
        if header.note > (len(BASES) - 1) * SHARES or header.body_bits > _most_bits(len(rest), header.note):
            raise RevealError
        parts = [
            _to_bits(_read(samples, where, base, mask), base, count)
            for where, base, count in _parts(rest, header.body_bits, header.note)
        ]
        return envelope.open_body(np.concatenate(parts), header, key)


def _error(note: int) -> float:
    """Mean squared error of a sample that carries."""

    def of(base: int) -> float:
        return (base * base + (2 if base % 2 == 0 else -1)) / 12

    lower, share = divmod(note, SHARES)
    upper = min(lower + 1, len(BASES) - 1)
    return of(BASES[lower]) + share / SHARES * (of(BASES[upper]) - of(BASES[lower]))


def _cut(samples: int, note: int) -> tuple[int, int, int]:
    """Samples -> the base of the lower part, how many have it, how many have the next base."""
    lower, share = divmod(note, SHARES)
    high = samples * share // SHARES
    return lower, samples - high, high


def _bits_in(samples: int, base: int) -> int:
    bits, group = GROUPS[base]
    return samples // group * bits


def _most_bits(samples: int, note: int) -> int:
    lower, low, high = _cut(samples, note)
    return _bits_in(low, BASES[lower]) + (_bits_in(high, BASES[lower + 1]) if high else 0)


def _parts(places: np.ndarray, bits: int, note: int) -> list[tuple[np.ndarray, int, int]]:
    """-> for each base the samples that carry it, and the number of bits in them."""
    lower, low, _ = _cut(len(places), note)
    first = min(bits, _bits_in(low, BASES[lower]))
    parts = [(places[: _samples_for(first, BASES[lower])], BASES[lower], first)]
    if bits > first:
        upper = BASES[lower + 1]
        parts.append((places[low : low + _samples_for(bits - first, upper)], upper, bits - first))
    return parts


def _samples_for(bits: int, base: int) -> int:
    per, group = GROUPS[base]
    return -(-bits // per) * group


def _write_body(stego: np.ndarray, places: np.ndarray, body: np.ndarray, note: int, mask: np.ndarray) -> None:
    done = 0
    for where, base, count in _parts(places, len(body), note):
        _write(stego, where, _to_digits(body[done : done + count], base), base, mask)
        done += count


def _to_digits(bits: np.ndarray, base: int) -> np.ndarray:
    per, group = GROUPS[base]
    padded = np.zeros(-(-len(bits) // per) * per, np.int64)
    padded[: len(bits)] = bits
    numbers = padded.reshape(-1, per) @ (1 << np.arange(per, dtype=np.int64))
    return (numbers[:, None] // base ** np.arange(group, dtype=np.int64) % base).reshape(-1)


def _to_bits(digits: np.ndarray, base: int, count: int) -> np.ndarray:
    per, group = GROUPS[base]
    numbers = digits.reshape(-1, group) @ base ** np.arange(group, dtype=np.int64)
    bits: np.ndarray = (numbers[:, None] >> np.arange(per) & 1).astype(np.uint8).reshape(-1)[:count]
    return bits


def _write(stego: np.ndarray, places: np.ndarray, digits: np.ndarray, base: int, mask: np.ndarray) -> None:
    """The nearest values with these remainders; of two as near, the mask takes one."""
    values = stego[places].astype(np.int64)
    up = (digits + mask[places] - values) % base
    down = up - base
    tie = (up == -down) & (mask[places] >> 3 & 1 == 1)
    change = np.where((up < -down) | tie, up, down)
    change = np.where(values + change < 0, up, np.where(values + change > 255, down, change))
    stego[places] = values + change


def _read(samples: np.ndarray, places: np.ndarray, base: int, mask: np.ndarray) -> np.ndarray:
    found: np.ndarray = (samples[places].astype(np.int64) - mask[places]) % base
    return found


def _order(key: Key, samples: int, share: Share) -> np.ndarray:
    own = own_units(samples, share)
    found: np.ndarray = own[key.stream("samples").permutation(len(own))]
    return found
