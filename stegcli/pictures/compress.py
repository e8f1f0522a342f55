"""Lossy compression: a picture <-> at most a given number of bytes, at the best quality found.

    0 | a picture file                                     the picture file itself
    1 to 4 | scale (1) | width (2) | height (2) | data     WebP; AV1, halved colours; AV1, full colours; JPEG 2000

The picture is reduced by one of SCALES before coding and enlarged again to width x height. Containers are left out: in
a file of 400 bytes they would take most of the bytes.

AV1 is the best of them from a few hundred bytes to a few bits per pixel. It ends near 47 dB; JPEG 2000 goes beyond.

Reference: WebP (RFC 9649), AVIF (AV1 Image File Format, AOMedia), JPEG 2000 (ITU-T T.800), all by Pillow.
"""

from __future__ import annotations

import functools
import io
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image as Pillow

from stegcli.errors import CapacityError, FileError, RevealError, StegoError
from stegcli.pictures import avif, image, metrics
from stegcli.pictures.image import Picture

HEAD = struct.Struct(">BBHH")
WHOLE_FILE, WEBP, AV1_HALVED, AV1_FULL, JPEG2000 = range(5)
SCALES = (1.0, 0.75, 0.5, 0.375, 0.25, 0.1875, 0.125)
FIRST_SIDE = 1024
"""A larger picture is first reduced to this: no stego has room for more detail."""
SMALLEST = 8
MOST_SIDE = 65535
TOLERANCE = 0.1  # dB
FULL = 0.96  # share of the room that a file should take: the search for its quality ends there
FIRST_QUALITY, SLOPE = (
    32,
    0.04,
)  # the first that is tried, and by how much the size's logarithm grows from each to the next
GOOD = 24  # AV1 quality from which a smaller scale was no better (three photos of 512x512 in 2 and 8 kB)
TINY = 600  # bytes of room below which every codec for little room is tried
LITTLE, MUCH = 0.1, 1.5  # bits per pixel: WebP can be best below the first, JPEG 2000 above the second
HALVED_MOST = 1.0  # bits per pixel: halved colours can be best up to this, full colours from a quarter of it


@dataclass(frozen=True)
class Packed:
    """The bytes that travel, and the PSNR of the receiver's picture in dB."""

    data: bytes
    psnr: float


def pack(secret: bytes, picture: Picture, room: int, hint: str = "use a larger --size or a milder --survive") -> Packed:
    """A picture's file and its picture -> the best coding in `room` bytes. Raises CapacityError with this hint."""
    if exact := _exact(secret, picture, room):
        return exact
    best: Packed | None = None
    for scale in range(len(SCALES)):
        found, quality = _best_at(scale, picture, room)
        if best and (found is None or found.psnr < best.psnr - TOLERANCE):
            break  # a smaller scale cannot be better
        best = max((p for p in (best, found) if p), key=lambda p: p.psnr, default=None)
        if quality >= GOOD:
            break
    if best is None:
        raise CapacityError(max(0, room), _smallest(picture), hint)
    return best


def unpack(data: bytes) -> Picture:
    """The inverse of `pack`. Raises RevealError."""
    try:
        if (file := whole_file(data)) is not None:
            return image.decode(file)
        kind, scale, width, height = HEAD.unpack(data[: HEAD.size])
        if kind not in CODERS or not 0 < width * height <= image.MAX_PIXELS:
            raise RevealError
        small = _scaled_size(width, height, scale)
        pixels = _decoded(kind, data[HEAD.size :], *small)
    except (struct.error, IndexError, StegoError) as error:
        raise RevealError from error
    return Picture(image.resized(pixels, width, height))


def whole_file(data: bytes) -> bytes | None:
    """What `pack` gave -> the picture's file, if that is what travels."""
    return data[1:] if data[:1] == bytes([WHOLE_FILE]) else None


