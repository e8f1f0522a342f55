"""The Viterbi algorithm of syndrome-trellis codes in array operations, all trellises side by side.

For short messages: it takes less time than the compiled loops of `viterbi` take to load. States and steps are as there.
"""

from __future__ import annotations

import numpy as np

MOST = 2**25
"""The most states of all steps and trellises together, one byte each: a quarter of a second."""
PIECE = 2**20
"""Costs that are sorted at once, for their numbers take eight bytes each."""
CHEAPEST = 128
"""How many slots of each row and trellis take part, the cheapest. With the density's costs 64 cost 7 % more."""


def fits(length: int, rows: int, blocks: int, height: int) -> bool:
    """Whether `cheapest` is worth it."""
    return 0 < 2 * CHEAPEST * rows <= length and rows * CHEAPEST * blocks << min(rows, height) <= MOST


def cheapest(rho: np.ndarray, missing: np.ndarray, bands: np.ndarray, ends: np.ndarray, height: int) -> np.ndarray:
    """As `viterbi.cheapest`, where `fits`."""
    rows, blocks = missing.shape
    bits, each = missing.astype(np.int64), np.arange(blocks)
    steps = _cheapest_slots(rho, ends)
    columns = bands[steps]
    states = np.arange(1 << min(rows, height))
    flipped = np.empty((rows, CHEAPEST, blocks, len(states)), np.bool_)
    cost = np.full((blocks, len(states)), np.inf, np.float32)
    cost[:, 0] = 0
    for row in range(rows):
        for k in range(CHEAPEST):
            by_flip = np.take_along_axis(cost, states ^ columns[row, k][:, None], axis=1)
            by_flip += rho[steps[row, k], each, None]
            np.less(by_flip, cost, out=flipped[row, k])
            np.minimum(by_flip, cost, out=cost)
        # Keep the states whose lowest bit is the missing one, and move on by one row.
        kept = np.take_along_axis(cost, 2 * states[: len(states) // 2] + bits[row][:, None], axis=1)
        cost[:, : len(states) // 2], cost[:, len(states) // 2 :] = kept, np.inf
    flips = np.zeros(rho.shape, np.uint8)
    state = np.zeros(blocks, np.int64)
    for row in range(rows - 1, -1, -1):
        state = state << 1 | bits[row]
        for k in range(CHEAPEST - 1, -1, -1):
            flip = flipped[row, k, each, state]
            flips[steps[row, k], each] = flip
            state ^= columns[row, k] * flip
    return flips


def _cheapest_slots(rho: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Costs (length, blocks) and the step behind each row -> the steps that take part, (rows, CHEAPEST, blocks)."""
    return np.stack([first + _lowest(rho[first:last]) for first, last in zip((0, *ends[:-1]), ends, strict=True)])


def _lowest(costs: np.ndarray) -> np.ndarray:
    """(n, blocks) -> the numbers of the CHEAPEST lowest of each column, rising, (CHEAPEST, blocks)."""
    length, blocks = costs.shape
    found = np.empty((CHEAPEST, blocks), np.intp)
    some = max(1, PIECE // length)
    for i in range(0, blocks, some):
        found[:, i : i + some] = np.argpartition(costs[:, i : i + some], CHEAPEST - 1, axis=0)[:CHEAPEST]
    found.sort(axis=0)
    return found
