"""Small photos for detectors: parts of those that scikit-image ships, reduced, which ends their JPEG past."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from skimage import data as samples

from stegcli.pictures import image

SIDE = 64


@functools.cache
def _reduced() -> list[np.ndarray]:
    pictures = (samples.astronaut(), samples.coffee(), samples.chelsea())
    return [image.resized(p, p.shape[1] * 3 // 4, p.shape[0] * 3 // 4) for p in pictures]


def parts(count: int, side: int = SIDE) -> Iterator[np.ndarray]:
    """uint8 (side, side, 3), no two alike."""
    for index in range(count):
        whole = _reduced()[index % 3]
        top, left = 37 * index % (whole.shape[0] - side), 53 * index % (whole.shape[1] - side)
        yield np.ascontiguousarray(whole[top : top + side, left : left + side])


def folder_of(folder: Path, count: int, side: int = SIDE) -> Path:
    """A folder of PNG files."""
    folder.mkdir(exist_ok=True)
    for index, pixels in enumerate(parts(count, side)):
        Pillow.fromarray(pixels).save(folder / f"{index:03}.png")
    return folder
