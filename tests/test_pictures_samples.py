"""Samples of every kind: what they become, and that nothing is lost in silence."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from picture_helpers import alpha_of, chunk, png16, saved
from picture_helpers import png as by_hand
from PIL import Image as Pillow

from stegcli.errors import FileError
from stegcli.pictures import image
from stegcli.pictures.image import Picture

TRIALS = Path(__file__).parent / "trials"
NOW_ALPHA = "its transparent colour became an alpha channel"
RAMP = np.linspace(0, 1, 64 * 64).reshape(64, 64)


def tiff(values: np.ndarray, **options: object) -> Picture:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return image.decode(buffer.getvalue())


def ends(picture: Picture) -> tuple[int, int]:
    """The first sample and the last."""
    return int(picture.pixels[0, 0, 0]), int(picture.pixels[-1, -1, 2])


def scaled(low: str, high: str) -> str:
    return f"grey values from {low} to {high} were scaled to 0 to 255"


# The files by which faults were found


@pytest.mark.parametrize(
    ("name", "notes", "exact", "grey", "transparent"),
    [
        ("alpha_secret.png", (), True, False, True),
        ("bad_raw_exif.png", ("its EXIF data are damaged and were ignored",), True, False, False),
        ("cicp_p3.png", (), True, False, False),
        ("float01.tif", (scaled("0.00261438", "0.997386"),), False, True, False),
        ("int32.tif", (scaled("0", "2.13071e+09"),), False, True, False),
        ("grey4_trns.png", ("4-bit grey became 8-bit grey", NOW_ALPHA), True, True, True),
        ("grey16_trns.png", ("16-bit grey became 8-bit grey", NOW_ALPHA), False, True, True),
        ("icc_smooth.tif", (), True, False, False),
    ],
)  # fmt: skip
def test_trials(name: str, notes: tuple[str, ...], exact: bool, grey: bool, transparent: bool) -> None:
    picture = image.load(TRIALS / name)
    assert picture.notes == notes
    assert (picture.exact, picture.grey, picture.alpha is not None) == (exact, grey, transparent)
    assert picture.pixels.min() < 80
    assert picture.pixels.max() > 250
    again = image.decode(image.encode(picture))
    assert np.array_equal(again.pixels, picture.pixels)
    assert (again.grey, again.profile) == (picture.grey, picture.profile)


def test_trial_that_pillow_does_not_read() -> None:
    with pytest.raises(FileError, match=r"is a BMP file of a kind that is not supported: Unsupported BMP bitfields"):
        image.load(TRIALS / "bitfields_11-11-10.bmp")


# Ranges


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ((RAMP * 65535).astype("u2"), "16-bit grey became 8-bit grey"),
        ((RAMP * 60000 - 30000).astype("i2"), scaled("-30000", "30000")),
        ((RAMP * 254 - 127).astype("i1"), scaled("-127", "127")),
        ((RAMP * 4e9).astype("u4"), scaled("0", "4e+09")),
        ((RAMP * 2e9 - 1e9).astype("i4"), scaled("-1e+09", "1e+09")),
        (RAMP.astype("f4"), scaled("0", "1")),
        ((RAMP * 1e-30).astype("f4"), scaled("0", "1e-30")),
        ((RAMP * 6e38 - 3e38).astype("f4"), scaled("-3e+38", "3e+38")),
    ],
)
def test_deep_greys_take_the_whole_range(values: np.ndarray, note: str) -> None:
    picture = tiff(values)
    assert picture.notes == (note,)
    assert (picture.grey, picture.exact) == (True, False)
    assert np.abs(picture.pixels[..., 1].astype(float) - RAMP * 255).max() <= 1.6


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_zero_may_be_white(dtype: str, compression: str | None) -> None:
    values = (RAMP * np.iinfo(dtype).max).astype(dtype)
    assert ends(tiff(values, photometric="miniswhite", compression=compression)) == (255, 0)
    assert ends(tiff(values, photometric="minisblack", compression=compression)) == (0, 255)


@pytest.mark.parametrize(
    ("odd", "expected"),
    [(np.nan, 0), (np.inf, 255), (-np.inf, 0)],
)
def test_values_that_are_no_numbers(odd: float, expected: int) -> None:
    values = (RAMP + 1).astype("f4")
    values[5, 6] = odd
    picture = tiff(values)
    assert picture.pixels[5, 6].tolist() == [expected] * 3
    assert picture.notes[0] == scaled("1", "2")
    assert "not numbers" in picture.notes[1]


@pytest.mark.parametrize("value", [0, 5, -3, np.nan, np.inf])
def test_one_value_alone_is_black_and_said(value: float) -> None:
    picture = tiff(np.full((9, 9), value, "f4"))
    assert (picture.pixels == 0).all()
    assert "it became black" in picture.notes[0]


@pytest.mark.parametrize(
    ("data", "note", "last"),
    [
        (b"P5 64 64 65535\n" + (RAMP * 65535).astype(">u2").tobytes(), "16-bit grey became 8-bit grey", 255),
        (b"P5 64 64 1000\n" + (RAMP * 1000).astype(">u2").tobytes(), "16-bit grey became 8-bit grey", 255),
        (b"P6 64 64 65535\n" + (RAMP * 65535).astype(">u2").repeat(3).tobytes(), "16-bit colour became 8-bit RGB", 255),
        (b"P4 64 64\n" + bytes(512), "black and white became 8-bit grey", 255),
        (b"Pf\n64 64\n-1.0\n" + RAMP[::-1].astype("<f4").tobytes(), scaled("0", "1"), 255),
    ],
)  # fmt: skip
def test_netpbm(data: bytes, note: str, last: int) -> None:
    picture = image.decode(data)
    assert picture.notes == (note,)
    assert ends(picture)[1] == last


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_colours_of_16_bits_in_tiff(channels: int, compression: str | None) -> None:
    values = np.dstack([(RAMP * 65535).astype("u2")] * channels)
    extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    picture = tiff(values, photometric="rgb", compression=compression, **extra)
    assert picture.notes == ("16-bit colour became 8-bit RGB",)
    assert ends(picture) == (0, 255)
    assert not picture.exact


@pytest.mark.parametrize("dtype", ["f2", "f8"])
def test_floats_that_pillow_does_not_read_are_called_unsupported(dtype: str) -> None:
    with pytest.raises(FileError, match="is a TIFF file of a kind that is not supported: unknown pixel mode"):
        tiff(RAMP.astype(dtype))


def test_planes_of_16_bits_are_refused_rather_than_misread() -> None:
    with pytest.raises(FileError, match="separate planes of more than 8 bits are not supported"):
        tiff(np.stack([(RAMP * 65535).astype("u2")] * 3), photometric="rgb", planarconfig="separate")
    assert ends(tiff(np.stack([(RAMP * 255).astype("u1")] * 3), photometric="rgb", planarconfig="separate")) == (0, 255)


def test_colours_multiplied_by_alpha_are_said() -> None:
    values = np.dstack([(RAMP * 255).astype("u1")] * 4)
    assert tiff(values, photometric="rgb", extrasamples=["unassalpha"]).notes == ()
    picture = tiff(values, photometric="rgb", extrasamples=["assocalpha"])
    assert picture.notes == ("colours that were multiplied by alpha were divided again",)
    assert not picture.exact


# Transparency


def grey_png(depth: int, transparent: int) -> tuple[bytes, np.ndarray]:
    """A grey PNG with every value of its depth (of 16 bits: 256), and which of its pixels are transparent."""
    values = np.resize(np.arange(2 ** min(depth, 8)), (16, 16)) * (257 if depth == 16 else 1)
    if depth == 16:
        rows = b"".join(b"\0" + r.astype(">u2").tobytes() for r in values)
    else:
        bits = (values[..., None] >> np.arange(depth - 1, -1, -1)) & 1
        rows = b"".join(b"\0" + r.tobytes() for r in np.packbits(bits.reshape(16, -1).astype(np.uint8), axis=1))
    data = by_hand(16, 16, depth, 0, rows)
    return data[:33] + chunk(b"tRNS", struct.pack(">H", transparent)) + data[33:], values == transparent


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("which", ["first", "last", "second"])
def test_transparent_grey_becomes_alpha(depth: int, which: str) -> None:
    step = 257 if depth == 16 else 1
    value = {"first": 0, "last": 2**depth - 1, "second": step}[which]
    data, transparent = grey_png(depth, value)
    picture = image.decode(data)
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha == 0, transparent)
    assert picture.grey
    assert NOW_ALPHA in picture.notes
    assert picture.pixels.max() == 255
    written = image.decode(image.encode(picture))
    assert np.array_equal(written.alpha, picture.alpha)
    assert written.grey


def test_transparent_grey_that_no_pixel_has() -> None:
    data = by_hand(16, 16, 8, 0, bytes(17) * 16)
    picture = image.decode(data[:33] + chunk(b"tRNS", b"\0\x07") + data[33:])
    assert (picture.alpha, picture.notes) == (None, ())


def test_transparent_colour_of_16_bits_is_said() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (8, 8, 3)).astype(np.uint16)
    data = png16(values)
    picture = image.decode(data[:33] + chunk(b"tRNS", values[0, 0].astype(">u2").tobytes()) + data[33:])
    assert picture.alpha is None
    assert picture.notes[1] == "its transparent colour was ignored: the picture has 16 bits a sample"


def test_palette_with_many_alphas(photo: np.ndarray) -> None:
    palette = Pillow.fromarray(photo).quantize(16)
    alphas = bytes(range(0, 256, 16))
    picture = image.decode(saved(palette, transparency=alphas))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, np.array([*alphas], np.uint8)[np.asarray(palette)])
    assert picture.palette


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "GIF"])
def test_alpha_of_every_format(photo: np.ndarray, format: str) -> None:
    made = Pillow.fromarray(np.dstack([photo, np.where(alpha_of(photo) > 127, 255, 0).astype(np.uint8)]))
    picture = image.decode(saved(made, format, **({"lossless": True} if format == "WEBP" else {})))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, np.where(alpha_of(photo) > 127, 255, 0))


# Grey stays grey


@pytest.mark.parametrize("source", ["PNG", "TIFF", "BMP", "JPEG", "PPM", "AVIF"])
@pytest.mark.parametrize("target", ["PNG", "TIFF", "BMP", "JPEG"])
def test_grey_files_are_grey_again(photo: np.ndarray, source: str, target: str) -> None:
    picture = image.decode(saved(photo[..., 0].copy(), source))
    assert (picture.grey, picture.one_channel, picture.exact) == (True, True, True)
    written = image.encode(picture, target)
    assert Pillow.open(io.BytesIO(written)).mode == "L"
    assert image.decode(written).grey
    if target != "JPEG":
        assert np.array_equal(image.decode(written).pixels, picture.pixels)


@pytest.mark.parametrize("target", ["PNG", "TIFF"])
def test_grey_with_alpha_has_two_channels(photo: np.ndarray, target: str) -> None:
    both = np.dstack([photo[..., 0], alpha_of(photo)])
    picture = image.decode(saved(Pillow.fromarray(both)))
    written = image.encode(picture, target)
    assert Pillow.open(io.BytesIO(written)).mode == "LA"
    assert np.array_equal(image.decode(written).alpha, alpha_of(photo))


def test_colours_that_happen_to_be_grey_stay_colours(photo: np.ndarray) -> None:
    picture = image.decode(saved(np.repeat(photo[..., :1], 3, axis=2)))
    assert not picture.grey
    assert Pillow.open(io.BytesIO(image.encode(picture))).mode == "RGB"


def test_grey_that_became_coloured_is_written_and_said(photo: np.ndarray) -> None:
    picture = Picture(photo, grey=True)
    assert not picture.one_channel
    assert image.lost_in(picture, "PNG") == ("grey became RGB",)
    assert np.array_equal(image.decode(image.encode(picture)).pixels, photo)


def test_palettes_are_told(photo: np.ndarray) -> None:
    assert image.decode(saved(Pillow.fromarray(photo).quantize(16))).palette
    assert not image.decode(saved(photo)).palette
