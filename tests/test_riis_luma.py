"""Blocks, their transform and the way back into the colours; libjpeg's arithmetic, bit for bit."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow
from riis_helpers import photo

from stegcli.methods.riis import libjpeg, luma


@pytest.mark.parametrize(("height", "width"), [(64, 64), (70, 77), (8, 15)])
def test_blocks_come_back_into_their_picture(height: int, width: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    blocks = luma.to_blocks(picture)
    assert blocks.shape == (height // 8 * (width // 8), 8, 8, 3)
    assert np.array_equal(luma.from_blocks(blocks, picture), picture)
    changed = luma.from_blocks(255 - blocks, picture)
    assert np.array_equal(
        changed[: height // 8 * 8, : width // 8 * 8], 255 - picture[: height // 8 * 8, : width // 8 * 8]
    )
    assert np.array_equal(changed[height // 8 * 8 :], picture[height // 8 * 8 :])


def test_the_transform_is_orthonormal() -> None:
    blocks = np.random.default_rng(0).uniform(0, 255, (5, 8, 8))
    coefficients = luma.dct(blocks)
    assert np.allclose(luma.idct(coefficients) + luma.LEVEL, blocks, atol=1e-3)
    assert np.isclose((coefficients**2).sum(), ((blocks - luma.LEVEL) ** 2).sum(), rtol=1e-5)


def test_a_move_changes_the_luminance_as_asked_and_costs_what_is_said() -> None:
    blocks = np.full((1, 8, 8, 3), (128, 128, 129), np.uint8)
    change = np.zeros((1, 8, 8), np.float32)
    change[0, 0, 0] = 8 * 20
    moved = luma.moved(blocks.astype(np.float32), change)
    assert np.allclose(luma.exact(moved) - luma.exact(blocks), 20, atol=0.5)
    assert np.isclose(((moved.astype(float) - blocks) ** 2).mean(), luma.COST * 400, rtol=0.05)


@pytest.mark.parametrize("quality", [1, 10, 40, 50, 75, 95, 100])
def test_tables_are_those_of_libjpeg(quality: int) -> None:
    buffer = io.BytesIO()
    Pillow.new("RGB", (16, 16)).save(buffer, "JPEG", quality=quality)
    with Pillow.open(buffer) as opened:
        assert np.array_equal(libjpeg.table(quality).reshape(-1), opened.quantization[0])


@pytest.mark.parametrize("quality", [30, 60, 75])
def test_coefficients_are_those_in_the_file(quality: int) -> None:
    """Read through the decoded luminance, which is exact where nothing clips and no step is below 5."""
    pixels = photo(160) // 2 + 64
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    with Pillow.open(buffer) as opened:
        opened.draft("L", opened.size)
        decoded = np.asarray(opened).astype(np.float32)
    steps = libjpeg.table(quality)
    in_file = np.rint(luma.dct(luma.to_blocks(decoded)) / steps).astype(np.int16)
    assert np.array_equal(libjpeg.quantised(luma.to_blocks(pixels), steps), in_file)
