"""The Viterbi algorithm of syndrome-trellis codes, compiled: the sender's longest work. Receivers do not load this.

A state holds the syndrome that is still missing in the next `height` rows. cost[s] is what it costs to get to s from a
cover that misses nothing; a step through column c sets cost[s] = min(cost[s], cost[s ^ c] + rho). Every column has bit
0 set, so that s ^ c is odd for an even s: both are done in one go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np

from stegcli import threads

LANES = 16  # trellises that go side by side, in the lanes of the processor's vectors; a constant of the compiled loops
NORMALISED = 64  # rows after which costs are counted anew
CHEAPEST = 64
"""How many slots of each row and block take part, the cheapest and those that cost as much. With 24 the total cost was
that of all slots to five digits for costs with exponential and log-normal distributions, but 4 % more for the costs of
the density, of which many are equal."""
Compiled = TypeVar("Compiled", bound=Callable[..., None])


def compiled(function: Compiled) -> Compiled:
    """Compile for this processor when first called, and keep that on disk where there is a place for it."""
    try:
        found = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder to write to: it is compiled anew by every process
        found = numba.njit(nogil=True)(function)
    return cast("Compiled", found)


def cheapest(rho: np.ndarray, missing: np.ndarray, bands: np.ndarray, ends: np.ndarray, height: int) -> np.ndarray:
    """The flips that bring the missing syndrome at the least cost.

    rho: float (length, blocks), cost of each flip. missing: bits (rows, blocks). bands: (length,), the columns.
    ends: (rows,), the step behind each row. -> uint8 (length, blocks), 1 where to flip.
    """
    length, blocks = rho.shape
    flips = np.zeros((blocks, length), np.uint8)

    def run(first: int) -> None:
        lanes = np.minimum(np.arange(first, first + LANES), blocks - 1)  # the last trellis fills the lanes left over
        weights, bits = _cheapest_only(rho[:, lanes], ends), missing[:, lanes].astype(np.int64)
        steps = np.flatnonzero(np.isfinite(weights).any(axis=1))
        weights, used, until = weights[steps], bands[steps], np.searchsorted(steps, ends)
        flipped = np.empty((len(steps), 2**height, LANES), np.bool_)
        _forward(weights, bits, used, until, height, flipped)
        _backward(flipped, bits, used, until, weights.view(np.uint32))
        flips[lanes, steps[:, None]] = weights.view(np.uint32)

    for _ in threads.each(run, range(0, blocks, LANES)):
        pass
    return flips.T


def load() -> None:
    """Load the compiled loops, which takes a second: by running them once."""
    cheapest(np.ones((1, 1), np.float32), np.zeros((1, 1), np.uint8), np.ones(1, np.int64), np.ones(1, np.int64), 1)


def _cheapest_only(rho: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Costs (length, lanes) and the step behind each row -> the costs, float32; infinite for slots left out."""
    weights = rho.astype(np.float32)
    if len(rho) < 2 * CHEAPEST * len(ends):
        return weights  # nearly all would stay
    for first, last in zip((0, *ends[:-1]), ends, strict=True):
        row = weights[first:last]
        row[row > np.partition(row, CHEAPEST - 1, axis=0)[CHEAPEST - 1]] = np.inf
    return weights


@compiled
def _forward(
    rho: np.ndarray, missing: np.ndarray, bands: np.ndarray, ends: np.ndarray, height: int, flipped: np.ndarray
) -> None:
    """What was flipped on the cheapest way to each state, after each step: bool (length, 2^height, LANES)."""
    states = 1 << height
    cost = np.full((states, LANES), np.inf, np.float32)
    cost[0] = 0
    step = 0
    for row in range(len(ends)):
        while step < ends[row]:
            for even in range(0, states, 2):
                odd = even ^ bands[step]
                for lane in range(LANES):
                    here, there, weight = cost[even, lane], cost[odd, lane], rho[step, lane]
                    to_even, to_odd = there + weight, here + weight
                    flipped[step, even, lane] = to_even < here
                    flipped[step, odd, lane] = to_odd < there
                    cost[even, lane] = min(to_even, here)
                    cost[odd, lane] = min(to_odd, there)
            step += 1
        # Keep the states whose lowest bit is the missing one, and move on by one row.
        for state in range(states // 2):
            for lane in range(LANES):
                cost[state, lane] = cost[2 * state + missing[row, lane], lane]
        cost[states // 2 :] = np.inf
        if row % NORMALISED == 0:
            for lane in range(LANES):  # sums stay small, so that their last bits count
                cost[:, lane] -= cost[:, lane].min()


@compiled
def _backward(flipped: np.ndarray, missing: np.ndarray, bands: np.ndarray, ends: np.ndarray, flips: np.ndarray) -> None:
    """Follow the cheapest way back from its end -> `flips`, (length, LANES), 1 where to flip."""
    for lane in range(LANES):
        state, step = 0, len(bands)
        for row in range(len(ends) - 1, -1, -1):
            state = state << 1 | missing[row, lane]
            first = ends[row - 1] if row else 0
            while step > first:
                step -= 1
                flip = flipped[step, state, lane]
                flips[step, lane] = flip
                if flip:
                    state ^= bands[step]
