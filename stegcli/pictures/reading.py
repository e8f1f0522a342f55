"""The bytes of a picture file -> an opened image and further facts from the file, or the reason for a refusal."""

from __future__ import annotations

import functools
import io
import logging
import struct
import warnings
from dataclasses import dataclass

from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from stegcli.errors import FileError
from stegcli.pictures import bmp, boxes, colour, png, tiff, webp
from stegcli.pictures.png import Chunks
from stegcli.pictures.samples import Account, Source

Style = png.Style | tiff.Style | bmp.Style | webp.Style
"""The structure of a file, which a stego in the same format takes over."""
ORIENTATION = 0x0112
TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT, 3: Pillow.Transpose.ROTATE_180, 4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE, 6: Pillow.Transpose.ROTATE_270, 7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}  # fmt: skip
# Exceptions that Pillow's parsers were seen to raise for damaged files.
DAMAGE = (
    OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, RuntimeError, ArithmeticError, AttributeError,
    AssertionError, struct.error,
)  # fmt: skip
# Words in Pillow's messages for intact files of a kind that it does not read.
UNSUPPORTED = (
    "unsupported",
    "not supported",
    "unknown pixel mode",
    "cannot handle",
    "not implemented",
    "not available",
)
DAMAGED_PROFILE = "its colour profile is damaged and was ignored"
TIFF_BITS, TIFF_PHOTOMETRIC, TIFF_PLANES, TIFF_FORMAT, TIFF_COLOURS = 258, 262, 284, 339, (301, 318, 319)


@dataclass(frozen=True)
class Described:
    """Facts from a file besides its pixels: samples, colours, and what tells its encoder."""

    source: Source
    profile: bytes | None
    chunks: Chunks
    grey: bool = False  # the file is grey although Pillow gives RGB
    style: Style | None = None


def opened(data: bytes, what: str, format: str, max_pixels: int) -> Pillow.Image:
    """A picture file -> Pillow's image of it, not yet decoded. Raises FileError if it has too many pixels.

    Raises one of DAMAGE if it is damaged or unsupported.
    """
    _let_pillow_log_nothing()
    if format == "HEIC":
        _let_pillow_read_heic(what)
    name = "HEIF" if format == "HEIC" else format
    try:
        image = Pillow.open(io.BytesIO(data), formats=(name,))
    except Pillow.DecompressionBombError as error:
        raise too_large(what, max_pixels) from error
    if image.width * image.height > max_pixels:
        raise too_large(what, max_pixels)
    return image


def too_large(what: str, max_pixels: int) -> FileError:
    return FileError(f"{what} is too large: the most is {max_pixels / 10**6:g} megapixels")


@functools.lru_cache(maxsize=1)
def _let_pillow_log_nothing() -> None:
    """Silence Pillow's log, which would reach standard error. Pillow raises an exception for the same problems."""
    logging.getLogger("PIL").addHandler(logging.NullHandler())


def _let_pillow_read_heic(what: str) -> None:
    try:
        import pillow_heif
    except ImportError as error:
        hint = "pip install pillow-heif, or convert it to PNG or JPEG"
        raise FileError(f"{what} is a HEIC file, which stego reads only with pillow-heif", hint) from error
    pillow_heif.register_heif_opener()


def refusal(error: Exception, data: bytes, what: str, format: str) -> FileError:
    """An exception of a decoder -> the error for the user: unsupported, or damaged."""
    said = str(error)
    if isinstance(error, UnidentifiedImageError):  # Pillow hides the message of its plugin
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                Pillow.OPEN[format][0](io.BytesIO(data), "")
            except DAMAGE as again:
                said = str(again)
    if any(word in said.lower() for word in UNSUPPORTED):
        return FileError(f"{what} is a {format} file of a kind that is not supported: {said}", "convert it to PNG")
    return FileError(f"{what} is damaged or cut short")


