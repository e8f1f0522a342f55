"""JPEG of any quality from a lowest one on: lattices in the low frequencies of the luminance.

The steps follow the table of the lowest quality: what that rounds coarsely gets a coarse lattice. Whatever rounds finer
reads it all the better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stegcli.keys.key import Key
from stegcli.methods.riis import direct, lattice, libjpeg, luma, order
from stegcli.methods.riis.carrier import PSNR, Carrier, Seen
from stegcli.methods.riis.envelope import Letter
from stegcli.methods.riis.order import Share

QUALITIES = tuple(range(10, 100, 5))
"""Lowest qualities that there are lattices for; a receiver tries them."""
FREQUENCIES, FREQUENCIES_LOW = 20, 12
LOW = 60  # below this quality the fewer frequencies carry more at the same distortion
ALPHA = 0.65
STEP = 2.6  # steps of the lowest quality's table
RATE = direct.RATES.index(0.4)
NOISE = 0.5  # of a coefficient, after rounding to 8-bit colours and back
NOISES = (0.5, 2.0, 4.0, 6.0, 9.0, 13.0)


@dataclass(frozen=True)
class Wide(Carrier):
    """lowest: quality, one of QUALITIES."""

    lowest: int
    rate: int = RATE

    @property
    def _count(self) -> int:
        """Slots of a block."""
        return FREQUENCIES if self.lowest >= LOW else FREQUENCIES_LOW

    @property
    def _use(self) -> np.ndarray:
        """Flat indices of the coefficients with the finest steps."""
        return np.argsort(libjpeg.table(self.lowest).reshape(-1), kind="stable")[: self._count]

    @property
    def _steps(self) -> np.ndarray:
        steps: np.ndarray = STEP * libjpeg.table(self.lowest).reshape(-1)[self._use]
        return steps

    def room(self, cover: np.ndarray, receivers: int, psnr: float = PSNR) -> int:
        slots = int(np.prod(luma.grid(*cover.shape[:2]))) * self._count
        per_slot = (ALPHA**2 * (self._steps**2).mean() / 12) * 3 * luma.cost(luma.to_blocks(cover))
        rounding = cover.size / 12
        affordable = (255**2 / 10 ** (psnr / 10) * cover.size - rounding) / per_slot
        free = min(slots, int(affordable)) // receivers - direct.header_slots(slots // receivers)
        return direct.room(int(0.97 * free), self.rate)

    def hide(self, cover: np.ndarray, letters: Sequence[Letter], psnr: float = PSNR) -> np.ndarray:
        blocks = luma.to_blocks(cover)
        values = luma.dct(luma.exact(blocks)).reshape(len(blocks), luma.SHADES)
        change = np.zeros((len(blocks), self._count), np.float32)
        low = np.ascontiguousarray(values[:, self._use])
        for index, letter in enumerate(letters):
            coded = direct.write(letter, self._slots(len(blocks), Share(index, len(letters))), self.rate)
            step = self._steps[coded.slots % self._count]
            moved = lattice.embed(low.reshape(-1)[coded.slots], coded.bits, coded.dither, step, ALPHA)
            change.reshape(-1)[coded.slots] = moved
        spread = np.zeros_like(values)
        spread[:, self._use] = change
        return luma.from_blocks(luma.moved(blocks.astype(np.float32), spread.reshape(blocks.shape[:3])), cover)

    def stronger(self) -> Wide | None:
        return replace(self, rate=self.rate + 1) if self.rate + 1 < len(direct.RATES) else None

    def reveal(self, seen: Seen, key: Key, share: Share) -> bytes:
        values = seen.coefficients[:, self._use].reshape(-1)

        def rough(slots: np.ndarray, dither: np.ndarray) -> np.ndarray:
            return lattice.rough(values[slots], dither, self._steps[slots % self._count])

        def fit(slots: np.ndarray, dither: np.ndarray) -> direct.Odds:
            steps, noise = self._heard(seen, values, dither, slots)

            def odds(slots: np.ndarray, dither: np.ndarray) -> np.ndarray:
                frequency = slots % self._count
                rounded = 0.0 if steps is None else steps[frequency]
                return lattice.log_odds(values[slots], dither, self._steps[frequency], ALPHA, rounded, noise)

            return odds

        return direct.read([(rough, fit)], self._slots(len(seen.blocks), share), key)

    def _slots(self, blocks: int, share: Share) -> order.Slots:
        return order.slots_of(blocks, self._count, share)

    def _heard(
        self, seen: Seen, values: np.ndarray, dither: np.ndarray, slots: np.ndarray
    ) -> tuple[np.ndarray | None, float]:
        """-> what the values were rounded to on their way, None for nothing, and the spread of the noise besides.

        A picture without a JPEG's tables may have been through one all the same, or through noise: whichever makes the
        values of these slots likeliest.
        """
        if seen.steps is not None:
            return seen.steps.reshape(-1)[self._use].astype(np.float64), NOISE
        frequency = slots % self._count
        own = values[slots], dither, self._steps[frequency], ALPHA
        candidates: list[tuple[float, int | None, float]] = [
            (lattice.likelihood(*own, noise), None, noise) for noise in NOISES
        ]
        for quality in range(self.lowest, 100, 5):
            steps = libjpeg.table(quality).reshape(-1)[self._use].astype(np.float64)
            candidates.append((lattice.likelihood(*own, NOISE, steps[frequency]), quality, NOISE))
        _, found, noise = max(candidates, key=lambda candidate: candidate[0])
        if found is None:
            return None, noise
        return libjpeg.table(found).reshape(-1)[self._use].astype(np.float64), noise
