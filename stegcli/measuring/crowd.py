"""The user's covers for detectors: loaded, made ready, of one size; what is passed over is named."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from stegcli import threads
from stegcli.data import list_pictures
from stegcli.errors import FileError, UsageError
from stegcli.pairs import Cover, Source
from stegcli.pictures import image
from stegcli.pictures.image import Picture

LEAST = 30
"""Pairs that a measurement needs. So few tell only what is found with ease; hundreds are better."""
AT_ONCE = 32
FLAT, SMALL = 0.5, 200 * 200
"""Share of pixels that equal their right neighbour, and pixels, from which on a cover is one to leave out."""


@dataclass
class Crowd:
    """covers: as they are hidden in. passed_over: names of files, each with the reason. was_jpeg, flat, small: names of
    covers that were compressed with loss, that have hardly any texture, and that are small."""

    covers: list[Cover] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    was_jpeg: list[str] = field(default_factory=list)
    flat: list[str] = field(default_factory=list)
    small: list[str] = field(default_factory=list)


def load(folder: Path, source: Source, limit: int | None, size: tuple[int, int] | None) -> Crowd:
    """The first `limit` usable pictures. size: width and height to which they are cropped. Raises FileError."""
    found, before, paths = Crowd(), set[tuple[int, int]](), list_pictures(folder)
    for first in range(0, len(paths), AT_ONCE):
        some = paths[first : first + AT_ONCE]
        for path, loaded in zip(some, threads.each(lambda p: _loaded(p, source, size), some), strict=True):
            if limit is None or len(found.covers) < limit:
                before |= _taken(found, path.name, loaded)
        if limit is not None and len(found.covers) == limit:
            break
    if len(before) == 1:
        found.covers = _alike(found.covers)
    return found


def _alike(covers: list[Cover]) -> list[Cover]:
    """Covers of one size, some of which were reduced -> all cut to the least size."""
    sizes = [(c.picture.width, c.picture.height) for c in covers]
    least = min(w for w, _ in sizes), min(h for _, h in sizes)
    return [
        cover if size == least else Cover(cover.name, cropped(cover.picture, least))
        for cover, size in zip(covers, sizes, strict=True)
    ]


def check(found: Crowd, needs_one_size: bool) -> None:
    """Raises FileError for too few covers, UsageError for covers of different sizes."""
    if needs_one_size:
        check_count(len(found.covers))
    sizes = {(c.picture.width, c.picture.height) for c in found.covers}
    if needs_one_size and len(sizes) > 1:
        width, height = (min(side) for side in zip(*sizes, strict=True))
        raise UsageError("the covers differ in size, and detectors compare one size", f"add --size {width}x{height}")


def check_count(count: int) -> None:
    """Raises FileError."""
    if count < LEAST:
        raise FileError(f"only {count} usable covers, and detectors need {LEAST}", f"give {LEAST}, or rather hundreds")


@dataclass(frozen=True)
class _Loaded:
    """before: width and height before the cover was made ready. changed: whether that changed it."""

    cover: Cover
    before: tuple[int, int]
    changed: bool


def _loaded(path: Path, source: Source, size: tuple[int, int] | None) -> _Loaded | FileError:
    """-> the cover made ready, or why it cannot be used."""
    try:
        picture = image.load(path, "cover")
        file = None if picture.lossy or size is not None else path.read_bytes()
        if size is not None:
            picture = cropped(picture, size)
        ready = source.ready(Cover(path.name, picture, file))
    except FileError as error:
        return error
    return _Loaded(ready, (picture.width, picture.height), ready.picture is not picture)


def _taken(found: Crowd, name: str, loaded: _Loaded | FileError) -> set[tuple[int, int]]:
    """-> the size of the picture, as a set of one; nothing for one that is passed over."""
    if isinstance(loaded, FileError):
        found.passed_over.append(f"{name}: {str(loaded).replace(name, 'it')}")
        return set()
    cover = loaded.cover
    found.covers.append(cover)
    pixels = cover.picture.pixels
    if loaded.changed and cover.picture.source is None:
        found.was_jpeg.append(name)
    if (pixels[:, 1:] == pixels[:, :-1]).all(axis=2).mean() > FLAT:
        found.flat.append(name)
    if cover.picture.width * cover.picture.height < SMALL:
        found.small.append(name)
    return {loaded.before}


def cropped(picture: Picture, size: tuple[int, int]) -> Picture:
    """The middle of a picture. Raises FileError if it is smaller."""
    width, height = size
    if picture.width < width or picture.height < height:
        raise FileError(f"smaller than {width}x{height}")
    top, left = (picture.height - height) // 2, (picture.width - width) // 2
    pixels = np.ascontiguousarray(picture.pixels[top : top + height, left : left + width])
    return replace(picture, pixels=pixels, alpha=None)
