"""JPEG of any quality from a lowest one on: lattices in the low frequencies of the luminance.

The steps follow the table of the lowest quality: what that rounds coarsely gets a coarse lattice. Whatever rounds finer
reads it all the better. Lossy WebP is survived by the same lattices. It predicts blocks, and has other transforms: what
it does to a coefficient is noise, which the sender measures in its own picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stegcli.keys.key import Key
from stegcli.methods.riis import direct, lattice, libjpeg, luma, order, trial
from stegcli.methods.riis.carrier import PSNR, Carrier, Seen
from stegcli.methods.riis.envelope import Letter
from stegcli.methods.riis.order import Share

QUALITIES = tuple(range(10, 100, 5))
"""Lowest qualities that there are lattices for; a receiver tries them."""
FREQUENCIES, FREQUENCIES_LOW = 20, 12
LOW = 60  # below this quality the fewer frequencies carry more at the same distortion
ALPHA = 0.65
STEP = 2.6  # steps of the lowest quality's table
EFFICIENCY = 0.88  # of the code, against what its slots tell
CROWDS, TRUST = (1, 4, 16), np.array([1.0, 0.7, 0.4, 0.15])  # pixels of a block that clip
LEAST_RATE = direct.RATES.index(0.25)  # short messages get no more protection than this, and change less
MOST_SPARE = 3
NOISE = 0.5  # of a coefficient, after rounding to 8-bit colours and back
NOISES = (0.5, 2.0, 4.0, 6.0, 9.0, 13.0)


@dataclass(frozen=True)
class Wide(Carrier):
    """lowest: quality, one of QUALITIES. spare: rates below the one that a trial calls for.

    webp: quality of the WebP that the sender tries in place of a JPEG of the lowest quality. Receivers need not know.
    """

    lowest: int
    spare: int = 0
    webp: int | None = None

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
        told = self._told(cover)
        # A white or black cover tells less than the lowest rate needs.
        return direct.room(self._free(cover, receivers, psnr), self._rate(told)) if told > direct.RATES[-1] else 0

    def hide(self, cover: np.ndarray, letters: Sequence[Letter], psnr: float = PSNR) -> np.ndarray:
        blocks = luma.to_blocks(cover)
        values = luma.dct(luma.exact(blocks)).reshape(len(blocks), luma.SHADES)
        change = np.zeros((len(blocks), self._count), np.float32)
        low = np.ascontiguousarray(values[:, self._use])
        rate = self._rate_for(cover, letters, psnr)
        for index, letter in enumerate(letters):
            coded = direct.write(letter, self._slots(len(blocks), Share(index, len(letters))), rate)
            step = self._steps[coded.slots % self._count]
            moved = lattice.embed(low.reshape(-1)[coded.slots], coded.bits, coded.dither, step, ALPHA)
            change.reshape(-1)[coded.slots] = moved
        return self._moved(cover, blocks, change)

    def stronger(self) -> Wide | None:
        return replace(self, spare=self.spare + 1) if self.spare < MOST_SPARE else None

    def _moved(self, cover: np.ndarray, blocks: np.ndarray, change: np.ndarray) -> np.ndarray:
        spread = np.zeros((len(blocks), luma.SHADES), np.float32)
        spread[:, self._use] = change
        return luma.from_blocks(luma.moved(blocks.astype(np.float32), spread.reshape(blocks.shape[:3])), cover)

    def _free(self, cover: np.ndarray, receivers: int, psnr: float) -> int:
        """Slots that each body may take at that PSNR."""
        slots = int(np.prod(luma.grid(*cover.shape[:2]))) * self._count
        per_slot = (ALPHA**2 * (self._steps**2).mean() / 12) * 3 * luma.cost(luma.to_blocks(cover))
        rounding = cover.size / 12
        affordable = (255**2 / 10 ** (psnr / 10) * cover.size - rounding) / per_slot
        return int(0.97 * (min(slots, int(affordable)) // receivers - direct.header_slots(slots // receivers)))

    def _rate_for(self, cover: np.ndarray, letters: Sequence[Letter], psnr: float) -> int:
        """-> the index of the lowest rate under which the longest letter fits, within bounds."""
        free, highest = self._free(cover, len(letters), psnr), self._rate(self._told(cover))
        longest = max(len(letter.data) for letter in letters)
        lower = range(highest, max(highest, LEAST_RATE) + 1)
        return max((rate for rate in lower if direct.room(free, rate) >= longest), default=highest)

    def _rate(self, told: float) -> int:
        """What a slot tells, in bits -> the index of the highest rate that stands that."""
        found = next((i for i, rate in enumerate(direct.RATES) if rate <= EFFICIENCY * told), len(direct.RATES) - 1)
        return min(found + self.spare, len(direct.RATES) - 1)

    def _told(self, cover: np.ndarray) -> float:
        """What the cover's slots tell of a coded bit behind a JPEG of the lowest quality, or the WebP, in bits."""
        part = trial.sample(cover)
        blocks, chance = luma.to_blocks(part), np.random.default_rng(0)
        if not len(blocks):
            return 0.0
        size = len(blocks), self._count
        values = luma.dct(luma.exact(blocks)).reshape(len(blocks), luma.SHADES)[:, self._use]
        bits, dither = chance.integers(0, 2, size), chance.random(size)
        stego = self._moved(part, blocks, lattice.embed(values, bits, dither, self._steps, ALPHA))
        format, quality = ("JPEG", self.lowest) if self.webp is None else ("WEBP", self.webp)
        seen = Seen(trial.compressed(stego, format, quality))
        arrived = seen.coefficients[:, self._use]
        rounding, noise = self._steps / STEP, NOISE
        if self.webp is not None:
            rounding, noise = 0 * rounding, float((arrived - Seen(stego).coefficients[:, self._use]).std())
        odds = lattice.log_odds(arrived, dither, np.broadcast_to(self._steps, size), ALPHA, rounding, noise)
        odds *= _trust(seen)[:, None]
        return float(1 - np.logaddexp(0, -odds * (2 * bits - 1)).mean() / np.log(2))

    def reveal(self, seen: Seen, key: Key, share: Share) -> bytes:
        values = seen.coefficients[:, self._use].reshape(-1)

        def rough(slots: np.ndarray, dither: np.ndarray) -> np.ndarray:
            return lattice.rough(values[slots], dither, self._steps[slots % self._count])

        def fit(slots: np.ndarray, dither: np.ndarray, bits: np.ndarray | None) -> direct.Odds:
            steps, noise = self._heard(seen, values, dither, slots, bits)
            trust = _trust(seen)

            def odds(slots: np.ndarray, dither: np.ndarray) -> np.ndarray:
                frequency = slots % self._count
                rounded = 0.0 if steps is None else steps[frequency]
                told = lattice.log_odds(values[slots], dither, self._steps[frequency], ALPHA, rounded, noise)
                told *= trust[slots // self._count]
                return told

            return odds

        return direct.read([(rough, fit)], self._slots(len(seen.blocks), share), key)

    def _slots(self, blocks: int, share: Share) -> order.Slots:
        return order.slots_of(blocks, self._count, share)

    def _heard(
        self, seen: Seen, values: np.ndarray, dither: np.ndarray, slots: np.ndarray, bits: np.ndarray | None
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
            (lattice.likelihood(*own, noise, bits=bits), None, noise) for noise in NOISES
        ]
        for quality in range(self.lowest, 100, 5):
            steps = libjpeg.table(quality).reshape(-1)[self._use].astype(np.float64)
            candidates.append((lattice.likelihood(*own, NOISE, steps[frequency], bits), quality, NOISE))
        _, found, noise = max(candidates, key=lambda candidate: candidate[0])
        if found is None:
            return None, noise
        return libjpeg.table(found).reshape(-1)[self._use].astype(np.float64), noise


def _trust(seen: Seen) -> np.ndarray:
    """(n,) factor on the log-odds of each block: clipped colours move its values by more than rounding does."""
    trust: np.ndarray = TRUST[np.searchsorted(CROWDS, seen.crowd, side="right")]
    return trust
