"""Bits by scalar Costa lattices: a value moves part of the way to the nearest point of the lattice that its bit names.

    stego = value - ALPHA ((value - step (dither + bit / 2)) mod step)

The dither comes from the key and is uniform, so that the change is uniform and independent of the cover, whatever the
bits are. The receiver knows how the picture was rounded on its way and asks how much of each bit's cells the rounding
leaves possible.

Reference: Scalar Costa scheme for information embedding (Eggers, Baeuml, Tzschoppe, Girod, IEEE Transactions on Signal
Processing 2003), Eq. 14 to 19. Difference: the decoder's metric has JPEG's rounding in it, not only normal noise.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

LEAST = 1e-4
WRAPS = 1
ROUGH = 2.0  # log-odds at a lattice's point, if nothing is known about the channel


def wrapped(x: np.ndarray, step: np.ndarray | float) -> np.ndarray:
    """x -> x modulo step, in [-step / 2, step / 2]."""
    return x - step * np.rint(x / step)


def embed(
    values: np.ndarray, bits: np.ndarray, dither: np.ndarray, step: np.ndarray | float, alpha: float
) -> np.ndarray:
    """Values, bits and dither (n,), steps -> the change of each value."""
    return -alpha * wrapped(values - step * (dither + bits / 2), step)


def log_odds(
    values: np.ndarray, dither: np.ndarray, step: np.ndarray, alpha: float, rounding: np.ndarray | float, noise: float
) -> np.ndarray:
    """Received values (n,) -> log-odds ln P(1)/P(0).

    rounding: steps that the values were rounded to on the way, 0 for none; noise: spread of normal noise besides, > 0.
    """
    width = (1 - alpha) * step  # the sender leaves this much of the lattice's cell
    even = _likelihood(wrapped(values - step * dither, step), step, width, rounding, noise)
    odd = _likelihood(wrapped(values - step * (dither + 0.5), step), step, width, rounding, noise)
    odds: np.ndarray = np.log((odd + LEAST) / (even + LEAST))
    return odds


def rough(values: np.ndarray, dither: np.ndarray, step: np.ndarray | float) -> np.ndarray:
    """Received values -> something like their log-odds, whatever alpha and the channel are: enough to see a code."""
    odds: np.ndarray = -ROUGH * np.cos(2 * np.pi * (values / step - dither))
    return odds


def likelihood(
    values: np.ndarray,
    dither: np.ndarray,
    step: np.ndarray,
    alpha: float,
    noise: float,
    rounding: np.ndarray | float = 0.0,
) -> float:
    """Log-likelihood of values whose bits are not known, against no lattice at all."""
    width = (1 - alpha) * step
    both = sum(_likelihood(wrapped(values - step * (dither + b), step), step, width, rounding, noise) for b in (0, 0.5))
    return float(np.log(both / 2 + LEAST).sum())


def fit(values: np.ndarray, dither: np.ndarray, step: np.ndarray, alpha: float, noises: tuple[float, ...]) -> float:
    """The spread of normal noise, one of `noises`, under which values of unknown bits are likeliest."""
    return max(noises, key=lambda noise: likelihood(values, dither, step, alpha, noise))


def _likelihood(
    x: np.ndarray, step: np.ndarray, width: np.ndarray, rounding: np.ndarray | float, noise: float
) -> np.ndarray:
    """Density, per step, of a distance x from the lattice: uniform over `width` and `rounding`, and normal noise."""
    total: np.ndarray = np.zeros(np.shape(x))
    for wrap in range(-WRAPS, WRAPS + 1):
        total += _trapezoid(x + wrap * step, width, rounding, noise)
    total *= step
    return total


def _trapezoid(x: np.ndarray, width: np.ndarray, rounding: np.ndarray | float, noise: float) -> np.ndarray:
    """Density of a sum: uniform of that width, uniform of width `rounding`, normal of spread `noise`."""
    if not np.any(rounding):
        plain: np.ndarray = (ndtr((x + width / 2) / noise) - ndtr((x - width / 2) / noise)) / width
        return plain
    far, near = (width + rounding) / 2, (width - rounding) / 2
    corners: np.ndarray = (
        _ramp(x + far, noise) - _ramp(x + near, noise) - _ramp(x - near, noise) + _ramp(x - far, noise)
    )
    corners /= width * rounding
    return corners


def _ramp(x: np.ndarray, noise: float) -> np.ndarray:
    """Integral of the normal distribution function: max(x, 0) with a soft corner."""
    t = x / noise
    ramp: np.ndarray = x * ndtr(t) + noise * np.exp(-t * t / 2) / np.sqrt(2 * np.pi)
    return ramp
