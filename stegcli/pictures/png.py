"""PNG files written as another one was: a stego must not tell by its encoder what made it.

Encoders leave their mark: the compression level in zlib's header, the sizes of the IDAT chunks, the filters of the
rows, the order of the chunks. One setting that nobody else uses marks every file, whatever the pixels are.

Reference: Portable Network Graphics (PNG) Specification, Third Edition (W3C), sections 5, 9, 11 and 12.7.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels
HARMLESS = frozenset({b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"iCCP"})
"""Chunks that say how to show the samples. They are of the camera's or editor's make, not of the user's life."""
METADATA = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME"})
LEVELS = (1, 4, 6, 9)  # of zlib, by the two bits of its header that tell
LOOKED_AT = 256  # rows whose filters are read
STRIP = 64  # rows filtered at a time


@dataclass(frozen=True)
class Style:
    """How a PNG file was written.

    level, window: of zlib, window as a power of two. size: bytes of each IDAT chunk, None for one of all. filters: the
    types that its rows use; of several each row takes the one that looks best. before, after: further chunks before
    and after the IDAT chunks, complete.
    """

    level: int
    window: int
    size: int | None
    filters: tuple[int, ...]
    before: tuple[bytes, ...] = ()
    after: tuple[bytes, ...] = ()


def style_of(file: bytes, keep_metadata: bool = False) -> Style | None:
    """The bytes of a PNG file -> how it was written; None if they are none, or damaged, or interlaced."""
    try:
        chunks = list(_chunks(file))
        header = struct.unpack(">IIBBBBB", next(data for name, data in chunks if name == b"IHDR"))
        names = [name for name, _ in chunks]
        first = names.index(b"IDAT")
        parts = [data for name, data in chunks if name == b"IDAT"]
        filters = _filters(b"".join(parts), header)
        method, flags = parts[0][:2]
    except (IndexError, ValueError, StopIteration, struct.error, zlib.error):
        return None
    if not filters:
        return None
    kept = HARMLESS | METADATA if keep_metadata else HARMLESS
    before, after = (
        tuple(_chunk(name, data) for name, data in part if name in kept) for part in (chunks[:first], chunks[first:])
    )
    return Style(LEVELS[flags >> 6], max(9, 8 + (method >> 4)), _size(parts), filters, before, after)


def _chunks(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Raises ValueError or struct.error if the file is no PNG or cut short."""
    if not file.startswith(SIGNATURE):
        raise ValueError("no PNG")
    at, name = len(SIGNATURE), b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", file, at)
        yield name, file[at + 8 : at + 8 + length]
        at += 12 + length


def _filters(coded: bytes, header: Sequence[int]) -> tuple[int, ...]:
    """IDAT's content and IHDR's fields -> the types of filter among the first rows; none if they are not in a row."""
    width, height, depth, colour, _, _, interlaced = header
    if interlaced:
        return ()
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 1)
    stride = 1 + (width * channels * depth + 7) // 8
    rows = zlib.decompressobj().decompress(coded, stride * min(height, LOOKED_AT))
    return tuple(sorted({t for t in rows[::stride] if t <= 4}))


def _size(parts: Sequence[bytes]) -> int | None:
    """Sizes of the IDAT chunks -> that of all but the last, the commonest if they differ; None if there is but one."""
    sizes = [len(part) for part in parts[:-1]]
    return max(set(sizes), key=sizes.count) if sizes else None


def encode(samples: np.ndarray, style: Style) -> bytes:
    """uint8 (h, w) or (h, w, 1..4) -> the bytes of a PNG file in that style."""
    samples = samples.reshape(*samples.shape[:2], -1)
    height, width, channels = samples.shape
    plain = style.filters == (0,)
    packer = zlib.compressobj(
        style.level, zlib.DEFLATED, style.window, 8, zlib.Z_DEFAULT_STRATEGY if plain else zlib.Z_FILTERED
    )
    parts = [packer.compress(strip) for strip in _filtered(samples, style.filters)]
    coded = b"".join([*parts, packer.flush()])
    size = style.size or len(coded)
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    idat = [_chunk(b"IDAT", coded[at : at + size]) for at in range(0, len(coded), size)]
    return b"".join([SIGNATURE, _chunk(b"IHDR", header), *style.before, *idat, *style.after, _chunk(b"IEND", b"")])


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _filtered(samples: np.ndarray, types: tuple[int, ...]) -> Iterator[bytes]:
    """uint8 (h, w, channels) -> strips of filtered rows, each row after its type.

    Of several types a row takes the one with the least sum of absolute differences, the lowest of equals.
    Reference: section 12.7, as libpng does it.
    """
    height, _, channels = samples.shape
    rows = samples.reshape(height, -1)
    for top in range(0, height, STRIP):
        here = rows[top : top + STRIP]
        above = np.concatenate([rows[top - 1 : top] if top else np.zeros_like(rows[:1]), here[:-1]])
        forms = np.stack([_filter(t, here, above, channels) for t in types])
        sums = np.minimum(forms, np.uint8(0) - forms).sum(axis=2, dtype=np.int64)
        best = sums.argmin(axis=0)
        made = np.empty((len(here), 1 + rows.shape[1]), np.uint8)
        made[:, 0] = np.array(types, np.uint8)[best]
        made[:, 1:] = np.take_along_axis(forms, best[None, :, None], axis=0)[0]
        yield made.tobytes()


def _filter(kind: int, here: np.ndarray, up: np.ndarray, channels: int) -> np.ndarray:
    """uint8 (rows, bytes) and the rows above them -> the bytes left by a filter of that type. Reference: section 9."""
    left, corner = (np.pad(a[:, :-channels], ((0, 0), (channels, 0))) for a in (here, up))
    expected: np.ndarray
    if kind == 0:
        expected = np.zeros_like(here)
    elif kind == 1:
        expected = left
    elif kind == 2:
        expected = up
    elif kind == 3:
        expected = ((left.astype(np.int16) + up) >> 1).astype(np.uint8)
    else:
        expected = _paeth(*(v.astype(np.int16) for v in (left, up, corner)))
    return here - expected


def _paeth(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Left, upper and corner neighbour -> the one nearest to a + b - c, uint8."""
    to_left, to_up, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest = np.where((to_left <= to_up) & (to_left <= to_corner), a, np.where(to_up <= to_corner, b, c))
    return nearest.astype(np.uint8)
