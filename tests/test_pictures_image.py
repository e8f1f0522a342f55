"""What picture files become, and what is written."""

from __future__ import annotations

import io
import itertools
import random
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from picture_helpers import FORMATS, SRGB, WITH_ALPHA, alpha_of, png, png16, saved
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from stegcli.errors import FileError
from stegcli.nn import tensors
from stegcli.pictures import image
from stegcli.pictures.image import Picture

# Reading


@pytest.mark.parametrize("format", [*FORMATS, "PPM"])
def test_lossless_formats_are_read_exactly(photo: np.ndarray, format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    picture = image.decode(saved(photo, format, **options))
    assert np.array_equal(picture.pixels, photo)
    assert picture.pixels.dtype == np.uint8
    assert (picture.height, picture.width) == photo.shape[:2]
    assert (picture.alpha, picture.icc_profile, picture.notes) == (None, None, ())


def test_jpeg_is_read(photo: np.ndarray) -> None:
    picture = image.decode(saved(photo, "JPEG", quality=95, subsampling=0))
    assert np.abs(picture.pixels.astype(int) - photo).mean() < 3
    assert picture.notes == ()


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_avif_is_read(photo: np.ndarray, subsampling: str) -> None:
    picture = image.decode(saved(photo, "AVIF", quality=95, subsampling=subsampling))
    assert np.abs(picture.pixels.astype(int) - photo).mean() < 3
    assert (picture.alpha, picture.notes, picture.jpeg) == (None, (), None)


def test_alpha_of_avif_is_read(photo: np.ndarray) -> None:
    both = np.dstack([photo, alpha_of(photo)])
    picture = image.decode(saved(both, "AVIF", quality=100))
    assert picture.alpha is not None
    assert np.abs(picture.alpha.astype(int) - alpha_of(photo)).mean() < 5


def test_load(photo: np.ndarray, photo_file: Path) -> None:
    assert np.array_equal(image.load(photo_file).pixels, photo)


def test_load_standard_input(photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(saved(photo))))
    assert np.array_equal(image.load("-").pixels, photo)


def turned(a: np.ndarray, orientation: int) -> np.ndarray:
    """What the eight values mean (Exif 2.32, 4.6.4), by hand."""
    return {
        1: a,
        2: a[:, ::-1],
        3: a[::-1, ::-1],
        4: a[::-1],
        5: a.swapaxes(0, 1),
        6: np.rot90(a, -1),
        7: a[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(a),
    }[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_exif_orientation(photo: np.ndarray, orientation: int, format: str) -> None:
    stored, exif = photo[:40, :60], Pillow.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    picture = image.decode(saved(np.ascontiguousarray(stored), format, exif=exif, **options))
    assert np.array_equal(picture.pixels, turned(stored, orientation))
    assert picture.notes == (("turned as its EXIF orientation says",) if orientation > 1 else ())
    assert picture.exact


def test_exif_orientation_of_jpeg(photo: np.ndarray) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    plain = image.decode(saved(photo[:40, :64].copy(), "JPEG"))
    picture = image.decode(saved(photo[:40, :64].copy(), "JPEG", exif=exif))
    assert np.array_equal(picture.pixels, np.rot90(plain.pixels, -1))


def test_grey(photo: np.ndarray) -> None:
    grey = photo[..., 1].copy()
    picture = image.decode(saved(grey))
    assert np.array_equal(picture.pixels, np.stack([grey] * 3, axis=2))
    assert (picture.notes, picture.grey, picture.exact) == ((), True, True)


def test_black_and_white(photo: np.ndarray) -> None:
    white = photo[..., 1] > 127
    picture = image.decode(saved(Pillow.fromarray(white)))
    assert np.array_equal(picture.pixels[..., 2], np.where(white, 255, 0))
    assert picture.notes == ("black and white became 8-bit grey",)


def test_palette(photo: np.ndarray) -> None:
    palette = Pillow.fromarray(photo).quantize(16)
    picture = image.decode(saved(palette))
    assert np.array_equal(picture.pixels, np.asarray(palette.convert("RGB")))
    assert picture.alpha is None
    assert picture.notes == ("palette became 8-bit RGB",)


def test_palette_with_transparency(photo: np.ndarray) -> None:
    palette = Pillow.fromarray(photo).quantize(16)
    picture = image.decode(saved(palette, transparency=3))
    expected = np.where(np.asarray(palette) == 3, 0, 255)
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, expected)
    assert np.array_equal(picture.pixels, np.asarray(palette.convert("RGB")))
    assert picture.notes == ("palette with transparency became RGB with alpha",)


def test_rgb_with_one_transparent_colour(photo: np.ndarray) -> None:
    colour = tuple(photo[3, 4].tolist())
    picture = image.decode(saved(photo, transparency=colour))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha == 0, (photo == colour).all(axis=2))
    assert np.array_equal(picture.pixels, photo)


