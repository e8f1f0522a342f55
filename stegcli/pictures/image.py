"""Picture files <-> 8-bit RGB arrays.

Every kind of picture file (palette, grey, 16-bit, CMYK, alpha, rotated by EXIF) becomes 8-bit RGB here, with notes for
the user on what was changed. A written file holds the pixels, the alpha channel if there is one, the colour profile,
and in PNG files the chunks for colours and resolution. It holds no EXIF, no GPS position, no text.
`colour` has the rules for colours, `png` those for the bytes of PNG files.

"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from stegcli import files
from stegcli.disk import descriptors
from stegcli.errors import FileError
from stegcli.options import JPEG_QUALITY as JPEG_QUALITY
from stegcli.pictures import bmp, colour, formats, png, reading, tiff, webp
from stegcli.pictures.formats import LOSSLESS as LOSSLESS
from stegcli.pictures.formats import LOSSY as LOSSY
from stegcli.pictures.formats import READABLE as READABLE
from stegcli.pictures.formats import format_of as format_of
from stegcli.pictures.formats import output_format as output_format
from stegcli.pictures.png import Chunks
from stegcli.pictures.quantisation import Quantisation as Quantisation
from stegcli.pictures.quantisation import quantisation
from stegcli.pictures.quantisation import quantisation_of as quantisation_of
from stegcli.pictures.samples import Account, samples

MAX_PIXELS = 100_000_000
"""The most pixels of a picture, unless `pixels_limited` says otherwise."""
_most_pixels = MAX_PIXELS
REVEALED_QUALITY = 95
"""JPEG quality of a revealed picture whose output name ends in .jpg."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture: `pixels` uint8 (h, w, 3), `alpha` uint8 (h, w) or None, and facts about its file.

    icc_profile: as the file has it.
    source: the bytes of its file if that is a JPEG, for methods that use its coefficients.
    chunks: (name, data) of the PNG chunks for colours and resolution, also for other formats.
    grey: the file had one channel; it is written with one channel while R, G and B are equal.
    palette: the file had a palette.
    exact: pixels and alpha hold everything in the file: nothing was rounded, converted or left out.
    format: Pillow's name of the file's format.
    style: the structure of its file, where that can be imitated.
    lossy: the file was compressed with loss, whatever its format.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    icc_profile: bytes | None = None
    notes: tuple[str, ...] = field(default=())
    jpeg: Quantisation | None = None
    source: bytes | None = field(default=None, repr=False)
    chunks: Chunks = ()
    grey: bool = False
    palette: bool = False
    exact: bool = True
    format: str | None = None
    style: reading.Style | None = None
    lossy: bool = False

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def one_channel(self) -> bool:
        """Whether it is written with one channel: the file was grey, and the pixels are still grey."""
        red, green, blue = (self.pixels[..., i] for i in range(3))
        return self.grey and bool((red == green).all() and (green == blue).all())

    @property
    def profile(self) -> bytes | None:
        """The ICC profile of the pixels: the file's own, or one made from its chunks; None for sRGB."""
        if self.icc_profile and b"cICP" not in dict(self.chunks):
            return self.icc_profile
        return colour.profile_of(self.chunks) or self.icc_profile


@contextlib.contextmanager
def pixels_limited(most: int) -> Iterator[None]:
    """Within the context, pictures of more pixels are refused, in all threads, where no other limit is given."""
    before = _most_pixels
    limit_pixels(most)
    try:
        yield
    finally:
        limit_pixels(before)


def limit_pixels(most: int) -> None:
    """From now on refuse pictures of more pixels, in all threads, where no other limit is given."""
    global _most_pixels
    _most_pixels = most


def pixel_limit() -> int:
    return _most_pixels


def most_bytes(max_pixels: int | None = None) -> int:
    """The size of the largest file that is read: 8 bytes per pixel (RGBA with 16 bits) and 16 MiB of metadata."""
    return 8 * (max_pixels or _most_pixels) + 2**24


def load(path: str | os.PathLike[str], what: str = "image", max_pixels: int | None = None) -> Picture:
    """Picture file, or `-` for standard input, -> Picture. Raises FileError."""
    name = "on standard input" if str(path) == files.STDIO else str(path)
    return decode(files.read(path, what, limit=most_bytes(max_pixels)), f"{what} {name}", max_pixels)


