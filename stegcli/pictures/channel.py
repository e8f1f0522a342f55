"""Channels: the changes to a picture between sender and receiver: `png`, `jpeg:Q`, `webp:Q`, `noise:S`, `resize:F`,
`crop`.

They use real codecs. A stego must survive one channel or several: `jpeg:75..95` means JPEG of all these qualities.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image as Pillow

from stegcli.errors import UsageError
from stegcli.pictures import image
from stegcli.pictures.image import Picture

KINDS = {"png": None, "jpeg": (1.0, 100.0), "webp": (1.0, 100.0), "noise": (0.0, 255.0), "resize": (0.1, 4.0),
         "crop": None}  # fmt: skip
LETTERS = {"jpeg": "Q", "webp": "Q", "noise": "S", "resize": "F"}
CROP_QUALITY = 75
CROPPED = 0.1
"""`crop` removes at most this share of height and width, half on each side, and then applies JPEG of CROP_QUALITY."""
STEP = 5
"""Distance between the qualities of a range at which a stego is verified."""


@dataclass(frozen=True)
class Channel:
    """kind and strength. The strength is the quality of JPEG (Pillow's 4:2:0) or of lossy WebP, the standard deviation
    of noise in grey levels, or the factor by which the picture is resized before it is resized back (bicubic)."""

    kind: str
    strength: float = 0.0

    def __str__(self) -> str:
        return self.kind if KINDS[self.kind] is None else f"{self.kind}:{self.strength:g}"

    def __call__(self, pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 (h, w, 3) -> the received picture, uint8 (h, w, 3)."""
        return _APPLY[self.kind](pixels, self.strength, rng)

    def through(self, stego: Picture, rng: np.random.Generator) -> Picture:
        """Stego -> the picture that a receiver's file holds."""
        return image.decode(self.file(stego, rng), "stego")

    def file(self, stego: Picture, rng: np.random.Generator) -> bytes:
        """Stego -> the bytes of the received file: a JPEG, a WebP, or the changed picture as PNG."""
        if self.kind == "jpeg":
            return image.encode(Picture(stego.pixels), "JPEG", round(self.strength))
        if self.kind == "webp":
            return compressed(stego.pixels, "WEBP", round(self.strength))
        if self.kind == "crop":
            return image.encode(Picture(_cut(stego.pixels, rng)), "JPEG", CROP_QUALITY)
        return image.encode(replace(stego, pixels=self(stego.pixels, rng)))

    def arrivals(self, stego: Picture) -> Iterator[Picture]:
        """Stego -> the pictures by which it is verified: the receiver's, and several of them where crops differ."""
        if self.kind != "crop":
            yield self.through(stego, np.random.default_rng(0))
            return
        for (top, left), (bottom, right) in _verified_cuts(*stego.pixels.shape[:2]):
            cut = np.ascontiguousarray(stego.pixels[top : stego.height - bottom, left : stego.width - right])
            yield image.decode(image.encode(Picture(cut), "JPEG", CROP_QUALITY), "stego")

    @property
    def harshness(self) -> tuple[bool, float]:
        """A sort key for channels of one kind: it grows with the amount of change; png comes first."""
        return self.kind != "png", -self.strength if self.kind in ("jpeg", "webp") else self.strength


LOSSLESS = Channel("png")


def parse(text: str) -> Channel:
    """`jpeg:90` -> Channel("jpeg", 90). Raises UsageError."""
    kind, _, strength = text.partition(":")
    if kind not in KINDS:
        raise UsageError(f"no channel {text!r}", "png, jpeg:Q, webp:Q, noise:S, resize:F or crop")
    bounds = KINDS[kind]
    if bounds is None:
        if strength:
            raise UsageError(f"channel {kind} takes no number")
        return Channel(kind)
    try:
        value = float(strength)
    except ValueError:
        raise UsageError(f"channel {text!r} needs a number", f"{kind}:{bounds[1]:g}") from None
    if not bounds[0] <= value <= bounds[1]:
        raise UsageError(f"channel {text!r} is out of range", f"{bounds[0]:g} to {bounds[1]:g}")
    return Channel(kind, value)


def parse_survive(text: str) -> tuple[Channel, ...]:
    """The value of `--survive` -> the channels for which a stego is verified. Raises UsageError."""
    kind, _, strength = text.partition(":")
    first, dots, last = strength.partition("..")
    if not dots:
        return (parse(text),)
    low, high = parse(f"{kind}:{first}"), parse(f"{kind}:{last}")
    if kind != "jpeg" or low.strength >= high.strength:
        raise UsageError(f"channel {text!r} is not a range", "jpeg:75..95")
    steps = np.arange(low.strength, high.strength, STEP)
    return tuple(Channel(kind, float(q)) for q in (*steps, high.strength))


def pattern(channels: Sequence[Channel]) -> str:
    """Channels -> their name in `About.survives`: png, jpeg:Q, jpeg:A..B, webp:Q, noise:S."""
    kind = channels[0].kind
    if kind not in LETTERS:
        return kind
    return f"{kind}:A..B" if len(channels) > 1 else f"{kind}:{LETTERS[kind]}"


def told(channels: Sequence[Channel]) -> str:
    """Channels -> text for the user: `jpeg:80`, or `JPEG 75 to 95`."""
    if len(channels) == 1:
        return str(channels[0])
    qualities = [c.strength for c in channels]
    return f"JPEG {min(qualities):g} to {max(qualities):g}"


def _png(pixels: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return pixels.copy()


def compressed(pixels: np.ndarray, format: str, quality: int) -> bytes:
    """uint8 (h, w, 3) -> a lossy file by Pillow: JPEG or WEBP."""
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, format, quality=quality)
    return buffer.getvalue()


def _jpeg(pixels: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return np.array(Pillow.open(io.BytesIO(compressed(pixels, "JPEG", round(strength)))))


def _webp(pixels: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return np.array(Pillow.open(io.BytesIO(compressed(pixels, "WEBP", round(strength)))))


def _noise(pixels: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return (pixels + rng.normal(0, strength, pixels.shape)).round().clip(0, 255).astype(np.uint8)


def _crop(pixels: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return _jpeg(_cut(pixels, rng), CROP_QUALITY, rng)


def _cut(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of the picture, cut out at a random row and column."""
    (top, bottom), (left, right) = (rng.integers(0, max(1, round(s * CROPPED / 2)) + 1, 2) for s in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : len(pixels) - bottom, left : pixels.shape[1] - right])


def _verified_cuts(height: int, width: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Rows and columns to cut off at top and left, and at bottom and right.

    JPEG's grid then lies otherwise in both directions, as before, and otherwise in one of them.
    """
    most = tuple(max(1, round(s * CROPPED / 2)) for s in (height, width))
    (down, right), (rows, columns) = (m - (m % 8 == 0) for m in most), (m // 8 * 8 for m in most)
    for start in ((down, right), (rows, columns), (rows, right)):
        yield start, (most[0], most[1])


def _resize(pixels: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    image = Pillow.fromarray(pixels)
    small = image.resize((max(1, round(image.width * strength)), max(1, round(image.height * strength))))
    return np.array(small.resize(image.size))


_APPLY: dict[str, Callable[[np.ndarray, float, np.random.Generator], np.ndarray]] = {
    "png": _png, "jpeg": _jpeg, "webp": _webp, "noise": _noise, "resize": _resize, "crop": _crop,
}  # fmt: skip
