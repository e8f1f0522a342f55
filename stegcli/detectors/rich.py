"""Pictures -> a small rich model of colour pictures: how residuals of several filters occur together.

Reference: Rich models for steganalysis of digital images (Fridrich, Kodovsky, 2012): quantised residuals, truncated at
T = 2, four in a row; their symmetries. Rich model for steganalysis of color images (Goljan, Cogranne, Fridrich, 2014):
the residuals of red, green and blue at one pixel. Difference: five filters with one quantisation each, without the
least and greatest of several, which is a twentieth of their features.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

T = 2
BASE = 2 * T + 1
IN_A_ROW = 4
SQUARE = np.array([
    [-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1],
])  # fmt: skip


def _first(x: np.ndarray) -> np.ndarray:
    found: np.ndarray = x[..., 1:] - x[..., :-1]
    return found


def _second(x: np.ndarray) -> np.ndarray:
    return _first(_first(x))


def _third(x: np.ndarray) -> np.ndarray:
    return _first(_second(x))


def _square_3(x: np.ndarray) -> np.ndarray:
    return _second(_second(x).swapaxes(1, 2)).swapaxes(1, 2)


def _square_5(x: np.ndarray) -> np.ndarray:
    from scipy.ndimage import correlate

    found: np.ndarray = correlate(x, SQUARE[None], mode="nearest")[:, 2:-2, 2:-2]
    return found


FILTERS: tuple[tuple[Callable[[np.ndarray], np.ndarray], int, bool], ...] = (
    (_first, 1, True), (_second, 2, True), (_third, 3, True), (_square_3, 4, False), (_square_5, 12, False),
)  # fmt: skip
"""Integers (3, h, w) -> residuals along rows; the step they are quantised by; whether columns differ from rows."""


def features(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3), at least 16 a side -> shares of groups of residuals, (1667,), each group adding up to 1."""
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1).astype(np.int32))
    found = []
    for residual, step, directed in FILTERS:
        rows, columns = (_quantised(residual(x), step) for x in (planes, np.ascontiguousarray(planes.swapaxes(1, 2))))
        found.append(_in_a_row(rows) + _in_a_row(columns))
        if directed:
            found.append(_in_a_row(rows.swapaxes(1, 2)) + _in_a_row(columns.swapaxes(1, 2)))
        found.append(_of_colours(rows) + _of_colours(columns) if directed else _of_colours(rows))
    return np.concatenate([f / f.sum() for f in found])


def _quantised(residual: np.ndarray, step: int) -> np.ndarray:
    """-> 0 to 2 T."""
    found: np.ndarray = (np.clip((2 * residual + step) // (2 * step), -T, T) + T).astype(np.int32)
    return found


def _in_a_row(r: np.ndarray) -> np.ndarray:
    """Counts of four neighbours along the last axis, over all colours. A group, its reverse and negative are one."""
    ends = r.shape[-1] - IN_A_ROW + 1
    codes = np.zeros((*r.shape[:-1], ends), np.int32)
    for k in range(IN_A_ROW):
        codes *= BASE
        codes += r[..., k : k + ends]
    return _merged(codes, IN_A_ROW)


def _of_colours(r: np.ndarray) -> np.ndarray:
    """Counts of the three colours of a pixel; a group and its negative are one."""
    return _merged((r[0] * BASE + r[1]) * BASE + r[2], 3)


def _merged(codes: np.ndarray, length: int) -> np.ndarray:
    classes = _classes(length)
    counts = np.bincount(codes.ravel(), minlength=BASE**length)
    return np.bincount(classes, weights=counts)


@cache
def _classes(length: int) -> np.ndarray:
    """Code of a group -> the number of its class."""
    groups = np.stack(np.unravel_index(np.arange(BASE**length), (BASE,) * length))
    forms = [groups, 2 * T - groups]
    if length == IN_A_ROW:
        forms += [f[::-1] for f in forms]
    least = np.min([np.ravel_multi_index(tuple(f), (BASE,) * length) for f in forms], axis=0)
    found: np.ndarray = np.unique(least, return_inverse=True)[1]
    return found
