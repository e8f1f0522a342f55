"""A folder of pictures -> crops: what is found, what is passed over, and that the same seed gives the same crops."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from stegcli import data
from stegcli.data import Pictures, list_pictures
from stegcli.errors import FileError
from stegcli.recipe import Noise


def draw(path: Path, side: int = 96, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    Pillow.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(4):
        draw(tmp_path / f"{i}.png", seed=i)
    return tmp_path


def test_pictures_are_listed_sorted_and_recursively(tmp_path: Path) -> None:
    wanted = [draw(tmp_path / name) for name in ("a/z.png", "b.PNG", "c/d/e.bmp")]
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "folder.png").mkdir()
    assert list_pictures(tmp_path) == wanted


def test_an_empty_folder_has_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no pictures in"):
        list_pictures(tmp_path)


@pytest.mark.parametrize("name", ["absent", "file.png"])
def test_what_is_not_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    draw(tmp_path / "file.png")
    with pytest.raises(FileError, match="is not a folder"):
        list_pictures(tmp_path / name)


def test_a_batch_is_rgb_crops_in_0_to_1(folder: Path) -> None:
    batch = Pictures(folder).batch(Noise.of(0, 0, range(5)), 64)
    assert batch.shape == (5, 3, 64, 64)
    assert batch.dtype == torch.float32
    assert batch.min() >= 0
    assert batch.max() == 1


def test_crops_are_parts_of_the_pictures_flipped_or_not(folder: Path) -> None:
    whole = [np.asarray(Pillow.open(p)) for p in list_pictures(folder)]
    batch = Pictures(folder).batch(Noise.of(0, 0, range(8)), 95).mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    possible = {
        np.ascontiguousarray(picture[top : top + 95, left : left + 95][:, ::flip]).tobytes()
        for picture in whole
        for top in (0, 1)
        for left in (0, 1)
        for flip in (1, -1)
    }
    assert all(crop.tobytes() in possible for crop in batch)


def test_the_same_seed_gives_the_same_crops(folder: Path) -> None:
    first, again = (Pictures(folder).batch(Noise.of(7, 3, range(4)), 32) for _ in range(2))
    assert torch.equal(first, again)
    for other in (Noise.of(8, 3, range(4)), Noise.of(7, 4, range(4))):
        assert not torch.equal(first, Pictures(folder).batch(other, 32))


def test_a_batch_split_over_processes_is_the_whole_batch(folder: Path) -> None:
    whole = Pictures(folder).batch(Noise.of(0, 5, range(4)), 32)
    halves = [Pictures(folder).batch(Noise.of(0, 5, part), 32) for part in (range(2), range(2, 4))]
    assert torch.equal(whole, torch.cat(halves))


def test_noise_bits_are_signs_and_split_like_the_batch() -> None:
    whole = Noise.of(0, 5, range(4)).bits(2, 8, 8)
    halves = [Noise.of(0, 5, part).bits(2, 8, 8) for part in (range(2), range(2, 4))]
    assert whole.shape == (4, 2, 8, 8)
    assert set(whole.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(whole, torch.cat(halves))


def test_broken_and_small_files_are_reported_once_and_passed_over(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG, but no more")
    draw(folder / "small.png", side=31)
    pictures = Pictures(folder)
    for step in range(8):
        crops = pictures.batch(Noise.of(0, step, range(4)), 32)
        assert crops.shape == (4, 3, 32, 32)
    assert sorted(record.getMessage().split(":")[0] for record in caplog.records) == ["skipped"] * 2
    assert "broken.png is not a picture" in caplog.text
    assert "small.png is smaller than 32x32" in caplog.text


def test_nothing_but_broken_files_is_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    draw(tmp_path / "b.png", side=16)
    with pytest.raises(FileError, match="no readable picture of at least 32x32"):
        Pictures(tmp_path).batch(Noise.of(0, 0, range(1)), 32)
    with pytest.raises(FileError, match="no picture of at least 32x32 to validate on"):
        Pictures(tmp_path).centres(4, 32)
    assert len(caplog.records) == 4


def test_too_small_for_one_crop_still_serves_a_smaller_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Stages of one recipe may have crops of different sizes, in any order."""
    draw(tmp_path / "large.png", side=96)
    draw(tmp_path / "small.png", side=48, seed=1)
    pictures = Pictures(tmp_path)
    for crop in (32, 64, 32):
        fresh = Pictures(tmp_path).batch(Noise.of(0, 0, range(8)), crop)
        assert torch.equal(pictures.batch(Noise.of(0, 0, range(8)), crop), fresh)
    assert "small.png is smaller than 64x64" in caplog.text


def test_memory_decides_speed_and_nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Pictures(folder).batch(Noise.of(0, 0, range(16)), 32)
    for room in (0, 2):
        monkeypatch.setattr(data, "MEMORY_BYTES", room * 96 * 96 * 3)
        tight = Pictures(folder)
        assert torch.equal(tight.batch(Noise.of(0, 0, range(16)), 32), wanted)
        assert len(tight._kept) == room


def test_kept_pictures_lie_in_blocks_of_many(folder: Path) -> None:
    pictures = Pictures(folder)
    for seed in range(6):
        pictures.batch(Noise.of(seed, 0, range(4)), 16)
    assert len(pictures._kept) == 4
    assert len({id(pixels.base) for pixels in pictures._kept.values()}) == 1
    for index, pixels in pictures._kept.items():
        assert np.array_equal(pixels, np.asarray(Pillow.open(pictures.paths[index])))


def test_centres_are_the_middles_of_the_first_pictures(folder: Path) -> None:
    pictures = Pictures(folder)
    centres = pictures.centres(2, 64)
    middles = [np.asarray(Pillow.open(p))[16:80, 16:80] for p in list_pictures(folder)[:2]]
    assert torch.equal(centres, torch.from_numpy(np.stack(middles)).permute(0, 3, 1, 2) / 255)
    assert len(pictures._kept) == 2  # no more are decoded than are wanted
    assert len(Pictures(folder).centres(99, 64)) == 4
