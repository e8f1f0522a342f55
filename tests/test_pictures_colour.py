"""The meaning of pixels never changes silently: profiles and signals are kept, converted, or their loss is said."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from picture_helpers import SRGB, chunk, saved
from PIL import Image as Pillow
from PIL import ImageCms

from stegcli.pictures import boxes, colour, image
from stegcli.pictures.image import Picture

KEEPS_PROFILES = ["PNG", "TIFF", "WEBP"]
P3 = (b"cICP", bytes([12, 13, 0, 1]))
BT2020 = (b"cICP", bytes([9, 14, 0, 1]))
PQ = (b"cICP", bytes([9, 16, 0, 1]))
HLG = (b"cICP", bytes([9, 18, 0, 1]))
UNKNOWN = (b"cICP", bytes([12, 99, 0, 1]))
GAMMA_18 = (b"gAMA", struct.pack(">I", round(100_000 / 1.8)))
ADOBE = (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000))
DESCRIBED = {"P3": (P3,), "BT.2020": (BT2020,), "gamma 1.8": (GAMMA_18,), "Adobe RGB": (GAMMA_18, ADOBE)}
PLAIN = {
    "nothing": (),
    "sRGB": ((b"sRGB", b"\0"),),
    "gAMA of sRGB": ((b"gAMA", struct.pack(">I", 45455)),),
    "cICP of sRGB": ((b"cICP", bytes([1, 13, 0, 1])),),
    "sRGB over gAMA": ((b"sRGB", b"\0"), GAMMA_18),
    "cICP over all": ((b"cICP", bytes([1, 13, 0, 1])), GAMMA_18, ADOBE),
    "damaged": ((b"gAMA", b"\1"), (b"cHRM", b"\2\3"), (b"cICP", b"\4")),
}


@pytest.fixture
def small(photo: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(photo[:48, :40])


def linear(x: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1."""
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def encoded(x: np.ndarray) -> np.ndarray:
    x = x.clip(0, 1)
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055)


# Display P3 to sRGB, both D65: the product of SMPTE EG 432-1's matrix and the inverse of sRGB's.
P3_TO_SRGB = np.array([[1.22494, -0.22494, 0.0], [-0.042057, 1.042057, 0.0], [-0.019638, -0.078636, 1.098274]])


def grey_profile() -> bytes:
    """An ICC profile for grey samples with gamma 1.8."""
    tags = {b"desc": colour._text("grey 1.8"), b"cprt": colour._text("CC0"),
            b"wtpt": struct.pack(">4sI", b"XYZ ", 0) + colour._fixed(colour.D50),
            b"kTRC": struct.pack(">4sIHH", b"para", 0, 0, 0) + colour._fixed((1.8,))}  # fmt: skip
    return profile(b"mntr", b"GRAY", b"XYZ ", tags)


def cmyk_profile() -> bytes:
    """An ICC profile of a printer whose inks are pale: CMYK by a table of corners to Lab."""
    corners = [[255 * (1 - 0.5 * k) - 20 * (c + m + y), 128 - 40 * c + 40 * m, 128 - 30 * c + 60 * y]
               for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]  # fmt: skip
    ramp = bytes([*range(256)])
    table = bytes(np.array(corners).round().astype(np.uint8).reshape(-1))
    unit = colour._fixed((1, 0, 0, 0, 1, 0, 0, 0, 1))
    lut = struct.pack(">4sIBBBB", b"mft1", 0, 4, 3, 2, 0) + unit + ramp * 4 + table + ramp * 3
    tags = {b"desc": colour._text("pale inks"), b"cprt": colour._text("CC0"),
            b"wtpt": struct.pack(">4sI", b"XYZ ", 0) + colour._fixed(colour.D50), b"A2B0": lut}  # fmt: skip
    return profile(b"prtr", b"CMYK", b"Lab ", tags)


def profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    start = 132 + 12 * len(tags)
    table, body = b"", b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4s4s4s4s4s", start + len(body), b"", b"\x04\x30\0\0", kind, space, connection)
    head += bytes(12) + b"acsp" + bytes(28) + colour._fixed(colour.D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


# What signals say


@pytest.mark.parametrize("name", PLAIN)
def test_these_mean_srgb(small: np.ndarray, name: str) -> None:
    picture = Picture(small, chunks=PLAIN[name])
    found = colour.meaning(picture.chunks)
    assert found is not None
    assert found.is_srgb
    assert picture.profile is None
    assert np.array_equal(image.in_srgb(picture).pixels, small)
    assert image.in_srgb(picture).notes == ()
    assert image.lost_in(picture, "BMP") == ()


@pytest.mark.parametrize("name", DESCRIBED)
def test_these_get_a_profile_that_littlecms_reads(name: str) -> None:
    made = colour.profile_of(DESCRIBED[name])
    assert made is not None
    assert colour.is_profile(made)
    assert colour.space(made) == "RGB"
    assert not colour.says_srgb(made)
    assert colour.name(made) == {"P3": "Display P3", "BT.2020": "BT.2020"}.get(name, "custom RGB")
    assert made == colour.profile_of(DESCRIBED[name])


def test_display_p3_is_converted_by_its_formula(small: np.ndarray) -> None:
    expected = encoded(linear(small / 255) @ P3_TO_SRGB.T) * 255
    converted = image.in_srgb(Picture(small, chunks=(P3,)))
    assert np.abs(converted.pixels - expected).max() < 1
    assert converted.notes == ("its colours were converted from Display P3 to sRGB",)
    assert not converted.exact
    assert converted.chunks == ()


def test_gamma_is_converted_by_its_formula(small: np.ndarray) -> None:
    expected = encoded((small / 255) ** 1.8) * 255
    assert np.abs(image.in_srgb(Picture(small, chunks=(GAMMA_18,))).pixels - expected).max() < 1.5


@pytest.mark.parametrize(
    "values",
    [(0,) * 8, (31270, 0, 1, 1, 1, 1, 1, 1), (2**31, 1, 1, 1, 1, 1, 1, 1), (30000,) * 8,
     (31270, 32900, 64000, 33000, 64000, 33000, 15000, 6000)],
)  # fmt: skip
def test_impossible_primaries_mean_nothing(values: tuple[int, ...]) -> None:
    chunks = ((b"cHRM", struct.pack(">8I", *values)),)
    assert colour.meaning(chunks) is None
    assert colour.profile_of(chunks) is None


@pytest.mark.parametrize("gamma", [0, 1, 999, 2**32 - 1])
def test_impossible_gammas_mean_nothing(gamma: int) -> None:
    assert colour.meaning(((b"gAMA", struct.pack(">I", gamma)),)) is None


@pytest.mark.parametrize(
    "data",
    [b"", b"x", bytes(200), SRGB[:100], SRGB[:-50], SRGB[:36] + b"ABCD" + SRGB[40:]],
    ids=["none", "letter", "zeros", "start", "cut", "other"],
)
def test_these_are_no_profiles(small: np.ndarray, data: bytes) -> None:
    assert not colour.is_profile(data)
    if data:
        picture = image.decode(saved(small, "TIFF", icc_profile=data))
        assert picture.icc_profile is None
        assert picture.notes == ("its colour profile is damaged and was ignored",)
        assert not picture.exact


def test_srgb_is_known_by_what_it_does() -> None:
    assert colour.says_srgb(SRGB)
    assert not colour.says_srgb(cmyk_profile())
    made = colour.profile_of((P3,))
    assert made is not None
    assert not colour.says_srgb(made)


# Covers: pixels are never converted where their meaning can be kept


@pytest.mark.parametrize("format", [*KEEPS_PROFILES, "JPEG"])
@pytest.mark.parametrize("name", [*DESCRIBED, "a profile"])
def test_meaning_is_kept(small: np.ndarray, name: str, format: str) -> None:
    made = colour.profile_of((P3,))
    picture = Picture(small, None, made) if name == "a profile" else Picture(small, chunks=DESCRIBED[name])
    written = image.decode(image.encode(picture, format, 95))
    assert image.lost_in(picture, format) == ()
    assert written.profile == picture.profile
    if format != "JPEG":
        assert np.array_equal(written.pixels, small)
        assert np.array_equal(image.in_srgb(written).pixels, image.in_srgb(picture).pixels)


@pytest.mark.parametrize("name", DESCRIBED)
def test_pngs_keep_their_own_chunks(small: np.ndarray, name: str) -> None:
    data = saved(small)
    cover = data[:33] + b"".join(chunk(*c) for c in DESCRIBED[name]) + data[33:]
    picture = image.decode(cover)
    assert (picture.chunks, picture.notes, picture.exact) == (DESCRIBED[name], (), True)
    assert image.decode(image.encode(picture)).chunks == DESCRIBED[name]


@pytest.mark.parametrize("name", [*DESCRIBED, "a profile"])
def test_bmp_says_what_it_drops(small: np.ndarray, name: str) -> None:
    picture = Picture(small, None, SRGB) if name == "a profile" else Picture(small, chunks=DESCRIBED[name])
    (note,) = image.lost_in(picture, "BMP")
    assert note.startswith("BMP keeps no colour profile: ")
    assert "sRGB" in note or name != "a profile"
    written = image.decode(image.encode(picture, "BMP"))
    assert np.array_equal(written.pixels, small)


@pytest.mark.parametrize(("signal", "said"), [(PQ, "HDR (PQ)"), (HLG, "HDR (HLG)"), (UNKNOWN, "unusual")])
def test_what_no_profile_says(small: np.ndarray, signal: tuple[bytes, bytes], said: str) -> None:
    picture = Picture(small, chunks=(signal,))
    assert image.lost_in(picture, "PNG") == ()
    assert image.decode(image.encode(picture)).chunks == (signal,)
    for format in ("TIFF", "WEBP", "JPEG", "BMP"):
        (note,) = image.lost_in(picture, format)
        assert note == f"its colours are {said}, which {format} files do not say: they will look different"
    flat = image.in_srgb(picture)
    assert flat.notes == (f"its colours are {said} and were taken as sRGB",)
    assert not flat.exact


# Files that say so in other ways


def avif(pixels: np.ndarray, *nclx: int) -> bytes:
    """An AVIF file whose primaries, transfer and matrix are said to be others."""
    data = saved(pixels, "AVIF", quality=90)
    place = data.index(b"nclx") + 4
    return data[:place] + struct.pack(">HHHB", *nclx, 128) + data[place + 7 :]


@pytest.mark.parametrize(
    ("nclx", "chunks"),
    [((1, 13, 6), ()), ((1, 1, 1), ()), ((2, 2, 2), ()), ((12, 13, 6), (P3,)), ((9, 16, 9), (PQ,)),
     ((9, 18, 9), (HLG,)), ((9, 14, 9), (BT2020,)), ((12, 99, 6), (UNKNOWN,)),
     ((300, 300, 6), ((b"cICP", b"\xff\xff\0\1"),))],
)  # fmt: skip
def test_avif_signals(small: np.ndarray, nclx: tuple[int, int, int], chunks: object) -> None:
    picture = image.decode(avif(small, *nclx))
    assert picture.chunks == chunks
    assert picture.exact
    assert image.decode(image.encode(picture)).chunks == chunks


def test_avif_with_a_profile_heeds_that(small: np.ndarray) -> None:
    made = colour.profile_of((P3,))
    picture = image.decode(saved(small, "AVIF", icc_profile=made))
    assert (picture.icc_profile, picture.chunks) == (made, ())


def test_boxes_of_damaged_files_say_nothing(small: np.ndarray) -> None:
    data = avif(small, 12, 13, 6)
    for length in range(0, data.index(b"nclx") + 12):
        assert boxes.facts(data[:length]).cicp in (None, (12, 13, 6, 1))
    assert boxes.facts(bytes(100)) == boxes.Facts()
    assert boxes.brands(b"\0\0\0\x14ftypavif\0\0\0\0mif1avis")[:2] == [b"avif", b"mif1"]


def test_bmp_with_an_embedded_profile(small: np.ndarray) -> None:
    body = small[::-1, :, ::-1].tobytes()  # 40 columns: rows need no padding
    head = struct.pack("<IiiHHIIiiII", 124, 40, 48, 1, 24, 0, len(body), 2835, 2835, 0, 0) + bytes(16)
    head += b"DEBM" + bytes(48) + struct.pack("<IIII", 4, 124 + len(body), len(SRGB), 0)
    data = struct.pack("<2sIII", b"BM", 138 + len(body) + len(SRGB), 0, 138) + head + body + SRGB
    picture = image.decode(data)
    assert np.array_equal(picture.pixels, small)
    assert picture.icc_profile == SRGB


def test_gif_with_a_profile(small: np.ndarray) -> None:
    data = saved(Pillow.fromarray(small).quantize(32), "GIF")
    blocks = b"".join(bytes([len(SRGB[i : i + 255])]) + SRGB[i : i + 255] for i in range(0, len(SRGB), 255))
    place = data.index(b"\x2c\0\0\0\0", 13)  # the image's descriptor
    picture = image.decode(data[:place] + b"\x21\xff\x0bICCRGBG1012" + blocks + b"\0" + data[place:])
    assert picture.icc_profile == SRGB


def test_tiff_tags_for_colours_are_said(small: np.ndarray) -> None:
    picture = image.decode(saved(small, "TIFF", tiffinfo={319: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06)}))
    assert "was ignored" in picture.notes[0]
    assert not picture.exact