def test_grey_with_alpha(photo: np.ndarray) -> None:
    both = np.dstack([photo[..., 0], alpha_of(photo)])
    picture = image.decode(saved(Pillow.fromarray(both)))
    assert picture.alpha is not None
    assert np.array_equal(picture.pixels[..., 1], photo[..., 0])
    assert np.array_equal(picture.alpha, alpha_of(photo))
    assert (picture.notes, picture.grey) == ((), True)


def test_rgba(photo: np.ndarray) -> None:
    picture = image.decode(saved(np.dstack([photo, alpha_of(photo)])))
    assert picture.alpha is not None
    assert np.array_equal(picture.pixels, photo)
    assert np.array_equal(picture.alpha, alpha_of(photo))
    assert picture.notes == ()


def test_opaque_alpha_is_none(photo: np.ndarray) -> None:
    opaque = np.full(photo.shape[:2], 255, np.uint8)
    picture = image.decode(saved(np.dstack([photo, opaque])))
    assert picture.alpha is None
    assert np.array_equal(picture.pixels, photo)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_grey_of_16_bits(format: str) -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    picture = image.decode(saved(values, format))
    assert np.array_equal(picture.pixels[..., 0], np.rint(values / 257))
    assert np.array_equal(picture.pixels[..., 0], picture.pixels[..., 2])
    assert picture.notes == ("16-bit grey became 8-bit grey",)


def test_colour_of_16_bits() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (20, 30, 4)).astype(np.uint16)
    picture = image.decode(png16(values[..., :3]))
    assert np.array_equal(picture.pixels, values[..., :3] >> 8)
    assert picture.notes == ("16-bit colour became 8-bit RGB",)
    picture = image.decode(png16(values))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, values[..., 3] >> 8)
    assert picture.notes == ("16-bit colour became 8-bit RGB",)


def test_cmyk(photo: np.ndarray) -> None:
    cmyk = Pillow.fromarray(photo).convert("CMYK")
    picture = image.decode(saved(cmyk, "TIFF"))
    assert np.array_equal(picture.pixels, np.asarray(cmyk.convert("RGB")))
    assert picture.notes == ("CMYK became 8-bit RGB: it has no colour profile, so its colours are a guess",)
    assert not picture.exact


def test_animation(photo: np.ndarray) -> None:
    frames = [Pillow.fromarray(p).quantize(64) for p in (photo, 255 - photo, photo[::-1])]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    picture = image.decode(data)
    assert np.array_equal(picture.pixels, np.asarray(frames[0].convert("RGB")))
    assert "only the first of 3 frames is used" in picture.notes


def test_tiny() -> None:
    one = np.array([[[1, 2, 3]]], np.uint8)
    assert image.decode(saved(one)).pixels.tolist() == [[[1, 2, 3]]]


# How a JPEG rounded


@pytest.mark.parametrize("halved", [False, True], ids=["4:4:4", "4:2:0"])
def test_every_quality_is_told_from_its_tables(photo: np.ndarray, halved: bool) -> None:
    small = np.ascontiguousarray(photo[:16, :16])
    for quality in range(1, 101):
        jpeg = image.decode(saved(small, "JPEG", quality=quality, subsampling=2 if halved else 0)).jpeg
        assert jpeg is not None
        assert jpeg.quality == quality
        assert jpeg.halved == halved
        assert jpeg.luminance.shape == jpeg.colours.shape == (8, 8)


def test_steps_are_those_of_the_standard_vertical_frequency_first() -> None:
    """T.81, Tables K.1 and K.2, which libjpeg has at quality 50."""
    jpeg = image.quantisation_of(50)
    assert jpeg.luminance[0].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]
    assert jpeg.luminance[:, 0].tolist() == [16, 12, 14, 14, 18, 24, 49, 72]
    assert jpeg.colours[:3, :3].tolist() == [[17, 18, 24], [18, 21, 26], [24, 26, 56]]


