"""Whether a picture came out of a JPEG decoder."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow
from skimage import data as samples

from stegcli.pictures import lattice


def decoded(pixels: np.ndarray, **options: object) -> np.ndarray:
    """What a JPEG file of these pixels decodes to, as RGB."""
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "JPEG", **options)
    return np.array(Pillow.open(buffer).convert("RGB"))


def halved(pixels: np.ndarray) -> np.ndarray:
    """Half the size: scikit-image's photos are themselves JPEG decodes, and resizing takes them off the lattice."""
    height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
    four = pixels[:height, :width].reshape(height // 2, 2, width // 2, 2, 3).astype(np.uint16)
    return ((four.sum(axis=(1, 3)) + 2) // 4).astype(np.uint8)


@pytest.fixture(scope="module", params=["astronaut", "coffee", "chelsea"])
def fresh(request: pytest.FixtureRequest) -> np.ndarray:
    return halved(getattr(samples, request.param)())


def test_the_file_holds_what_the_definition_says() -> None:
    assert np.array_equal(lattice._table(), lattice.computed())


def test_a_quarter_of_all_colours_lies_on_the_lattice() -> None:
    share = np.unpackbits(lattice._table()).mean()
    assert share == pytest.approx(0.254, abs=0.0005)


@pytest.mark.parametrize("quality", [30, 75, 92, 100])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_decoded_jpegs_lie_on_the_lattice(fresh: np.ndarray, quality: int, subsampling: int) -> None:
    pixels = decoded(fresh, quality=quality, subsampling=subsampling)
    assert not lattice.off_lattice(pixels).any()
    assert lattice.examine(pixels) == lattice.Colours(0.0, 0.0, "jpeg")


def test_a_crop_of_a_decoded_jpeg_is_still_known(fresh: np.ndarray) -> None:
    assert lattice.examine(decoded(fresh)[3:70, 5:60]).history == "jpeg"


def test_progressive_and_optimised_files_too(fresh: np.ndarray) -> None:
    assert lattice.examine(decoded(fresh, progressive=True, optimize=True)).history == "jpeg"


def test_pictures_never_compressed_at_this_size_lie_off_it(fresh: np.ndarray) -> None:
    found = lattice.examine(fresh)
    assert found.history == "never"
    assert 0.4 < found.off < 0.9


def test_each_changed_pixel_shows(fresh: np.ndarray) -> None:
    """What it is for: few changes of one level, most of which no decoder makes."""
    stego = decoded(fresh, quality=85)
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, stego.shape[0], 200), rng.integers(0, stego.shape[1], 200)
    green = stego[rows, columns, 1]
    stego[rows, columns, 1] = np.where(green < 255, green + 1, green - 1)
    found = lattice.examine(stego)
    assert found.history == "mixed"
    assert found.off * stego.size / 3 > 120


def test_a_jpeg_with_a_small_foreign_part_is_mixed(fresh: np.ndarray) -> None:
    pasted = decoded(fresh)
    pasted[: len(fresh) // 8] = fresh[: len(fresh) // 8]
    assert lattice.examine(pasted).history == "mixed"


def test_tiles_that_came_from_a_jpeg_are_found(fresh: np.ndarray) -> None:
    half = len(fresh) // 2 // lattice.TILE * lattice.TILE
    pasted = fresh.copy()
    pasted[:half] = decoded(fresh)[:half]
    clean = lattice.clean_tiles(pasted)
    assert clean.shape == fresh.shape[:2]
    assert clean[:half].mean() > 0.9  # the others are grey
    assert clean[half:].mean() < 0.2
    assert not lattice.clean_tiles(np.full((40, 50, 3), 128, np.uint8)).any()


def test_grey_tells_nothing() -> None:
    grey = np.repeat(samples.camera()[..., None], 3, axis=2)
    assert lattice.examine(grey) == lattice.Colours(0.0, 0.0, "unknown")


def test_grey_beside_colour_does_not_count(fresh: np.ndarray) -> None:
    framed = np.full((3 * fresh.shape[0], fresh.shape[1], 3), 255, np.uint8)
    framed[: fresh.shape[0]] = fresh
    found = lattice.examine(framed)
    assert found.history == "never"
    assert found.off < found.off_coloured


def test_few_colours_tell_nothing() -> None:
    """A drawing of two colours that happen to lie on the lattice was not therefore a JPEG."""
    drawn = np.zeros((40, 40, 3), np.uint8)
    drawn[:20] = decoded(np.full((8, 8, 3), (200, 90, 40), np.uint8))[0, 0]
    assert lattice.examine(drawn).history == "unknown"


def test_lookup_equals_the_conversion_in_plain_integers() -> None:
    rng = np.random.default_rng(1)
    for y, cb, cr in rng.integers(0, 256, (200, 3)).tolist():
        red = y + ((91881 * (cr - 128) + 32768) >> 16)
        green = y + ((32768 - 22554 * (cb - 128) - 46802 * (cr - 128)) >> 16)
        blue = y + ((116130 * (cb - 128) + 32768) >> 16)
        pixel = np.array([[red, green, blue]]).clip(0, 255).astype(np.uint8)
        assert not lattice.off_lattice(pixel).any()


def test_strips_do_not_change_the_result(fresh: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lattice.examine(fresh)
    monkeypatch.setattr(lattice, "STRIP", 1000)
    assert lattice.examine(fresh) == whole
