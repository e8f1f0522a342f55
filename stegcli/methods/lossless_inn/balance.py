"""Costs under which a message leaves the statistics of neighbouring samples as they were, on average.

A detector counts how often residuals of neighbours occur together, and a stego is told by what occurs too often. Here
each count that `cooccurrences` knows gets a multiplier m:

    cost of a move = its own cost + sum over triples of m[triple] * (change of the triple's count) / rate

This is the Lagrangian of "least cost, with this payload, and the expected counts of the cover". The multipliers are
found on the cover itself: changes are drawn as a perfect code would make them, and what then occurs too often becomes
dearer. Only the sender needs them: no format depends on them.

Reference: Using high-dimensional image models to perform highly undetectable steganography (Pevny, Filler, Bas, 2010),
for costs from what a move changes in such counts. Differences: there a change of a count costs a fixed weight,
whichever way it goes; here changes that undo each other are free, and the weights are found for each cover and payload.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from stegcli import threads
from stegcli.methods.lossless_inn import cooccurrences
from stegcli.methods.lossless_inn.cooccurrences import Codes, Statistic
from stegcli.methods.lossless_inn.directed import DirectedPlanes

ROUNDS = 16
STEP = 1.0
"""A count that is too large by a share e raises its multiplier by STEP * e in the first round."""
SLOWER = 5  # rounds after which steps are half as long
RARE = 60.0
"""Added to all counts: what is rare in a cover varies by chance."""
LEAST, MOST = 0.5, 5e4
"""No move gets cheaper than LEAST times its own cost, or dearer than MOST: float16 holds 65,504."""
SIDE, BLOCKS = 64, 16
"""Multipliers of a large picture are found on so many blocks of it."""
STRIP = 64  # rows that are worked on together


class BalancedPlanes(DirectedPlanes):
    """height, width: of the picture in colour whose samples these are, in the order (3, height, width).

    up, down: changed in place, once the payload is known.
    """

    def __init__(self, samples: np.ndarray, up: np.ndarray, down: np.ndarray, height: int, width: int):
        super().__init__(samples, up, down)
        self._shape = (-1, height, width)
        self._balanced = False

    def share(self, bits: int, slots: int) -> int:
        """As of `DirectedPlanes`. The first payload that is asked for is the one that costs are balanced for."""
        if not self._balanced:
            super().share(bits, slots)  # sets the rate
            self._add(self._multipliers())
            self._balanced = True
        return super().share(bits, slots)

    def _multipliers(self) -> list[np.ndarray]:
        pictures = [a.reshape(self._shape) for a in (self.samples, self.up, self.down)]
        places = list(_blocks(*pictures[0].shape[1:]))
        levels, up, down = (np.stack([a[:, y, x] for y, x in places], axis=1) for a in pictures)
        inside = DirectedPlanes(levels.ravel(), up.ravel(), down.ravel()).inside(slice(None))
        up, down = (self.rate * cost.reshape(levels.shape) for cost in inside)
        return multipliers(levels, up, down, cooccurrences.COUNTED)

    def _add(self, tables: Sequence[np.ndarray]) -> None:
        """What the multipliers add to the costs, strip by strip."""
        levels, up, down = (a.reshape(self._shape) for a in (self.samples, self.up, self.down))
        height = levels.shape[1]

        def add(top: int) -> None:
            rows = slice(top, min(top + STRIP, height))
            around = slice(max(0, top - cooccurrences.FARTHEST), min(rows.stop + cooccurrences.FARTHEST, height))
            added = cooccurrences.moves(levels[:, around], tables, cooccurrences.COUNTED) / np.float32(self.rate)
            inner = slice(rows.start - around.start, rows.stop - around.start)
            for cost, more in zip((up, down), added, strict=True):
                cost[:, rows] = _with(cost[:, rows].astype(np.float32), more[:, inner])

        for _ in threads.each(add, range(0, height, STRIP)):
            pass


def multipliers(
    levels: np.ndarray, up: np.ndarray, down: np.ndarray, statistics: Sequence[Statistic]
) -> list[np.ndarray]:
    """Levels, and the rate times the cost of a move up and of one down, (channels, ..., h, w) -> a table for each."""
    draw = np.random.default_rng(0)  # of what could happen: it need not be secret
    codes = [cooccurrences.codes(levels, s) for s in statistics]
    before = [cooccurrences.counts(c, s) for c, s in zip(codes, statistics, strict=True)]
    tables = [np.zeros_like(b) for b in before]
    means = [np.zeros_like(b) for b in before]  # of the later half: single rounds vary by chance
    for i in range(ROUNDS):
        after = _counts_after(levels, up, down, tables, statistics, codes, draw)
        for table, mean, new, old in zip(tables, means, after, before, strict=True):
            table += STEP / (1 + i / SLOWER) * (new - old) / (old + RARE)
            if i >= ROUNDS // 2:
                mean += table / (ROUNDS - ROUNDS // 2)
    return means


def _counts_after(
    levels: np.ndarray, up: np.ndarray, down: np.ndarray, tables: Sequence[np.ndarray],
    statistics: Sequence[Statistic], codes: Sequence[Codes], draw: np.random.Generator,
) -> list[np.ndarray]:  # fmt: skip
    """The counts once changes are drawn at these multipliers."""
    more = cooccurrences.moves(levels, tables, statistics, codes)
    p, q = np.exp(-_with(up, more[0])), np.exp(-_with(down, more[1]))
    drawn = draw.random(levels.shape, np.float32) * (1 + p + q)
    moved = levels + (drawn < p) - ((drawn >= p) & (drawn < p + q))
    return [cooccurrences.counts(cooccurrences.codes(moved, s), s) for s in statistics]


def _with(cost: np.ndarray, more: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.clip(cost + more, LEAST * cost, MOST)
    return found


def _blocks(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Where multipliers are found: everywhere in a small picture, else in blocks that are drawn."""
    rows, columns = max(1, height // SIDE), max(1, width // SIDE)
    if rows * columns <= BLOCKS:
        yield slice(None), slice(None)
        return
    for i in np.random.default_rng(0).permutation(rows * columns)[:BLOCKS].tolist():
        y, x = SIDE * (i // columns), SIDE * (i % columns)
        yield slice(y, y + SIDE), slice(x, x + SIDE)