# Samples that cannot stay


@pytest.mark.parametrize("format", ["TIFF", "JPEG"])
def test_cmyk_is_converted_by_its_profile(format: str) -> None:
    inks = (
        np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [255, 0, 0, 0], [0, 255, 255, 0]]], np.uint8)
        .repeat(16, 0)
        .repeat(16, 1)
    )
    options = {"quality": 100, "subsampling": 0} if format == "JPEG" else {}
    made = Pillow.frombytes("CMYK", (64, 16), inks.tobytes())
    picture = image.decode(saved(made, format, icc_profile=cmyk_profile(), **options))
    paper, black, cyan, red = (picture.pixels[8, 8 + 16 * i].astype(int) for i in range(4))
    assert picture.notes == ("CMYK became sRGB by its colour profile",)
    assert (picture.icc_profile, picture.exact) == (None, False)
    assert paper.min() > 245
    assert 90 < black.max() < 150  # the table's black has L* = 50; without the profile it would be 0
    assert cyan[2] > cyan[0]
    assert red[0] > red[2]


def test_lab_is_converted() -> None:
    lab = np.zeros((8, 8, 3), np.uint8)
    lab[:4, :, 0], lab[4:, :, 0] = 255, 137  # L* of 100 and 53.7; a and b lie around 0 as signed bytes
    picture = image.decode(saved(Pillow.frombytes("LAB", (8, 8), lab.tobytes()), "TIFF"))
    assert picture.notes == ("Lab became sRGB",)
    assert picture.pixels[0, 0].min() > 250
    assert np.abs(picture.pixels[7, 0].astype(int) - 128).max() <= 3


