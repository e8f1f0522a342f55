"""Syndrome-trellis codes: carry a message by changing as little as possible.

The receiver computes message = H y (mod 2) from the bits y it reads; H is public, banded and sparse. The sender
takes, among all y with that syndrome, the one nearest to the bits x it found, by the Viterbi algorithm
over 2^HEIGHT states. At one message bit per three slots about 6.5 % of the slots change, where writing
the message bit by bit would change 16.7 %.

Reference: Minimizing additive distortion in steganography using syndrome-trellis codes (Filler, Judas, Fridrich,
IEEE TIFS 2011), section IV. Differences: the slots are cut into blocks of equal length which run through the
trellis side by side; and the columns of H are drawn from a fixed ChaCha20 stream in place of the authors' searched
tables.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stegcli.coding import few_rows
from stegcli.keys.stream import Stream

BLOCK = 4096  # slots per trellis
LARGE = 6_000_000  # slots from which a lower trellis keeps the time bearable
HEIGHT, HEIGHT_LARGE = 10, 7
SHORT = 1e-4  # seconds


@dataclass(frozen=True)
class Code:
    """`bits` message bits in `slots` binary slots, cut into `blocks` trellises of `length` slots."""

    slots: int
    bits: int

    def __post_init__(self) -> None:
        if self.bits > self.length * self.blocks:
            raise ValueError(f"{self.bits} bits do not fit {self.slots} slots")

    @property
    def height(self) -> int:
        return HEIGHT if self.slots < LARGE else HEIGHT_LARGE

    @property
    def blocks(self) -> int:
        return max(1, self.slots // BLOCK)

    @property
    def length(self) -> int:
        return self.slots // self.blocks

    @property
    def rows(self) -> int:
        """Message bits per block; the last block is filled up with zeros."""
        return -(-self.bits // self.blocks)

    @property
    def starts(self) -> np.ndarray:
        """(rows,) index of the first column that touches each message bit."""
        return np.arange(self.rows, dtype=np.int64) * self.length // max(1, self.rows)

    @property
    def ends(self) -> np.ndarray:
        """(rows,) index behind the last column that first touches each message bit."""
        return np.append(self.starts[1:], self.length)

    @property
    def columns(self) -> np.ndarray:
        """(length,) the band of H under each slot, as an integer: bit b acts on message bit row + b.

        Bit 0 is set, so that every message can be reached, and the top bit, so that the memory is used.
        """
        return _columns(self.length, self.height)

    @property
    def bands(self) -> np.ndarray:
        """(length,) the columns without what leaves the matrix below its last row."""
        row = np.repeat(np.arange(self.rows), self.ends - self.starts)
        bands: np.ndarray = self.columns & ((1 << np.minimum(self.height, self.rows - row)) - 1)
        return bands


@functools.lru_cache(maxsize=64)
def _columns(length: int, height: int) -> np.ndarray:
    seed = hashlib.sha256(f"stegcli/coset/{height}".encode()).digest()
    drawn = Stream(seed).integers(length, 2 ** (height - 1)) | np.int64(1 | 2 ** (height - 1))
    drawn.flags.writeable = False
    return drawn


def most_bits(slots: int) -> int:
    """Slots -> the most message bits they carry: all of them but the few left over by the cut into blocks."""
    code = Code(slots, 0)
    return code.blocks * code.length


def embed(code: Code, slots: np.ndarray, costs: np.ndarray, message: np.ndarray) -> np.ndarray:
    """Slots' bits, uint8 (n,), cost of flipping each (n,), message bits -> the cheapest bits with that syndrome."""
    if code.bits == 0:
        return slots.copy()
    used = code.blocks * code.length
    padded = np.zeros(code.rows * code.blocks, np.uint8)
    padded[: code.bits] = message
    whole = Code(code.slots, code.rows * code.blocks)
    missing = (padded ^ extract(whole, slots)).reshape(code.blocks, code.rows)
    flips = _way(code)(costs[:used].reshape(code.blocks, code.length).T, missing.T, code.bands, code.ends, code.height)
    result = slots.copy()
    result[:used] ^= flips.T.reshape(-1)
    return result


def _way(code: Code) -> Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]:
    """The faster way to find the cheapest flips."""
    if few_rows.fits(code.length, code.rows, code.blocks, code.height):
        return few_rows.cheapest
    from stegcli.coding import viterbi

    return viterbi.cheapest


def prepare(slots: int, bits: int) -> None:
    """Begin to load what `embed` needs for so many bits, if they fit, beside other work."""
    if bits > most_bits(slots):
        return
    code = Code(slots, bits)
    if not few_rows.fits(code.length, code.rows, code.blocks, code.height):
        _load_loops()


@functools.cache
def _load_loops() -> None:

    def load() -> None:
        usual = sys.getswitchinterval()
        sys.setswitchinterval(SHORT)  # else array operations beside it wait 5 ms each time they want Python's lock back
        try:
            from stegcli.coding import viterbi

            viterbi.load()
        finally:
            sys.setswitchinterval(usual)

    threading.Thread(target=load, daemon=True).start()


def extract(code: Code, slots: np.ndarray) -> np.ndarray:
    """Slots' bits, uint8 (n,) -> message bits: the syndrome H y."""
    if code.bits == 0:
        return np.empty(0, slots.dtype)
    y = slots[: code.blocks * code.length].reshape(code.blocks, code.length)
    found = _syndromes(code, np.ascontiguousarray(_packed(y).T))
    return np.unpackbits(np.ascontiguousarray(found.T), axis=0, count=code.blocks).reshape(-1)[: code.bits]


def _packed(bits: np.ndarray) -> np.ndarray:
    """`np.packbits(bits, axis=0)` of bits, uint8 (n, m), row by row: three times as fast."""
    packed = np.zeros((-(-len(bits) // 8), bits.shape[1]), np.uint8)
    for b in range(8):
        rows = bits[b::8]
        packed[: len(rows)] |= rows << np.uint8(7 - b)
    return packed


def extract_words(code: Code, words: np.ndarray) -> np.ndarray:
    """The same for many pictures at once: bit b of all words, unsigned integers (n,), belongs to picture b."""
    return _syndromes(code, _by_block(words[: code.blocks * code.length], code)).T.reshape(-1)[: code.bits]


def _syndromes(code: Code, y: np.ndarray) -> np.ndarray:
    """Slots (length, n), each bit of which counts by itself -> their syndromes (rows, n)."""
    message = np.zeros((code.rows, y.shape[1]), y.dtype)
    for b in range(min(code.height, code.rows)):
        touched = (0 - (code.columns >> b & 1)).astype(y.dtype)[:, None]  # all ones, or none
        sums = np.bitwise_xor.reduceat(y & touched, code.starts, axis=0)
        message[b:] ^= sums[: code.rows - b]
    return message


def _by_block(values: np.ndarray, code: Code) -> np.ndarray:
    """(blocks * length,) -> (length, blocks)."""
    return np.ascontiguousarray(values.reshape(code.blocks, code.length).T)
