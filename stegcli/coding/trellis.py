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
import math
from dataclasses import dataclass

import numpy as np

from stegcli.keys.stream import Stream

BLOCK = 4096  # slots per trellis
TOGETHER = 32  # trellises per array operation: 2^HEIGHT * TOGETHER floats stay in the processor's cache
LARGE = 6_000_000  # slots from which a lower trellis keeps the time bearable
HEIGHT, HEIGHT_LARGE = 10, 7
CARRIED = 0.99
"""Part of the message that the slots which take part would carry in a perfect code. The dearest slots carry next to
nothing where the message is short, and each costs a step."""
LOOKED_AT = 6_000  # costs that this is found from
SEARCH = 20  # steps of bisection
PAYS = 2  # a step that goes through another slot in every block takes so many times as long as one through the same
TILES = 8  # states that numpy works on in one line
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
    trellis = _Trellis(code, _per_row(code, costs[:used]))
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


def _per_row(code: Code, costs: np.ndarray) -> int:
    """How many of a row's slots, the cheapest ones, need to take part; 0 if it does not pay to choose."""
    share = _needed_share(code.bits / code.slots, costs[:: max(1, len(costs) // LOOKED_AT)].astype(np.float64))
    mean = share * code.length / code.rows
    enough = math.ceil(mean + 2 * math.sqrt(mean)) + 4  # by chance some rows have more of the cheap slots than others
    return enough if PAYS * enough * code.rows < code.length else 0


def _needed_share(rate: float, costs: np.ndarray) -> float:
    """Message bits per slot, and costs -> the share of the slots, the cheapest, that would carry CARRIED of the bits.

    A perfect code flips a slot with probability 1 / (1 + exp(cost / t)), where t is such that the entropies sum to the
    message's length. Reference: Filler, Judas, Fridrich, Eq. 7.
    """
    costs = np.sort(costs)
    low, high = -60.0, 60.0  # of log t
    for _ in range(SEARCH):
        middle = (low + high) / 2
        low, high = (middle, high) if _entropy(costs / math.exp(middle)).mean() < rate else (low, middle)
    carried = np.cumsum(_entropy(costs / math.exp(high)))
    return float(np.searchsorted(carried, CARRIED * carried[-1]) + 1) / len(costs)


def _entropy(costs: np.ndarray) -> np.ndarray:
    """Costs of flips in units of t -> bits that each slot carries."""
    flips = 1 / (1 + np.exp(np.minimum(costs, 700)))
    entropy: np.ndarray = (np.log1p(np.exp(-costs)) + flips * costs) / math.log(2)
    return entropy


def _by_block(values: np.ndarray, code: Code) -> np.ndarray:
    """(blocks * length,) -> (length, blocks)."""
    return np.ascontiguousarray(values.reshape(code.blocks, code.length).T)


class _Trellis:
    """The Viterbi algorithm over the blocks of a code, some of them side by side.

    A state holds the syndrome that is still missing in the next `height` rows. cost[s] is what it costs to get to s
    from a cover that misses nothing; a step through column c sets cost[s] = min(cost[s], cost[s ^ c] + rho).
    """

    def __init__(self, code: Code, per_row: int):
        """per_row: of how many slots of each row, the cheapest ones, each block may flip any; 0: all of them."""
        self._code, self._per_row = code, per_row
        self._starts, self._ends = code.starts, np.append(code.starts[1:], code.length)
        self._all = [] if per_row else [self._row(row, None) for row in range(code.rows)]
        steps = per_row * code.rows or code.length
        self._width = 1 << (min(TOGETHER, code.blocks) - 1).bit_length()
        self._flipped = np.empty((steps, 2, 2 ** (code.height - 1), self._width), bool)

    def run(self, rho: np.ndarray, missing: np.ndarray, flips: np.ndarray) -> None:
        """Costs (length, B), syndrome that is missing (rows, B) -> `flips` (length, B), set to 1 where to flip."""
        used = rho.shape[1]
        idle = ((0, 0), (0, self._width - used))  # the index arithmetic wants a power of two
        rho, missing = np.pad(rho, idle), np.pad(missing, idle)
        rows = self._all or [self._row(row, rho) for row in range(self._code.rows)]
        costs = _Costs(self._code.height, self._width)
        step = 0
        for row, (places, columns) in enumerate(rows):
            weights = rho[places] if places.ndim == 1 else np.take_along_axis(rho, places, axis=0)
            for column, weight in zip(columns, costs.tiled(weights), strict=True):
                costs.step(column >> 1, weight, self._flipped[step])
                step += 1
            costs.move_on(missing[row], normalise=row % NORMALISED == 0)
        flips[...] = self._walk_back(rows, missing[:, :used])[:, :used]

    def _row(self, row: int, rho: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """-> the places that a row's steps go through, in order, and the columns there: (k,), or (k, B) if chosen."""
        first, last = self._starts[row], self._ends[row]
        mask = 2 ** min(self._code.height, self._code.rows - row) - 1  # near the end the band leaves the matrix
        if rho is None:
            places = np.arange(first, last)
        else:
            places = first + np.argpartition(rho[first:last], self._per_row, axis=0)[: self._per_row]
        return places, self._code.columns[places] & mask

    def _walk_back(self, rows: list[tuple[np.ndarray, np.ndarray]], missing: np.ndarray) -> np.ndarray:
        """-> which slots to flip, uint8 (length, B)."""
        places, columns = (np.concatenate(parts) for parts in zip(*rows, strict=True))
        ends = np.cumsum([len(p) for p, _ in rows]).tolist()
        flipped = self._flipped.reshape(-1).view(np.uint8).data
        found = np.zeros((len(places), self._width), np.uint8)
        for lane, bits in enumerate(missing.T.tolist()):
            of_lane = columns if columns.ndim == 1 else columns[:, lane]
            found[self._path(flipped, lane, of_lane.tolist(), ends, bits), lane] = 1
        flips = np.zeros((self._code.length, self._width), np.uint8)
        np.put_along_axis(flips, np.broadcast_to(places.reshape(len(places), -1), found.shape), found, axis=0)
        return flips

    def _path(
        self, flipped: memoryview, lane: int, columns: list[int], ends: list[int], missing: list[bool]
    ) -> list[int]:
        """The steps at which the cheapest path of one lane flips, the last first. Plain integers: numpy is slower."""
        width, half = self._width, self._width << (self._code.height - 1)
        steps, state, last = [], 0, ends[-1]
        for end, bit in zip([*ends[-2::-1], 0], missing[::-1], strict=True):
            state = state << 1 | bit
            for step in range(last - 1, end - 1, -1):
                column = columns[step]
                if state & 1:
                    at = (2 * step + 1) * half + (state >> 1 ^ column >> 1) * width + lane
                else:
                    at = 2 * step * half + (state >> 1) * width + lane
                if flipped[at]:
                    state ^= column
                    steps.append(step)
            last = end
        return steps


class _Costs:
    """What it costs to get to each state, (2^height, B) as two arrays: of the even states, and of the odd ones.

    Every column has bit 0 set, so that a step leads from even to odd states and back: each pair is worked on once. The
    odd half is kept in the order of the last column, since every step reads it in another order anyway.
    """

    def __init__(self, height: int, width: int):
        half = 2 ** (height - 1)
        self._width = width
        self._lines = (-1, width * min(half, TILES))
        self._every = np.arange(half)
        self._flat = np.arange(half * width).reshape(half, width)
        self._even, self._odd, self._read, total = np.full((4, half, width), np.inf, np.float32)
        self._long = [a.reshape(self._lines) for a in (self._even, self._odd, self._read, total)]
        self._even[0] = 0
        self._order: np.ndarray | int = 0  # place t of the odd half holds state 2 (t ^ order) + 1

    def tiled(self, weights: np.ndarray) -> np.ndarray:
        """Costs of some steps (k, B) -> as `step` wants them: numpy is slow to add in lines of 32 numbers."""
        return np.tile(weights, (1, self._lines[1] // self._width))

    def step(self, column: np.ndarray, weight: np.ndarray, flipped: np.ndarray) -> None:
        """Go through a column without its bit 0, a number or one for each lane, at a cost of `tiled`.

        flipped: (2, half, B), set to whether the cheapest way to an even state, and to the odd one that it is paired
        with, is the flip.
        """
        self._ordered(column, self._read)
        even, odd, before, total = self._long
        np.add(before, weight, out=total)
        np.less(total, even, out=flipped[0].reshape(self._lines))
        np.add(even, weight, out=odd)
        np.minimum(even, total, out=even)
        np.less(odd, before, out=flipped[1].reshape(self._lines))
        np.minimum(odd, before, out=odd)

    def move_on(self, missing: np.ndarray, normalise: bool) -> None:
        """Keep the states whose lowest bit is the missing one (B,), and move on by one row."""
        self._ordered(0, self._read)
        kept = np.where(missing, self._read, self._even)
        if normalise:
            kept -= kept.min(axis=0)  # sums stay small, so that their last bits count
        quarter = len(kept) // 2
        self._even[:quarter], self._odd[:quarter] = kept[0::2], kept[1::2]
        self._even[quarter:] = self._odd[quarter:] = np.inf  # no state with the top bit can be reached yet

    def _ordered(self, order: np.ndarray | int, out: np.ndarray) -> None:
        """The odd half in this order -> `out`."""
        turn = self._order ^ order
        if np.ndim(turn) == 0:
            self._odd.take(self._every ^ turn, axis=0, out=out, mode="clip")
        else:
            self._odd.reshape(-1).take(self._flat ^ turn * self._width, out=out, mode="clip")
        self._order = order
