"""Picture files <-> 8-bit RGB arrays.

Everything a picture file can be (palette, grey, 16-bit, CMYK, alpha, rotated by EXIF) becomes 8-bit RGB here,
once, and what was done is noted for the user. What is written holds pixels, an alpha channel if the cover had
one, and the colour profile without which the pixels would look different: no EXIF, no GPS, no text.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, JpegImagePlugin, UnidentifiedImageError

from stegcli import files
from stegcli.errors import FileError

MAX_PIXELS = 100_000_000
JPEG_QUALITY = 90
LOSSLESS = {".png": "PNG", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"}
LOSSY = {".jpg": "JPEG", ".jpeg": "JPEG"}
READABLE = ("PNG", "BMP", "TIFF", "WEBP", "JPEG", "GIF", "PPM", "AVIF")


@dataclass(frozen=True)
class Quantisation:
    """How a JPEG file rounded: steps of luminance and colours, (8, 8) each, vertical frequency first.

    halved: whether the colours have half the resolution, 4:2:0.
    """

    luminance: np.ndarray
    colours: np.ndarray
    halved: bool

    @property
    def quality(self) -> int:
        """The quality of libjpeg whose luminance steps are nearest to these.

        Reference: the scaling of the tables of T.81, Annex K, in libjpeg's jcparam.c.
        """
        mean = float(self.luminance.mean())
        return min(range(1, 101), key=lambda q: abs(_mean_step(q) - mean))


@dataclass(frozen=True)
class Picture:
    """A decoded picture: `pixels` uint8 (h, w, 3), `alpha` uint8 (h, w) or None, and what decoding did.

    source: the bytes of its file if that is a JPEG, for those who work on its coefficients.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    icc_profile: bytes | None = None
    notes: tuple[str, ...] = field(default=())
    jpeg: Quantisation | None = None
    source: bytes | None = field(default=None, repr=False)

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


def load(path: str | os.PathLike[str], what: str = "image") -> Picture:
    """Picture file, or `-` for standard input, -> Picture. Raises FileError."""
    name = "on standard input" if str(path) == files.STDIO else str(path)
    return decode(files.read(path, what), f"{what} {name}")


def decode(data: bytes, what: str = "image") -> Picture:
    """The bytes of a picture file -> Picture. Raises FileError if they are not one, cut short, or too large."""
    if not data:
        raise FileError(f"{what} is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # we judge the size ourselves, and say what else is odd
            with Pillow.open(io.BytesIO(data), formats=READABLE) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise _too_large(what)
                notes = _loss_in_loading(opened)
                jpeg = _quantisation(opened)
                opened.load()
                picture = _to_picture(opened, notes, jpeg)
                return replace(picture, source=data) if data.startswith(b"\xff\xd8") else picture
    except UnidentifiedImageError as error:
        raise FileError(f"{what} is not a picture that stego reads", "PNG, BMP, TIFF, WebP, AVIF or JPEG") from error
    except Pillow.DecompressionBombError as error:
        raise _too_large(what) from error
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, RuntimeError, struct.error) as error:
        raise FileError(f"{what} is damaged or cut short") from error


def _too_large(what: str) -> FileError:
    return FileError(f"{what} is too large: the most is {MAX_PIXELS // 10**6} megapixels")


def _loss_in_loading(opened: Pillow.Image) -> list[str]:
    """Pillow has no mode for 16-bit colour and drops the lower bytes; after loading nothing tells of it."""
    deep = opened.mode in ("RGB", "RGBA") and ";16" in str(getattr(opened, "tile", ""))
    return ["16-bit colour became 8-bit RGB"] if deep else []


def _quantisation(opened: Pillow.Image) -> Quantisation | None:
    if opened.format != "JPEG" or opened.mode != "RGB":
        return None
    found = getattr(opened, "quantization", {})
    if 0 not in found:
        return None
    tables = [np.array(found[i]).reshape(8, 8) for i in (0, 1 if 1 in found else 0)]
    return Quantisation(tables[0], tables[1], JpegImagePlugin.get_sampling(opened) == 2)


def quantisation_of(quality: int) -> Quantisation:
    """Quality of libjpeg -> the tables that Pillow's files of that quality have."""
    buffer = io.BytesIO()
    Pillow.new("RGB", (16, 16)).save(buffer, "JPEG", quality=quality)
    with Pillow.open(buffer) as opened:
        found = _quantisation(opened)
    assert found is not None
    return found