def described(image: Pillow.Image, data: bytes, format: str, account: Account) -> Described:
    """An opened file, not yet decoded -> facts besides its pixels."""
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int | tuple):
        transparent = None
    profile = _profile(image, data, format)
    if profile and not colour.is_profile(profile):
        profile = None
        account.loss(DAMAGED_PROFILE)
    if format == "PNG":
        facts = png.facts(data)
        if facts.broken:
            account.say(f"damaged metadata were ignored: {', '.join(sorted(facts.broken))}")
            account.exact &= not any(name.encode() in png.KEPT for name in facts.broken)
        if png.PROFILE in dict(facts.chunks) and not image.info.get("icc_profile"):
            account.loss(DAMAGED_PROFILE)
        source = Source(facts.depth, transparent=transparent, profile=profile)
        return Described(source, profile, facts.chunks, style=facts.style)
    if format in ("AVIF", "HEIC"):
        found = boxes.facts(data)
        chunks = () if profile else colour.signal(found.cicp)
        return Described(Source(found.depth, profile=profile), profile, chunks, found.grey)
    if format == "TIFF":
        return Described(_tiff_source(image, profile, account), profile, (), style=tiff.style(data))
    if format == "PPM":
        return Described(_ppm_source(image), profile, ())
    style = bmp.style(data) if format == "BMP" else webp.style(data) if format == "WEBP" else None
    return Described(Source(transparent=transparent, profile=profile), profile, (), style=style)


def _profile(image: Pillow.Image, data: bytes, format: str) -> bytes | None:
    found = image.info.get("icc_profile")
    if format == "BMP" and data[70:74] == b"DEBM":  # version 5 with an embedded profile, which Pillow ignores
        start, size = struct.unpack_from("<II", data, 14 + 112) if len(data) >= 138 else (0, 0)
        found = data[14 + start : 14 + start + size]
    if format == "GIF":
        found = _gif_profile(data)
    return found if isinstance(found, bytes) and found else None


def _gif_profile(data: bytes) -> bytes | None:
    """The profile in the application extension ICCRGBG1 012, which Pillow ignores: blocks of up to 255 bytes."""
    place = data.find(b"\x21\xff\x0bICCRGBG1012") + 14
    if place < 14:
        return None
    blocks = []
    while place < len(data) and data[place]:
        blocks.append(data[place + 1 : place + 1 + data[place]])
        place += 1 + data[place]
    return b"".join(blocks)


def _tiff_source(image: Pillow.Image, profile: bytes | None, account: Account) -> Source:
    tags = getattr(image, "tag_v2", {})

    def first(tag: int, usual: int) -> int:
        value = tags.get(tag, usual)
        return int(value[0] if isinstance(value, tuple) else value)

    if not profile and any(tag in tags for tag in TIFF_COLOURS):
        account.loss("what its TIFF tags say of its colours (white point, primaries, curve) was ignored")
    if first(TIFF_PLANES, 1) == 2 and first(TIFF_BITS, 8) > 8 and image.mode != "F":
        raise OSError("separate planes of more than 8 bits are not supported")  # Pillow would read them as bytes
    # Pillow inverts where 0 is white, but not with 16 bits.
    inverted = first(TIFF_PHOTOMETRIC, 1) == 0 and image.mode.startswith("I;16")
    whole, multiplied = first(TIFF_FORMAT, 1) == 1, "RGBa" in str(getattr(image, "tile", ""))
    return Source(first(TIFF_BITS, 8), whole, None, profile, inverted, multiplied)


def _ppm_source(image: Pillow.Image) -> Source:
    """Pillow scales the samples of every PPM to 8 bits, or to 16 bits for deep greys."""
    if image.mode == "F":
        return Source(32, whole=False)
    deepest = max((a for t in getattr(image, "tile", ()) for a in _numbers(t[3])), default=255)
    return Source(16 if image.mode == "I" or deepest > 255 else 8)


def _numbers(arguments: object) -> list[int]:
    """The arguments of a decoder -> the numbers among them: for PPM, the largest sample."""
    return [a for a in arguments if isinstance(a, int)] if isinstance(arguments, tuple) else []


def tiff_is_turned(image: Pillow.Image) -> bool:
    """Whether Pillow itself will rotate this file when it decodes it; afterwards this can no longer be seen."""
    return getattr(image, "tag_v2", {}).get(ORIENTATION) in TURNS


def orientation(image: Pillow.Image, account: Account) -> int:
    """A decoded file -> its EXIF orientation, 1 to 8.

    Call it only after decoding: Pillow's getexif decodes some files, and damaged pixels would be reported as damaged
    metadata.
    """
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except DAMAGE:
        account.say("its EXIF data are damaged and were ignored")
        return 1
    return found if found in TURNS else 1


def say_frames(image: Pillow.Image, account: Account) -> None:
    """Note what is left out from a file of several pictures. Call it last: it may move the image to another picture."""
    try:
        count = int(getattr(image, "n_frames", 1))
    except DAMAGE:
        account.say("what follows its first picture is damaged and was ignored")
        return
    if count > 1:
        several = "pictures in the file" if image.format in ("MPO", "TIFF") else "frames"
        account.loss(f"only the first of {count} {several} is used")
