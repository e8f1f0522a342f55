"""Pillow's images of any mode -> 8-bit RGB and alpha, with an account of the conversions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from PIL import Image as Pillow
from PIL import ImageCms

from stegcli.pictures import colour

ROWS = 256  # rows at a time, where an intermediate array would be larger than the picture


@dataclass
class Account:
    """The conversions during decoding: `notes` in order, and whether the pixels still hold everything in the file."""

    notes: list[str] = field(default_factory=list)
    exact: bool = True

    def say(self, note: str) -> None:
        self.notes.append(note)

    def loss(self, note: str) -> None:
        self.notes.append(note)
        self.exact = False


@dataclass(frozen=True)
class Source:
    """Facts about the samples that Pillow's image does not hold.

    bits: of a stored sample. whole: samples are unsigned integers. transparent: the transparent sample or colour, as
    stored, or None. profile: ICC, of any colour space. inverted: 0 is white. multiplied: colours are multiplied by
    alpha.
    """

    bits: int = 8
    whole: bool = True
    transparent: int | tuple[int, ...] | None = None
    profile: bytes | None = None
    inverted: bool = False
    multiplied: bool = False


@dataclass(frozen=True)
class Samples:
    """pixels: uint8 (h, w, 3). alpha: uint8 (h, w), None if opaque. grey, palette: whether the file was."""

    pixels: np.ndarray
    alpha: np.ndarray | None
    grey: bool = False
    palette: bool = False


def samples(image: Pillow.Image, source: Source, account: Account) -> Samples:
    """A loaded image -> its samples. Conversions are noted in the account."""
    if image.mode.startswith("I") or image.mode == "F" or (image.mode == "L" and not source.whole):
        return _deep_grey(image, source, account)
    if image.mode in ("1", "L", "LA", "La"):
        return _grey(image, source, account)
    if image.mode in ("P", "PA"):
        return _palette(image, account)
    if image.mode in ("CMYK", "LAB", "YCbCr", "HSV"):
        return Samples(_converted(image, source, account), None)
    if image.mode == "RGBa" or source.multiplied:
        account.loss("colours that were multiplied by alpha were divided again")
    if source.bits > 8:
        account.loss(f"{source.bits}-bit colour became 8-bit RGB")
    if image.mode == "RGB" and isinstance(source.transparent, tuple):
        return _transparent_colour(image, source, account)
    if image.mode in ("RGBA", "RGBa"):
        image = image.convert("RGBA")
        alpha = np.asarray(image.getchannel("A"))
        return Samples(np.ascontiguousarray(np.asarray(image)[..., :3]), _unless_opaque(alpha))
    return Samples(np.ascontiguousarray(image.convert("RGB")), None)


def _unless_opaque(alpha: np.ndarray) -> np.ndarray | None:
    return None if alpha.min() == 255 else alpha


def _as_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


def _grey(image: Pillow.Image, source: Source, account: Account) -> Samples:
    if source.bits > 8:
        account.loss(f"{source.bits}-bit grey became 8-bit grey")
    if image.mode in ("LA", "La"):
        if image.mode == "La":
            account.loss("greys that were multiplied by alpha were divided again")
        both = np.asarray(image.convert("LA"))
        return Samples(_as_rgb(both[..., 0]), _unless_opaque(both[..., 1].copy()), grey=True)
    if image.mode == "1" or source.bits < 8:
        account.say(f"{'black and white' if image.mode == '1' else f'{source.bits}-bit grey'} became 8-bit grey")
    grey = np.asarray(image.convert("L"))
    if not isinstance(source.transparent, int):
        return Samples(_as_rgb(grey), None, grey=True)
    most = 2 ** min(source.bits, 8) - 1
    level = (source.transparent & most) * 255 // most  # samples of 1, 2 and 4 bits are scaled to 0..255
    return Samples(_as_rgb(grey), _hidden(grey == level, account), grey=True)


def _hidden(transparent: np.ndarray, account: Account) -> np.ndarray | None:
    """Transparent pixels, bool (h, w) -> alpha."""
    if not transparent.any():
        return None
    account.say("its transparent colour became an alpha channel")
    return np.where(transparent, 0, 255).astype(np.uint8)


def _palette(image: Pillow.Image, account: Account) -> Samples:
    if image.mode == "PA" or "transparency" in image.info:
        account.say("palette with transparency became RGB with alpha")
        both = np.asarray(image.convert("RGBA"))
        pixels, alpha = np.ascontiguousarray(both[..., :3]), _unless_opaque(both[..., 3].copy())
    else:
        account.say("palette became 8-bit RGB")
        pixels, alpha = np.ascontiguousarray(image.convert("RGB")), None
    return Samples(pixels, alpha, palette=True)


def _transparent_colour(image: Pillow.Image, source: Source, account: Account) -> Samples:
    pixels = np.ascontiguousarray(image)
    if source.bits > 8:  # the lower bytes, which the comparison needs, are lost
        account.loss("its transparent colour was ignored: the picture has 16 bits a sample")
        return Samples(pixels, None)
    return Samples(pixels, _hidden((pixels == np.array(source.transparent)).all(axis=2), account))


def _converted(image: Pillow.Image, source: Source, account: Account) -> np.ndarray:
    """CMYK, Lab, YCbCr, HSV -> RGB."""
    mode = {"LAB": "Lab"}.get(image.mode, image.mode)
    if image.mode == "LAB":
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        if (converted := colour.to_srgb(image, lab)) is not None:
            account.loss("Lab became sRGB")
            return np.ascontiguousarray(converted)
    if source.profile and colour.space(source.profile) == mode:
        if (converted := colour.to_srgb(image, source.profile)) is not None:
            account.loss(f"{mode} became sRGB by its colour profile")
            return np.ascontiguousarray(converted)
        account.say("its colour profile is damaged and was ignored")
    guess = ": it has no colour profile, so its colours are a guess" if mode == "CMYK" else ""
    account.loss(f"{mode} became 8-bit RGB{guess}")
    return np.ascontiguousarray(image.convert("RGB"))


def _deep_grey(image: Pillow.Image, source: Source, account: Account) -> Samples:
    """Greys that are not 8-bit. Unsigned ones of up to 16 bits have a fixed range, others the range of their values."""
    values = np.asarray(image)
    if values.dtype == np.uint8:  # Pillow treats signed bytes as unsigned
        values = values.view(np.int8)
    if source.bits == 32 and source.whole and values.dtype == np.int32:
        values = values.view(np.uint32)  # Pillow's mode I is signed, whatever the file is
    fixed = source.bits <= 16 and source.whole
    low, high = (0.0, 2.0**source.bits - 1) if fixed else _range(values)
    grey = np.empty(values.shape, np.uint8)
    for rows in _rows(values):
        grey[rows] = _scaled(values[rows], low, high)
    if source.inverted:
        np.subtract(255, grey, out=grey)
    if fixed:
        account.loss(f"{source.bits}-bit grey became 8-bit grey")
    elif low == high:
        account.loss(f"all its grey values are {low:.6g}: it became black")
    else:
        account.loss(f"grey values from {low:.6g} to {high:.6g} were scaled to 0 to 255")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        account.loss("grey values that are not numbers became black, infinite ones black or white")
    if not isinstance(source.transparent, int):
        return Samples(_as_rgb(grey), None, grey=True)
    return Samples(_as_rgb(grey), _hidden(values == source.transparent, account), grey=True)


def _rows(values: np.ndarray) -> Iterator[slice]:
    return (slice(top, top + ROWS) for top in range(0, len(values), ROWS))


def _range(values: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest finite value; 0 and 0 if there is none."""
    low, high = np.inf, -np.inf
    for rows in _rows(values):
        finite = values[rows][np.isfinite(values[rows])]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Numbers -> uint8: low becomes 0, high 255, a range of one value 0."""
    numbers = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    # Halved, so that the width of the widest range of floats does not overflow.
    width = high / 2 - low / 2
    share = (numbers / 2 - low / 2) / width if width > 0 else np.zeros(values.shape)
    levels: np.ndarray = np.rint(share.clip(0, 1) * 255).astype(np.uint8)
    return levels