def _mean_step(quality: int) -> float:
    """Quality of libjpeg -> mean step of its luminance table."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return float(((_ANNEX_K * scale + 50) // 100).clip(1, 255).mean())


# T.81, Table K.1, sorted: only the mean is asked for.
_ANNEX_K = np.array(
    [10, 11, 12, 12, 13, 14, 14, 14, 16, 16, 16, 17, 18, 19, 22, 22, 24, 24, 24, 26, 29, 35, 37, 40, 40, 49, 51, 51,
     55, 55, 56, 56, 57, 58, 60, 61, 62, 64, 64, 68, 69, 72, 77, 78, 80, 81, 87, 87, 92, 92, 95, 98, 99, 100, 101, 103,
     103, 103, 104, 109, 112, 113, 120, 121]
)  # fmt: skip


def _to_picture(opened: Pillow.Image, notes: list[str], jpeg: Quantisation | None) -> Picture:
    if getattr(opened, "n_frames", 1) > 1:
        notes.append(f"only the first of {getattr(opened, 'n_frames', 1)} frames is used")
    if opened.getexif().get(0x0112, 1) != 1:
        notes.append("turned as its EXIF orientation says")
    profile = opened.info.get("icc_profile")
    image = ImageOps.exif_transpose(opened)
    image, alpha = _split_alpha(image, notes)
    if profile and profile[16:20] != b"RGB ":  # made for the grey or CMYK samples that are gone now
        profile = None
    return Picture(_to_rgb(image, notes), alpha, profile, tuple(notes), jpeg)


def _split_alpha(image: Pillow.Image, notes: list[str]) -> tuple[Pillow.Image, np.ndarray | None]:
    if image.mode in ("LA", "PA", "La") or (image.mode == "P" and "transparency" in image.info):
        notes.append(f"{_name(image.mode)} with transparency became RGB with alpha")
        image = image.convert("RGBA")
    elif image.mode in ("RGB", "L") and "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode not in ("RGBA", "RGBa"):
        return image, None
    image = image.convert("RGBA")
    alpha = np.asarray(image.getchannel("A"))
    return image.convert("RGB"), None if alpha.min() == 255 else alpha


def _to_rgb(image: Pillow.Image, notes: list[str]) -> np.ndarray:
    if image.mode == "RGB":
        return np.ascontiguousarray(image)
    notes.append(f"{_name(image.mode)} became 8-bit RGB")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64).clip(0, 65535)
        grey = ((values + 128) // 257).astype(np.uint8)
        return np.ascontiguousarray(np.repeat(grey[..., None], 3, axis=2))
    return np.ascontiguousarray(image.convert("RGB"))


def _name(mode: str) -> str:
    names = {"L": "grey", "LA": "grey", "P": "palette", "PA": "palette", "1": "black and white"}
    return "16-bit grey" if mode.startswith("I") else names.get(mode, mode)


def output_format(path: str | os.PathLike[str], lossy: bool = False) -> str:
    """Output path -> Pillow's format name; `-` is PNG. Raises FileError if it would destroy the payload."""
    suffix = Path(path).suffix.lower()
    if str(path) == files.STDIO:
        return "PNG"
    if suffix in LOSSLESS:
        return LOSSLESS[suffix]
    if suffix in LOSSY and lossy:
        return LOSSY[suffix]
    if suffix in LOSSY:
        raise FileError(f"output {path}: JPEG would destroy the payload", "write .png, .webp, .tiff or .bmp")
    raise FileError(f"output {path}: unknown picture format {suffix!r}", "write .png, .webp, .tiff or .bmp")


def encode(picture: Picture, format: str = "PNG", quality: int = JPEG_QUALITY) -> bytes:
    """Picture -> the bytes of a file of that format; all but JPEG are lossless. quality: of a JPEG, 1 to 100."""
    image = Pillow.fromarray(picture.pixels)
    if picture.alpha is not None:
        if format in ("BMP", "JPEG"):
            raise FileError(f"{format} cannot keep an alpha channel", "write .png")
        image.putalpha(Pillow.fromarray(picture.alpha))
    options: dict[str, object] = {}
    if picture.icc_profile and format != "BMP":
        options["icc_profile"] = picture.icc_profile
    if format == "WEBP":
        # `exact` keeps the colour under transparent pixels, which carries payload too.
        options.update(lossless=True, exact=True, quality=50, method=2)
    if format == "PNG":
        options.update(compress_level=4)
    if format == "JPEG":
        options.update(quality=quality)
    buffer = io.BytesIO()
    try:
        image.save(buffer, format, **options)
    except (OSError, ValueError) as error:  # WebP ends at 16383 pixels a side
        raise FileError(f"cannot write {picture.width}x{picture.height} as {format}") from error
    return buffer.getvalue()


def resized(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 (h, w, 3) -> uint8 (height, width, 3), by Lanczos."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Pillow.fromarray(pixels).resize((width, height), Pillow.Resampling.LANCZOS))
