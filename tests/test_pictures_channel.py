"""What a stego is verified by."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from stegcli.pictures import channel
from stegcli.pictures.image import Picture


@pytest.mark.parametrize(("height", "width"), [(64, 64), (160, 256), (512, 333), (1600, 2400)])
def test_crops_are_verified_on_more_than_one_grid(height: int, width: int) -> None:
    cuts = list(channel._verified_cuts(height, width))
    assert any(top % 8 and left % 8 for (top, left), _ in cuts)
    assert any(top % 8 == 0 and left % 8 == 0 for (top, left), _ in cuts)
    for starts, ends in cuts:
        for start, end, side in zip(starts, ends, (height, width), strict=True):
            assert 0 <= start + end <= max(2, side * channel.CROPPED + 1)


def test_a_crop_arrives_as_jpeg_of_the_part_that_is_left() -> None:
    stego = Picture(np.random.default_rng(0).integers(0, 256, (100, 130, 3), np.uint8))
    arrived = list(channel.parse("crop").arrivals(stego))
    assert len(arrived) > 1
    for picture in arrived:
        assert picture.jpeg is not None
        assert picture.height < 100
        assert picture.width < 130
    assert len(list(channel.parse("jpeg:80").arrivals(stego))) == 1


@pytest.mark.parametrize(("name", "format"), [("jpeg:80", "JPEG"), ("webp:80", "WEBP")])
def test_lossy_files_arrive_as_what_they_are(name: str, format: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)
    one, rng = channel.parse(name), np.random.default_rng(0)
    file = one.file(Picture(pixels), rng)
    opened = Pillow.open(io.BytesIO(file))
    assert opened.format == format
    assert np.array_equal(one.through(Picture(pixels), rng).pixels, np.asarray(opened.convert("RGB")))
    assert np.array_equal(one(pixels, rng), np.asarray(opened.convert("RGB")))
    assert channel.parse(f"{name[:4]}:50").harshness > one.harshness > channel.LOSSLESS.harshness
    assert channel.pattern([one]) == f"{name[:4]}:Q"
