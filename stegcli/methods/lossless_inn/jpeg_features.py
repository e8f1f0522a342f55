"""A detector of hiding in JPEG coefficients: DCTR features and a linear classifier.

Reference: Low-complexity features for JPEG steganalysis using undecimated DCT (Holub, Fridrich, 2015): DCTR. The
classifier is a linear one with a ridge in place of their ensemble of linear discriminants.
"""

from __future__ import annotations

import numpy as np

from stegcli.methods.lossless_inn import jpeg_costs
from stegcli.pictures.jpeg import Component

LEVELS = 5  # of a filtered value, 0 to T
FOLD = np.array([0, 1, 2, 3, 4, 3, 2, 1])  # places in a block that are mirrors of each other
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
SPLITS = 6


def dctr(component: Component, quality: int) -> np.ndarray:
    """-> 8,000 histogram bins: of each of the 64 cosines around each pixel, by place in the block."""
    plane, basis = jpeg_costs.decoded(component), jpeg_costs.cosines().astype(np.float32)
    step = np.float32(8 * (2 - quality / 50))
    windows = np.lib.stride_tricks.sliding_window_view
    down = windows(plane, 8, axis=0) @ basis.T  # (h - 7, w, 8)
    height, width = plane.shape[0] - 7, plane.shape[1] - 7
    rows, columns = np.ogrid[:height, :width]
    place = 5 * FOLD[rows % 8] + FOLD[columns % 8]
    found = []
    for k in range(8):
        both = windows(np.ascontiguousarray(down[..., k]), 8, axis=1) @ basis.T  # (h - 7, w - 7, 8)
        level = np.minimum(np.abs(both) / step + np.float32(0.5), LEVELS - 1).astype(np.int64)
        code = (np.arange(8) * 25 + place[..., None]) * LEVELS + level
        counts = np.bincount(code.reshape(-1), minlength=8 * 25 * LEVELS).reshape(8, 25, LEVELS)
        found.append(counts / counts.sum(axis=2, keepdims=True))
    return np.stack(found).reshape(-1).astype(np.float32)


def told_apart(covers: np.ndarray, stegos: np.ndarray, splits: int = SPLITS) -> tuple[float, float]:
    """Features (n, f) of covers and their stegos -> mean accuracy over splits by cover, and its deviation.

    The strength of the ridge is chosen on a quarter of what is learnt from.
    """
    found = []
    for split in range(splits):
        order = np.random.default_rng(split).permutation(len(covers))
        learn, test = order[: len(order) // 2], order[len(order) // 2 :]
        inner = len(learn) * 3 // 4
        scores = _accuracies(covers, stegos, learn[:inner], learn[inner:])
        found.append(_accuracies(covers, stegos, learn, test)[int(np.argmax(scores))])
    return float(np.mean(found)), float(np.std(found))


def _accuracies(covers: np.ndarray, stegos: np.ndarray, learn: np.ndarray, test: np.ndarray) -> list[float]:
    """Of a ridge-regularised linear classifier in the dual, for each of RIDGES."""
    known, asked = (np.concatenate([covers[i], stegos[i]]).astype(np.float64) for i in (learn, test))
    mean, spread = known.mean(axis=0), known.std(axis=0) + 1e-8
    known, asked = (known - mean) / spread, (asked - mean) / spread
    label, truth = (np.repeat([-1.0, 1.0], len(i)) for i in (learn, test))
    values, vectors = np.linalg.eigh(known @ known.T / known.shape[1])
    projected, target = asked @ known.T / known.shape[1] @ vectors, vectors.T @ label
    return [float((np.sign(projected @ (target / (values + ridge))) == truth).mean()) for ridge in RIDGES]