def decode(data: bytes, what: str = "image", max_pixels: int | None = None) -> Picture:
    """The bytes of a picture file -> Picture.

    Raises FileError if the file is not a picture, is of an unsupported kind, is cut short, or has more than
    `max_pixels`, which is checked before decoding. (Pillow's own bound of 178 megapixels applies too.) Damaged metadata
    are ignored, with a note.
    """
    if not data:
        raise FileError(f"{what} is empty")
    max_pixels = max_pixels or _most_pixels
    format = format_of(data)
    if format is None:
        raise FileError(f"{what} is not a picture that stego reads", "PNG, BMP, TIFF, WebP, AVIF or JPEG")
    if format not in (*READABLE, "HEIC"):
        raise FileError(f"{what} is a {format} file, which stego does not read", "convert it to PNG")
    try:
        return _decoded(data, what, format, max_pixels)
    except reading.DAMAGE as error:
        lean = formats.without_metadata(data, format)
        if lean is not None and lean != data:
            try:
                picture = _decoded(lean, what, format, max_pixels)
            except reading.DAMAGE:  # the damage is not in the metadata
                pass
            else:
                notes = ("damaged metadata were ignored", *picture.notes)
                return replace(picture, source=data if format == "JPEG" else None, notes=notes, exact=False)
        raise reading.refusal(error, data, what, format) from error


def _decoded(data: bytes, what: str, format: str, max_pixels: int) -> Picture:
    account = Account()
    with warnings.catch_warnings(), descriptors.libraries_silenced():
        warnings.simplefilter("ignore")  # we check the size ourselves and note other oddities
        with reading.opened(data, what, format, max_pixels) as opened:
            described = reading.described(opened, data, format, account)
            jpeg = quantisation(opened)
            deep = ";16" in str(getattr(opened, "tile", ""))
            turned_by_pillow = reading.tiff_is_turned(opened)
            try:
                opened.load()
            except MemoryError as error:
                raise reading.too_large(what, max_pixels) from error
            turn = reading.TURNS.get(reading.orientation(opened, account))
            if turn is not None or turned_by_pillow:
                account.say("turned as its EXIF orientation says")
            image: Pillow.Image = opened if turn is None else opened.transpose(turn)
            source = replace(described.source, bits=16) if deep else described.source
            found = samples(image, source, account)
            reading.say_frames(opened, account)
    profile, chunks = described.profile, described.chunks
    if profile and colour.space(profile) not in ("RGB", "GRAY" if found.grey else "RGB"):
        profile = None  # it describes samples that were converted
    grey = found.grey or described.grey
    dropped = {b"" if profile else png.PROFILE, b"pHYs" if opened.size != (image.width, image.height) else b""}
    chunks = tuple(c for c in chunks if c[0] not in dropped)
    turned = turn is not None or turned_by_pillow
    style = None if turned and not isinstance(described.style, png.Style) else described.style
    source_file = data if format == "JPEG" else None
    return Picture(
        found.pixels, found.alpha, profile, tuple(account.notes), jpeg, source_file, chunks, grey, found.palette,
        account.exact, format, style, _is_lossy(data, format),
    )  # fmt: skip


def _is_lossy(data: bytes, format: str) -> bool:
    """Whether a file was compressed with loss. AVIF and HEIC count as such: they hardly ever are not."""
    return webp.style(data) is None if format == "WEBP" else format in ("JPEG", "AVIF", "HEIC")


def check(picture: Picture, format: str) -> None:
    """Raises FileError if a file of this format cannot hold the picture. Fast: call it before the work."""
    formats.check(format, picture.width, picture.height, picture.alpha is not None)


def lost_in(picture: Picture, format: str) -> tuple[str, ...]:
    """Notes on colour information in the picture that a file of this format cannot hold."""
    notes = []
    if picture.grey and not picture.one_channel:
        notes.append("grey became RGB")
    found = colour.meaning(picture.chunks)
    profile = picture.profile
    keeps = isinstance(picture.style, bmp.Style) and picture.style.profile
    if format == "BMP" and (picture.icc_profile or profile) and not keeps:
        name = colour.name(profile or b"") or "it"
        notes.append(f"BMP keeps no colour profile: {name} is dropped")
    elif profile and _fitting_profile(picture) is None and (format != "PNG" or not picture.one_channel):
        notes.append("the colour profile of its grey values is dropped")
    if format != "PNG" and (found is None or found.hdr):
        kind = f"HDR ({found.hdr})" if found else "unusual"
        notes.append(f"its colours are {kind}, which {format} files do not say: they will look different")
    return tuple(notes)


def _fitting_profile(picture: Picture) -> bytes | None:
    """The profile for the file. None if a profile for grey values would go into a file with colours, or a profile for
    colours, made from chunks, into a grey file."""
    profile = picture.profile
    if profile is None:
        return None
    if colour.space(profile) == "GRAY" and not picture.one_channel:
        return None
    return None if picture.one_channel and profile != picture.icc_profile else profile


