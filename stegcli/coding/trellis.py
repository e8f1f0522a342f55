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

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stegcli.keys.stream import Stream

BLOCK = 4096  # slots per trellis
TOGETHER = 32  # trellises per array operation: 2^HEIGHT * TOGETHER floats stay in the processor's cache
LARGE = 6_000_000  # slots from which a lower trellis keeps the time bearable
HEIGHT, HEIGHT_LARGE = 10, 7


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
        seed = hashlib.sha256(f"stegcli/coset/{self.height}".encode()).digest()
        drawn = Stream(seed).integers(self.length, 2 ** (self.height - 1))
        return drawn | np.int64(1 | 2 ** (self.height - 1))


def most_bits(slots: int) -> int:
    """Slots -> the most message bits they carry: all of them but the few left over by the cut into blocks."""
    code = Code(slots, 0)
    return code.blocks * code.length


def embed(code: Code, slots: np.ndarray, costs: np.ndarray, message: np.ndarray) -> np.ndarray:
    """Slots' bits (n,), cost of flipping each (n,), message bits -> the cheapest bits with that syndrome."""
    if code.bits == 0:
        return slots.copy()
    used = code.blocks * code.length
    x = _by_block(slots[:used], code).astype(np.uint8)
    rho = _by_block(costs[:used], code).astype(np.float32)
    padded = np.zeros(code.rows * code.blocks, np.uint8)
    padded[: code.bits] = message
    rows = padded.reshape(code.blocks, code.rows).T  # (rows, blocks)
    y = np.empty_like(x)
    with _one_thread():
        for first in range(0, code.blocks, TOGETHER):
            group = slice(first, first + TOGETHER)
            y[:, group] = _viterbi(code, *(np.ascontiguousarray(a[:, group]) for a in (x, rho, rows)))
    result = slots.copy()
    result[:used] = y.T.reshape(-1)
    return result


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """The steps of a trellis are many and short: threads wait for each other longer than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def extract(code: Code, slots: np.ndarray) -> np.ndarray:
    """Slots' bits (n,) -> message bits: the syndrome H y."""
    if code.bits == 0:
        return np.empty(0, np.uint8)
    y = _by_block(slots[: code.blocks * code.length], code).astype(np.uint8)
    message = np.zeros((code.rows, code.blocks), np.uint8)
    for b in range(min(code.height, code.rows)):
        touched = (code.columns >> b & 1).astype(np.uint8)[:, None]
        sums = np.bitwise_xor.reduceat(y & touched, code.starts, axis=0)
        message[b:] ^= sums[: code.rows - b]
    return message.T.reshape(-1)[: code.bits]


def _by_block(values: np.ndarray, code: Code) -> np.ndarray:
    """(blocks * length,) -> (length, blocks)."""
    return np.ascontiguousarray(values.reshape(code.blocks, code.length).T)


def _viterbi(code: Code, x: np.ndarray, rho: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(length, B) bits and costs, (rows, B) message bits -> (length, B) cheapest bits."""
    states, (length, width) = 2**code.height, x.shape
    flip0, flip1 = torch.from_numpy(rho * x), torch.from_numpy(rho * (1 - x))  # cost of writing 0, of writing 1
    bits = torch.from_numpy(rows).bool()
    ends = set(np.append(code.starts[1:], length).tolist())
    columns = torch.from_numpy(code.columns)
    every = torch.arange(states)
    cost = torch.full((states, width), torch.inf)
    cost[0] = 0
    ones = torch.empty((length, states, width), dtype=torch.bool)
    masks = _row_masks(code)
    row = 0
    for j in range(length):
        source = every ^ (columns[j] & masks[row])
        as_one = cost.index_select(0, source).add_(flip1[j])
        as_zero = cost.add_(flip0[j])
        torch.lt(as_one, as_zero, out=ones[j])
        cost = torch.minimum(as_one, as_zero)
        if j + 1 in ends:
            cost = _settle(cost, bits[row])
            row += 1
    return _walk_back(code, ones, bits, masks)


def _row_masks(code: Code) -> list[int]:
    """Which bits of a column exist at each row: near the end of a block the band leaves the matrix."""
    return [2 ** min(code.height, code.rows - row) - 1 for row in range(code.rows)]


def _settle(cost: Tensor, bit: Tensor) -> Tensor:
    """Keep the states whose lowest bit is the message's, and move on by one row."""
    even, odd = cost[0::2], cost[1::2]
    kept = torch.where(bit, odd, even)
    return torch.cat([kept, torch.full_like(kept, torch.inf)])


def _walk_back(code: Code, ones: Tensor, bits: Tensor, masks: list[int]) -> np.ndarray:
    decided, message = ones.numpy(), bits.numpy().astype(np.int64)
    length, _, width = decided.shape
    lanes = np.arange(width)
    state = np.zeros(width, np.int64)
    y = np.empty((length, width), np.uint8)
    starts, columns = code.starts, code.columns
    last = length
    for row in range(code.rows - 1, -1, -1):
        state = (state << 1) | message[row]
        for j in range(last - 1, starts[row] - 1, -1):
            y[j] = decided[j, state, lanes]
            state ^= (columns[j] & masks[row]) * y[j]
        last = starts[row]
    return y