@pytest.mark.parametrize("quality", [1, 5, 40, 75, 90, 99, 100])
def test_quantisation_of_a_quality_is_that_of_pillows_files(photo: np.ndarray, quality: int) -> None:
    expected = image.decode(saved(photo, "JPEG", quality=quality)).jpeg
    found = image.quantisation_of(quality)
    assert expected is not None
    assert np.array_equal(found.luminance, expected.luminance)
    assert np.array_equal(found.colours, expected.colours)
    assert found.halved == expected.halved
    assert found.halved
    assert found.quality == quality


def test_quality_100_rounds_to_whole_coefficients() -> None:
    jpeg = image.quantisation_of(100)
    assert (jpeg.luminance == 1).all()
    assert (jpeg.colours == 1).all()


def test_lower_qualities_have_larger_steps() -> None:
    found = [image.quantisation_of(q) for q in (95, 80, 60, 40, 20, 5)]
    for finer, coarser in itertools.pairwise(found):
        assert (coarser.luminance >= finer.luminance).all()
        assert (coarser.colours >= finer.colours).all()


def test_tables_of_ones_own_are_read_as_they_are(photo: np.ndarray) -> None:
    """As cameras and photo programs write them: the quality is then the nearest."""
    luminance, colours = ([*range(a, a + 64)] for a in (1, 100))
    jpeg = image.decode(saved(photo, "JPEG", qtables=[luminance, colours])).jpeg
    assert jpeg is not None
    assert jpeg.luminance.reshape(-1).tolist() == luminance
    assert jpeg.colours.reshape(-1).tolist() == colours
    assert 60 < jpeg.quality < 90


def test_one_table_for_all_is_read(photo: np.ndarray) -> None:
    jpeg = image.decode(saved(photo, "JPEG", qtables=[[7] * 64])).jpeg
    assert jpeg is not None
    assert (jpeg.luminance == 7).all()
    assert (jpeg.colours == 7).all()


@pytest.mark.parametrize("format", [*FORMATS, "GIF", "PPM", "AVIF"])
def test_other_formats_tell_of_no_rounding(photo: np.ndarray, format: str) -> None:
    assert image.decode(saved(photo, format)).jpeg is None


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpegs_without_rgb_tell_of_no_rounding(photo: np.ndarray, mode: str) -> None:
    assert image.decode(saved(Pillow.fromarray(photo).convert(mode), "JPEG")).jpeg is None


# What cannot be read


@pytest.mark.parametrize("format", [*FORMATS, "JPEG", "GIF", "PPM"])
@pytest.mark.parametrize("part", [0.03, 0.5, 0.95])
def test_cut_short(photo: np.ndarray, format: str, part: float) -> None:
    data = saved(photo, format)
    with pytest.raises(FileError, match=r"damaged or cut short|not a picture"):
        image.decode(data[: int(part * len(data))])


@pytest.mark.parametrize("data", [b"just some text\n", b"\x89PNG\r\n\x1a\n", b"GIF89a", bytes(1000), b"%PDF-1.7\n"])
def test_not_a_picture(data: bytes) -> None:
    with pytest.raises(FileError, match=r"damaged or cut short|not a picture"):
        image.decode(data)


def test_empty_file_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    with pytest.raises(FileError, match=r"cover .*empty\.png is empty"):
        image.load(tmp_path / "empty.png", "cover")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot read cover"):
        image.load(tmp_path / "absent.png", "cover")


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (11_000, 10_000), (2**31 - 1, 1)])
def test_too_many_pixels(width: int, height: int) -> None:
    """The header is enough to tell: its pixels are not there at all."""
    with pytest.raises(FileError, match="too large: the most is 100 megapixels"):
        image.decode(png(width, height, 8, 2, b""))


def test_the_limit_can_be_moved() -> None:
    large = png(11_000, 11_000, 8, 2, b"")
    with image.pixels_limited(120_000_000):
        with pytest.raises(FileError, match="too large: the most is 120 megapixels"):
            image.decode(large)
        assert image.most_bytes() == 8 * 120_000_000 + 2**24
        with pytest.raises(FileError, match="too large: the most is 2 megapixels"):
            image.decode(large, max_pixels=2_000_000)
    with pytest.raises(FileError, match="too large: the most is 100 megapixels"):
        image.decode(large)


