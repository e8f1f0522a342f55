"""Attacks on a stego, for `stego evaluate --attack`: what may happen to a file between sender and receiver.

    jpeg:90            a channel of `pictures.channel`: png, jpeg:Q, webp:Q, noise:S, resize:F, crop
    blur:1.5           Gaussian blur with that standard deviation in pixels
    crop:8             so many pixels cut off on every side
    fit:1024           made smaller until the longer side has so many pixels, and not enlarged again
    social:FILE.toml   a named chain of attacks, one after the other
    jpeg:95..30        a range: every fifth quality between; jpeg:95..30/10 every tenth

The codecs are those of Pillow. A file of a chain:

    name = "messenger"
    steps = ["fit:1600", "jpeg:75"]
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow
from PIL import ImageFilter

from stegcli import files
from stegcli.errors import FileError, UsageError
from stegcli.pictures import channel, image
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

CHAIN = "social"
BOUNDS = {"blur": (0.1, 50.0), "crop": (1.0, 1000.0), "fit": (16.0, 100_000.0)}
"""The attacks that are no channels, with the least and the greatest strength."""
STRIDES = {"jpeg": 5.0, "webp": 5.0, "noise": 1.0, "resize": 0.05, "crop": 1.0, "blur": 0.25, "fit": 64.0}
"""Distance between the steps of a range that names none."""
MILD_WHEN_HIGH = frozenset({"jpeg", "webp", "fit"})
MOST_STEPS = 100
HINT = "png, jpeg:Q, webp:Q, noise:S, blur:S, resize:F, crop:N, fit:N, social:FILE.toml, or a range such as jpeg:95..30"


@dataclass(frozen=True)
class Attack:
    """A name, and what is done to the picture, in order. name: as the user writes it, or that of a chain."""

    name: str
    parts: tuple[Channel | Change, ...]

    def __str__(self) -> str:
        return self.name

    def file(self, stego: Picture, rng: np.random.Generator) -> bytes:
        """Stego -> the bytes of the file that arrives. Raises FileError if nothing of the picture is left."""
        first, *others = self.parts
        data = first.file(stego, rng)
        for part in others:
            data = part.file(image.decode(data, "stego"), rng)
        return data

    @property
    def channel(self) -> Channel | None:
        """The channel that a stego can be made for, if this attack is one."""
        (*_, last) = self.parts
        return last if len(self.parts) == 1 and isinstance(last, Channel) else None


@dataclass(frozen=True)
class Change:
    """One attack that is no channel: its kind, a key of BOUNDS, and its strength."""

    kind: str
    strength: float

    def file(self, stego: Picture, rng: np.random.Generator) -> bytes:
        """Stego -> the bytes of the changed picture as PNG."""
        return image.encode(Picture(_CHANGES[self.kind](stego.pixels, self.strength)))


@dataclass(frozen=True)
class Sweep:
    """Attacks of one kind from mild to harsh; a single one for a chain. name: as the user wrote it."""

    name: str
    attacks: tuple[Attack, ...]


def parse(text: str) -> Sweep:
    """The value of `--attack` -> its steps. Raises UsageError, and FileError for the file of a chain."""
    kind, _, strength = text.partition(":")
    if kind == CHAIN:
        return Sweep(text, (_chain(Path(strength)),))
    if ".." not in strength:
        return Sweep(text, (_single(text),))
    return Sweep(text, tuple(Attack(f"{kind}:{s:g}", (_part(f"{kind}:{s:g}"),)) for s in _strengths(text)))


def split(texts: Sequence[str], survives: Callable[[Channel], bool]) -> tuple[list[str], list[Sweep]]:
    """The values of `--attack` -> plain channels, which the tables have columns or rows for; and sweeps.

    survives: whether the method can make stegos for a channel, or is measured behind every one.
    """
    plain: list[str] = []
    sweeps: list[Sweep] = []
    for text in texts:
        found = parse(text)
        (first, *others) = found.attacks
        if not others and first.channel is not None and survives(first.channel):
            plain.append(text)
        else:
            sweeps.append(found)
    return plain, sweeps


def _single(text: str) -> Attack:
    return Attack(text, (_part(text),))


def _part(text: str) -> Channel | Change:
    """`blur:2` -> the change, `jpeg:90` -> the channel. Raises UsageError."""
    kind, colon, strength = text.partition(":")
    if kind not in BOUNDS or (kind == "crop" and not colon):
        if kind not in channel.KINDS:
            raise UsageError(f"no attack {text!r}", HINT)
        return channel.parse(text)
    value, (low, high) = _number(text, strength), BOUNDS[kind]
    if not low <= value <= high:
        raise UsageError(f"attack {text!r} is out of range", f"{low:g} to {high:g}")
    return Change(kind, value)


def _number(text: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError:
        raise UsageError(f"attack {text!r} needs a number", HINT) from None
    if not math.isfinite(value):
        raise UsageError(f"attack {text!r} needs a number", HINT)
    return value


def _strengths(text: str) -> list[float]:
    """`jpeg:95..30/10` -> 95, 85, ..., 35, 30, from mild to harsh. Raises UsageError."""
    kind, _, span = text.partition(":")
    if kind not in STRIDES:
        raise UsageError(f"attack {text!r} is no range", HINT)
    span, slash, wanted = span.partition("/")
    ends = [_number(text, end) for end in span.split("..", 1)]
    stride = _number(text, wanted) if slash else STRIDES[kind]
    low, high = min(ends), max(ends)
    if stride <= 0 or low == high:
        raise UsageError(f"attack {text!r} is not a range", HINT)
    if (high - low) / stride > MOST_STEPS:
        raise UsageError(f"attack {text!r} has more than {MOST_STEPS} steps", f"{kind}:{span}/STEP")
    # Counted from the mild end, so that the list begins with what the user wrote there. The harsh end is always in it.
    mild, harsh = (high, low) if kind in MILD_WHEN_HIGH or kind == "resize" else (low, high)
    count = int((high - low) / stride + 1e-9)
    found = [round(mild + (harsh - mild) * i * stride / (high - low), 6) for i in range(count + 1)]
    found += [harsh] if abs(found[-1] - harsh) > 1e-6 else []
    return sorted(found, key=lambda f: abs(math.log(f))) if kind == "resize" and low > 0 else found


def _chain(path: Path) -> Attack:
    """A TOML file -> its chain. Raises FileError if it cannot be read or is no chain, UsageError for its steps."""
    data = files.read(str(path), "chain of attacks")
    try:
        held: dict[str, Any] = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FileError(f"{path} is no TOML: {str(error).splitlines()[0].lower()}") from error
    name, steps = held.get("name", path.stem), held.get("steps")
    if not isinstance(name, str) or not isinstance(steps, list) or not steps or set(held) - {"name", "steps"}:
        raise FileError(f"{path} is no chain of attacks", 'name = "messenger" and steps = ["fit:1600", "jpeg:75"]')
    return Attack(name, tuple(_part(str(step)) for step in steps))


def _blur(pixels: np.ndarray, sigma: float) -> np.ndarray:
    return np.array(Pillow.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma)))


def _crop(pixels: np.ndarray, edge: float) -> np.ndarray:
    side = round(edge)
    if 2 * side >= min(pixels.shape[:2]):
        raise FileError(f"nothing of the picture is left after crop:{edge:g}")
    return np.ascontiguousarray(pixels[side:-side, side:-side])


def _fit(pixels: np.ndarray, longest: float) -> np.ndarray:
    height, width = pixels.shape[:2]
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return pixels if scale == 1.0 else np.array(Pillow.fromarray(pixels).resize(size, Pillow.Resampling.LANCZOS))


_CHANGES = {"blur": _blur, "crop": _crop, "fit": _fit}
