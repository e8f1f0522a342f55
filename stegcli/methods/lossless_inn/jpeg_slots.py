"""The slots of a JPEG file: coefficients of the first 28 zigzag modes of every block of every component.

These modes hold 99.7 to 99.9 % of the changes that J-UNIWARD would make among all 64. Order: component, row of blocks,
block, mode. A slot holds its coefficient modulo 4 in two's complement: -1 reads as 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from stegcli.methods.lossless_inn.directed import FORBIDDEN, DirectedPlanes
from stegcli.pictures.jpeg import LARGEST, ZIGZAG, Component

MODES = 28
PLACES = ZIGZAG[:MODES]
DEAREST = 1e6
"""Times the median: more is not told apart from it, so that float32 sums along a trellis stay exact enough."""


def count(components: Sequence[Component]) -> int:
    """How many slots there are."""
    return sum(MODES * c.blocks.shape[0] * c.blocks.shape[1] for c in components)


def gather(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """For each component (rows, columns, 8, 8) of any type -> the slots' values (n,)."""
    return np.concatenate([b.reshape(-1, 64)[:, PLACES].reshape(-1) for b in blocks])


def scatter(values: np.ndarray, components: Sequence[Component]) -> list[np.ndarray]:
    """The slots' values -> for each component its blocks, int16 (rows, columns, 8, 8), the other modes as they are."""
    made, at = [], 0
    for component in components:
        blocks = component.blocks.copy()
        rows = blocks.reshape(-1, 64)
        size = MODES * len(rows)
        rows[:, PLACES] = values[at : at + size].reshape(-1, MODES)
        made.append(blocks)
        at += size
    return made


class CoefficientPlanes(DirectedPlanes):
    """The slots as two planes of bits. samples: coefficients int16 (n,). up, down: cost of one step each, float32 (n,).

    A move by two costs four times as much as one by one, and there is none past the range of AC coefficients.
    """

    def __init__(self, samples: np.ndarray, up: np.ndarray, down: np.ndarray):
        middle = np.float32(np.median(up))
        super().__init__(samples, *(np.minimum(c / middle, np.float32(DEAREST)) for c in (up, down)))

    def _some(self) -> slice:
        """As there, but with a step that meets all modes alike."""
        step = super()._some().step
        while math.gcd(step, MODES) > 1:
            step += 1
        return slice(None, None, step)

    def chosen(self, bits: np.ndarray, coin: np.ndarray) -> np.ndarray:
        """Bits (2, n) of the planes -> the coefficients that hold them, int16 (n,). coin: which way, where both cost
        the same, bool (n,)."""
        up, down = self._ways(slice(None), bits[0] | bits[1] << 1)
        up_cost, down_cost = _squared(up) * self.up, _squared(down) * self.down
        rise = (up_cost < down_cost) | ((up_cost == down_cost) & coin)
        moved: np.ndarray = self.samples + np.where(rise, up, -down)
        return moved.astype(np.int16)

    def inside(self, some: slice) -> tuple[np.ndarray, np.ndarray]:
        samples, up, down = self.samples[some], self.up[some], self.down[some]
        far = np.float32(FORBIDDEN**2)
        return np.where(samples >= LARGEST, far * up, up), np.where(samples <= -LARGEST, far * down, down)

    def _cost(self, some: slice, wanted: np.ndarray) -> np.ndarray:
        """What it costs to be `wanted` modulo 4. Moves by three are never cheaper than the one step the other way."""
        up, down = self._ways(some, wanted)
        cheaper: np.ndarray = np.minimum(_squared(up) * self.up[some], _squared(down) * self.down[some])
        return cheaper

    def _ways(self, some: slice, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far it is up, and down, to be `wanted` modulo 4; FORBIDDEN past the range, and for three steps."""
        samples = self.samples[some]
        up, down = ((way & 3).astype(np.int16) for way in (wanted - samples, samples - wanted))
        up_ends, down_ends = samples + up > LARGEST, samples - down < -LARGEST
        # Three steps are for the ends of the range alone: else the other way is one step.
        return (
            np.where(up_ends | ((up == 3) & ~down_ends), FORBIDDEN, up),
            np.where(down_ends | ((down == 3) & ~up_ends), FORBIDDEN, down),
        )


def _squared(steps: np.ndarray) -> np.ndarray:
    return steps.astype(np.float32) ** 2
