"""TIFF files: a stego has the structure of its cover."""

from __future__ import annotations

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from picture_helpers import SRGB, saved
from PIL import Image as Pillow

from stegcli.pictures import image, tiff

LZW, DEFLATE = "tiff_lzw", "tiff_adobe_deflate"


def photo(channels: int = 3) -> np.ndarray:
    y, x = np.mgrid[:53, :70]
    waves = 128 + 60 * np.sin(x / 9)[..., None] + 40 * np.cos(y / 13)[..., None] + np.arange(channels)
    samples = (waves + np.random.default_rng(0).normal(0, 3, waves.shape)).astype(np.uint8)
    return samples[..., 0] if channels == 1 else samples


def by_tifffile(samples: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **{"metadata": None, "software": False, "photometric": "rgb"} | options)
    return buffer.getvalue()


FILES = {
    "plain": saved(photo(), "TIFF"),
    "grey": saved(photo(1), "TIFF", dpi=(300, 300)),
    "alpha": saved(photo(4), "TIFF", compression=LZW),
    "grey alpha": saved(photo(2), "TIFF"),
    "LZW": saved(photo(), "TIFF", compression=LZW, strip_size=2000, dpi=(72, 72)),
    "LZW, differences": saved(photo(), "TIFF", compression=LZW, tiffinfo={317: 2}),
    "Deflate": saved(photo(), "TIFF", compression=DEFLATE, strip_size=3000),
    "Deflate, differences": saved(photo(4), "TIFF", compression=DEFLATE, tiffinfo={317: 2}),
    "PackBits": saved(photo(1), "TIFF", compression="packbits"),
    "profile": saved(photo(), "TIFF", icc_profile=SRGB),
    "big-endian": by_tifffile(photo(), byteorder=">"),
    "strips": by_tifffile(photo(), rowsperstrip=16, resolution=(72, 72)),
    "tiles": by_tifffile(photo(), tile=(32, 16)),
    "big-endian tiles, Deflate": by_tifffile(photo(), tile=(16, 32), compression="zlib", byteorder=">"),
    "planes": by_tifffile(photo().transpose(2, 0, 1), planarconfig="separate", rowsperstrip=10),
    "white is zero": by_tifffile(photo(1), photometric="miniswhite"),
}


@pytest.mark.parametrize("name", FILES)
def test_the_same_pixels_give_the_same_file(name: str) -> None:
    picture = image.decode(FILES[name])
    assert isinstance(picture.style, tiff.Style)
    assert image.encode(picture, "TIFF") == FILES[name]


@pytest.mark.parametrize("name", FILES)
def test_a_changed_picture_has_the_structure_of_its_cover(name: str) -> None:
    cover = image.decode(FILES[name])
    changed = replace(cover, pixels=np.where(cover.pixels > 100, cover.pixels - 1, cover.pixels))
    file = image.encode(changed, "TIFF")
    back = image.decode(file)
    assert np.array_equal(back.pixels, changed.pixels)
    assert (back.alpha is None) == (cover.alpha is None)
    with Pillow.open(io.BytesIO(file)) as opened:  # by another reader than ours
        assert opened.size == (cover.width, cover.height)
    assert isinstance(cover.style, tiff.Style)
    assert isinstance(back.style, tiff.Style)
    for tag in cover.style.values.keys() - {*cover.style.places}:
        assert back.style.values[tag] == cover.style.values[tag]
    assert back.style.types == cover.style.types
    assert (back.style.order, back.style.ahead, back.style.behind) == (
        cover.style.order, cover.style.ahead, cover.style.behind,
    )  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"compression": LZW}])
def test_tags_of_the_author_and_the_program_are_left_out(options: dict[str, str]) -> None:
    told = {270: "a caption", 271: "maker", 305: "a program", 306: "2026:01:01 00:00:00", 315: "author"}
    file = saved(photo(), "TIFF", tiffinfo=told, **options)
    written = image.encode(image.decode(file), "TIFF")
    assert not any(text.encode() in written for text in told.values())
    assert written == saved(photo(), "TIFF", **options)


def test_deep_samples_keep_their_strips() -> None:
    deep = by_tifffile(photo().astype(np.uint16) * 257, rowsperstrip=16)
    assert image.encode(image.decode(deep), "TIFF") == by_tifffile(photo(), rowsperstrip=16)


@pytest.mark.parametrize(
    "file",
    [
        saved(photo(), "TIFF", compression="jpeg"),
        saved(Pillow.fromarray(photo()).convert("CMYK"), "TIFF"),
        saved(Pillow.fromarray(photo()).quantize(16), "TIFF"),
        by_tifffile(photo(), bigtiff=True),
        by_tifffile(photo(4), extrasamples=["assocalpha"]),
        saved(photo(), "TIFF", tiffinfo={274: 6}),
    ],
    ids=["JPEG", "CMYK", "palette", "BigTIFF", "multiplied alpha", "turned"],
)
def test_other_kinds_are_written_by_pillow(file: bytes) -> None:
    picture = image.decode(file)
    assert picture.style is None
    assert np.array_equal(image.decode(image.encode(picture, "TIFF")).pixels, picture.pixels)


def test_the_structure_of_another_size_is_not_taken() -> None:
    picture = image.decode(FILES["LZW"])
    small = replace(picture, pixels=picture.pixels[:40, :40])
    assert image.decode(image.encode(small, "TIFF")).pixels.shape == (40, 40, 3)


@pytest.mark.parametrize("place", range(0, 400, 7))
def test_damaged_directories_raise_nothing(place: int) -> None:
    damaged = bytearray(FILES["big-endian"])
    damaged[place] ^= 0xFF
    found = tiff.style(bytes(damaged))
    assert found is None or found.order in "<>"


def test_a_tag_longer_than_its_file_is_refused() -> None:
    entry = struct.pack("<HHLL", 273, 4, 1 << 30, 8)
    assert tiff.style(b"II*\0" + struct.pack("<LH", 8, 1) + entry + bytes(4)) is None
