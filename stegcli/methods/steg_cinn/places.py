"""Where the header lies among a picture's numbers, and which numbers are left to the body.

A receiver knows neither how far up a picture was redrawn nor its grain before the header is read. So the header lies in
level 1, which is redrawn always, and in small squares of it, so that trying a grain is cheap.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stegcli.keys.key import Key
from stegcli.methods.steg_cinn.codec import Codec, Entry, within
from stegcli.methods.steg_cinn.nets import Window

SMALL = 256
"""Pictures up to so many pixels a side hold the header anywhere."""
SQUARES, SQUARE = 4, 128
Part = tuple[Entry, Window]


def squares(height: int, width: int, key: Key, picture: int) -> list[tuple[int, int, int]]:
    """The parts of a picture that hold the header: top, left and side of each."""
    if max(height, width) <= SMALL:
        return [(0, 0, SMALL)]
    stream = key.stream("header squares", picture)
    return [
        (_start(stream.integers(1, 2**32), height), _start(stream.integers(1, 2**32), width), SQUARE)
        for _ in range(SQUARES)
    ]


def _start(drawn: np.ndarray, size: int) -> int:
    return int(drawn[0]) % max(1, size - SQUARE + 1)


def parts(codec: Codec, height: int, width: int, square: tuple[int, int, int]) -> list[Part]:
    """The windows of level 1 that lie in a square."""
    found = [(e, within(e, *square)) for e in codec.order(height, width, 1)]
    return [(e, w) for e, w in found if w.bottom > w.top and w.right > w.left]


def numbers(windows: list[Part]) -> np.ndarray:
    """Windows of level 1 -> the numbers in them, sorted, counted from the first of level 1."""
    found = [np.unique(np.concatenate(list(_numbers(windows))))] if windows else []
    return found[0] if found else np.empty(0, np.int64)


def _numbers(windows: list[Part]) -> Iterator[np.ndarray]:
    for entry, window in windows:
        every = np.arange(entry.start, entry.stop).reshape(2, entry.rows, entry.columns)
        yield every[:, window.top : window.bottom, window.left : window.right].reshape(-1)


def others(count: int, taken: np.ndarray) -> np.ndarray:
    """Of so many numbers those that are not taken, sorted."""
    free = np.ones(count, bool)
    free[taken] = False
    return np.flatnonzero(free)
