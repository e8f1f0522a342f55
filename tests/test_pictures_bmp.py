"""BMP files: a stego has the structure of its cover."""

from __future__ import annotations

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
from picture_helpers import SRGB, saved
from PIL import Image as Pillow

from stegcli.pictures import bmp, image

WIDTH, HEIGHT = 67, 40
PHOTO = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def by_hand(
    bits: int = 24, header: int = 40, down: bool = False, size: int | None = None, resolution: int = 0,
    compression: int = 0, filler: int = 255, tail: bytes = b"", profile: bytes = b"",
) -> bytes:  # fmt: skip
    """A BMP file of PHOTO, of its green channel for 8 bits. size: the field biSizeImage."""
    samples = {8: PHOTO[..., 1:2], 24: PHOTO[..., ::-1]}.get(bits)
    if samples is None:
        samples = np.dstack([PHOTO[..., ::-1], np.full((HEIGHT, WIDTH), filler, np.uint8)])
    rows = (samples if down else samples[::-1]).reshape(HEIGHT, -1)
    pixels = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4))).tobytes()
    height = -HEIGHT if down else HEIGHT
    size = len(pixels) if size is None else size
    info = struct.pack("<LllHHLLllLL", header, WIDTH, height, 1, bits, compression, size, resolution, resolution, 0, 0)
    masks = struct.pack("<LLL", *bmp.COLOUR_MASKS) if compression == bmp.FIELDS else b""
    if header > 40:
        info += (masks.ljust(16, b"\0") + b"sRGB").ljust(header - 40, b"\0")
        masks = b""
    palette = bytes(v for level in range(256) for v in (level, level, level, 0)) if bits == 8 else b""
    start = 14 + len(info) + len(masks) + len(palette)
    if profile:
        place = start - 14 + len(pixels)
        info = info[:56] + b"DEBM" + info[60:112] + struct.pack("<LL", place, len(profile)) + info[120:]
    body = info + masks + palette + pixels + tail + profile
    return b"BM" + struct.pack("<LHHL", 14 + len(body), 0, 0, start) + body


FILES = {
    "Pillow": saved(PHOTO, "BMP", dpi=(300, 300)),
    "Pillow, grey": saved(PHOTO[..., 0], "BMP"),
    "no size, no resolution": by_hand(size=0),
    "downward": by_hand(down=True, resolution=2835),
    "two bytes more": by_hand(tail=b"\0\0"),
    "grey": by_hand(8, resolution=3780),
    "version 4": by_hand(header=108),
    "version 5": by_hand(header=124),
    "version 5 with a profile": by_hand(header=124, profile=SRGB),
    "32 bits": by_hand(32),
    "32 bits, fields": by_hand(32, compression=bmp.FIELDS, filler=0),
    "32 bits, fields, version 4": by_hand(32, header=108, compression=bmp.FIELDS),
}


@pytest.mark.parametrize("name", FILES)
def test_the_same_pixels_give_the_same_file(name: str) -> None:
    picture = image.decode(FILES[name])
    assert picture.alpha is None
    assert isinstance(picture.style, bmp.Style)
    assert image.encode(picture, "BMP") == FILES[name]


@pytest.mark.parametrize("name", FILES)
def test_a_changed_picture_differs_in_its_pixels_alone(name: str) -> None:
    cover = image.decode(FILES[name])
    changed = replace(cover, pixels=cover.pixels ^ 1)
    file = image.encode(changed, "BMP")
    assert image.decode(file).style == cover.style
    with Pillow.open(io.BytesIO(file)) as opened:
        assert np.array_equal(np.asarray(opened.convert("RGB")), changed.pixels)


def test_an_embedded_profile_stays_and_nothing_is_said_of_its_loss() -> None:
    picture = image.decode(FILES["version 5 with a profile"])
    assert picture.icc_profile == SRGB == image.decode(image.encode(picture, "BMP")).icc_profile
    assert image.lost_in(picture, "BMP") == ()
    assert "BMP keeps no colour profile" in image.lost_in(replace(picture, style=None), "BMP")[0]


def test_what_follows_the_pixels_is_left_out() -> None:
    picture = image.decode(by_hand(tail=b"who made this"))
    assert image.encode(picture, "BMP") == by_hand()


@pytest.mark.parametrize(
    "file",
    [
        saved(Pillow.fromarray(PHOTO).quantize(16), "BMP"),
        saved(Pillow.fromarray(PHOTO).convert("1"), "BMP"),
        by_hand(32)[:-1] + b"\x07",
        FILES["Pillow"][:40],
    ],
    ids=["palette", "two levels", "a fourth channel", "cut short"],
)
def test_other_kinds_have_no_structure_to_take(file: bytes) -> None:
    assert bmp.style(file) is None


def test_colours_do_not_go_into_a_grey_file() -> None:
    grey = image.decode(FILES["grey"])
    coloured = replace(grey, pixels=PHOTO)
    assert np.array_equal(image.decode(image.encode(coloured, "BMP")).pixels, PHOTO)
