"""JPEG coefficients -> DCTR features: what the cosines of blocks say at every pixel.

Reference: Low-complexity features for JPEG steganalysis using undecimated DCT (Holub, Fridrich, 2015).
"""

from __future__ import annotations

import numpy as np

from stegcli.coding import jpeg_costs
from stegcli.pictures.jpeg import Component

LEVELS = 5  # of a filtered value, 0 to T
FOLD = np.array([0, 1, 2, 3, 4, 3, 2, 1])  # places in a block that are mirrors of each other


def features(component: Component, quality: int) -> np.ndarray:
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
