"""Co-occurrences: how often residuals of neighbouring samples occur together, and what moves of samples change in that.

A residual is a difference of neighbours, of first or second order, of one channel or of the difference of two. Three of
them make a triple. What is counted:

    three differences in a row, of red - green and of blue - green: along rows, columns and diagonals
    the differences of red, green and blue between two neighbours: along rows and columns
    the second differences of red, green and blue at one place: the same
    the second differences of these, along both: the square residual of 3x3

References: Steganalysis by subtractive pixel adjacency matrix (Pevny, Bas, Fridrich, 2010), three in a row; Rich model
for steganalysis of color images (Goljan, Cogranne, Fridrich, 2014), three colours at one place. Difference: larger
residuals are counted too, as one; SPAM leaves them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

FARTHEST = 3  # rows or columns between samples of one triple, at most
Codes = Sequence[np.ndarray]
"""Of each shape, the numbers of the triples, at the upper left of their samples."""
Shape = tuple[tuple[int, int], ...]
"""Where the points of a triple lie: rows and columns from the upper left."""


@dataclass(frozen=True)
class Point:
    """One of the samples that a triple is made of.

    index: among the points. signs: (channels,), 1 for those that move the residuals alike, -1 for those that move them
    the other way. up, down: places in a table after a move by one, by the triple's code (base^3,).
    """

    index: int
    signs: tuple[int, ...]
    up: np.ndarray
    down: np.ndarray


@dataclass(frozen=True, eq=False)
class Statistic:
    """What is counted.

    taps: int16 (3, points, channels), what each residual takes of each point and channel. shapes: the first two are
    counted together, and so are the next two. step: residuals are rounded to multiples of it. most: larger multiples
    count as this one. turned: whether from the other end a triple is seen in reverse and negated; else negated alone.
    Both count as one.
    """

    taps: np.ndarray
    shapes: tuple[Shape, ...]
    step: int
    most: int
    turned: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a table."""
        return ((len(self.shapes) + 1) // 2, *[2 * self.most + 1] * 3)

    @property
    def reach(self) -> int:
        """Codes tell residuals apart up to here, so that a move is followed through the clipping."""
        return self.step * self.most + int(np.abs(self.taps).max())

    @property
    def base(self) -> int:
        return 2 * self.reach + 1

    @cached_property
    def places(self) -> np.ndarray:
        """Places in a table, by the triple's code (base^3,)."""
        return self._places(np.zeros(3, int))

    @cached_property
    def points(self) -> list[Point]:
        found = []
        for index in range(self.taps.shape[1]):
            left = self.taps[:, index].copy()
            while left.any():
                shift = left[:, left.any(axis=0).argmax()].copy()
                signs = (left == shift[:, None]).all(axis=0).astype(int) - (left == -shift[:, None]).all(axis=0)
                left[:, signs != 0] = 0
                found.append(Point(index, tuple(signs.tolist()), self._places(shift), self._places(-shift)))
        return found

    def _places(self, shift: np.ndarray) -> np.ndarray:
        """The places once the residuals have moved by `shift` (3,)."""
        whole = np.arange(-self.reach, self.reach + 1)
        each = [np.clip(self._rounded(whole + s), -self.most, self.most) + self.most for s in shift.tolist()]
        return np.ravel_multi_index(np.ix_(*each), self.shape[1:]).ravel()

    def _rounded(self, residual: np.ndarray) -> np.ndarray:
        """To multiples, halves away from 0, so that a residual and its negative are treated alike."""
        rounded: np.ndarray = np.sign(residual) * ((2 * np.abs(residual) + self.step) // (2 * self.step))
        return rounded


def _line(down: int, right: int, points: int) -> Shape:
    first = points - 1 if right < 0 else 0
    return tuple((k * down, first + k * right) for k in range(points))


def _in_a_row(mix: Sequence[int]) -> Statistic:
    """Three differences of four neighbours, of a sum of channels."""
    steps = np.array([[1, -1, 0, 0], [0, 1, -1, 0], [0, 0, 1, -1]])
    lines = tuple(_line(*way, 4) for way in ((0, 1), (1, 0), (1, 1), (1, -1)))
    return Statistic((steps[:, :, None] * np.array(mix)).astype(np.int16), lines, 1, 4, True)


def _of_colours(residual: Sequence[int], shapes: Sequence[Shape], step: int, most: int) -> Statistic:
    """One residual, of red, green and blue."""
    taps = np.eye(3, dtype=np.int16)[:, None] * np.array(residual, np.int16)[:, None]
    return Statistic(taps, tuple(shapes), step, most, False)


COUNTED = (
    _in_a_row((1, -1, 0)),
    _in_a_row((0, -1, 1)),
    _of_colours((1, -1), (_line(0, 1, 2), _line(1, 0, 2)), 1, 3),
    _of_colours((1, -2, 1), (_line(0, 1, 3), _line(1, 0, 3)), 2, 3),
    _of_colours((1, -2, 1, -2, 4, -2, 1, -2, 1), (tuple(np.ndindex(3, 3)),), 4, 2),
)


def codes(levels: np.ndarray, statistic: Statistic) -> Codes:
    """Levels, int16 (channels, ..., h, w) -> the codes of each shape."""
    return [_codes(levels, statistic, shape) for shape in statistic.shapes]


def _codes(levels: np.ndarray, statistic: Statistic, shape: Shape) -> np.ndarray:
    height, width = (max(0, size - far) for size, far in zip(levels.shape[-2:], np.max(shape, axis=0), strict=True))
    found = np.zeros((*levels.shape[1:-2], height, width), np.int32)
    for taps in statistic.taps:
        residual = np.zeros(found.shape, np.int16)
        for index, channel in np.argwhere(taps):
            y, x = shape[index]
            residual += taps[index, channel] * levels[channel, ..., y : y + height, x : x + width]
        found *= statistic.base
        found += np.clip(residual, -statistic.reach, statistic.reach) + statistic.reach
    return found.astype(np.intp)


def counts(codes: Codes, statistic: Statistic) -> np.ndarray:
    """The codes of each shape -> how often each triple occurs, in the shape of a table."""
    found = np.zeros(statistic.shape)
    for i, some in enumerate(codes):
        fine = np.bincount(some.ravel(), minlength=statistic.base**3)
        seen = np.bincount(statistic.places, fine).reshape(statistic.shape[1:])
        back = seen[::-1, ::-1, ::-1]
        found[i // 2] += seen + (back.transpose(2, 1, 0) if statistic.turned else back)
    return found


def moves(
    levels: np.ndarray, tables: Sequence[np.ndarray], statistics: Sequence[Statistic],
    known: Sequence[Codes] | None = None,
) -> np.ndarray:  # fmt: skip
    """What a move up and a move down of each sample add to sum(table * counts) / 2, float32 (2, channels, ..., h, w).

    tables: one for each statistic, the same from either end. known: their codes, if they are known.
    """
    added = np.zeros((2, *levels.shape), np.float32)
    for i, (statistic, table) in enumerate(zip(statistics, tables, strict=True)):
        some = codes(levels, statistic) if known is None else known[i]
        for signs, found in _added(some, table, statistic, levels.shape[1:]).items():
            ways = np.stack([found.real, found.imag])
            for channel, sign in enumerate(signs):
                if sign:
                    added[:, channel] += ways[::sign]
    return added


def _added(
    codes: Codes, table: np.ndarray, statistic: Statistic, shape: tuple[int, ...]
) -> dict[tuple[int, ...], np.ndarray]:
    """By the signs of the channels, what moves add there, complex64 (..., h, w): one more is the real part, one less
    the imaginary part, so that numpy looks up both at once. A channel of sign -1 has them the other way round."""
    added: dict[tuple[int, ...], np.ndarray] = {}
    for i, (offsets, some) in enumerate(zip(statistic.shapes, codes, strict=True)):
        (height, width), values = some.shape[-2:], table[i // 2].ravel()
        before = values[statistic.places]
        for point in statistic.points:
            y, x = offsets[point.index]
            whole = added.setdefault(point.signs, np.zeros(shape, np.complex64))
            change = values[point.up] - before + 1j * (values[point.down] - before)
            whole[..., y : y + height, x : x + width] += change.astype(np.complex64)[some]
    return added
