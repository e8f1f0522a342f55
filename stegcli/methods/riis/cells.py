"""The cells that a JPEG of known quality rounds luminance to: what each parity costs the sender, and how the receiver
reads it.

A slot is a coefficient of a whole block whose step is at least LEAST_STEP; its bit is the parity of the quantised
coefficient. The sender moves pixels so that libjpeg rounds each coefficient into a cell of the parity wanted, MARGIN
away from the border. It knows where in its cell each coefficient lies, and most of those that are to change lie near a
border: that is why so much fits, and why a model of JPEG as noise would promise far less.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from stegcli.methods.riis import libjpeg, luma

LEAST_STEP = 3
MARGIN, MARGIN_SHARE = 1.0, 0.3  # grey levels, and at most this share of the step
SATURATED = (4, 251)  # beyond these a pixel may have no room to move
MOST_SATURATED = 16  # pixels of a block; with more it is left as it is
WET = np.float32(1e6)
ROUNDS = 14
PUSH = 0.1  # grey levels that a coefficient which still falls wrong goes further inside, each round


def slots_of(steps: np.ndarray) -> np.ndarray:
    """Steps (8, 8) -> which coefficients of a block are slots, bool (8, 8)."""
    return steps >= LEAST_STEP


@dataclass(frozen=True)
class Cells:
    """A cover as a JPEG of these steps will round it; n blocks.

    blocks: uint8 (n, 8, 8, 3). values: float32 (n, 8, 8), the coefficients. near: int16, the cell that each lies in.
    other: the nearest cell of the other parity. wet: bool (n,), blocks that are not to be touched.
    """

    steps: np.ndarray
    blocks: np.ndarray
    values: np.ndarray
    near: np.ndarray
    other: np.ndarray
    wet: np.ndarray
    crowded: np.ndarray

    @classmethod
    def of(cls, pixels: np.ndarray, steps: np.ndarray) -> Cells:
        blocks = luma.to_blocks(pixels)
        values = luma.dct(luma.exact(blocks))
        q = steps.astype(np.float32)
        near = np.rint(values / q).astype(np.int16)
        other = near + np.where(values >= near * q, 1, -1).astype(np.int16)
        full = (blocks < SATURATED[0]) | (blocks > SATURATED[1])
        crowded = full.any(axis=3).sum(axis=(1, 2))
        wet = crowded >= MOST_SATURATED
        # What is not touched keeps what libjpeg makes of it.
        near[wet] = libjpeg.quantised(blocks[wet], steps)
        return cls(steps, blocks, values, near, other, wet, crowded)

    def parities(self) -> np.ndarray:
        """(slots,) uint8, the bits of the cover."""
        return (self.near & 1).astype(np.uint8)[:, slots_of(self.steps)].reshape(-1)

    def costs(self) -> np.ndarray:
        """(slots,) float32: what the sender should count for the other parity: its squared change, and more in blocks
        where pixels have no room to move. WET where it must not change.

        Negative where the other parity is the cheaper: the coefficient lies so near the border that to keep it in its
        cell, MARGIN away, takes more.
        """
        cost = self._beyond() * (1 + self.crowded / 2).astype(np.float32)[:, None, None]
        cost[self.wet] = WET
        found: np.ndarray = cost[:, slots_of(self.steps)].reshape(-1)
        return found

    def changes(self) -> np.ndarray:
        """(slots,) float32: squared change that the other parity takes beyond what this one takes."""
        found: np.ndarray = self._beyond()[:, slots_of(self.steps)].reshape(-1)
        return found

    def _beyond(self) -> np.ndarray:
        beyond: np.ndarray = self._to(self.other) ** 2 - self._to(self.near) ** 2
        return beyond

    def kept_cost(self) -> float:
        """Sum of squared changes that it takes to keep every coefficient MARGIN away from its cell's border."""
        keep = self._to(self.near)[:, slots_of(self.steps)][~self.wet]
        return float((keep.astype(np.float64) ** 2).sum())

    def without(self, failed: np.ndarray) -> Cells:
        """The same with further blocks that are not to be touched, bool (n,)."""
        near = self.near.copy()
        near[failed] = libjpeg.quantised(self.blocks[failed], self.steps)
        return replace(self, near=near, wet=self.wet | failed)

    def _bounds(self, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        q = self.steps.astype(np.float32)
        half = q / 2 - np.minimum(MARGIN, MARGIN_SHARE * q)
        return cell * q - half, cell * q + half

    def _to(self, cell: np.ndarray) -> np.ndarray:
        """The change that brings each coefficient into that cell."""
        found: np.ndarray = np.clip(self.values, *self._bounds(cell)) - self.values
        return found

    def write(self, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bits of all slots -> blocks uint8 (n, 8, 8, 3), and bool (n,): blocks that could not be brought there."""
        use = slots_of(self.steps)
        wanted = np.zeros(self.near.shape, np.int16)
        wanted[:, use] = bits.reshape(-1, int(use.sum()))
        flip = ((self.near & 1) != wanted) & use
        cell = np.where(flip, self.other, self.near)
        blocks, failed = self.blocks.copy(), np.zeros(len(self.blocks), bool)
        for part in np.array_split(np.flatnonzero(~self.wet), max(1, len(self.blocks) // libjpeg.STRIP)):
            blocks[part], failed[part] = self._part(part, cell[part], use)
        return blocks, failed

    def _part(self, part: np.ndarray, cell: np.ndarray, use: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Push the coefficients of some blocks into their cells, again and again where libjpeg reads them otherwise."""
        low, high = self._bounds(cell)
        move = np.where(use, np.clip(self.values[part], low, high) - self.values[part], 0)
        colours = self.blocks[part].astype(np.float32)
        result = np.empty(self.blocks[part].shape, np.uint8)
        todo = np.arange(len(part))
        for attempt in range(ROUNDS):
            result[todo] = luma.moved(colours[todo], move[todo])
            got = libjpeg.quantised(result[todo], self.steps)
            wrong = (((got ^ cell[todo]) & 1).astype(bool) & use).any(axis=(1, 2))
            todo = todo[wrong]
            if len(todo) == 0:
                break
            reached = luma.dct(luma.integer(result[todo]))
            inside = np.clip(reached, low[todo] + PUSH * attempt, high[todo] - PUSH * attempt)
            move[todo] += np.where(use, inside - reached, 0)
        failed = np.zeros(len(part), bool)
        failed[todo] = True
        return result, failed


# -- the receiver

NOISE = 0.45  # of a coefficient, after rounding to 8-bit colours and back
FIRST = 0.3  # how likely it is that the picture was compressed once, straight from the stego
CROWDS = (1, 4, 16)
FLOORS = np.array([[1e-4, 1e-4, 1e-4], [1e-4, 1e-3, 0.01], [3e-4, 0.004, 0.04], [6e-4, 0.03, 0.09]], np.float32)
"""How often a parity is wrong at least, in blocks with fewer pixels at 0 or 255 than CROWDS says, or more than all of
these (rows), where the coefficient is in cell 0, +-1, or beyond (columns). Decoding clips what is beyond 0 and 255."""
REACH = 2


def log_odds(values: np.ndarray, crowd: np.ndarray, steps: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Coefficients as received (n, 8, 8) -> log-odds ln P(odd)/P(even) of each slot, float32.

    crowd: (n,), pixels of a block with colours at 0 or 255. steps: of the sender's JPEG. last: of the last on the way.
    P(what is seen | cell) is a mixture: the last JPEG was the sender's or rounded the very stego, so that a coefficient
    may lie anywhere in its cell; or it came after the sender's, so that coefficients lie in the middle but for NOISE.
    """
    use = slots_of(steps)
    q, p = steps[use].astype(np.float32), last[use].astype(np.float32)
    level = np.rint(values[:, use] / p).astype(np.int32)
    most = int(np.abs(level).max(initial=0)) + 1
    seen = np.arange(-most, most + 1, dtype=np.float32)[:, None] * p
    odd, even = _chances(seen, q, p)
    cell = np.abs(np.rint(seen / q)).astype(np.int64).clip(max=FLOORS.shape[1] - 1)
    kind = np.searchsorted(CROWDS, crowd, side="right")
    frequency = np.arange(len(q))
    odds = np.empty(level.shape, np.float32)
    for number, floors in enumerate(FLOORS):
        rows, floor = kind == number, floors[cell]
        total = odd + even + 2 * floor
        odds[rows] = np.log((odd + floor * total) / (even + floor * total))[level[rows] + most, frequency]
    return odds.reshape(-1)


def _chances(seen: np.ndarray, q: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(levels, slots) values -> P(seen | odd cell), P(seen | even cell)."""
    nearest = np.rint(seen / q)
    odd, even = np.zeros(seen.shape, np.float32), np.zeros(seen.shape, np.float32)
    for offset in range(-REACH, REACH + 1):
        cell = nearest + offset
        again = ndtr((seen + last / 2 - cell * q) / NOISE) - ndtr((seen - last / 2 - cell * q) / NOISE)
        high = np.minimum(seen + last / 2, (cell + 0.5) * q)
        once = np.clip(high - np.maximum(seen - last / 2, (cell - 0.5) * q), 0, None) / q
        chance = FIRST * once + (1 - FIRST) * again
        is_odd = cell % 2 == 1
        odd += np.where(is_odd, chance, 0)
        even += np.where(is_odd, 0, chance)
    return odd, even
