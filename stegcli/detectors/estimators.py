"""Estimators of how much LSB replacement changed a picture, from the picture alone.

Each takes one channel, uint8 (h, w). `spa`, `ws` and `rs` give a share of samples: about 0 for a picture that nothing
was hidden in, half of the payload per sample for LSB replacement. They are not cut off at 0, so that small differences
count. `chi_square` gives a probability.

References: Detection of LSB steganography via sample pair analysis (Dumitrescu, Wu, Wang, 2003), Eq. 14: `spa`.
Revisiting weighted stego-image steganalysis (Ker, Böhme, 2008), Eq. 4 and 5, its predictor and weights: `ws`.
Detecting LSB steganography in color and gray-scale images (Fridrich, Goljan, Du, 2001): `rs`, with groups of four in a
row and the mask 0 1 1 0. Attacks on steganographic systems (Westfeld, Pfitzmann, 1999): `chi_square`, over pieces of
the picture as StegExpose takes it.
"""

from __future__ import annotations

import numpy as np

_PREDICTOR = np.array([[-1, 2, -1], [2, 0, 2], [-1, 2, -1]]) / 4
_MEAN = np.ones((3, 3)) / 9
_MASK = np.array([0, 1, 1, 0])
PIECE = 1024  # samples of a test
LEAST_EXPECTED = 5  # samples of a level, for the test to count it


def spa(channel: np.ndarray) -> float:
    """Sample pair analysis, over horizontal and vertical neighbours. nan if the equation has no real root."""
    u, v = (np.concatenate(pair) for pair in zip(_neighbours(channel), _neighbours(channel.T), strict=True))
    even = v % 2 == 0
    x = np.count_nonzero((even & (u < v)) | (~even & (u > v)))
    y = np.count_nonzero((even & (u > v)) | (~even & (u < v)))
    alike = np.count_nonzero(u >> 1 == v >> 1)  # equal, or apart in the lowest bit alone
    a, b, c = alike / 2, 2 * x - len(u), y - x  # of the payload per sample
    inside = b * b - 4 * a * c
    if a == 0 or inside < 0:
        return float("nan")
    return float((-b - np.sqrt(inside)) / (2 * a)) / 2


def ws(channel: np.ndarray) -> float:
    """Weighted stego image, with the correction of its bias."""
    plane = channel.astype(np.float64)
    inner = channel[1:-1, 1:-1].astype(np.int64)
    flipped = inner ^ 1
    spread = _filtered(plane**2, _MEAN) - _filtered(plane, _MEAN) ** 2
    weights = 1 / (5 + spread)
    weights /= weights.sum()
    steps = inner - flipped
    share = float((weights * steps * (inner - _filtered(plane, _PREDICTOR))).sum())
    drift = _filtered((channel ^ 1).astype(np.float64) - plane, _PREDICTOR)  # of the predictions, by the flips
    return share - share * float((weights * steps * drift).sum())


def rs(channel: np.ndarray) -> float:
    """Regular and singular groups. nan if the equation has no real root."""
    flipped = channel ^ 1
    (d0, n0), (d1, n1) = ((_lead(c, _MASK), _lead(c, -_MASK)) for c in (channel, flipped))
    a, b, c = 2 * (d1 + d0), n0 - n1 - d1 - 3 * d0, d0 - n0
    inside = b * b - 4 * a * c
    if a == 0 or inside < 0:
        return float("nan")
    x = min(((-b + s * np.sqrt(inside)) / (2 * a) for s in (1, -1)), key=abs)
    return float(x / (x - 0.5)) / 2


def _lead(channel: np.ndarray, mask: np.ndarray) -> float:
    """The share of regular groups minus that of singular ones."""
    width = channel.shape[1] // len(mask) * len(mask)
    groups = channel[:, :width].reshape(-1, len(mask)).astype(np.int16)
    shifted = ((groups + 1) ^ 1) - 1  # -1 and 0, 1 and 2, ... change places
    moved = np.where(mask == 1, groups ^ 1, np.where(mask == -1, shifted, groups))
    before, after = (np.abs(np.diff(g, axis=1)).sum(axis=1) for g in (groups, moved))
    return float((after > before).mean() - (after < before).mean())


def chi_square(channel: np.ndarray) -> float:
    """The probability that the two levels of each pair are equally frequent: mean over pieces.

    Near 1 if all lowest bits were replaced.
    """
    from scipy.stats import chi2

    samples = channel.reshape(-1)
    found = []
    for first in range(0, len(samples) - PIECE + 1, PIECE):
        counts = np.bincount(samples[first : first + PIECE], minlength=256).reshape(128, 2)
        expected = counts.mean(axis=1)
        seen = expected >= LEAST_EXPECTED
        if seen.sum() > 1:
            statistic = ((counts[seen, 0] - expected[seen]) ** 2 / expected[seen]).sum()
            found.append(chi2.sf(statistic, seen.sum() - 1))
    return float(np.mean(found)) if found else float("nan")


def _neighbours(channel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return channel[:, :-1].reshape(-1), channel[:, 1:].reshape(-1)


def _filtered(plane: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Correlation with a 3x3 kernel, without the border."""
    height, width = plane.shape[0] - 2, plane.shape[1] - 2
    parts = [kernel[i, j] * plane[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    found: np.ndarray = np.sum(parts, axis=0)
    return found
