"""Little noise: lattices in the samples of R, G and B themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stegcli.keys.key import Key
from stegcli.methods.riis import direct, lattice
from stegcli.methods.riis.carrier import PSNR, Carrier, Seen
from stegcli.methods.riis.envelope import Letter
from stegcli.methods.riis.order import Order, Share, own_units

STEPS = tuple(2.0 ** (i / 2) for i in range(4, 13))
"""Steps of the lattice that there are, 4 to 64 grey levels; a receiver tries them."""
ALPHA = 0.7
NOISES = (0.4, 0.7, 1.05, 1.5, 2.05, 3.0, 4.0, 5.5, 8.0)
SAMPLED = 1 << 14
# Noise in units of the step -> what a rate stands: measured, see docs/methods/riis.md.
STANDS = ((0.10, 0.75), (0.125, 0.6), (0.15, 0.5), (0.18, 0.4), (0.21, 0.32), (0.25, 0.25), (0.30, 0.18), (0.36, 0.125))


@dataclass(frozen=True)
class Noisy(Carrier):
    """sigma: of the noise to come, in grey levels."""

    sigma: float

    def _plan(self, psnr: float) -> tuple[float, int]:
        """-> the step that the distortion allows, and the index of the rate that stands the noise under it."""
        spend = max(0.25, 255**2 / 10 ** (psnr / 10) - 1 / 12)
        step = max((s for s in STEPS if (ALPHA * s) ** 2 / 12 <= spend), default=STEPS[0])
        noise = float(np.sqrt(self.sigma**2 + 1 / 6)) / step
        rate = next((r for most, r in STANDS if noise <= most), direct.RATES[-1])
        return step, direct.RATES.index(rate)

    def room(self, cover: np.ndarray, receivers: int, psnr: float = PSNR) -> int:
        step, rate = self._plan(psnr)
        if np.sqrt(self.sigma**2 + 1 / 6) > STANDS[-1][0] * step:
            return 0
        free = cover.size // receivers - direct.HEADER_SLOTS
        return direct.room(int(0.97 * free), rate)

    def hide(self, cover: np.ndarray, letters: Sequence[Letter], psnr: float = PSNR) -> np.ndarray:
        step, rate = self._plan(psnr)
        stego = cover.reshape(-1).astype(np.float32)
        for index, letter in enumerate(letters):
            places = _order(letter.key, cover.size, Share(index, len(letters)))
            slots, bits = direct.write(letter, places, rate)
            stego[slots] += lattice.embed(stego[slots], bits, _dither(letter.key, cover.size)[slots], step, ALPHA)
        return np.clip(np.rint(stego), 0, 255).astype(np.uint8).reshape(cover.shape)

    def reveal(self, seen: Seen, key: Key, share: Share) -> bytes:
        return read(seen, key, share, self._plan(PSNR)[0])


def read(seen: Seen, key: Key, share: Share, step: float) -> bytes:
    """-> the data of one receiver, if the sender took that step. Raises RevealError."""
    values = seen.pixels.reshape(-1)
    dither = _dither(key, values.size)
    places = _order(key, values.size, share)
    sample = places.header
    steps = np.full(len(sample), step)
    noise = lattice.fit(values[sample].astype(np.float64), dither[sample], steps, ALPHA, NOISES)

    def odds(slots: np.ndarray) -> np.ndarray:
        return lattice.log_odds(
            values[slots].astype(np.float64), dither[slots], np.full(len(slots), step), ALPHA, 0.0, noise
        )

    return direct.read(odds, places, key)


def _order(key: Key, samples: int, share: Share) -> Order:
    own = own_units(samples, share)
    own = own[key.stream("samples").permutation(len(own))]
    head = min(direct.HEADER_SLOTS, len(own) // 4)
    return Order(own[:head], own[head:])


def _dither(key: Key, count: int) -> np.ndarray:
    return (np.frombuffer(key.stream("dither").bytes(count), np.uint8) + 0.5) / 256
