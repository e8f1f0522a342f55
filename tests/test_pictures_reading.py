"""Which file is of which format; what is refused, by what name, and how early."""

from __future__ import annotations

import io
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from picture_helpers import SRGB, chunk, png, saved
from PIL import Image as Pillow

from stegcli.errors import FileError
from stegcli.pictures import formats, image

PILLOWS = ["PNG", "BMP", "TIFF", "WEBP", "JPEG", "GIF", "PPM", "AVIF"]
NAMED = {
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "JPEG XL": b"\xff\x0a" + bytes(30),
    "JPEG 2000": b"\xff\x4f\xff\x51" + bytes(30),
    "PSD": b"8BPS\0\1" + bytes(30),
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "OpenEXR": b"\x76\x2f\x31\x01" + bytes(30),
    "ICO": b"\0\0\1\0\1\0" + bytes(30),
    "QOI": b"qoif" + bytes(30),
    "colour PFM": b"PF\n1 1\n-1.0\n" + bytes(12),
}


@pytest.mark.parametrize("format", PILLOWS)
def test_formats_are_told_from_the_bytes(photo: np.ndarray, format: str) -> None:
    data = saved(photo, format)
    assert image.format_of(data) == format
    assert image.format_of(data[:64]) == format
    assert image.decode(data).format == format
    assert format in image.READABLE


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_netpbms_of_all_kinds(photo: np.ndarray, mode: str) -> None:
    assert image.format_of(saved(Pillow.fromarray(photo).convert(mode), "PPM")) == "PPM"


@pytest.mark.parametrize("data", [b"", b"P", b"plain text", b"%PDF-1.7", bytes(100), b"RIFF\0\0\0\0WAVE", b"PK\3\4"])
def test_other_files_have_no_format(data: bytes) -> None:
    assert image.format_of(data) is None


@pytest.mark.parametrize("name", NAMED)
def test_formats_that_are_not_read_are_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert image.format_of(NAMED[name]) == name
    with pytest.raises(FileError, match=f"is a {name} file, which stego") as raised:
        image.decode(NAMED[name])
    assert raised.value.hint


