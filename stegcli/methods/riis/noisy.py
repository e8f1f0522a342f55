"""Little noise: lattices in the samples of R, G and B themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stegcli.errors import CapacityError
from stegcli.keys.key import Key
from stegcli.methods.riis import direct, lattice, order, trial
from stegcli.methods.riis.carrier import PSNR, Carrier, Seen
from stegcli.methods.riis.envelope import Letter
from stegcli.methods.riis.order import Share

STEPS = tuple(2.0 ** (i / 8) for i in range(16, 41))
"""Steps of the lattice that there are, 4 to 32 grey levels; a receiver tries them."""
NOISES = (0.4, 0.7, 1.05, 1.5, 2.05, 3.0, 4.0, 5.5, 8.0)
STANDS = {
    # by how far values move towards the lattice: spread of the noise in steps -> the highest rate that stands it
    0.7: ((0.088, 0.75), (0.117, 0.6), (0.136, 0.5), (0.155, 0.4), (0.17, 0.32)),
    0.5: ((0.102, 0.4), (0.125, 0.32), (0.141, 0.25), (0.167, 0.18), (0.19, 0.125)),
}
"""Mutual information of the lattice's bits times the codes' efficiency, 0.87."""


@dataclass(frozen=True)
class Noisy(Carrier):
    """sigma: of the noise to come, in grey levels. spare: factor on it for safety."""

    sigma: float
    spare: float = 1.0

    def _plan(self, psnr: float) -> tuple[float, float, float]:
        """-> alpha, step and rate that carry most at that PSNR; rate 0 if none stands the noise."""
        spend = max(0.25, 255**2 / 10 ** (psnr / 10) - 1 / 12)
        best = (0.7, STEPS[0], 0.0)
        for alpha, stands in STANDS.items():
            step = max((s for s in STEPS if (alpha * s) ** 2 / 12 <= spend), default=STEPS[0])
            noise = self.spare * math.sqrt(self.sigma**2 + 1 / 6) / step
            rate = next((r for most, r in stands if noise <= most), 0.0)
            best = max(best, (alpha, step, rate), key=lambda plan: plan[2])
        return best

    def room(self, cover: np.ndarray, receivers: int, psnr: float = PSNR) -> int:
        _, _, rate = self._plan(psnr)
        if rate == 0 or trial.free_share(cover) < trial.FEW_FREE:
            return 0
        free = cover.size // receivers - direct.header_slots(cover.size // receivers)
        return direct.room(int(0.97 * free), direct.RATES.index(rate))

    def hide(self, cover: np.ndarray, letters: Sequence[Letter], psnr: float = PSNR) -> np.ndarray:
        alpha, step, rate = self._plan(psnr)
        if rate == 0:
            raise CapacityError(0, max(len(letter.data) for letter in letters))
        stego = cover.reshape(-1).astype(np.float32)
        for index, letter in enumerate(letters):
            slots = order.slots_of(cover.size, 1, Share(index, len(letters)))
            coded = direct.write(letter, slots, direct.RATES.index(rate))
            stego[coded.slots] += lattice.embed(stego[coded.slots], coded.bits, coded.dither, step, alpha)
        return np.clip(np.rint(stego), 0, 255).astype(np.uint8).reshape(cover.shape)

    def stronger(self) -> Noisy | None:
        return replace(self, spare=1.15 * self.spare) if self.spare < 1.5 else None

    def reveal(self, seen: Seen, key: Key, share: Share) -> bytes:
        values = seen.pixels.reshape(-1).astype(np.float32)
        slots = order.slots_of(len(values), 1, share)
        return direct.read([_way(values, step) for step in STEPS], slots, key)


def _way(values: np.ndarray, step: float) -> tuple[direct.Odds, direct.Fit]:
    """How to read samples that carry by a lattice of that step."""

    def rough(slots: np.ndarray, dither: np.ndarray) -> np.ndarray:
        return lattice.rough(values[slots], dither, step)

    def fit(slots: np.ndarray, dither: np.ndarray, bits: np.ndarray | None) -> direct.Odds:
        carried, steps = values[slots], np.full(len(slots), step)
        channels = [(alpha, noise) for alpha in STANDS for noise in NOISES]
        alpha, noise = max(channels, key=lambda c: lattice.likelihood(carried, dither, steps, c[0], c[1], 0.0, bits))

        def odds(slots: np.ndarray, dither: np.ndarray) -> np.ndarray:
            return lattice.log_odds(values[slots], dither, np.full(len(slots), step), alpha, 0.0, noise)

        return odds

    return rough, fit
