"""JPEG of any quality from a lowest one on: lattices in the low frequencies of the luminance.

The steps follow the table of the lowest quality: what that rounds coarsely gets a coarse lattice. Whatever rounds finer
reads it all the better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stegcli.keys.key import Key
from stegcli.methods.riis import direct, lattice, libjpeg, luma, order
from stegcli.methods.riis.carrier import PSNR, Carrier, Seen
from stegcli.methods.riis.envelope import Letter
from stegcli.methods.riis.order import Share

QUALITIES = tuple(range(10, 100, 5))
"""Lowest qualities that there are lattices for; a receiver tries them."""
FREQUENCIES = 20
ALPHA = 0.5
STEP = 2.6  # steps of the lowest quality's table
RATE = direct.RATES.index(0.25)
NOISE = 0.5  # of a coefficient, after rounding to 8-bit colours and back
NOISES = (0.5, 2.0, 4.0, 6.0, 9.0, 13.0)


@dataclass(frozen=True)
class Wide(Carrier):
    """lowest: quality, one of QUALITIES."""

    lowest: int
    rate: int = RATE

    @property
    def _use(self) -> np.ndarray:
        """(FREQUENCIES,) flat indices of the coefficients with the finest steps."""
        return np.argsort(libjpeg.table(self.lowest).reshape(-1), kind="stable")[:FREQUENCIES]

    @property
    def _steps(self) -> np.ndarray:
        steps: np.ndarray = STEP * libjpeg.table(self.lowest).reshape(-1)[self._use]
        return steps

    def room(self, cover: np.ndarray, receivers: int, psnr: float = PSNR) -> int:
        slots = int(np.prod(luma.grid(*cover.shape[:2]))) * FREQUENCIES
        per_slot = (ALPHA**2 * (self._steps**2).mean() / 12) * 3 * luma.COST
        rounding = cover.size / 12
        affordable = (255**2 / 10 ** (psnr / 10) * cover.size - rounding) / per_slot
        free = min(slots, int(affordable)) // receivers - min(direct.HEADER_SLOTS, slots // 4)
        return direct.room(int(0.97 * free), self.rate)

    def hide(self, cover: np.ndarray, letters: Sequence[Letter], psnr: float = PSNR) -> np.ndarray:
        blocks = luma.to_blocks(cover)
        values = luma.dct(luma.exact(blocks)).reshape(len(blocks), luma.SHADES)
        change = np.zeros((len(blocks), FREQUENCIES), np.float32)
        low = np.ascontiguousarray(values[:, self._use])
        for index, letter in enumerate(letters):
            places = _order(letter.key, len(blocks), Share(index, len(letters)))
            slots, bits = direct.write(letter, places, self.rate)
            dither = _dither(letter.key, change.size)[slots]
            step = self._steps[slots % FREQUENCIES]
            change.reshape(-1)[slots] = lattice.embed(low.reshape(-1)[slots], bits, dither, step, ALPHA)
        spread = np.zeros_like(values)
        spread[:, self._use] = change
        return luma.from_blocks(luma.moved(blocks.astype(np.float32), spread.reshape(blocks.shape[:3])), cover)

    def reveal(self, seen: Seen, key: Key, share: Share) -> bytes:
        blocks = luma.to_blocks(seen.pixels)
        values = luma.dct(luma.exact(blocks)).reshape(len(blocks), luma.SHADES)[:, self._use].reshape(-1)
        dither = _dither(key, len(values))
        rounding = None if seen.steps is None else seen.steps.reshape(-1)[self._use].astype(np.float64)
        noise = NOISE
        if rounding is None:  # it may have met noise, or a JPEG that left no tables
            sample = np.arange(min(len(values), 1 << 15))
            step = self._steps[sample % FREQUENCIES]
            noise = lattice.fit(values[sample], dither[sample], step, ALPHA, NOISES)

        def odds(slots: np.ndarray) -> np.ndarray:
            frequency = slots % FREQUENCIES
            rounded = 0.0 if rounding is None else rounding[frequency]
            return lattice.log_odds(values[slots], dither[slots], self._steps[frequency], ALPHA, rounded, noise)

        return direct.read(odds, _order(key, len(blocks), share), key)


def _order(key: Key, blocks: int, share: Share) -> order.Order:
    return order.arrange(key, blocks, FREQUENCIES, share, direct.HEADER_SLOTS)


def _dither(key: Key, count: int) -> np.ndarray:
    """(count,) uniform in [0, 1): 8 bits of it suffice against steps of a few tens of grey levels."""
    return (np.frombuffer(key.stream("dither").bytes(count), np.uint8) + 0.5) / 256
