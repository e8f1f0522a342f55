"""PNG files: written as libpng does by default, or as the cover was."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from picture_helpers import SRGB, alpha_of, chunk, png16, saved
from picture_helpers import png as by_hand
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from stegcli.errors import FileError
from stegcli.pictures import image, png
from stegcli.pictures.image import Picture

TRIALS = Path(__file__).parent / "trials"
P3 = bytes([12, 13, 0, 1])


def names(data: bytes) -> list[bytes]:
    return [name for name, _, _ in png.chunks(data)]


def stream(data: bytes) -> bytes:
    return b"".join(content for name, content, _ in png.chunks(data) if name == b"IDAT")


def sizes(data: bytes) -> list[int]:
    return [len(content) for name, content, _ in png.chunks(data) if name == b"IDAT"]


def filters(data: bytes) -> set[int]:
    """The filters of the rows, of 8-bit samples."""
    width = struct.unpack_from(">I", data, 16)[0] * {0: 1, 2: 3, 4: 2, 6: 4}[data[25]]
    return set(zlib.decompress(stream(data))[:: width + 1])


def with_chunks(data: bytes, *extra: bytes) -> bytes:
    """A PNG file with more chunks behind its header."""
    return data[:33] + b"".join(extra) + data[33:]


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


# Writing


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (64, 65), (129, 70)])
@pytest.mark.parametrize("filter", [None, 0, 1, 2, 3, 4])
def test_samples_come_back(shape: tuple[int, int], channels: int, filter: int | None) -> None:
    samples = noise(*shape, channels)
    data = png.write(samples, style=png.Style(filter=filter))
    opened = Pillow.open(io.BytesIO(data))
    assert opened.mode == {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    assert np.array_equal(np.asarray(opened).reshape(samples.shape), samples)
    if filter is not None:
        assert filters(data) == {filter}


@pytest.mark.parametrize("name", ["libpng_rgb.png", "libpng_grey.png", "libpng_small.png"])
def test_written_as_libpng_does(name: str) -> None:
    """Files by libpng 1.6.39's png_write_row with its defaults. zlib's releases may differ in the bytes between."""
    theirs = (TRIALS / name).read_bytes()
    ours = image.encode(image.decode(theirs))
    assert zlib.decompress(stream(ours)) == zlib.decompress(stream(theirs))
    assert stream(ours)[:2] == stream(theirs)[:2]
    assert names(ours) == names(theirs)
    assert sizes(ours)[:-1] == sizes(theirs)[:-1]


@pytest.mark.parametrize(
    ("shape", "header"),
    [((512, 512, 3), "789c"), ((75, 73, 3), "789c"), ((64, 64, 3), "6881"), ((40, 50, 3), "5885"),
     ((33, 31, 3), "4889"), ((30, 30, 1), "2891"), ((5, 5, 1), "0899")],
)  # fmt: skip
def test_header_of_zlib_is_libpngs(shape: tuple[int, int, int], header: str) -> None:
    data = png.write(noise(*shape))
    assert stream(data)[:2].hex() == header
    assert np.asarray(Pillow.open(io.BytesIO(data))).size == np.prod(shape)


def test_default_is_that_of_libpng_and_not_pillows() -> None:
    data = image.encode(Picture(noise(300, 300)))
    assert set(sizes(data)[:-1]) == {8192}
    assert stream(data)[:2] == b"\x78\x9c"
    assert set(names(data)) == {b"IHDR", b"IDAT", b"IEND"}


def test_photos_take_several_filters(photo: np.ndarray) -> None:
    assert len(filters(image.encode(Picture(photo)))) >= 3


# In the style of the cover


@pytest.mark.parametrize(("level", "header"), [(1, "7801"), (4, "785e"), (6, "789c"), (9, "78da")])
def test_level_of_the_cover_is_kept(photo: np.ndarray, level: int, header: str) -> None:
    cover = saved(photo, compress_level=level)
    stego = image.encode(image.decode(cover))
    assert stream(cover)[:2].hex() == stream(stego)[:2].hex() == header


@pytest.mark.parametrize(
    ("size", "expected"), [(8192, 8192), (16384, 16384), (32768, 32768), (65536, 65536), (10**6, 10**6), (5000, 5000)]
)
def test_chunk_size_of_the_cover_is_kept(size: int, expected: int) -> None:
    pixels = noise(400, 300)
    cover = png.write(pixels, style=png.Style(chunk=size))
    picture = image.decode(cover)
    stego = image.encode(picture)
    assert sizes(stego)[:-1] == sizes(cover)[:-1]
    assert len(sizes(stego)) == len(sizes(cover))


@pytest.mark.parametrize("side", [40, 52, 100, 147, 149, 200])
def test_a_single_chunk_stays_one(side: int) -> None:
    """Streams of 5,000 to 120,000 bytes, also just below the buffers of libpng and of Pillow."""
    cover = png.write(noise(side, side), style=png.Style(chunk=2**31 - 1))
    assert len(sizes(cover)) == 1
    assert len(sizes(image.encode(image.decode(cover)))) == 1


@pytest.mark.parametrize("filter", [None, 0, 1, 2, 3, 4])
def test_filter_of_the_cover_is_kept(photo: np.ndarray, filter: int | None) -> None:
    cover = png.write(photo, style=png.Style(filter=filter))
    stego = image.encode(image.decode(cover))
    assert filters(stego) == filters(cover)
    assert zlib.decompress(stream(stego)) == zlib.decompress(stream(cover))


@pytest.mark.parametrize("narrow", [True, False])
def test_window_of_small_covers_is_kept(narrow: bool) -> None:
    cover = png.write(noise(32, 32), style=png.Style(narrow=narrow))
    assert stream(image.encode(image.decode(cover)))[:2] == stream(cover)[:2]


def test_chunks_for_colours_and_resolution_stay_in_order(photo: np.ndarray) -> None:
    """What says who made the file does not."""
    kept = [chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1)), chunk(b"gAMA", struct.pack(">I", 45455)),
            chunk(b"sRGB", b"\0")]  # fmt: skip
    dropped = [chunk(b"tEXt", b"Author\0Amundsen"), chunk(b"tIME", bytes([7, 208, 1, 1, 0, 0, 0]))]
    cover = with_chunks(saved(photo), kept[0], dropped[0], kept[1], dropped[1], kept[2])
    stego = image.encode(image.decode(cover))
    assert [n for n in names(stego) if n != b"IDAT"] == [b"IHDR", b"pHYs", b"gAMA", b"sRGB", b"IEND"]
    assert all(k in stego for k in kept)


def test_profile_keeps_its_name(photo: np.ndarray) -> None:
    content = b"Camera of its owner\0\0" + zlib.compress(SRGB, 1)
    cover = with_chunks(saved(photo), chunk(b"iCCP", content))
    picture = image.decode(cover)
    assert picture.icc_profile == SRGB
    assert chunk(b"iCCP", content) in image.encode(picture)


def test_profile_of_another_format_gets_the_usual_name(photo: np.ndarray) -> None:
    picture = image.decode(saved(photo, "TIFF", icc_profile=SRGB))
    written = image.encode(picture)
    assert b"iCCPICC Profile\0" in written
    assert image.decode(written).icc_profile == SRGB


@pytest.mark.parametrize("format", ["TIFF", "BMP", "WEBP", "JPEG"])
def test_covers_of_other_formats_are_written_as_by_libpng(photo: np.ndarray, format: str) -> None:
    picture = image.decode(saved(photo, format))
    assert not isinstance(picture.style, png.Style)
    assert stream(image.encode(picture))[:2] == b"\x78\x9c"


@pytest.mark.parametrize(
    "data",
    [png.SIGNATURE, saved(noise(9, 9))[:40], by_hand(4, 4, 8, 2, b""), by_hand(0, 0, 8, 2, b""),
     by_hand(4, 4, 8, 7, b"ab"), png.SIGNATURE + chunk(b"IDAT", b"junk"), with_chunks(saved(noise(9, 9)))[:-30]],
)  # fmt: skip
def test_style_of_damaged_files_is_some_style(data: bytes) -> None:
    found = png.facts(data)
    assert found.style.level in (1, 5, 6, 9)
    assert found.style.filter in (None, 0, 1, 2, 3, 4)


@pytest.mark.parametrize("depth", [1, 2, 4, 16])
def test_files_of_other_depths_have_a_style(depth: int) -> None:
    data = png16(noise(20, 20).astype(np.uint16)) if depth == 16 else by_hand(8, 8, depth, 0, bytes(9) * 8)
    assert png.facts(data).depth == depth
    assert png.facts(data).style.filter is None


# Damaged metadata


BROKEN = [b"tEXt", b"zTXt", b"iTXt", b"gAMA", b"cHRM", b"pHYs", b"iCCP", b"eXIf", b"tIME", b"sRGB", b"cICP"]


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 40, b"name\0\0" + b"\x12" * 30, b"name\0\x07abc"])
@pytest.mark.parametrize("sound", [True, False], ids=["sound checksum", "wrong checksum"])
def test_damaged_metadata_refuse_no_picture(photo: np.ndarray, name: bytes, content: bytes, sound: bool) -> None:
    small = np.ascontiguousarray(photo[:20, :20])
    extra = chunk(name, content)
    picture = image.decode(with_chunks(saved(small), extra if sound else extra[:-1] + bytes([extra[-1] ^ 1])))
    assert np.array_equal(picture.pixels, small)
    if not sound:
        assert "damaged metadata were ignored" in " ".join(picture.notes)
    written = image.encode(picture)
    assert np.array_equal(image.decode(written).pixels, small)


@pytest.mark.parametrize("name", [b"IHDR", b"PLTE", b"IDAT"])
def test_damage_to_what_pixels_need_is_not_ignored(photo: np.ndarray, name: bytes) -> None:
    data = bytearray(saved(Pillow.fromarray(photo).quantize(16)))
    place = data.index(name) + 5
    data[place] ^= 1
    with pytest.raises(FileError, match="damaged"):
        image.decode(bytes(data))


def test_inflated_profiles_are_bounded() -> None:
    assert png.profile_in(b"x\0\0" + zlib.compress(bytes(png.MOST_PROFILE + 1))) is None
    assert png.profile_in(b"x\0\0" + zlib.compress(SRGB)) == SRGB
    assert png.profile_in(b"no zlib here") is None


def test_orientation_and_texts_of_the_cover_are_gone(photo: np.ndarray) -> None:
    text, exif = PngInfo(), Pillow.Exif()
    text.add_text("Author", "Amundsen")
    exif[0x0112] = 6
    stego = image.encode(image.decode(saved(photo, pnginfo=text, exif=exif)))
    assert set(names(stego)) == {b"IHDR", b"IDAT", b"IEND"}


@pytest.mark.parametrize(("orientation", "kept"), [(1, True), (3, True), (6, False), (8, False)])
def test_resolution_is_dropped_where_it_would_be_turned(photo: np.ndarray, orientation: int, kept: bool) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    data = saved(np.ascontiguousarray(photo[:40]), exif=exif)
    resolution = chunk(b"pHYs", struct.pack(">IIB", 2835, 1417, 1))
    assert (resolution in image.encode(image.decode(with_chunks(data, resolution)))) == kept


def test_alpha_is_written_with_grey_and_colour(photo: np.ndarray) -> None:
    grey = np.repeat(photo[..., :1], 3, axis=2)
    both = image.encode(Picture(grey, alpha_of(photo), grey=True))
    assert Pillow.open(io.BytesIO(both)).mode == "LA"
    assert Pillow.open(io.BytesIO(image.encode(Picture(photo, alpha_of(photo), grey=True)))).mode == "RGBA"
