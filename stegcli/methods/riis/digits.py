"""Lossless files: numbers of base M in the samples themselves, read as sample modulo M.

With base M a sample carries log2 M bits at a mean squared error of (M^2 - 1) / 12, or (M^2 + 2) / 12 where M is even.
A body takes as few samples and as small a base as it needs; a share of the samples may have the next base, so that any
length fits snugly.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stegcli.coding import sealing
from stegcli.coding.sealing import Sealed
from stegcli.errors import CapacityError, RevealError
from stegcli.keys.key import Key
from stegcli.methods.riis import envelope, order, salts
from stegcli.methods.riis.carrier import PSNR, Carrier, Seen
from stegcli.methods.riis.envelope import HEADER_BITS, Letter
from stegcli.methods.riis.order import Share

# Base: bits and samples of a group that holds them; within 1.2 % of log2 of the base.
GROUPS = {2: (1, 1), 3: (30, 19), 4: (2, 1), 5: (23, 10), 6: (31, 12), 7: (14, 5), 8: (3, 1), 9: (19, 6)}
BASES = tuple(GROUPS)
SHARES = 30  # a note says base and how many 30ths of the samples have the next one


@dataclass(frozen=True)
class Digits(Carrier):
    """No options: what the stego's quality allows decides the base."""

    def room(self, cover: np.ndarray, receivers: int, psnr: float = PSNR) -> int:
        samples = len(order.own_units(cover.size, Share(receivers - 1, receivers))) - HEADER_BITS
        notes = [n for n in range(len(BASES) * SHARES - SHARES + 1) if _error(n) <= 255**2 / 10 ** (psnr / 10)]
        return _most_bits(int(0.99 * samples), max(notes, default=0)) // 8 - envelope.TAG_BYTES

    def hide(self, cover: np.ndarray, letters: Sequence[Letter], psnr: float = PSNR) -> np.ndarray:
        stego = cover.reshape(-1).copy()
        for index, letter in enumerate(letters):
            slots = order.slots_of(stego.size, 1, Share(index, len(letters)))
            free = len(slots) - HEADER_BITS
            bits = sealing.body_bits(len(letter.data))
            note = next((n for n in range(SHARES, (len(BASES) - 1) * SHARES + 1) if _most_bits(free, n) >= bits), None)
            if note is None:
                raise CapacityError(max(0, _most_bits(free, (len(BASES) - 1) * SHARES) // 8), len(letter.data))
            sealed = envelope.seal(letter, note)
            head = salts.head(letter.key, envelope.salt_of(sealed.nonce), slots, HEADER_BITS)
            _write(stego, head.slots, envelope.header_bits(sealed), 2, _mask(head))
            _write_body(stego, slots.body(sealed.message, head.slots), sealed, note)
        return stego.reshape(cover.shape)

    def stronger(self) -> Digits | None:
        return None

    def reveal(self, seen: Seen, key: Key, share: Share) -> bytes:
        samples = seen.pixels.reshape(-1)
        slots = order.slots_of(samples.size, 1, share)
        if len(slots) <= HEADER_BITS:
            raise RevealError
        heads = salts.heads(key, slots, HEADER_BITS)
        read = _read(samples, heads.slots, 2, _mask(heads)).astype(np.uint8)
        for salt, bits in enumerate(read):
            with contextlib.suppress(RevealError):
                header = envelope.open_header(bits, salt, key)
                return _opened(samples, slots, heads[salt].slots, header)
        raise RevealError


def _opened(samples: np.ndarray, slots: order.Slots, head: np.ndarray, header: envelope.Header) -> bytes:
    """-> the data. Raises RevealError."""
    free = len(slots) - len(head)
    if header.note > (len(BASES) - 1) * SHARES or header.body_bits > _most_bits(free, header.note):
        raise RevealError
    places = slots.body(header.message, head)
    mask = _body_mask(header.message, len(places))
    parts = [
        _to_bits(_read(samples, places[part], base, mask[part]), base, count)
        for part, base, count in _parts(free, header.body_bits, header.note)
    ]
    return envelope.open_body(np.concatenate(parts), header)


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


def _parts(samples: int, bits: int, note: int) -> list[tuple[slice, int, int]]:
    """-> for each base which of the body's samples carry it, and the number of bits in them."""
    lower, low, _ = _cut(samples, note)
    first = min(bits, _bits_in(low, BASES[lower]))
    parts = [(slice(0, _samples_for(first, BASES[lower])), BASES[lower], first)]
    if bits > first:
        upper = BASES[lower + 1]
        parts.append((slice(low, low + _samples_for(bits - first, upper)), upper, bits - first))
    return parts


def _samples_for(bits: int, base: int) -> int:
    per, group = GROUPS[base]
    return -(-bits // per) * group


def _write_body(stego: np.ndarray, places: np.ndarray, sealed: Sealed, note: int) -> None:
    done, mask = 0, _body_mask(sealed.message, len(places))
    for part, base, count in _parts(len(places), len(sealed.body), note):
        _write(stego, places[part], _to_digits(sealed.body[done : done + count], base), base, mask[part])
        done += count


def _mask(head: salts.Head) -> np.ndarray:
    """Of a header's digits; bit 3 is the coin of `_write`."""
    return (head.words & np.uint64(15)).astype(np.int64)


def _body_mask(message: Key, samples: int) -> np.ndarray:
    return message.stream("mask").integers(samples, math.lcm(*BASES))


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
    up = (digits + mask - values) % base
    down = up - base
    tie = (up == -down) & (mask >> 3 & 1 == 1)
    change = np.where((up < -down) | tie, up, down)
    change = np.where(values + change < 0, up, np.where(values + change > 255, down, change))
    stego[places] = values + change


def _read(samples: np.ndarray, places: np.ndarray, base: int, mask: np.ndarray) -> np.ndarray:
    found: np.ndarray = (samples[places].astype(np.int64) - mask) % base
    return found
