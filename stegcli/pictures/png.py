"""PNG files: their chunks, and a writer that imitates the cover's encoder, or else libpng.

An attacker can recognise the encoder of a PNG file by the level in zlib's header, the sizes of the IDAT chunks and the
row filters. A stego from an unusual encoder would stand out. Therefore a picture that was a PNG is written with the
settings of its file, and any other with libpng's defaults: level 6, chunks of 8,192 bytes, and row filters chosen by
the least sum of absolute differences.

Reference: Portable Network Graphics (PNG) Specification, Third Edition (W3C, 2025), sections 5, 9, 10 and 12;
libpng 1.6, pngwutil.c: png_write_find_filter, png_deflate_claim and optimize_cmf.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PROFILE = b"iCCP"
KEPT = frozenset({b"cICP", b"gAMA", b"cHRM", b"sRGB", b"pHYs", PROFILE, b"mDCV", b"cLLI"})
"""Chunks that describe the look of the pixels, and nothing about the author."""
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> section 11.2.1
ADAPTIVE = None
SEEN_ROWS = 64  # rows of a file from which its filters are guessed
ROWS = 64  # rows filtered at a time
SMALL = 16384  # bytes of filtered rows; up to this libpng uses a smaller window
MOST_PROFILE = 2**24  # bytes of a profile once it is inflated

Chunks = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Style:
    """Encoder settings: zlib's level, bytes in an IDAT chunk, the filter of all rows or None for adaptive.

    narrow: whether zlib's header of a small picture names the smallest sufficient window.
    """

    level: int = 6
    chunk: int = 8192
    filter: int | None = ADAPTIVE
    narrow: bool = True


LIBPNG = Style()
PILLOW_CHUNK = 65536


@dataclass(frozen=True)
class Facts:
    """Facts about a PNG file: encoder settings, chunks to keep, bits per sample, and names of damaged chunks."""

    style: Style
    chunks: Chunks
    depth: int
    broken: frozenset[str]


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """The bytes of a PNG file -> name and data of each complete chunk, and whether its checksum is right."""
    place, view = len(SIGNATURE), memoryview(data)
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        end = place + 12 + size
        if end > len(data):
            return
        (check,) = struct.unpack_from(">I", data, end - 4)
        yield data[place + 4 : place + 8], data[place + 8 : end - 4], check == zlib.crc32(view[place + 4 : end - 4])
        place = end


def facts(data: bytes) -> Facts:
    """The bytes of a PNG file -> facts. Damage is ignored here; the decoder reports it."""
    header, kept, broken, body = b"", dict[bytes, bytes](), set[str](), list[bytes]()
    for name, content, whole in chunks(data):
        if name == b"IHDR":
            header = content
        elif name == b"IDAT":
            body.append(content)
        elif not whole:
            broken.add(name.decode("ascii", "replace"))
        elif name in KEPT and not body:
            kept.setdefault(name, content)
    if len(header) != 13:
        return Facts(LIBPNG, (), 8, frozenset(broken))
    style = Style(
        level_of(b"".join(body[:2])[:2]), _chunk_size([len(b) for b in body]), _filter(body, header), _narrow(body)
    )
    return Facts(style, tuple(kept.items()), header[8], frozenset(broken))


def without_metadata(data: bytes) -> bytes:
    """A PNG file -> the same with only the chunks that its pixels need; unchanged if one of these is damaged."""
    needed = [c for c in chunks(data) if c[0] in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")]
    if not all(whole for *_, whole in needed):
        return data
    return SIGNATURE + b"".join(_chunk(name, content) for name, content, _ in needed)


def profile_in(content: bytes) -> bytes | None:
    """The data of an iCCP chunk -> the ICC profile, or None if the data are damaged."""
    _, _, packed = content.partition(b"\0")
    try:
        inflate = zlib.decompressobj()
        profile = inflate.decompress(packed[1:], MOST_PROFILE)
    except zlib.error:
        return None
    return profile if inflate.eof else None


def profile_chunk(profile: bytes) -> tuple[bytes, bytes]:
    """ICC profile -> an iCCP chunk, with the name that most programs use."""
    return PROFILE, b"ICC Profile\0\0" + zlib.compress(profile)


def write(samples: np.ndarray, extra: Iterable[tuple[bytes, bytes]] = (), style: Style = LIBPNG) -> bytes:
    """uint8 (h, w, 1..4): grey, grey and alpha, RGB, RGBA -> the bytes of a PNG file.

    extra: (name, data) of the chunks between header and pixels, in order.
    With the default style the file equals libpng's byte for byte, if zlib is the same.
    """
    height, width, channels = samples.shape
    rows = np.ascontiguousarray(samples).reshape(height, width * channels)
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    body = _deflated(rows, channels, style)
    parts = [SIGNATURE, _chunk(b"IHDR", header), *(_chunk(*e) for e in extra)]
    parts += [_chunk(b"IDAT", body[i : i + style.chunk]) for i in range(0, len(body), style.chunk)]
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(name)))


def level_of(stream: bytes) -> int:
    """The first two bytes of a zlib stream name only a class of levels -> the level in this class that encoders use."""
    return (1, 5, 6, 9)[stream[1] >> 6] if len(stream) >= 2 else LIBPNG.level


def _narrow(body: list[bytes]) -> bool:
    """Whether the header names a small window. Pictures of more than 16 KiB need the whole one and give no answer."""
    inflate, size = zlib.decompressobj(), 0
    try:
        for part in body:
            size += len(inflate.decompress(part, 2 * SMALL))
            if size > SMALL:
                return True
    except zlib.error:
        return True
    return not body or body[0][:1] != b"\x78"


def _chunk_size(sizes: list[int]) -> int:
    """The size of the encoder's buffer: that of all chunks but the last.

    A single chunk may be smaller: it came from a buffer of libpng, of Pillow, or of the whole stream.
    """
    if len(sizes) > 1:
        return max(1, Counter(sizes[:-1]).most_common(1)[0][0])
    return next(size for size in (LIBPNG.chunk, PILLOW_CHUNK, 2**31 - 1) if sum(sizes) <= size)


def _filter(body: list[bytes], header: bytes) -> int | None:
    """The filter of the first rows if all have the same, else adaptive; adaptive also if not plain 8 bits."""
    width, _, depth, colour, *_, interlaced = struct.unpack(">IIBBBBB", header)
    channels = {0: 1, 2: 3, 4: 2, 6: 4}.get(colour)
    if channels is None or depth != 8 or interlaced:
        return ADAPTIVE
    stride = width * channels + 1
    inflate, seen = zlib.decompressobj(), bytearray()
    try:
        for part in body:
            seen += inflate.decompress(part, stride * SEEN_ROWS - len(seen))
            if len(seen) >= stride * SEEN_ROWS:
                break
    except zlib.error:
        return ADAPTIVE
    filters = set(seen[::stride])
    return filters.pop() if len(filters) == 1 and len(seen) > 4 * stride and max(filters, default=0) < 5 else ADAPTIVE


def _deflated(rows: np.ndarray, step: int, style: Style) -> bytes:
    """uint8 (h, bytes of a row), bytes of a pixel -> filtered rows, compressed."""
    height, width = rows.shape
    size = height * (width + 1)
    window = _window(size) if style.narrow else 15
    strategy = zlib.Z_DEFAULT_STRATEGY if style.filter == 0 else zlib.Z_FILTERED
    deflate = zlib.compressobj(style.level, zlib.DEFLATED, window, 8, strategy)
    above, allowed = np.zeros((1, width), np.uint8), _allowed(height, width // step)
    parts = []
    for top in range(0, height, ROWS):
        block = rows[top : top + ROWS]
        parts.append(
            deflate.compress(
                _filtered(block, above, step, allowed if style.filter is None else (style.filter,)).tobytes()
            )
        )
        above = block[-1:]
    stream = b"".join([*parts, deflate.flush()])
    return _named_window(stream, size) if style.narrow else stream


def _window(size: int) -> int:
    """log2 of zlib's window for this number of bytes; libpng makes it small for small pictures."""
    bits = 15
    while bits > 9 and size <= SMALL and size + 262 <= 1 << (bits - 1):
        bits -= 1
    return bits


