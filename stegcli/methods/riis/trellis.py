"""A trellis code inside an LDPC code: carry a message by small changes, and through a few wrong slots besides.

    message --LDPC--> coded bits = H y (mod 2),   y: the bits in the slots

H is banded and public, so the sender takes the cheapest y by the Viterbi algorithm. The receiver that reads every slot
right multiplies once. A wrong slot flips up to four coded bits, which lie far from each other in the
outer code; how sure a coded bit is follows from how sure its slots are.

Reference: Minimizing additive distortion in steganography using syndrome-trellis codes (Filler, Judas, Fridrich, IEEE
TIFS 2011), section IV. Differences: the slots are cut into lanes of equal length which run side by side; the columns
of H come from a fixed stream; the first message bit of each lane is touched by more columns than the others, since
white areas may leave none of its slots free; and the outer code.
"""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from stegcli.coding import ldpc
from stegcli.keys.stream import Stream

HEIGHT = 9
STATES = 1 << HEIGHT
LANE = 6144  # slots of a lane, about
TOGETHER = 32  # lanes per array operation: they stay in the processor's cache
FIRST_ROW = 48  # columns that the first row has more than the others
SPARSEST = 24  # slots per coded bit: more hardly make a change cheaper
SPARSEST_LARGE, LARGE = 8, 1 << 20  # the same in large pictures, to save time, and slots from which they are large
LEAST, MOST = 1e-3, 25.0  # bounds of log-odds


