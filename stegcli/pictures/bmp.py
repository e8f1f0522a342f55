"""BMP files: the structure of a file, and a writer that imitates it.

Headers come in several sizes; size fields, resolution and palette are filled in differently; rows run up or down; a
pixel takes one byte, three or four. A stego whose cover was a BMP file gets the cover's own header.

Reference: BITMAPFILEHEADER, BITMAPINFOHEADER, BITMAPV5HEADER (Microsoft, Win32 API).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

PLAIN, FIELDS = 0, 3  # of the field biCompression
COLOUR_MASKS = (0xFF0000, 0xFF00, 0xFF)
INFO_HEADER, V5_HEADER = 40, 124
MOST_TAIL = 3  # bytes of zeros behind the pixels: encoders round the size up


@dataclass(frozen=True)
class Style:
    """head: all before the pixels. tail: all behind them. bits: of a pixel, 8, 24 or 32. down: whether the upper row
    comes first. filler: the fourth byte of each pixel of 32 bits. profile: whether the tail holds the ICC profile."""

    head: bytes
    tail: bytes
    width: int
    height: int
    bits: int
    down: bool
    filler: int = 0
    profile: bool = False


def style(data: bytes) -> Style | None:
    """The bytes of a BMP file -> its structure; None for kinds that `write` cannot write: RLE, palettes, 16 bits."""
    if len(data) < 14 + INFO_HEADER:
        return None
    start, header, width, height = struct.unpack_from("<LLll", data, 10)
    bits, compression = struct.unpack_from("<HL", data, 28)
    down, height = height < 0, abs(height)
    stride = _stride(width, bits)
    pixels = data[start : start + stride * height]
    if header < INFO_HEADER or len(pixels) < stride * height or width <= 0 or not height:
        return None
    if not _is_plain(data, header, bits, compression, start):
        return None
    head, rest = data[:start], data[start + stride * height :]
    profile = _is_profile(data, header, start + stride * height)
    filler = 0
    if bits == 32:
        fillers = set(pixels[3::4])
        if len(fillers) != 1:
            return None
        (filler,) = fillers
    if not profile and (len(rest) > MOST_TAIL or any(rest)):
        rest = b""
    return Style(head, rest, width, height, bits, down, filler, profile)


def _stride(width: int, bits: int) -> int:
    """Bytes of a row: a multiple of four."""
    return -(-width * bits // 32) * 4


def _is_plain(data: bytes, header: int, bits: int, compression: int, start: int) -> bool:
    """Whether it holds grey levels, or bytes of blue, green and red, and nothing unknown before the pixels."""
    after = 14 + header
    if bits == 8 and compression == PLAIN:
        ramp = np.frombuffer(data[after : after + 1024], np.uint8)
        levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
        after += 1024
        if len(ramp) < 1024 or not np.array_equal(ramp.reshape(256, 4)[:, :3], levels):
            return False
    elif bits == 32 and compression == FIELDS:
        if struct.unpack_from("<LLL", data, 54) != COLOUR_MASKS:
            return False
        after += 12 if header == INFO_HEADER else 0
    elif bits not in (24, 32) or compression != PLAIN:
        return False
    return start >= after and not any(data[after:start])


def _is_profile(data: bytes, header: int, end: int) -> bool:
    """Whether all behind the pixels is the embedded ICC profile."""
    if header < V5_HEADER or data[70:74] != b"DEBM":
        return False
    place, size = struct.unpack_from("<LL", data, 14 + 112)
    return bool(size) and end <= 14 + place <= end + MOST_TAIL and 14 + place + size == len(data)


def write(samples: np.ndarray, style: Style) -> bytes | None:
    """uint8 (h, w, 1 or 3): grey, RGB -> the bytes of a BMP file of this structure.

    None if the structure is of a file of another size, or of a grey file and the picture has colours, or the reverse.
    """
    height, width, channels = samples.shape
    if (style.height, style.width) != (height, width) or channels == 2 or channels == 4:
        return None
    if style.bits == 8 and channels != 1:
        return None
    if style.bits > 8:
        samples = np.repeat(samples, 3, axis=2) if channels == 1 else samples[..., ::-1]
    if style.bits == 32:
        samples = np.concatenate([samples, np.full((height, width, 1), style.filler, np.uint8)], axis=2)
    rows = np.ascontiguousarray(samples if style.down else samples[::-1]).reshape(height, -1)
    pixels = np.pad(rows, ((0, 0), (0, _stride(width, style.bits) - rows.shape[1]))).tobytes()
    file = style.head + pixels + style.tail
    return file[:2] + struct.pack("<L", len(file)) + file[6:]
