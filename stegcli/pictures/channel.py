"""What happens to a picture on its way, through real codecs: `png`, `jpeg:Q`, `noise:S`, `resize:F`."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow

from stegcli.errors import UsageError

KINDS = {"png": None, "jpeg": (1.0, 100.0), "noise": (0.0, 255.0), "resize": (0.1, 4.0)}


@dataclass(frozen=True)
class Channel:
    """kind and strength: the quality of JPEG (Pillow's 4:2:0), the noise's standard deviation in grey levels,
    the factor by which the picture is resized and back (bicubic)."""

    kind: str
    strength: float = 0.0

    def __str__(self) -> str:
        return self.kind if self.kind == "png" else f"{self.kind}:{self.strength:g}"

    def __call__(self, pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 (h, w, 3) -> what arrives, uint8 (h, w, 3)."""
        return _APPLY[self.kind](pixels, self.strength, rng)


def parse(text: str) -> Channel:
    """`jpeg:90` -> Channel("jpeg", 90). Raises UsageError."""
    kind, _, strength = text.partition(":")
    if kind not in KINDS:
        raise UsageError(f"no channel {text!r}", "png, jpeg:Q, noise:S or resize:F")
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


def _png(pixels: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return pixels.copy()


def _jpeg(pixels: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "JPEG", quality=round(strength))
    return np.array(Pillow.open(buffer))


def _noise(pixels: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return (pixels + rng.normal(0, strength, pixels.shape)).round().clip(0, 255).astype(np.uint8)


def _resize(pixels: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    image = Pillow.fromarray(pixels)
    small = image.resize((max(1, round(image.width * strength)), max(1, round(image.height * strength))))
    return np.array(small.resize(image.size))


_APPLY: dict[str, Callable[[np.ndarray, float, np.random.Generator], np.ndarray]] = {
    "png": _png, "jpeg": _jpeg, "noise": _noise, "resize": _resize,
}  # fmt: skip
