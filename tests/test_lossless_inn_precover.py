"""An uncompressed picture as a cover for a JPEG stego."""

from __future__ import annotations

import io

import numpy as np
import pytest
from jpeg_helpers import photo
from PIL import Image as Pillow

from stegcli.errors import FileError
from stegcli.keys.key import Key
from stegcli.methods.lossless_inn import jpeg_hiding, precover
from stegcli.pictures import jpeg
from stegcli.pictures.image import Picture


@pytest.fixture(scope="module")
def picture() -> Picture:
    return Picture(np.asarray(photo(101, 117)))


@pytest.mark.parametrize("quality", [60, 85, 95])
def test_errors_are_what_rounding_took_away(picture: Picture, quality: int) -> None:
    made, errors = precover.compressed(picture, quality)
    with Pillow.open(io.BytesIO(made.file)) as opened:
        assert np.abs(np.asarray(opened).astype(int) - picture.pixels).mean() < 8
    for component, error in zip(made.components, errors, strict=True):
        assert error.shape == component.blocks.shape
        assert np.mean(np.abs(error) > 0.5) < 0.1  # where the encoder's integers rounded the other way
        assert abs(error.mean()) < 0.02


def test_a_grey_picture_has_the_errors_of_its_transform() -> None:
    """One component, no conversion of colours: the errors of a flat block are known."""
    made, errors = precover.compressed(Picture(np.full((16, 24, 3), 141, np.uint8)), 75)
    steps = made.components[0].steps
    exact = 8 * (141 - 128) / steps[0, 0]
    assert np.allclose(errors[0][..., 0, 0], exact - round(exact), atol=0.05)
    assert np.abs(errors[0].reshape(-1, 64)[:, 1:]).max() < 0.05


def test_stegos_lie_nearer_to_the_picture_than_without(picture: Picture, key: Key) -> None:
    made, errors = precover.compressed(picture, 85)

    def distance(blocks: list[np.ndarray]) -> float:
        """Of the coefficients to those before rounding, in squared steps."""
        parts = zip(blocks, made.components, errors, strict=True)
        return float(sum(np.square(b - c.blocks - e).sum() for b, c, e in parts))

    cover = distance([c.blocks for c in made.components])
    informed, plain = (
        distance(jpeg_hiding.hide(b"x" * 60, key, made, "uerd", 0.4, given).blocks) - cover for given in (errors, None)
    )
    assert informed < 0.5 * plain


def test_the_message_comes_back(picture: Picture, key: Key) -> None:
    made, errors = precover.compressed(picture, 90)
    changed = jpeg_hiding.hide(b"side information", key, made, limit=0.2, errors=errors)
    assert jpeg_hiding.reveal(jpeg.read(jpeg.write(made, changed.blocks).file), key) == b"side information"


def test_alpha_is_refused(picture: Picture) -> None:
    with pytest.raises(FileError, match="alpha"):
        precover.compressed(Picture(picture.pixels, np.zeros(picture.pixels.shape[:2], np.uint8)), 90)
