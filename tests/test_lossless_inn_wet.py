"""Samples that are not to be changed."""

from __future__ import annotations

import io

import numpy as np
import pytest
from jpeg_helpers import photo, saved
from PIL import Image as Pillow
from skimage import data as samples

from stegcli.methods.lossless_inn.wet import Still, wet


@pytest.fixture
def noise() -> np.ndarray:
    """No sample of it lies on even ground or at an end of the range."""
    return np.random.default_rng(0).integers(1, 255, (40, 50, 3)).astype(np.uint8)


def test_noise_is_dry(noise: np.ndarray) -> None:
    assert not wet(noise).any()


@pytest.mark.parametrize("level", [0, 255])
def test_ends_of_the_range_are_wet_by_channel(noise: np.ndarray, level: int) -> None:
    noise[7, 9, 1] = level
    expected = np.zeros(noise.shape, bool)
    expected[7, 9, 1] = True
    assert np.array_equal(wet(noise), expected)


def test_even_ground_is_wet_within_its_border(noise: np.ndarray) -> None:
    noise[10:20, 10:22, 2] = 77
    expected = np.zeros(noise.shape, bool)
    expected[11:19, 11:21, 2] = True
    assert np.array_equal(wet(noise), expected)


def test_even_corner_is_wet_up_to_the_edge(noise: np.ndarray) -> None:
    noise[:4, :4] = 9
    assert wet(noise)[:3, :3].all()
    assert not wet(noise)[3].any()


def test_frames_are_wet_though_their_neighbours_differ(noise: np.ndarray) -> None:
    noise[0], noise[:, -1] = 30, 200
    found = wet(noise)
    assert found[0, :-1].sum() == 0  # broken by the column: no frame
    noise[0] = 200
    found = wet(noise)
    assert found[0].all()
    assert found[:, -1].all()
    assert not found[1:, :-1].any()


def test_parts_from_a_jpeg_are_wet_and_whole_jpegs_are_left_to_the_caller() -> None:
    fresh = samples.coffee()[:256:2, :256:2]
    decoded = np.asarray(Pillow.open(io.BytesIO(saved(photo(64, 64)))))
    pasted = np.random.default_rng(1).normal(fresh, 2).clip(1, 254).astype(np.uint8)
    dry = wet(pasted).mean()
    pasted[32:96, 48:112] = decoded
    assert wet(pasted)[32:96, 48:112].mean() > 0.95
    assert dry < 0.02
    assert wet(decoded).mean() < 0.3


def test_one_channel(noise: np.ndarray) -> None:
    grey = noise[..., :1].copy()
    grey[:, 5] = 255
    assert wet(grey)[:, 5].all()
    assert wet(grey).sum() == 40


def test_gaps_of_a_histogram_are_not_filled() -> None:
    """Contrast that was stretched: every other level is missing."""
    stretched = (np.random.default_rng(0).integers(20, 100, (60, 60, 1)) * 2).astype(np.uint8)
    found = Still.of(stretched)
    assert found.up[stretched < 198].all()
    assert found.down[stretched > 40].all()
    assert not found.up[stretched == 198].any()  # the last level: beyond it lies no gap
    assert not found.down[stretched == 40].any()


@pytest.mark.parametrize(("step", "count"), [(0, 0), (1, 1), (-1, 1), (2, 1), (-2, 1)])
def test_a_move_into_a_gap_is_counted_also_by_two(step: int, count: int) -> None:
    """Levels 41 and 42 of 40, 43, 46, ... are missing, and so on."""
    cover = (np.random.default_rng(0).integers(0, 20, (60, 60, 1)) * 3 + 40).astype(np.uint8)
    cover[30, 30] = 70
    stego = cover.copy()
    stego[30, 30] += np.uint8(step % 256)
    assert Still.of(cover).broken(cover, stego) == count


def test_a_move_by_two_beyond_a_neighbour_that_exists_is_counted() -> None:
    """Every fourth level is missing: from 41 one step up is a level that exists, two are a gap."""
    levels = np.array([level for level in range(20, 200) if level % 4 != 3])
    cover = np.random.default_rng(0).choice(levels, (80, 80, 1)).astype(np.uint8)
    cover[30, 30] = 41
    stego = cover.copy()
    stego[30, 30] = 43
    assert not Still.of(cover).up[30, 30, 0]
    assert Still.of(cover).broken(cover, stego) == 1


def test_levels_that_are_rare_by_chance_are_no_gaps() -> None:
    few = np.random.default_rng(0).integers(100, 110, (60, 60, 1)).astype(np.uint8)
    few[0, :3, 0] = 180, 182, 184
    assert not Still.of(few).up.any()
