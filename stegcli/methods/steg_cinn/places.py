"""Where the header lies among a picture's numbers, and which numbers are left to the body.

A receiver knows neither how far up a picture was redrawn nor its grain before the header is read. So the header lies in
level 1, which is redrawn always, and in small squares of it, so that trying a grain is cheap. Pixels whose colours stay
(`still`) carry nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stegcli.keys.key import Key
from stegcli.methods.steg_cinn.codec import Codec, Entry, pixels, within
from stegcli.methods.steg_cinn.nets import Window

SMALL = 256
"""Pictures up to so many pixels a side hold the header anywhere."""
SQUARES, SQUARE = 4, 128
CANDIDATES = 16
"""Squares that are drawn, of which SQUARES are taken."""
Part = tuple[Entry, Window]
Square = tuple[int, int, int]
"""Top, left and side."""


def squares(still: np.ndarray, key: Key, picture: int) -> list[Square]:
    """Still pixels, bool (h, w) -> the parts of a picture that hold the header.

    The first that were drawn and may change in half of their pixels or more; then those that may change most.
    """
    height, width = still.shape
    if max(height, width) <= SMALL:
        return [(0, 0, SMALL)]
    stream = key.stream("header squares", picture)
    drawn = [
        (_start(stream.integers(1, 2**32), height), _start(stream.integers(1, 2**32), width), SQUARE)
        for _ in range(CANDIDATES)
    ]
    drawn.sort(key=lambda s: -min(_free(still, s), SQUARE**2 // 2))
    return drawn[:SQUARES]


def _free(still: np.ndarray, square: Square) -> int:
    top, left, side = square
    part = still[top : top + side, left : left + side]
    return int(part.size - part.sum())


def _start(drawn: np.ndarray, size: int) -> int:
    return int(drawn[0]) % max(1, size - SQUARE + 1)


def parts(codec: Codec, height: int, width: int, square: Square) -> list[Part]:
    """The windows of level 1 that lie in a square."""
    found = [(e, within(e, *square)) for e in codec.order(height, width, 1)]
    return [(e, w) for e, w in found if w.bottom > w.top and w.right > w.left]


def numbers(windows: list[Part], still: np.ndarray) -> np.ndarray:
    """Windows of level 1 -> the numbers in them whose pixels are not still, sorted, from the first of level 1."""
    found = [np.unique(np.concatenate(list(_numbers(windows, still))))] if windows else []
    return found[0] if found else np.empty(0, np.int64)


def _numbers(windows: list[Part], still: np.ndarray) -> Iterator[np.ndarray]:
    for entry, window in windows:
        assert entry.group is not None
        every = np.arange(entry.start, entry.stop).reshape(2, entry.rows, entry.columns)
        inside = every[:, window.top : window.bottom, window.left : window.right]
        yield inside[:, ~still[pixels(entry.group, window)]].reshape(-1)


def free(order: list[Entry], still: np.ndarray) -> np.ndarray:
    """The groups of a picture -> which numbers have pixels that are not still, bool (numbers,)."""
    found = np.empty(order[-1].stop, bool)
    for entry in order:
        where = entry.group.places() if entry.group else (slice(0, 1), slice(0, 1))
        entry.view(found)[:] = ~still[where]
    return found
