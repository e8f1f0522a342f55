"""Syndrome-trellis codes: carry a message by changing as little as possible.

The receiver computes message = H y (mod 2) from the bits y it reads; H is public, banded and sparse. The sender
takes, among all y with that syndrome, the one nearest to the bits x it found, by the Viterbi algorithm
over 2^HEIGHT states. At one message bit per three slots about 6.5 % of the slots change, where writing
the message bit by bit would change 16.7 %.

Reference: Minimizing additive distortion in steganography using syndrome-trellis codes (Filler, Judas, Fridrich,
IEEE TIFS 2011), section IV. Differences: the slots are cut into blocks of equal length which run through the
trellis side by side, so that each step is one array operation; and the columns of H are drawn from a fixed
ChaCha20 stream in place of the authors' searched tables.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

import numpy as np

from stegcli.keys.stream import Stream

BLOCK = 4096  # slots per trellis
TOGETHER = 32  # trellises per array operation: 2^HEIGHT * TOGETHER floats stay in the processor's cache
LARGE = 6_000_000  # slots from which a lower trellis keeps the time bearable
HEIGHT, HEIGHT_LARGE = 10, 7
CHEAPEST, CHEAPEST_IN_BLOCK = 128, 512
"""Slots that take part at least, for each message bit and in each block. Fewer suffice for costs that spread widely;
with costs that are alike in most of a picture, 16 for each bit lose 1 dB."""
PAYS = 4  # a step that goes through another slot in every block takes so many times as long as one through the same
NORMALISED = 64  # rows after which costs are counted anew


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
    def columns(self) -> np.ndarray:
        """(length,) the band of H under each slot, as an integer: bit b acts on message bit row + b.

        Bit 0 is set, so that every message can be reached, and the top bit, so that the memory is used.
        """
        return _columns(self.length, self.height)


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
    """Slots' bits (n,), cost of flipping each (n,), message bits -> the cheapest bits with that syndrome.

    In long messages every slot takes part. In short ones only the cheapest do: that is nearly as good and much faster.
    """
    if code.bits == 0:
        return slots.copy()
    used = code.blocks * code.length
    padded = np.zeros(code.rows * code.blocks, np.uint8)
    padded[: code.bits] = message
    whole = Code(code.slots, code.rows * code.blocks)
    missing = (padded ^ extract(whole, slots)).reshape(code.blocks, code.rows).T.astype(bool)  # (rows, blocks)
    rho = _by_block(costs[:used], code).astype(np.float32)
    flips = np.zeros((code.length, code.blocks), np.uint8)
    trellis = _Trellis(code)
    for first in range(0, code.blocks, TOGETHER):
        group = slice(first, first + TOGETHER)
        trellis.run(np.ascontiguousarray(rho[:, group]), np.ascontiguousarray(missing[:, group]), flips[:, group])
    result = slots.copy()
    result[:used] ^= flips.T.reshape(-1).astype(slots.dtype)
    return result


def extract(code: Code, slots: np.ndarray) -> np.ndarray:
    """Slots' bits (n,) -> message bits: the syndrome H y.

    Slots may be unsigned integers of any width: each of their bits then counts as a picture of its own.
    """
    if code.bits == 0:
        return np.empty(0, slots.dtype)
    y = _by_block(slots[: code.blocks * code.length], code)
    message = np.zeros((code.rows, code.blocks), y.dtype)
    for b in range(min(code.height, code.rows)):
        touched = (0 - (code.columns >> b & 1)).astype(y.dtype)[:, None]  # all ones, or none
        sums = np.bitwise_xor.reduceat(y & touched, code.starts, axis=0)
        message[b:] ^= sums[: code.rows - b]
    return message.T.reshape(-1)[: code.bits]


def _by_block(values: np.ndarray, code: Code) -> np.ndarray:
    """(blocks * length,) -> (length, blocks)."""
    return np.ascontiguousarray(values.reshape(code.blocks, code.length).T)


class _Trellis:
    """The Viterbi algorithm over the blocks of a code, some of them side by side.

    A state holds the syndrome that is still missing in the next `height` rows. cost[s] is what it costs to get to s
    from a cover that misses nothing; a step through column c sets cost[s] = min(cost[s], cost[s ^ c] + rho).
    """

    def __init__(self, code: Code):
        self._code = code
        self._starts, self._ends = code.starts, np.append(code.starts[1:], code.length)
        per_row = max(CHEAPEST, -(-CHEAPEST_IN_BLOCK // code.rows))
        self._chosen = per_row if PAYS * per_row * code.rows < code.length else 0  # of each row; 0: all of them
        self._all = [] if self._chosen else [self._row(row, None) for row in range(code.rows)]
        steps = self._chosen * code.rows or code.length
        self._flipped = np.empty((steps, 2**code.height, min(TOGETHER, code.blocks)), bool)

    def run(self, rho: np.ndarray, missing: np.ndarray, flips: np.ndarray) -> None:
        """Costs (length, B), syndrome that is missing (rows, B) -> `flips` (length, B), set to 1 where to flip."""
        rows = self._all or [self._row(row, rho) for row in range(self._code.rows)]
        cost = np.full((2 ** (self._code.height - 1), rho.shape[1]), np.inf, np.float32)
        cost[0] = 0
        step = 0
        for row, (places, columns) in enumerate(rows):
            weights = rho[places] if places.ndim == 1 else np.take_along_axis(rho, places, axis=0)
            cost = _through(cost, weights, columns, self._flipped[step : step + len(places), :, : rho.shape[1]])
            step += len(places)
            # Keep the states whose lowest bit is the missing one, and move on by one row.
            cost = np.where(missing[row], cost[1::2], cost[0::2])
            if row % NORMALISED == 0:
                cost -= cost.min(axis=0)  # sums stay small, so that their last bits count
        self._walk_back(rows, missing, flips)

    def _row(self, row: int, rho: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """-> the places that a row's steps go through, in order, and the columns there: (k,), or (k, B) if chosen."""
        first, last = self._starts[row], self._ends[row]
        mask = 2 ** min(self._code.height, self._code.rows - row) - 1  # near the end the band leaves the matrix
        if rho is None:
            places = np.arange(first, last)
        else:
            places = first + np.argpartition(rho[first:last], self._chosen, axis=0)[: self._chosen]
        return places, self._code.columns[places] & mask

    def _walk_back(self, rows: list[tuple[np.ndarray, np.ndarray]], missing: np.ndarray, flips: np.ndarray) -> None:
        lanes = np.arange(missing.shape[1])
        state = np.zeros(len(lanes), np.int64)
        step = sum(len(places) for places, _ in rows)
        for (places, columns), bit in zip(reversed(rows), missing[::-1], strict=True):
            state = state << 1 | bit
            for place, column in zip(places[::-1], columns[::-1], strict=True):
                step -= 1
                flip = self._flipped[step, state, lanes]
                flips[place, lanes] = flip
                state ^= column * flip


def _through(cost: np.ndarray, weights: np.ndarray, columns: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """Costs at the start of a row -> costs after its steps, (2^height, B); what was flipped on the way is noted.

    cost: (2^(height - 1), B), of the states without the top bit: no other can be reached yet.
    """
    half, width = cost.shape
    lanes, every = np.arange(width), np.arange(2 * half)
    cost = np.concatenate([cost, np.full_like(cost, np.inf)])
    other = np.empty_like(cost)
    for column, weight, noted in zip(columns, weights, flipped, strict=True):
        if column.ndim == 0:
            np.take(cost, every ^ column, axis=0, out=other, mode="clip")
        else:
            np.take(cost.reshape(-1), (every[:, None] ^ column) * width + lanes, out=other, mode="clip")
        other += weight
        np.less(other, cost, out=noted)
        np.minimum(other, cost, out=cost)
    return cost
