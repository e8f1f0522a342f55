"""What a format of picture files cannot hold, known before any work."""

from __future__ import annotations

from stegcli.errors import FileError

MOST_SIDE = {"WEBP": 16_383, "JPEG": 65_500, "AVIF": 65_536}
"""Pixels of a side. JPEG: libjpeg's own bound, a little below the format's."""
MOST_PIXELS = {"BMP": (1 << 32) // 3 - (1 << 16), "TIFF": (1 << 32) // 4 - (1 << 16)}
"""Where a file tells sizes and places in 32 bits."""
WITHOUT_ALPHA = frozenset({"BMP", "JPEG"})


def check(format: str, width: int, height: int, alpha: bool = False) -> None:
    """Raises FileError if a picture of that size, with an alpha channel or without, cannot be such a file."""
    if alpha and format in WITHOUT_ALPHA:
        raise FileError(f"{format} cannot keep an alpha channel", "write .png")
    side = MOST_SIDE.get(format)
    if side is not None and max(width, height) > side:
        raise FileError(f"{format} takes at most {side} pixels a side, not {width}x{height}", "write .png")
    if width * height > MOST_PIXELS.get(format, width * height):
        raise FileError(f"{format} cannot keep {width}x{height} pixels", "write .png")