@dataclass(frozen=True)
class Code:
    """`bits` message bits in at most `slots` binary slots, by an outer code of about `rate`.

    Everything else follows: `lanes` of `length` slots, `rows` coded bits in each.
    """

    slots: int
    bits: int
    rate: float

    @property
    def used(self) -> int:
        coded = round(self.bits / self.rate)
        return min(self.slots, coded * SPARSEST, max(coded * SPARSEST_LARGE, LARGE))

    @property
    def lanes(self) -> int:
        return max(1, self.used // LANE)

    @property
    def length(self) -> int:
        return self.used // self.lanes

    @property
    def rows(self) -> int:
        return max(-(-self.bits // self.lanes) + 1, math.ceil(self.bits / self.rate / self.lanes))

    @property
    def coded(self) -> int:
        return self.rows * self.lanes

    def fits(self) -> bool:
        """Whether every row has a column of its own, and some to choose from."""
        return self.bits > 0 and self.rows * 10 <= self.length * 9 and self.length > 2 * HEIGHT


def embed(code: Code, slots: np.ndarray, costs: np.ndarray, message: np.ndarray) -> np.ndarray:
    """Slots' bits (n,), cost of flipping each (n,), message bits -> the cheapest bits that carry the message."""
    used = code.lanes * code.length
    coded = ldpc.encode_to(message, code.coded)[_interleaved(code.coded)].reshape(code.lanes, code.rows)
    x = slots[:used].reshape(code.lanes, code.length).astype(np.uint8)
    rho = costs[:used].reshape(code.lanes, code.length).astype(np.float32)
    result = slots.astype(np.uint8)
    y = result[:used].reshape(code.lanes, code.length)
    for first in range(0, code.lanes, TOGETHER):
        group = slice(first, first + TOGETHER)
        y[group] = _viterbi(code.rows, *(np.ascontiguousarray(a[group].T) for a in (x, rho, coded))).T
    return result


def extract(code: Code, soft: np.ndarray) -> np.ndarray:
    """Log-odds ln P(1)/P(0) of the slots (n,) -> the likeliest message bits.

    Always returns bits; whether they are right is for the caller's authentication tag to say.
    """
    return ldpc.decode_from(coded_odds(code, soft[None])[0], code.bits)


def coded_odds(code: Code, soft: np.ndarray) -> np.ndarray:
    """Log-odds of the slots, several times over (m, n) -> log-odds of the outer code's bits, (m, coded)."""
    lanes = soft[:, : code.lanes * code.length].reshape(-1, code.length)
    matrix = _lane_matrix(code.length, code.rows)
    coded = (matrix @ (lanes > 0).T.astype(np.int32)) & 1
    # A sum of bits is as sure as the product of tanh(|log-odds| / 2) over them.
    sure = np.exp(matrix @ np.log(np.tanh(np.abs(lanes).clip(LEAST, MOST) / 2)).T)
    odds = 2 * np.arctanh(sure.clip(LEAST / 2, 1 - 1e-12)) * (2.0 * coded - 1)
    in_order = np.empty((len(soft), code.coded))
    in_order[:, _interleaved(code.coded)] = odds.T.reshape(len(soft), -1)
    return in_order


@functools.lru_cache(maxsize=4)
def _interleaved(coded: int) -> np.ndarray:
    """(coded,) which bit of the outer code lies in each row, lane by lane."""
    seed = hashlib.sha256(f"stegcli/riis/interleaver/{coded}".encode()).digest()
    return Stream(seed).permutation(coded)


def starts(length: int, rows: int) -> np.ndarray:
    """(rows,) index of the first column that touches each coded bit of a lane."""
    extra = min(FIRST_ROW, max(0, length - rows))
    first = extra + np.arange(rows, dtype=np.int64) * (length - extra) // rows
    first[0] = 0
    return first


def columns(length: int) -> np.ndarray:
    """(length,) the band of H under each slot: bit b of the integer acts on coded bit row + b.

    Bit 0 is set, so that every message can be reached, the top bit, so that the memory is used, and one or two between.
    More would make a change 0.2 dB cheaper, and a wrong slot would spoil more coded bits.
    """
    seed = hashlib.sha256(f"stegcli/riis/trellis/{HEIGHT}".encode()).digest()
    inner = Stream(seed).integers(2 * length, HEIGHT - 2).reshape(2, length) + 1
    found: np.ndarray = (np.int64(1) << inner[0]) | (np.int64(1) << inner[1]) | np.int64(1 | STATES // 2)
    return found


def _rows_of(length: int, rows: int) -> np.ndarray:
    """(length,) the first coded bit that each column touches."""
    return np.searchsorted(starts(length, rows), np.arange(length), side="right") - 1


@functools.lru_cache(maxsize=4)
def _lane_matrix(length: int, rows: int) -> sparse.csr_matrix:
    """H of one lane, (rows, length) int32."""
    band, row = columns(length), _rows_of(length, rows)
    bit, column = np.nonzero((band[None] >> np.arange(HEIGHT)[:, None]) & 1)
    target = row[column] + bit
    inside = target < rows
    ones = np.ones(int(inside.sum()), np.int32)
    return sparse.csr_matrix((ones, (target[inside], column[inside])), shape=(rows, length))


def _viterbi(rows: int, x: np.ndarray, rho: np.ndarray, message: np.ndarray) -> np.ndarray:
    """(length, B) bits and costs, (rows, B) coded bits -> (length, B) cheapest bits."""
    length, width = x.shape
    flip0, flip1 = rho * x, rho * (1 - x)  # cost of writing 0, of writing 1
    band = columns(length) & _masks(length, rows)
    row = _rows_of(length, rows)
    every = np.arange(STATES)
    cost = np.full((STATES, width), np.inf, np.float32)
    cost[0] = 0
    ones = np.empty((length, STATES // 8, width), np.uint8)
    as_one, chosen = np.empty_like(cost), np.empty(cost.shape, bool)
    for j in range(length):
        np.take(cost, every ^ band[j], axis=0, out=as_one, mode="clip")
        as_one += flip1[j]
        cost += flip0[j]
        np.less(as_one, cost, out=chosen)
        np.minimum(as_one, cost, out=cost)
        ones[j] = np.packbits(chosen, axis=0)
        if j + 1 == length or row[j + 1] != row[j]:
            _settle(cost, message[row[j]].astype(bool))
    return _trace(ones, band, row, message)


def _settle(cost: np.ndarray, bits: np.ndarray) -> None:
    """The lowest bit of the state is complete: keep the states where it equals the message, shift the others down."""
    half = STATES // 2
    cost[:half] = np.where(bits, cost[1::2], cost[::2])
    cost[half:] = np.inf


def _masks(length: int, rows: int) -> np.ndarray:
    """(length,) the bits of a column that lie inside the lane: none below its last row."""
    left = np.minimum(rows - _rows_of(length, rows), HEIGHT)
    found: np.ndarray = (np.int64(1) << left) - 1
    return found


def _trace(ones: np.ndarray, band: np.ndarray, row: np.ndarray, message: np.ndarray) -> np.ndarray:
    """Walk back from state 0 behind the last row."""
    length, _, width = ones.shape
    lanes = np.arange(width)
    state = np.zeros(width, np.int64)
    y = np.empty((length, width), np.uint8)
    for j in range(length - 1, -1, -1):
        if j + 1 == length or row[j + 1] != row[j]:
            state = (state << 1 | message[row[j]]) & (STATES - 1)
        y[j] = ones[j, state >> 3, lanes] >> (7 - (state & 7)) & 1
        state ^= band[j] * y[j]
    return y
