"""training/on_device.py prepares photos as steg-cinn's recipes do, in array operations of torch."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from steg_cinn_helpers import small_method, small_photo

from stegcli.methods.steg_cinn import covers, recipe_coarse, recipe_fine, space

sys.path.append(str(Path(__file__).parent.parent / "training"))
import on_device
from on_device import Photos, Space

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def found() -> Space:
    return Space(CPU)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    folder = tmp_path_factory.mktemp("photos")
    for i, height in enumerate((256, 256, 200)):
        Pillow.fromarray(small_photo(height, 256)).rotate(90 * i).save(folder / f"{i}.png")
    return Photos.read(folder, CPU, None, with_parts=True)


def some_pixels() -> np.ndarray:
    """Dark ones too, where colours have holes."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.integers(0, 256, (1, 40, 50, 3)), rng.integers(0, 30, (1, 40, 50, 3))]).astype(np.uint8)


def test_pixels_are_split_alike(found: Space) -> None:
    pixels = some_pixels()
    grey, colours = found.split(torch.from_numpy(pixels))
    wanted = space.split(pixels)
    assert np.array_equal(grey.numpy(), wanted[0])
    assert np.array_equal(colours.numpy(), wanted[1].swapaxes(0, 1))


def test_cells_are_filled_alike(found: Space) -> None:
    pixels = some_pixels()
    uniform = np.random.default_rng(1).random(pixels.shape)
    filled = found.fill_cells(torch.from_numpy(pixels), torch.from_numpy(uniform))
    # Halves are rounded either way, by the order of additions.
    assert (filled.numpy() != covers.fill_cells(pixels, uniform)).any(-1).mean() < 0.01


def test_grain_is_added_alike_and_gives_colours_that_exist(found: Space) -> None:
    grey, colours = space.split(some_pixels())
    noise = np.random.default_rng(2).normal(0, 2, (*grey.shape, 3))
    wanted = covers.add_grain(grey, colours, noise)
    arrays = (grey.astype(np.int64), colours.astype(np.int64).swapaxes(0, 1).copy(), noise)
    grained = found.add_grain(*map(torch.from_numpy, arrays)).numpy().swapaxes(0, 1)
    assert np.array_equal(grained, wanted)
    assert space.exists(grey, grained).all()


def test_photos_of_another_size_are_left_out(photos: Photos) -> None:
    assert len(photos.full) == len(photos.small) == 2
    assert len(photos.parts) == len(photos.places) == 2 * on_device.PARTS
    # A part lies in its photo.
    assert ((photos.places[:, :2].abs() + photos.places[:, 2:]) <= 1 + 1e-6).all()


def test_fine_networks_see_scenes_of_every_level(photos: Photos, found: Space) -> None:
    scenes = on_device.fine_scenes(on_device.fine_batch(photos, found, 3))
    for number, side in recipe_fine.WINDOWS.items():
        assert scenes[number].colours.shape == (3, 2, side, side)
        assert scenes[number].statistics.shape == (3, 3, side, side)
    terms = recipe_fine.terms_of(small_method().networks["fine"], scenes)
    assert all(torch.isfinite(t) for t in terms.values())


def test_some_photos_lose_their_colours(photos: Photos, found: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = photos.small.long()
    monkeypatch.setattr(recipe_fine, "PLAIN_SHARE", 0.0)
    assert torch.equal(on_device._plain(pixels, found), pixels)
    monkeypatch.setattr(recipe_fine, "PLAIN_SHARE", 1.0)
    grey = found.split(on_device._plain(pixels.repeat(20, 1, 1, 1), found))[1].flatten(1).eq(0).all(1)
    assert 2 < grey.sum() < 38


def test_parts_tell_where_they_lie(photos: Photos, found: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe_coarse, "WHOLE_SHARE", 0.0)
    monkeypatch.setattr(recipe_coarse, "LIT_SHARE", 0.0)
    batch = on_device.coarse_batch(photos, found, 12)
    assert batch["position"].shape == (12, 2, 32, 32)
    middles = batch["position"].mean((2, 3))
    for light, middle in zip(batch["light"], middles, strict=True):
        # A mirrored part lies on the other side.
        near = ((middle.abs() - photos.places[:, :2].abs()).abs().sum(1) < 1e-5).nonzero().flatten()
        parts = found.split(photos.parts[near])[0].float()
        alike = [torch.equal(light[0], p) or torch.equal(light[0], p.flip(1)) for p in parts]
        assert any(alike)
