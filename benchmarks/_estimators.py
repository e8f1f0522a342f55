"""Estimators of how much LSB replacement changed a picture, from the picture alone.

Both take one channel, uint8 (h, w), and give a share of samples: about 0 for a picture that nothing was hidden in, half
of the payload per sample for LSB replacement. They are not cut off at 0, so that small differences count.

References: Detection of LSB steganography via sample pair analysis (Dumitrescu, Wu, Wang, 2003), Eq. 14: `spa`.
Revisiting weighted stego-image steganalysis (Ker, Böhme, 2008), Eq. 4 and 5, its predictor and weights: `ws`.
"""

from __future__ import annotations

import numpy as np

_PREDICTOR = np.array([[-1, 2, -1], [2, 0, 2], [-1, 2, -1]]) / 4
_MEAN = np.ones((3, 3)) / 9


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


def _neighbours(channel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return channel[:, :-1].reshape(-1), channel[:, 1:].reshape(-1)


def _filtered(plane: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Correlation with a 3x3 kernel, without the border."""
    height, width = plane.shape[0] - 2, plane.shape[1] - 2
    return sum(kernel[i, j] * plane[i : i + height, j : j + width] for i in range(3) for j in range(3))