def test_heic_is_read_where_its_package_is(photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is played by one that keeps a PNG in a HEIC file."""

    def opener(fp: io.BytesIO, filename: str) -> Pillow.Image:
        return Pillow.open(io.BytesIO(fp.read()[len(NAMED["HEIC"]) :]), formats=("PNG",))

    def register() -> None:
        monkeypatch.setitem(Pillow.OPEN, "HEIF", (opener, None))

    monkeypatch.setitem(sys.modules, "pillow_heif", SimpleNamespace(register_heif_opener=register))
    data = NAMED["HEIC"] + saved(photo)
    assert np.array_equal(image.decode(data).pixels, photo)
    with pytest.raises(FileError, match="too large"):
        image.decode(data, max_pixels=1000)
    with pytest.raises(FileError, match="damaged"):
        image.decode(data[:-4000])


UNSUPPORTED = {
    "header of BMP": b"BM" + struct.pack("<III", 100, 0, 54) + struct.pack("<I", 77) + bytes(100),
    "compression of BMP": b"BM" + struct.pack("<IIIIiiHHI", 100, 0, 54, 40, 4, 4, 1, 24, 9) + bytes(100),
    "JPEG of 12 bits": b"\xff\xd8\xff\xc0\0\x11\x0c\0\x10\0\x10\3\1\x11\0\2\x11\0\3\x11\0\xff\xd9",
}


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_unsupported_files_are_not_called_damaged(kind: str) -> None:
    with pytest.raises(FileError, match=r"is a (BMP|JPEG) file of a kind that is not supported: ") as raised:
        image.decode(UNSUPPORTED[kind], "cover a.bmp")
    assert str(raised.value).startswith("cover a.bmp")
    assert raised.value.hint == "convert it to PNG"


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate"])
def test_damage_is_told_by_an_error_alone(
    photo: np.ndarray, compression: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """libtiff and Pillow's log would write to standard error."""
    data = bytearray(saved(photo, "TIFF", compression=compression))
    data[60:4000] = bytes(3940)
    for cut in (bytes(data), bytes(data)[: len(data) // 2]):
        with pytest.raises(FileError, match="damaged"):
            image.decode(cut)
    assert capfd.readouterr() == ("", "")


# Damaged metadata of JPEGs; those of PNGs are in test_pictures_png


@pytest.mark.parametrize("marker", [0xE1, 0xE2, 0xED, 0xEE, 0xFE])
@pytest.mark.parametrize(
    "content",
    [b"", b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"ICC_PROFILE\0\1\1junk",
     b"ICC_PROFILE\0\7\2" + SRGB[:60], b"MPF\0MM\0*\0\0\0\x08\0\1", b"Photoshop 3.0\x008BIM\4\4\xff",
     b"http://ns.adobe.com/xap/1.0/\0<x"],
    ids=["empty", "exif", "tiff", "icc", "profile", "mpf", "photoshop", "xmp"],
)  # fmt: skip
def test_damaged_segments_refuse_no_jpeg(photo: np.ndarray, marker: int, content: bytes) -> None:
    plain = saved(photo, "JPEG")
    segment = bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content
    picture = image.decode(plain[:2] + segment + plain[2:])
    assert np.array_equal(picture.pixels, image.decode(plain).pixels)


def test_segments_without_metadata(photo: np.ndarray) -> None:
    exif = Pillow.Exif()
    exif[0x010E] = "Amundsen"
    lean = formats.without_metadata(saved(photo, "JPEG", exif=exif, comment=b"Nansen", icc_profile=SRGB), "JPEG")
    assert lean is not None
    assert lean == saved(photo, "JPEG")
    assert formats.without_metadata(saved(photo, "TIFF"), "TIFF") is None


# Notes


@pytest.mark.parametrize(
    ("format", "several"), [("GIF", "frames"), ("PNG", "frames"), ("WEBP", "frames"), ("TIFF", "pictures in the file"),
                            ("AVIF", "frames"), ("MPO", "pictures in the file")],
)  # fmt: skip
def test_what_is_left_out_is_said(photo: np.ndarray, format: str, several: str) -> None:
    frames = [Pillow.fromarray(np.ascontiguousarray(p)) for p in (photo, 255 - photo, photo[::-1])]
    picture = image.decode(saved(frames[0], format, save_all=True, append_images=frames[1:]))
    assert f"only the first of 3 {several} is used" in picture.notes
    assert not picture.exact
    assert np.abs(picture.pixels.astype(int) - photo).mean() < 12


# Bounds


@pytest.mark.parametrize(("most", "fits"), [(128 * 128, True), (128 * 128 - 1, False), (1, False)])
@pytest.mark.parametrize("format", PILLOWS)
def test_pixels_are_counted(photo: np.ndarray, format: str, most: int, fits: bool) -> None:
    data = saved(photo, format)
    if fits:
        assert image.decode(data, max_pixels=most).width == 128
        return
    with pytest.raises(FileError, match="cover is too large: the most is"):
        image.decode(data, "cover", max_pixels=most)


def zeros(width: int, height: int) -> bytes:
    """A PNG of one colour, small as a file and large as a picture."""
    return png(width, height, 8, 2, bytes(height * (width * 3 + 1)))


def test_small_files_that_grow_large_are_refused_before_they_grow() -> None:
    data = zeros(3000, 3000)
    assert len(data) < 40_000
    tracemalloc.start()
    with pytest.raises(FileError, match="too large: the most is 8 megapixels"):
        image.decode(data, max_pixels=8_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("extra", [b"iCCP", b"zTXt", b"iTXt"])
def test_metadata_that_grow_large_are_not_inflated(extra: bytes) -> None:
    packed = zlib.compress(bytes(30_000_000), 1)
    head = {b"iCCP": b"x\0\0", b"zTXt": b"x\0\0", b"iTXt": b"x\0\1\0\0\0"}[extra]
    data = zeros(8, 8)
    tracemalloc.start()
    picture = image.decode(data[:33] + chunk(extra, head + packed) + data[33:])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert picture.icc_profile is None
    assert peak < 8_000_000


def test_bytes_are_counted(tmp_path: Path) -> None:
    """A sparse file: had it been read whole, the test would take its gigabytes."""
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.truncate(6 * 2**30)
    with pytest.raises(FileError, match="is too large"):
        image.load(path, "cover", max_pixels=1000)
    assert image.most_bytes(100) == 800 + 2**24


# Before the work


@pytest.mark.parametrize(
    ("shape", "alpha", "format", "message"),
    [((4, 4), True, "BMP", "BMP cannot keep an alpha channel"), ((4, 4), True, "JPEG", "JPEG cannot keep an alpha"),
     ((16384, 1), False, "WEBP", "at most 16383 pixels"), ((1, 65501), False, "JPEG", "at most 65500 pixels"),
     ((4, 4), True, "PNG", ""), ((4, 4), True, "TIFF", ""), ((16384, 1), False, "PNG", "")],
)  # fmt: skip
def test_what_cannot_be_written_is_known_before(shape: tuple[int, int], alpha: bool, format: str, message: str) -> None:
    picture = image.Picture(np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8) if alpha else None)
    if not message:
        image.check(picture, format)
        return
    with pytest.raises(FileError, match=message) as raised:
        image.check(picture, format)
    assert "write .png" in str(raised.value.hint)
