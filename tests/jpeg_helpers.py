"""JPEG files of many kinds, for the tests."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image as Pillow
from skimage import data as samples

KINDS: dict[str, dict[str, object]] = {
    "plain": {},
    "optimised": {"optimize": True},
    "progressive": {"progressive": True},
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1, "quality": 92},
    "restart": {"restart_marker_blocks": 5},
    "optimised restart": {"optimize": True, "restart_marker_rows": 1},
    "coarse": {"quality": 30},
}


def photo(height: int = 120, width: int = 139) -> Pillow.Image:
    """A photo of odd size."""
    return Pillow.fromarray(np.ascontiguousarray(samples.coffee()[100 : 100 + height, 150 : 150 + width]))


def saved(image: Pillow.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def files() -> dict[str, bytes]:
    """Name -> a JPEG file: every kind of coding, sampling and colour that Pillow writes."""
    image = photo()
    made = {name: saved(image, **options) for name, options in KINDS.items()}
    for mode in ("L", "CMYK"):
        made[mode] = saved(image.convert(mode))
        made[f"{mode} progressive"] = saved(image.convert(mode), progressive=True)
    return made


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_segments(file: bytes, *added: bytes) -> bytes:
    """A file with further segments just after its first."""
    end = 4 + struct.unpack(">H", file[4:6])[0]
    return file[:end] + b"".join(added) + file[end:]


def exif(orientation: int = 6, gps: bool = True) -> bytes:
    """The segment of a camera: its name, the orientation, the place, a serial number."""
    found = Pillow.Exif()
    found[0x010F] = "Maker"
    found[0x0112] = orientation
    found.get_ifd(0x8769)[0xA431] = "SN-0815"
    if gps:
        found.get_ifd(0x8825)[1] = "N"
    return segment(0xE1, found.tobytes())
