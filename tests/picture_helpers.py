"""Picture files for tests: written by Pillow, and by hand where it does not write them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image as Pillow
from PIL import ImageCms

FORMATS = ["PNG", "BMP", "TIFF", "WEBP"]
WITH_ALPHA = ["PNG", "TIFF", "WEBP"]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(picture: Pillow.Image | np.ndarray, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    opened = picture if isinstance(picture, Pillow.Image) else Pillow.fromarray(picture)
    opened.save(buffer, format, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG by hand, for what Pillow does not write."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png16(values: np.ndarray) -> bytes:
    """uint16 (h, w, 1..4) -> PNG of 16 bits a sample."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], rows)


def alpha_of(photo: np.ndarray) -> np.ndarray:
    """All values from transparent to opaque."""
    return np.resize(np.arange(256, dtype=np.uint8), photo.shape[:2])