def _decoded(kind: int, data: bytes, width: int, height: int) -> np.ndarray:
    """Coded data -> uint8 (height, width, 3). Raises RevealError, FileError."""
    if kind != JPEG2000:
        return image.decode(_file(kind, data, width, height)).pixels
    try:
        with Pillow.open(io.BytesIO(data), formats=["JPEG2000"]) as opened:
            if opened.size != (width, height):
                raise RevealError
            return np.array(opened.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise RevealError from error


def _file(kind: int, data: bytes, width: int, height: int) -> bytes:
    """Coded data -> a picture file."""
    if kind == WEBP:
        return b"RIFF" + struct.pack("<I", len(data) + 12) + b"WEBPVP8 " + struct.pack("<I", len(data)) + data
    return avif.file_of(data, width, height, kind == AV1_HALVED)


def _exact(secret: bytes, picture: Picture, room: int) -> Packed | None:
    """The file itself, or its pixels without loss, if that fits."""
    if len(secret) < room and not picture.notes:
        return Packed(bytes([WHOLE_FILE]) + secret, float("inf"))
    if picture.pixels.size > 100 * room:  # no codec can compress that much
        return None
    try:
        lossless = bytes([WHOLE_FILE]) + image.encode(replace(picture, icc_profile=None), "WEBP")
    except FileError:  # a side is too long
        return None
    return Packed(lossless, float("inf")) if len(lossless) <= room else None


def _scaled_size(width: int, height: int, scale: int) -> tuple[int, int]:
    first = min(1.0, FIRST_SIDE / max(width, height)) * SCALES[scale]
    return max(SMALLEST, round(width * first)), max(SMALLEST, round(height * first))


def _best_at(scale: int, picture: Picture, room: int) -> tuple[Packed | None, int]:
    """-> the best coding at one of SCALES, and AV1's highest quality there, -1 without."""
    width, height = (min(MOST_SIDE, s) for s in (picture.width, picture.height))
    scaled = image.resized(picture.pixels, *_scaled_size(width, height, scale))
    found, best_quality = [], -1
    for kind in _promising(room, scaled.shape[0] * scaled.shape[1]):
        # Both kinds of AV1 fit at about the same quality.
        guess = best_quality if best_quality >= 0 else FIRST_QUALITY
        data, quality = _largest(scaled, room - HEAD.size, CODERS[kind], guess)
        if data is not None:
            packed = HEAD.pack(kind, scale, width, height) + data
            found.append(Packed(packed, _psnr(picture, unpack(packed))))
            best_quality = max(best_quality, quality) if kind in (AV1_HALVED, AV1_FULL) else best_quality
    return max(found, key=lambda p: p.psnr, default=None), best_quality


def _promising(room: int, pixels: int) -> list[int]:
    """The codecs that can be best for this room. The others are not tried, since coding is slow."""
    if room < TINY:
        return [WEBP, AV1_HALVED, AV1_FULL]
    bits_per_pixel = 8 * room / pixels
    kinds = [WEBP] if bits_per_pixel < LITTLE else []
    kinds += [AV1_HALVED] if bits_per_pixel < HALVED_MOST else []
    kinds += [AV1_FULL] if bits_per_pixel > HALVED_MOST / 4 else []
    return kinds + ([JPEG2000] if bits_per_pixel > MUCH else [])


def _psnr(picture: Picture, back: Picture) -> float:
    return metrics.psnr(picture.pixels, image.resized(back.pixels, picture.width, picture.height))


def _largest(
    pixels: np.ndarray, room: int, encode: Callable[[np.ndarray, int], bytes], guess: int
) -> tuple[bytes | None, int]:
    """-> the file of about the highest quality that fits, and that quality; None and -1 if none fits.

    It fills FULL of the room, or the next quality is too large. Coding is slow, so the range is not halved: the
    logarithm of the size grows evenly with the quality.
    """
    best: bytes | None = None
    below, above = (-1, 0.0), (101, 0.0)  # a quality that fits, one that does not, and the logarithms of their sizes
    goal = math.log(max(1, room) * (1 + FULL) / 2)
    while above[0] - below[0] > 1:
        file = encode(pixels, guess)
        point = guess, math.log(len(file))
        if len(file) <= room:
            best, below = file, point
            if len(file) >= FULL * room:
                break
        else:
            above = point
        guess = _guess(below, above, point, goal)
    return best, below[0]


def _guess(below: tuple[int, float], above: tuple[int, float], last: tuple[int, float], goal: float) -> int:
    """Two qualities and the last one, with the logarithms of their sizes -> the quality between them to try next."""
    if below[0] >= 0 and above[0] <= 100:
        slope = max(1e-3, (above[1] - below[1]) / (above[0] - below[0]))
        wanted = below[0] + (goal - below[1]) / slope
    else:
        wanted = last[0] + (goal - last[1]) / SLOPE
    return min(above[0] - 1, max(below[0] + 1, round(wanted)))


def _smallest(picture: Picture) -> int:
    """The size in bytes of the poorest copy."""
    small = image.resized(picture.pixels, *_scaled_size(picture.width, picture.height, len(SCALES) - 1))
    return HEAD.size + min(len(encode(small, 0)) for encode in CODERS.values())


def _webp(pixels: np.ndarray, quality: int) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "WEBP", quality=quality, method=6)
    file = buffer.getvalue()
    start = file.index(b"VP8 ") + 4
    length = struct.unpack("<I", file[start : start + 4])[0]
    return file[start + 4 : start + 4 + length]


def _jpeg2000(pixels: np.ndarray, quality: int) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(
        buffer, "JPEG2000", irreversible=True, no_jp2=True, quality_mode="dB", quality_layers=[30 + 0.3 * quality]
    )
    return buffer.getvalue()


CODERS: dict[int, Callable[[np.ndarray, int], bytes]] = {
    WEBP: _webp,
    AV1_HALVED: functools.partial(avif.encode, halved=True),
    # With enough room, halved colours would limit the quality.
    AV1_FULL: functools.partial(avif.encode, halved=False),
    JPEG2000: _jpeg2000,
}