def test_second_page_without_dimensions(photo: np.ndarray) -> None:
    """Pillow meets a TIFF directory without a width by a TypeError."""
    data = bytearray(saved(photo, "TIFF"))
    (first,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * entries, len(data))
    picture = image.decode(bytes(data + bytes(6)))
    assert np.array_equal(picture.pixels, photo)
    assert picture.notes == ("what follows its first picture is damaged and was ignored",)


def test_random_damage_never_escapes_as_another_error(photo: np.ndarray) -> None:
    rng, small = random.Random(2), np.ascontiguousarray(photo[:24, :24])
    originals, refused = [saved(small, f) for f in [*FORMATS, "JPEG", "GIF", "PPM"]], 0
    for _ in range(700):
        data = bytearray(rng.choice(originals))
        for _ in range(rng.choice([1, 3, 10])):
            data[rng.randrange(min(len(data), rng.choice([40, 200, 10**6])))] = rng.randrange(256)
        try:
            image.decode(bytes(data))
        except FileError:
            refused += 1
    assert refused > 100


# Writing


@pytest.mark.parametrize("format", FORMATS)
def test_round_trip(photo: np.ndarray, format: str) -> None:
    assert np.array_equal(image.decode(image.encode(Picture(photo), format)).pixels, photo)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (13, 1), (33, 31)])
def test_round_trip_of_noise_in_odd_sizes(format: str, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert np.array_equal(image.decode(image.encode(Picture(noise), format)).pixels, noise)


@pytest.mark.parametrize("format", WITH_ALPHA)
def test_alpha_is_kept(photo: np.ndarray, format: str) -> None:
    """So are the colours under what is fully transparent: they carry payload."""
    alpha = alpha_of(photo)
    alpha[:64] = 0
    picture = image.decode(image.encode(Picture(photo, alpha), format))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, alpha)
    assert np.array_equal(picture.pixels, photo)


@pytest.mark.parametrize("format", ["BMP", "JPEG"])
def test_alpha_does_not_fit_into(photo: np.ndarray, format: str) -> None:
    with pytest.raises(FileError, match=f"{format} cannot keep an alpha channel"):
        image.encode(Picture(photo, alpha_of(photo)), format)


@pytest.mark.parametrize("quality", [1, 40, 75, 95, 100])
def test_jpeg_is_written_at_the_quality_asked_for(photo: np.ndarray, quality: int) -> None:
    picture = image.decode(image.encode(Picture(photo), "JPEG", quality))
    assert picture.jpeg is not None
    assert picture.jpeg.quality == quality
    assert picture.jpeg.halved
    assert np.array_equal(picture.pixels, np.asarray(Pillow.open(io.BytesIO(saved(photo, "JPEG", quality=quality)))))


def test_jpeg_is_written_at_90_by_default(photo: np.ndarray) -> None:
    assert image.encode(Picture(photo), "JPEG") == image.encode(Picture(photo), "JPEG", 90)
    assert image.encode(Picture(photo), "PNG", 1) == image.encode(Picture(photo), "PNG", 100)


def test_colour_profile_of_jpeg_is_kept(photo: np.ndarray) -> None:
    assert image.decode(image.encode(Picture(photo, None, SRGB), "JPEG")).icc_profile == SRGB


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 300), (128, 128), (256, 40)])
def test_resized(photo: np.ndarray, width: int, height: int) -> None:
    made = image.resized(photo, width, height)
    assert made.shape == (height, width, 3)
    assert made.dtype == np.uint8
    assert made.mean() == pytest.approx(photo.mean(), abs=6)
    grey = np.full((5, 9, 3), 77, np.uint8)
    assert (image.resized(grey, width, height) == 77).all()


@pytest.mark.parametrize("format", WITH_ALPHA)
def test_colour_profile_is_kept(photo: np.ndarray, format: str) -> None:
    picture = image.decode(saved(photo, icc_profile=SRGB))
    assert picture.icc_profile == SRGB
    assert image.decode(image.encode(picture, format)).icc_profile == SRGB


