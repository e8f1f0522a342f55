"""Picture formats: recognising them, choosing one by the output's name, and their limits."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from stegcli import files
from stegcli.errors import FileError
from stegcli.pictures import boxes, png

LOSSLESS = {".png": "PNG", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"}
LOSSY = {".jpg": "JPEG", ".jpeg": "JPEG"}
SUFFIXES = {"PNG": ".png", "JPEG": ".jpg"}
"""Suffixes of outputs that the user did not name, for each format that a method may prefer."""
READABLE = ("PNG", "BMP", "TIFF", "WEBP", "JPEG", "GIF", "PPM", "AVIF")

MOST_SIDE = {"WEBP": 16_383, "JPEG": 65_500, "AVIF": 65_536}
"""Most pixels per side. JPEG: libjpeg's own bound, a little below the format's."""
MOST_PIXELS = {"BMP": (1 << 32) // 3 - (1 << 16), "TIFF": (1 << 32) // 4 - (1 << 16)}
"""Limit for formats with sizes and offsets of 32 bits."""
WITHOUT_ALPHA = frozenset({"BMP", "JPEG"})

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    *((b"P" + digit.encode() + space, "PPM") for digit in "123456" for space in (b"\n", b" ", b"\t", b"\r", b"#")),
    (b"Pf\n", "PPM"),
    # These are not read; their names are for the error message.
    (b"PF\n", "colour PFM"),
    (b"P7\n", "PAM"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "PSD"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"qoif", "QOI"),
    (b"\0\0\x01\0", "ICO"),
    (b"DDS ", "DDS"),
    (b"SIMPLE  =", "FITS"),
    (b"gimp xcf", "XCF"),
    (b"<svg", "SVG"),
)
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "HEIC"),
}


def format_of(data: bytes) -> str | None:
    """The first bytes of a file -> Pillow's name of its format, or None if it is not a picture.

    Formats that are not read have names too: HEIC, JPEG XL, PSD and others; `READABLE` holds those that are read.
    """
    for start, name in _STARTS:
        if data.startswith(start):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((_BRANDS[b] for b in boxes.brands(data) if b in _BRANDS), None)


def says_none(path: str | os.PathLike[str]) -> bool:
    """Whether an output's name says no format: `-`, or another stream without a suffix."""
    return str(path) == files.STDIO or (not Path(path).suffix and files.is_stream(path))


def output_format(path: str | os.PathLike[str], lossy: bool = False, unnamed: str = "PNG") -> str:
    """Output path -> Pillow's format name. unnamed: the one if the path says none.

    Raises FileError if the format is unknown, or would destroy the payload.
    """
    if says_none(path):
        return unnamed
    suffix = Path(path).suffix.lower()
    if suffix in LOSSLESS:
        return LOSSLESS[suffix]
    if suffix in LOSSY and lossy:
        return LOSSY[suffix]
    if suffix in LOSSY:
        raise FileError(f"output {path}: JPEG would destroy the payload", "write .png, .webp, .tiff or .bmp")
    raise FileError(f"output {path}: unknown picture format {suffix!r}", "write .png, .webp, .tiff or .bmp")


def check(format: str, width: int, height: int, alpha: bool = False) -> None:
    """Raises FileError if the format cannot hold a picture of this size, or its alpha channel."""
    if alpha and format in WITHOUT_ALPHA:
        raise FileError(f"{format} cannot keep an alpha channel", "write .png")
    side = MOST_SIDE.get(format)
    if side is not None and max(width, height) > side:
        raise FileError(f"{format} takes at most {side} pixels a side, not {width}x{height}", "write .png")
    if width * height > MOST_PIXELS.get(format, width * height):
        raise FileError(f"{format} cannot keep {width}x{height} pixels", "write .png")


def without_metadata(data: bytes, format: str) -> bytes | None:
    """A picture file -> the same file without metadata, or None for formats where that is not implemented."""
    if format == "PNG":
        return png.without_metadata(data)
    return _jpeg_without_metadata(data) if format == "JPEG" else None


def _jpeg_without_metadata(data: bytes) -> bytes:
    """Leave out segments APP1 to APP13, APP15 and comments. APP0 and APP14 stay: decoders need them for the colours."""
    kept, place = [data[:2]], 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker, (size,) = data[place + 1], struct.unpack_from(">H", data, place + 2)
        if marker == 0xDA:
            break
        if not (0xE1 <= marker <= 0xED or marker in (0xEF, 0xFE)):
            kept.append(data[place : place + 2 + size])
        place += 2 + size
    return b"".join([*kept, data[place:]])
