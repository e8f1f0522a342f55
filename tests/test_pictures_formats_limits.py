"""What cannot be written is refused early, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from stegcli.errors import FileError
from stegcli.pictures import formats, image
from stegcli.pictures.image import Picture

FORMATS = sorted({*image.LOSSLESS.values(), *image.LOSSY.values()})


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (16_383, 1), (16_384, 1), (1, 16_384), (65_500, 1), (65_501, 1)])
@pytest.mark.parametrize("alpha", [False, True])
def test_it_agrees_with_the_encoder(format: str, size: tuple[int, int], alpha: bool) -> None:
    width, height = size
    picture = Picture(np.zeros((height, width, 3), np.uint8), np.ones((height, width), np.uint8) if alpha else None)
    early, late = (
        refusal(lambda: formats.check(format, width, height, alpha)),
        refusal(lambda: image.encode(picture, format)),
    )
    assert (early is None) == (late is None), (early, late)


def refusal(call: object) -> FileError | None:
    try:
        call()  # type: ignore[operator]
    except FileError as error:
        return error
    return None


def test_it_is_said_why() -> None:
    with pytest.raises(FileError, match="BMP cannot keep an alpha channel"):
        formats.check("BMP", 10, 10, alpha=True)
    with pytest.raises(FileError, match="WEBP takes at most 16383 pixels a side, not 20000x10"):
        formats.check("WEBP", 20_000, 10)
    with pytest.raises(FileError, match="cannot keep 70000x70000 pixels"):
        formats.check("BMP", 70_000, 70_000)
    formats.check("PNG", 70_000, 70_000, alpha=True)
