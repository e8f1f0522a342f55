"""Pixels whose colours stay, told by luminance alone, so that sender and receiver agree on them.

Black, white and even areas have one colour. A drawn colour would be the right one nearly always, and the few others
would be seen at once: a photo has none there.
"""

from __future__ import annotations

import numpy as np

BLACK, WHITE = 0, 255
SIDE = 5
"""Squares of so many pixels a side whose luminance is the same everywhere are even."""


def clipped(grey: np.ndarray) -> np.ndarray:
    """Luminance uint8 (h, w) -> where it is black or white, bool (h, w)."""
    found: np.ndarray = (grey == BLACK) | (grey == WHITE)
    return found


def still(grey: np.ndarray) -> np.ndarray:
    """Luminance uint8 (h, w) -> where the colour of a cover stays, bool (h, w): black, white, and even squares."""
    found: np.ndarray = clipped(grey) | even(grey)
    return found


def even(grey: np.ndarray) -> np.ndarray:
    """Luminance uint8 (h, w) -> which pixels lie in a square of SIDE pixels of one luminance, bool (h, w)."""
    found = np.zeros(grey.shape, bool)
    if min(grey.shape) < SIDE:
        return found
    rows = _runs(grey[:, 1:] == grey[:, :-1], 1)
    corners = rows[: 1 - SIDE] & _runs(grey[1:] == grey[:-1], 0)[:, : 1 - SIDE]
    for step in range(1, SIDE):
        corners &= rows[step : step + len(corners)]
    height, width = corners.shape
    tall = np.zeros((grey.shape[0], width), bool)
    for step in range(SIDE):
        tall[step : step + height] |= corners
    for step in range(SIDE):
        found[:, step : step + width] |= tall
    return found


def _runs(alike: np.ndarray, axis: int) -> np.ndarray:
    """Whether neighbours are alike -> whether a run of SIDE pixels that are alike begins at a pixel."""
    count = alike.shape[axis] - (SIDE - 2)
    parts = [alike.take(range(i, i + count), axis=axis) for i in range(SIDE - 1)]
    found: np.ndarray = np.logical_and.reduce(parts)
    return found