def _named_window(stream: bytes, size: int) -> bytes:
    """Set the window in zlib's header as libpng does for small pictures: the smallest that suffices."""
    if size > SMALL:
        return stream
    info = stream[0] >> 4
    while info > 0 and size <= 1 << (info + 7):
        info -= 1
    first, flags = info << 4 | 8, stream[1] & 0xE0
    return bytes([first, flags + 31 - (first * 256 + flags) % 31]) + stream[2:]


def _allowed(height: int, width: int) -> tuple[int, ...]:
    """The filters that libpng tries: in pictures of one row or column, none that use the row above or the left."""
    return tuple(f for f in range(5) if f == 0 or (height > 1 if f == 2 else width > 1 and (f == 1 or height > 1)))


def _filtered(rows: np.ndarray, above: np.ndarray, step: int, filters: tuple[int, ...]) -> np.ndarray:
    """uint8 (n, width), the row before them, bytes per pixel -> uint8 (n, 1 + width): filter type, then filtered row.

    filters: the types to choose from, for each row by the least sum of absolute differences.
    """
    up = np.concatenate([above, rows[:-1]])
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:], corner[:, step:] = rows[:, :-step], up[:, :-step]
    out = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
    candidates = np.stack([rows - _prediction(f, left, up, corner) for f in filters])
    sums = np.minimum(candidates, 0 - candidates).sum(axis=2, dtype=np.int64)  # of absolute values, as if signed
    best = sums.argmin(axis=0)  # the first of equals
    out[:, 0], out[:, 1:] = np.array(filters)[best], candidates[best, np.arange(len(rows))]
    return out


def _prediction(filter: int, left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """The prediction of filter type 0 to 4: none, sub, up, average, Paeth (section 9.2)."""
    if filter < 3:
        return (np.zeros_like(left), left, up)[filter]
    a, b = left.astype(np.int16), up.astype(np.int16)
    if filter == 3:
        return ((a + b) >> 1).astype(np.uint8)
    to_a, to_b = b - corner, a - corner
    to_c = np.abs(to_a + to_b)
    np.abs(to_a, out=to_a)
    np.abs(to_b, out=to_b)
    return np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, up, corner))