def test_grey_profile_stays_with_grey_pixels(small: np.ndarray) -> None:
    made = grey_profile()
    grey = np.ascontiguousarray(small[..., 1])
    picture = image.decode(saved(grey, icc_profile=made))
    assert (picture.icc_profile, picture.grey) == (made, True)
    for format in KEEPS_PROFILES[:2]:
        written = image.decode(image.encode(picture, format))
        assert (written.icc_profile, written.grey) == (made, True)
    expected = encoded((grey / 255) ** 1.8) * 255
    assert np.abs(image.in_srgb(picture).pixels[..., 0] - expected).max() < 2.5
    coloured = Picture(small, None, made, chunks=picture.chunks, grey=True)
    said = ("grey became RGB", "the colour profile of its grey values is dropped")
    assert image.lost_in(coloured, "PNG") == said
    assert image.decode(image.encode(coloured)).icc_profile is None


def test_signals_of_grey_files_stay_in_pngs(small: np.ndarray) -> None:
    data = saved(np.ascontiguousarray(small[..., 1]))
    picture = image.decode(data[:33] + chunk(*GAMMA_18) + data[33:])
    assert image.lost_in(picture, "PNG") == ()
    assert image.decode(image.encode(picture)).chunks == (GAMMA_18,)
    assert image.lost_in(picture, "TIFF") == ("the colour profile of its grey values is dropped",)
    assert image.in_srgb(picture).one_channel


def test_profile_that_does_nothing_is_said(small: np.ndarray) -> None:
    """A header in order, and nothing behind it."""
    hollow = profile(b"mntr", b"RGB ", b"XYZ ", {b"cprt": colour._text("CC0")})
    picture = image.decode(saved(small, icc_profile=hollow))
    assert np.array_equal(image.in_srgb(picture).pixels, small)
    assert image.in_srgb(picture).notes[-1] == "its colour profile could not be applied"


def test_the_profile_of_littlecms_agrees_with_ours(small: np.ndarray) -> None:
    """Our writer of profiles, given sRGB itself."""
    ours = colour._profile(colour.SRGB_PRIMARIES, colour.SRGB_CURVE)
    assert colour.says_srgb(ours)
    theirs = ImageCms.ImageCmsProfile(io.BytesIO(SRGB)).profile
    mine = ImageCms.ImageCmsProfile(io.BytesIO(ours)).profile
    for name in ("red_colorant", "green_colorant", "blue_colorant"):
        assert np.allclose(getattr(mine, name)[0], getattr(theirs, name)[0], atol=0.0005)


def test_broken_profile_of_a_png_is_said(small: np.ndarray) -> None:
    data = saved(small)
    for content in (b"name\0\0" + b"junk" * 9, b"name\0\0" + zlib.compress(b"no profile"), b"\0"):
        picture = image.decode(data[:33] + chunk(b"iCCP", content) + data[33:])
        assert "damaged" in picture.notes[0]
        assert (picture.icc_profile, picture.chunks, picture.exact) == (None, (), False)
