"""A picture <-> so many bytes, as good as it gets.

    0 | a picture file                              the picture
    1 | width (2) | height (2) | a picture file     a smaller one, to be enlarged to that size

Reference: WebP (RFC 9649) and AVIF (AV1 Image File Format, AOMedia), both by Pillow.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image as Pillow

from stegcli import image, metrics
from stegcli.errors import CapacityError, RevealError, StegoError
from stegcli.image import Picture

SIZE = struct.Struct(">HH")
SCALES = (1.0, 0.75, 0.5, 0.375, 0.25, 0.1875, 0.125)
FIRST_SIDE = 1024
"""A larger picture is made so small first: no stego has room for more detail."""
SMALLEST = 8
TOLERANCE = 0.1  # dB


@dataclass(frozen=True)
class Packed:
    """The bytes that travel, and how near to the picture they bring the receiver, in dB."""

    data: bytes
    psnr: float


def pack(secret: bytes, picture: Picture, room: int) -> Packed:
    """A picture's file and the picture -> the best that fits into `room` bytes. Raises CapacityError."""
    if exact := _exact(secret, picture, room):
        return exact
    best: Packed | None = None
    for scaled in _scaled(picture):
        found = _best_at(scaled, picture, room)
        if best and (found is None or found.psnr < best.psnr - TOLERANCE):
            break  # smaller still is no better
        best = max((p for p in (best, found) if p), key=lambda p: p.psnr, default=None)
    if best is None:
        raise CapacityError(max(0, room), _smallest(picture), "use a larger --size or a milder --survive")
    return best


def unpack(data: bytes) -> Picture:
    """The inverse of `pack`. Raises RevealError."""
    try:
        if data[:1] == b"\x00":
            return image.decode(data[1:])
        width, height = SIZE.unpack(data[1 : 1 + SIZE.size])
        small = image.decode(data[1 + SIZE.size :])
    except (struct.error, StegoError) as error:
        raise RevealError from error
    return Picture(image.resized(small.pixels, width, height))


def _exact(secret: bytes, picture: Picture, room: int) -> Packed | None:
    """The file itself, or its pixels without loss, if that fits."""
    if len(secret) < room and not picture.notes:
        return Packed(b"\x00" + secret, float("inf"))
    if picture.pixels.size > 100 * room:  # no codec comes near that
        return None
    lossless = b"\x00" + image.encode(replace(picture, icc_profile=None), "WEBP")
    return Packed(lossless, float("inf")) if len(lossless) <= room else None


def _scaled(picture: Picture) -> Iterator[np.ndarray]:
    first = min(1.0, FIRST_SIDE / max(picture.width, picture.height))
    for scale in SCALES:
        width, height = (max(SMALLEST, round(s * scale * first)) for s in (picture.width, picture.height))
        yield image.resized(picture.pixels, width, height)


def _best_at(scaled: np.ndarray, picture: Picture, room: int) -> Packed | None:
    same = scaled.shape == picture.pixels.shape
    head = b"\x00" if same else b"\x01" + SIZE.pack(min(65535, picture.width), min(65535, picture.height))
    files = (_largest(scaled, room - len(head), encode) for encode in (_webp, _avif, _avif_full))
    packed = [head + f for f in files if f is not None]
    judged = [Packed(p, metrics.psnr(picture.pixels, unpack(p).pixels)) for p in packed]
    return max(judged, key=lambda p: p.psnr, default=None)


def _largest(pixels: np.ndarray, room: int, encode: Callable[[np.ndarray, int], bytes]) -> bytes | None:
    """The file of the highest quality that fits."""
    best, low, high = None, 0, 100
    while low <= high:
        quality = (low + high) // 2
        file = encode(pixels, quality)
        if len(file) <= room:
            best, low = file, quality + 1
        else:
            high = quality - 1
    return best


def _smallest(picture: Picture) -> int:
    return len(_webp(list(_scaled(picture))[-1], 0)) + 1 + SIZE.size


def _webp(pixels: np.ndarray, quality: int) -> bytes:
    return _saved(pixels, "WEBP", quality=quality, method=6)


def _avif(pixels: np.ndarray, quality: int) -> bytes:
    return _saved(pixels, "AVIF", quality=quality, speed=6, subsampling="4:2:0")


def _avif_full(pixels: np.ndarray, quality: int) -> bytes:
    """With colours at full resolution: where there is room, halved ones are what limits."""
    return _saved(pixels, "AVIF", quality=quality, speed=6, subsampling="4:4:4")


def _saved(pixels: np.ndarray, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, format, **options)
    return buffer.getvalue()