def test_profile_of_other_samples_is_dropped(photo: np.ndarray) -> None:
    """A profile for CMYK samples would spoil the RGB picture that they became."""
    cmyk = SRGB[:16] + b"CMYK" + SRGB[20:]
    assert image.decode(saved(Pillow.fromarray(photo).convert("CMYK"), "JPEG", icc_profile=cmyk)).icc_profile is None


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("source", ["JPEG", "PNG"])
def test_nothing_personal_is_written(photo: np.ndarray, source: str, format: str) -> None:
    exif, text, secret = Pillow.Exif(), PngInfo(), "Amundsen"
    exif[0x010E] = exif[0x013B] = secret  # description, artist
    exif.get_ifd(0x8825).update({1: "N", 2: (69.0, 38.0, 57.0), 29: secret})  # GPS
    text.add_text("Author", secret)
    options = {"comment": secret} if source == "JPEG" else {"pnginfo": text}
    data = saved(photo, source, exif=exif, **options)
    assert data.count(secret.encode()) >= 4
    written = image.encode(image.decode(data), format)
    assert secret.encode() not in written
    opened = Pillow.open(io.BytesIO(written))
    assert not opened.getexif().get_ifd(0x8825)
    assert not {"exif", "comment", "xmp", "Author"} & opened.info.keys()


def test_picture_too_large_for_webp() -> None:
    with pytest.raises(FileError, match="WEBP takes at most 16383 pixels a side, not 16384x1"):
        image.encode(Picture(np.zeros((1, 16384, 3), np.uint8)), "WEBP")


@pytest.mark.parametrize(
    ("path", "format"),
    [("a.png", "PNG"), ("A.PNG", "PNG"), ("a.bmp", "BMP"), ("a.tif", "TIFF"), ("a.b.tiff", "TIFF"), ("a.webp", "WEBP"),
     ("-", "PNG")],
)  # fmt: skip
def test_output_format(path: str, format: str) -> None:
    assert image.output_format(path) == format


@pytest.mark.parametrize("path", ["a.jpg", "a.JPEG"])
def test_jpeg_output_is_refused_unless_survived(path: str) -> None:
    with pytest.raises(FileError, match="JPEG would destroy the payload"):
        image.output_format(path)
    assert image.output_format(path, lossy=True) == "JPEG"


@pytest.mark.parametrize("path", ["a", "a.gif", "a.txt", ".png", "a.png.gz"])
def test_unknown_output_is_refused(path: str) -> None:
    with pytest.raises(FileError, match="unknown picture format"):
        image.output_format(path, lossy=True)


# Tensors


def test_tensor_round_trip(photo: np.ndarray) -> None:
    tensor = tensors.to_tensor(photo)
    assert tensor.shape == (1, 3, 128, 128)
    assert tensor.dtype == torch.float32
    assert tensor[0, 2, 5, 7].item() == np.float32(photo[5, 7, 2]) / np.float32(255)
    assert np.array_equal(tensors.to_pixels(tensor), photo)


def test_every_level_survives() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    tensor = tensors.to_tensor(levels)
    assert np.array_equal(tensors.to_pixels(tensor), levels)
    assert torch.equal(tensors.quantise(tensor), tensor)


def test_to_tensor_takes_read_only_arrays(photo: np.ndarray) -> None:
    photo.setflags(write=False)
    tensor = tensors.to_tensor(photo)
    tensor.zero_()
    assert photo.any()


VALUES = torch.tensor([-0.5, -1e-9, 0.49 / 255, 0.51 / 255, 100.4 / 255, 254.6 / 255, 1.0, 1.7])
LEVELS = [0, 0, 0, 1, 100, 255, 255, 255]


def test_to_pixels_rounds_and_clamps() -> None:
    tensor = VALUES.expand(1, 3, 2, 8).clone()
    before = tensor.clone()
    assert tensors.to_pixels(tensor)[1, :, 2].tolist() == LEVELS
    assert torch.equal(tensor, before)


def test_quantise_rounds_and_clamps() -> None:
    assert tensors.quantise(VALUES).mul(255).tolist() == pytest.approx(LEVELS, abs=1e-4)


def test_quantise_passes_gradients_straight_through() -> None:
    values = VALUES.clone().requires_grad_()
    weights = torch.arange(8.0)
    (tensors.quantise(values) * weights).sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, weights)