def encode(picture: Picture, format: str = "PNG", quality: int = JPEG_QUALITY) -> bytes:
    """Picture -> the bytes of a file of this format; all but JPEG are lossless. quality: of a JPEG, 1 to 100.

    A grey picture gets one channel. A picture whose file had this format is written with the structure of that file.
    """
    check(picture, format)
    samples = picture.pixels[..., :1] if picture.one_channel else picture.pixels
    if picture.alpha is not None:
        samples = np.dstack([samples, picture.alpha])
    try:
        return _written(picture, samples, format, quality)
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write {picture.width}x{picture.height} as {format}") from error


def _written(picture: Picture, samples: np.ndarray, format: str, quality: int) -> bytes:
    """The picture's samples, uint8 (h, w, 1..4) -> the bytes of a file. Raises OSError, ValueError."""
    style, profile = picture.style, _fitting_profile(picture)
    if format == "PNG":
        return png.write(samples, _png_chunks(picture), style if isinstance(style, png.Style) else png.LIBPNG)
    if format == "WEBP":
        return webp.write(samples, style if isinstance(style, webp.Style) else None, profile)
    imitated = None
    if format == "TIFF" and isinstance(style, tiff.Style):
        imitated = tiff.write(samples, style, profile)
    elif format == "BMP" and isinstance(style, bmp.Style):
        imitated = bmp.write(samples, style)
    if imitated is not None:
        return imitated
    options: dict[str, object] = {"quality": quality} if format == "JPEG" else {}
    if profile and format != "BMP":
        options["icc_profile"] = profile
    array = np.ascontiguousarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    buffer = io.BytesIO()
    Pillow.fromarray(array).save(buffer, format, **options)
    return buffer.getvalue()


def encode_as(picture: Picture, name: str) -> bytes:
    """A revealed picture -> the bytes of its file, in the format that the file's name asks for; PNG without a suffix.

    Transparency is lost where the format has none."""
    format = format_of_name(name)
    alpha = picture.alpha if format not in ("BMP", "JPEG") else None
    return encode(replace(picture, alpha=alpha), format, REVEALED_QUALITY)


def format_of_name(name: str) -> str:
    return (LOSSLESS | LOSSY).get(Path(name).suffix.lower(), "PNG")


def _png_chunks(picture: Picture) -> Chunks:
    """The cover's chunks, with its profile under its original name."""
    profile = picture.icc_profile
    if profile and colour.space(profile) == "GRAY" and not picture.one_channel:
        profile = None
    kept = tuple(c for c in picture.chunks if c[0] != png.PROFILE or (profile and png.profile_in(c[1]) == profile))
    if profile and png.PROFILE not in dict(kept):
        return (png.profile_chunk(profile), *kept)
    return kept


def in_srgb(picture: Picture) -> Picture:
    """Picture -> the picture converted to sRGB, without profile and signals, for uses that cannot keep a profile.

    HDR colours have no counterpart in sRGB; they are not converted, and a note says so.
    """
    rest = tuple(c for c in picture.chunks if c[0] not in (*colour.SIGNALS, png.PROFILE))
    plain = replace(picture, icc_profile=None, chunks=rest)
    found, profile = colour.meaning(picture.chunks), _fitting_profile(picture) or colour.profile_of(picture.chunks)
    if not picture.icc_profile and (found is None or found.hdr):
        kind = f"HDR ({found.hdr})" if found else "unusual"
        return replace(plain, exact=False, notes=(*picture.notes, f"its colours are {kind} and were taken as sRGB"))
    if profile is None or (colour.space(profile) == "RGB" and colour.says_srgb(profile)):
        return plain
    samples = picture.pixels[..., 0] if colour.space(profile) == "GRAY" else picture.pixels
    converted = colour.to_srgb(Pillow.fromarray(samples), profile)
    if converted is None:
        note = "its colour profile could not be applied"
        return replace(plain, exact=False, notes=(*picture.notes, note))
    pixels = np.ascontiguousarray(converted)
    if picture.one_channel:
        pixels = np.repeat(pixels[..., 1:2], 3, axis=2)
    note = f"its colours were converted from {colour.name(profile) or 'its colour profile'} to sRGB"
    return replace(plain, pixels=pixels, exact=False, notes=(*picture.notes, note))


def resized(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 (h, w, 3) -> uint8 (height, width, 3), by Lanczos."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Pillow.fromarray(pixels).resize((width, height), Pillow.Resampling.LANCZOS))
