"""Pictures cut into tiles, so that memory does not grow with them. For arrays and tensors (..., h, w) alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Image = TypeVar("Image", np.ndarray, "Tensor")


@dataclass(frozen=True)
class Tile:
    """A rectangle of a picture, and the larger one around it that decides what comes out there."""

    inner: tuple[slice, slice]
    outer: tuple[slice, slice]

    def cut(self, image: Image) -> Image:
        return image[..., self.outer[0], self.outer[1]]

    def trim(self, result: Image) -> Image:
        """What the network made of `outer` -> the part for `inner`."""
        top = self.inner[0].start - self.outer[0].start
        left = self.inner[1].start - self.outer[1].start
        height = self.inner[0].stop - self.inner[0].start
        width = self.inner[1].stop - self.inner[1].start
        return result[..., top : top + height, left : left + width]


def tiles(height: int, width: int, reach: int, side: int) -> Iterator[Tile]:
    """The grid of tiles of a picture. With a margin of the network's reach, each gives what the whole picture would."""
    for top in range(0, height, side):
        for left in range(0, width, side):
            rows, columns = _span(top, side, height, reach), _span(left, side, width, reach)
            yield Tile((rows[0], columns[0]), (rows[1], columns[1]))


def _span(start: int, side: int, size: int, reach: int) -> tuple[slice, slice]:
    stop = min(start + side, size)
    return slice(start, stop), slice(max(0, start - reach), min(size, stop + reach))
