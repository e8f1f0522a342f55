"""Costs of changes -> the changes that a perfect code would make, without the loss of a real one.

Reference: Minimizing additive distortion in steganography using syndrome-trellis codes (Filler, Judas, Fridrich, 2011),
section III: the payload-limited sender, simulated.
"""

from __future__ import annotations

import numpy as np

from stegcli.errors import CapacityError

STEP = 7  # of the samples that the probabilities are set by: it meets all of them alike
ROUNDS = 24
LEAST, MOST = -12.0, 12.0  # of the logarithm of lambda, for costs around 1
FARTHEST = 80.0  # an exponent beyond which a change never happens


def moves(up: np.ndarray, down: np.ndarray, bits: float, rng: np.random.Generator) -> np.ndarray:
    """Costs of one up and of one down, of one shape, infinite for never -> -1, 0 or 1 for each sample, int8.

    bits: the payload. Raises CapacityError if so much cannot be carried.
    """
    finite = up[np.isfinite(up)]
    scale = float(np.median(finite)) if finite.size else 1.0
    up, down = up / (scale or 1.0), down / (scale or 1.0)
    some = up.reshape(-1)[::STEP], down.reshape(-1)[::STEP]
    whole = up.size / max(1, some[0].size)
    if _bits(*some, LEAST) * whole < bits:
        raise CapacityError(int(_bits(*some, LEAST) * whole / 8), round(bits / 8))
    low, high = LEAST, MOST
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if _bits(*some, middle) * whole > bits else (low, middle)
    p, q = _probabilities(up, down, high)
    drawn = rng.random(up.shape)
    found: np.ndarray = (drawn < p).astype(np.int8) - ((drawn >= p) & (drawn < p + q))
    return found


def _bits(up: np.ndarray, down: np.ndarray, log_rate: float) -> float:
    """What these samples carry: the entropy of their changes."""
    p, q = _probabilities(up, down, log_rate)
    parts = (p, q, 1 - p - q)
    return -sum(float((v * np.log2(np.maximum(v, 1e-30))).sum()) for v in parts)


def _probabilities(up: np.ndarray, down: np.ndarray, log_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Costs -> the probabilities of one up and of one down."""
    p, q = (np.exp(-np.minimum(np.exp(log_rate) * c, FARTHEST)) for c in (up, down))
    return p / (1 + p + q), q / (1 + p + q)
