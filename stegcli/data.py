"""A folder of pictures -> random crops, the same on every machine and for any number of processes."""

from __future__ import annotations

import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stegcli.errors import FileError
from stegcli.pictures import image
from stegcli.pictures.image import Picture
from stegcli.recipe import Noise

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
MEMORY_BYTES = 2 * 2**30
BLOCK_BYTES = 64 * 2**20
log = logging.getLogger(__name__)


def list_pictures(folder: Path) -> list[Path]:
    """The picture files below a folder, sorted by name. Raises FileError if there are none."""
    if not folder.is_dir():
        raise FileError(f"{folder} is not a folder")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise FileError(f"no pictures in {folder}")
    return found


def load_pictures(folder: Path, limit: int | None, what: str, prepare: Callable[[Picture], Picture]) -> list[Picture]:
    """The first `limit` usable pictures of a folder, after `prepare`. Raises FileError if there are none."""
    found: list[Picture] = []
    for path in list_pictures(folder):
        if limit is not None and len(found) == limit:
            break
        with contextlib.suppress(FileError):
            found.append(prepare(image.load(path, what)))
    if not found:
        raise FileError(f"no usable {what} in {folder}")
    return found


class Pictures:
    """The pictures of a folder, decoded once and kept as uint8 while they fit into memory.

    A file that is unreadable or smaller than the crop is reported once and skipped for crops of that size.
    """

    def __init__(self, folder: Path):
        self.paths = list_pictures(folder)
        self._bad: defaultdict[int, set[int]] = defaultdict(set)  # crop -> indices of `paths`
        self._kept: dict[int, np.ndarray] = {}
        self._room = MEMORY_BYTES
        self._block = np.empty(0, np.uint8)

    def batch(self, noise: Noise, crop: int) -> Tensor:
        """One random crop, randomly flipped, for each generator -> float32 (batch, 3, crop, crop) in [0, 1]."""
        stacked = np.stack([self._crop(g, crop) for g in noise.generators])
        return torch.from_numpy(stacked).permute(0, 3, 1, 2).float().div_(255)

    def centres(self, count: int, crop: int) -> Tensor:
        """The centres of the first `count` readable pictures, float32 (n, 3, crop, crop), for validation."""
        crops: list[np.ndarray] = []
        for index in range(len(self.paths)):
            if len(crops) == count:
                break
            pixels = self._pixels(index, crop)
            if pixels is not None:
                top, left = ((s - crop) // 2 for s in pixels.shape[:2])
                crops.append(pixels[top : top + crop, left : left + crop])
        if not crops:
            raise FileError(f"no picture of at least {crop}x{crop} to validate on")
        return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float().div_(255)

    def _crop(self, generator: np.random.Generator, crop: int) -> np.ndarray:
        while len(self._bad[crop]) < len(self.paths):
            pixels = self._pixels(int(generator.integers(len(self.paths))), crop)
            if pixels is None:
                continue
            top, left = (int(generator.integers(s - crop + 1)) for s in pixels.shape[:2])
            cut = pixels[top : top + crop, left : left + crop]
            return cut[:, ::-1] if generator.integers(2) else cut
        raise FileError(f"no readable picture of at least {crop}x{crop}")

    def _pixels(self, index: int, crop: int) -> np.ndarray | None:
        if index in self._bad[crop]:
            return None
        try:
            pixels = self._kept[index] if index in self._kept else self._decode(index)
        except FileError as error:
            self._pass_over(index, crop, str(error))
            return None
        if min(pixels.shape[:2]) < crop:
            self._pass_over(index, crop, f"{self.paths[index]} is smaller than {crop}x{crop}")
            return None
        return pixels

    def _decode(self, index: int) -> np.ndarray:
        pixels = image.load(self.paths[index]).pixels
        if pixels.nbytes <= self._room:
            self._kept[index] = self._stored(pixels)
            self._room -= pixels.nbytes
        return pixels

    def _stored(self, pixels: np.ndarray) -> np.ndarray:
        """A copy in a block of many pictures: lone arrays between those of a training step leave holes that no later
        step can use, and memory grows by several times their size."""
        if len(self._block) < pixels.nbytes:
            self._block = np.empty(max(BLOCK_BYTES, pixels.nbytes), np.uint8)
        taken, self._block = self._block[: pixels.nbytes], self._block[pixels.nbytes :]
        taken[:] = pixels.reshape(-1)
        return taken.reshape(pixels.shape)

    def _pass_over(self, index: int, crop: int, reason: str) -> None:
        self._bad[crop].add(index)
        log.warning("skipped: %s", reason)
