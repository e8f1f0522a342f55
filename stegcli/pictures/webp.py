"""WebP files: written with the settings that the cover's encoder had, or else with its defaults.

Nearly all WebP files come from libwebp, which Pillow writes with too. A lossless file depends on two settings, method
and effort. They are found by trial: the pixels of the cover are encoded with the usual settings, until its own bytes
come out. Nothing is tried for large pictures: libwebp takes seconds for them.

Reference: WebP Container Specification and WebP Lossless Bitstream Specification (Google).
"""

from __future__ import annotations

import functools
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow

LOSSLESS = b"VP8L"


@dataclass(frozen=True)
class Settings:
    """method: 0 to 6. effort: 0 to 100, which libwebp calls quality."""

    method: int
    effort: int


CWEBP = Settings(4, 75)
"""Defaults of cwebp and libwebp."""
USUAL = (CWEBP, *(Settings(*s) for s in ((4, 80), (4, 100), (4, 90), (4, 50), (6, 75), (6, 80), (6, 100))))
"""Others: Pillow's default is (4, 80), and (6, 100) is `cwebp -z 9`, which takes seconds for any picture."""
MOST_PIXELS = 1 << 20
"""Of pictures whose settings are tried."""


@dataclass(frozen=True)
class Style:
    """The bytes of the cover's file, if it is a lossless one; its settings are sought when a stego is written."""

    file: bytes


def style(data: bytes) -> Style | None:
    """The bytes of a WebP file -> what to imitate; None for lossy files and animations."""
    return Style(data) if LOSSLESS in dict(chunks(data)) else None


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The bytes of a WebP file -> name and data of each complete chunk."""
    place = 12
    while place + 8 <= len(data):
        (size,) = struct.unpack_from("<L", data, place + 4)
        yield data[place : place + 4], data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def write(samples: np.ndarray, style: Style | None, profile: bytes | None) -> bytes:
    """uint8 (h, w, 1..4): grey, grey and alpha, RGB, RGBA -> the bytes of a lossless WebP file.

    Colours under transparent pixels are kept: they carry payload too. Raises OSError, ValueError.
    """
    settings = CWEBP if style is None else settings_of(style.file) or CWEBP
    array = np.ascontiguousarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    return _encoded(Pillow.fromarray(array), settings, True, profile)


@functools.lru_cache(maxsize=8)
def settings_of(file: bytes) -> Settings | None:
    """A lossless WebP file -> the settings that it was written with, or None if they are none of the usual."""
    wanted = dict(chunks(file))[LOSSLESS]
    with Pillow.open(io.BytesIO(file)) as opened:
        if opened.width * opened.height > MOST_PIXELS:
            return None
        opened.load()
        exact = (False, True) if "A" in opened.mode else (True,)
        tried = ((s, dict(chunks(_encoded(opened, s, e)))[LOSSLESS]) for s in USUAL for e in exact)
        return next((s for s, found in tried if found == wanted), None)


def _encoded(image: Pillow.Image, settings: Settings, exact: bool, profile: bytes | None = None) -> bytes:
    """exact: whether the colours under transparent pixels stay."""
    buffer = io.BytesIO()
    image.save(
        buffer, "WEBP", lossless=True, exact=exact, quality=settings.effort, method=settings.method,
        icc_profile=profile or b"", exif=b"", xmp=b"",
    )  # fmt: skip
    return buffer.getvalue()
