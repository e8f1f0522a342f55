"""Pictures -> SPAM features: how differences of neighbours follow each other.

Reference: Steganalysis by subtractive pixel adjacency matrix (Pevny, Bas, Fridrich, 2010), second order, T = 3. They
take grey pictures; here each colour, and each colour's difference to green, is a plane of its own.
"""

from __future__ import annotations

import numpy as np

T = 3
BASE = 2 * T + 1
COUNT = 2 * BASE**3
"""Features of a plane."""
EDGE = 3  # pixels at the border that no triple starts from, whatever its direction
WIDE = BASE + 2  # one more on either side, for all that is larger


def mean(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> 686 transition probabilities of neighbouring differences, means over the colours."""
    found: np.ndarray = by_channel(pixels).reshape(3, COUNT).mean(axis=0)
    return found


def by_channel(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> the 686 numbers of red, of green and of blue, (2058,)."""
    return np.concatenate([of_plane(pixels[..., c].astype(np.int16)) for c in range(3)])


def of_differences(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> the 686 numbers of red minus green, and of blue minus green, (1372,)."""
    levels = pixels.astype(np.int16)
    return np.concatenate([of_plane(levels[..., c] - levels[..., 1]) for c in (0, 2)])


def of_plane(plane: np.ndarray) -> np.ndarray:
    """Integers (h, w), at least 7 a side -> (686,): how often each third difference follows two others of at most T;
    means over rows and columns, and over the diagonals, forth and back."""
    straight = [*_both_ways(plane, 0, 1), *_both_ways(plane.T, 0, 1)]
    diagonal = [*_both_ways(plane, 1, 1), *_both_ways(plane[:, ::-1], 1, 1)]
    return np.concatenate([np.mean(group, axis=0).ravel() for group in (straight, diagonal)])


def _both_ways(plane: np.ndarray, dy: int, dx: int) -> tuple[np.ndarray, np.ndarray]:
    """Transitions (BASE, BASE, BASE) along a direction, and along the way back: the same triples, negated, in reverse,
    that end where those begin."""
    height, width = plane.shape
    steps = np.clip(plane[: height - dy, : width - dx] - plane[dy:, dx:], -T - 1, T + 1).astype(np.int32) + T + 1
    tall, wide = height - 3 * dy, width - 3 * dx
    first, second, third = (steps[k * dy : k * dy + tall, k * dx : k * dx + wide] for k in range(3))
    codes = (first * WIDE + second) * WIDE + third
    inner = slice(EDGE, height - EDGE), slice(EDGE, width - EDGE)
    before = slice(EDGE - 3 * dy, height - EDGE - 3 * dy), slice(EDGE - 3 * dx, width - EDGE - 3 * dx)
    forth, back = (_counts(codes[part]) for part in (inner, before))
    return _shares(forth), _shares(back[::-1, ::-1, ::-1].transpose(2, 1, 0))


def _counts(codes: np.ndarray) -> np.ndarray:
    """Of triples of differences that are all within [-T, T]."""
    return np.bincount(codes.ravel(), minlength=WIDE**3).reshape(WIDE, WIDE, WIDE)[1:-1, 1:-1, 1:-1]


def _shares(counts: np.ndarray) -> np.ndarray:
    found: np.ndarray = counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)
    return found
