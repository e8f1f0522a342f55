"""Signs that need no training: each is found where it is, and not where it is not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from detector_helpers import parts
from picture_helpers import saved
from PIL import Image as Pillow

from stegcli.detectors import signs


def made() -> np.ndarray:
    (pixels,) = parts(1)
    return pixels


def test_a_lone_sample_on_even_ground_is_found() -> None:
    pixels = np.full((16, 16, 3), 100, np.uint8)
    assert signs.of_pixels(pixels)["lone"] == 0
    pixels[5, 5, 1] = 101
    pixels[9, 9, 0] = 99
    assert (signs.of_pixels(pixels)["lone"], signs.of_pixels(pixels)["clipped"]) == (2, 0)
    white = np.full((16, 16, 3), 255, np.uint8)
    white[5, 5, 2] = 254
    assert signs.of_pixels(white)["clipped"] == 1


def test_rows_and_columns_of_one_value_are_frames() -> None:
    pixels = made()
    before = signs.of_pixels(pixels)["frames"]
    pixels[0] = 7
    assert signs.of_pixels(pixels)["frames"] == before + 3  # in each colour
    pixels[0, 30] = 8
    assert signs.of_pixels(pixels)["frames"] == before


def test_a_gap_that_is_filled_is_counted() -> None:
    stretched = (np.random.default_rng(0).integers(20, 100, (60, 60)) * 2).astype(np.uint8)
    pixels = np.repeat(stretched[..., None], 3, axis=2)
    assert signs.of_pixels(pixels, one_channel=True)["gaps"] == 79
    pixels[0, 0] += 1
    assert signs.of_pixels(pixels, one_channel=True)["gaps"] < 79


def test_colour_in_a_grey_picture_is_found() -> None:
    pixels = np.repeat(made()[..., :1], 3, axis=2)
    assert signs.of_pixels(pixels)["coloured"] == 0
    pixels[3, 4, 2] ^= 1
    assert signs.of_pixels(pixels)["coloured"] == 1
    assert signs.of_pixels(made())["coloured"] == 0  # colour is no sign in a picture that has some


def test_changed_pixels_of_a_decoded_jpeg_leave_its_lattice() -> None:
    (pixels,) = parts(1, 128)
    decoded = np.array(Pillow.open(io.BytesIO(saved(pixels, "JPEG", quality=90))))
    assert signs.of_pixels(decoded)["lattice"] == 0
    decoded[40:44, 40:44, 0] ^= 1
    assert 4 < signs.of_pixels(decoded)["lattice"] <= 16
    assert signs.of_pixels(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))["lattice"] == 0


def test_steps_at_the_borders_of_blocks_are_found() -> None:
    (pixels,) = parts(1, 128)
    assert signs.of_pixels(pixels)["borders"] == 0
    blocky = pixels.reshape(16, 8, 16, 8, 3).mean(axis=(1, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    assert signs.of_pixels((pixels // 2 + blocky // 2).astype(np.uint8))["borders"] == 1


@pytest.mark.parametrize("options", [{"compress_level": 1}, {"optimize": True}])
def test_a_file_tells_its_encoder(options: dict[str, object]) -> None:
    plain, other = saved(made()), saved(made(), **options)
    assert signs.make_of(plain) == signs.make_of(saved(255 - made()))
    assert signs.make_of(plain) != signs.make_of(other)
