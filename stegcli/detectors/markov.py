"""JPEG coefficients -> calibrated Markov features: how magnitudes follow each other, and how often each value is there.

Reference: A Markov process based approach to effective attacking JPEG steganography (Shi, Chen, Chen, 2006): along
rows, columns and both diagonals. JPEG image steganalysis utilizing both intrablock and interblock correlations (Chen,
Shi, 2008): the same mode of neighbouring blocks. Calibration revisited (Kodovsky, Fridrich, 2009): the same features of
the picture cut by four pixels and compressed anew stand beside them, as an estimate of what the cover's would be.
Difference: histograms of the nine lowest modes and of all, in place of their further features.
"""

from __future__ import annotations

import numpy as np

from stegcli.coding import jpeg_costs
from stegcli.pictures.jpeg import Component

T = 4
BASE = 2 * T + 1
MOST = 5  # of a histogram
LOWEST = ((0, 1), (1, 0), (0, 2), (1, 1), (2, 0), (0, 3), (1, 2), (2, 1), (3, 0))
SHIFT = 4
STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))


def features(component: Component) -> np.ndarray:
    """At least 2x2 blocks -> (1192,): shares, of the picture and of its reference."""
    return np.concatenate([_of(component.blocks), _of(reference(component))])


def reference(component: Component) -> np.ndarray:
    """-> blocks of the decoded picture without its first and last four pixels, compressed with the same steps."""
    plane = jpeg_costs.decoded(component)[SHIFT : -8 + SHIFT, SHIFT : -8 + SHIFT]
    rows, columns = (s // 8 for s in plane.shape)
    basis = jpeg_costs.cosines().astype(np.float32)
    cut = plane.reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3)
    found: np.ndarray = np.rint(basis @ cut @ basis.T / component.steps).astype(np.int16)
    return found


def _of(blocks: np.ndarray) -> np.ndarray:
    """Blocks (rows, columns, 8, 8) -> (596,)."""
    size = np.abs(blocks)
    plane = size.transpose(0, 2, 1, 3).reshape(8 * blocks.shape[0], 8 * blocks.shape[1])
    within = [_transitions(plane, *step) for step in STEPS]
    modes = size.reshape(*size.shape[:2], 64)[..., 1:]
    between = [_transitions(modes, *step) for step in STEPS[:2]]
    counted = [_histogram(blocks[..., i, j]) for i, j in LOWEST] + [_histogram(blocks.reshape(-1, 64)[:, 1:])]
    return np.concatenate([*(t.ravel() for t in within + between), *counted])


def _transitions(x: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """Values (h, w, ...) -> how often each clipped difference follows another in a direction, (BASE, BASE)."""
    if dx < 0:
        return _transitions(x[:, ::-1], dy, -dx)
    steps = np.clip(_before(x, dy, dx) - _after(x, dy, dx), -T, T).astype(np.int32) + T
    codes = _before(steps, dy, dx) * BASE + _after(steps, dy, dx)
    counts = np.bincount(codes.ravel(), minlength=BASE**2).reshape(BASE, BASE)
    found: np.ndarray = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return found


def _before(x: np.ndarray, dy: int, dx: int) -> np.ndarray:
    return x[: len(x) - dy, : x.shape[1] - dx]


def _after(x: np.ndarray, dy: int, dx: int) -> np.ndarray:
    return x[dy:, dx:]


def _histogram(values: np.ndarray) -> np.ndarray:
    clipped = np.clip(values, -MOST, MOST).astype(np.int32).ravel() + MOST
    found: np.ndarray = np.bincount(clipped, minlength=2 * MOST + 1) / clipped.size
    return found
