"""WebP files: written with the settings of the cover's encoder, or else with those of cwebp."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from picture_helpers import SRGB, saved

from stegcli.pictures import image, webp
from stegcli.pictures.webp import CWEBP, Settings

Y, X = np.mgrid[:60, :90]
SMOOTH = 128 + 60 * np.sin(X / 9)[..., None] + 40 * np.cos(Y / 13)[..., None] + np.arange(3) * 9
PHOTO = (SMOOTH + np.random.default_rng(0).normal(0, 3, SMOOTH.shape)).astype(np.uint8)
ALPHA = np.dstack([PHOTO, (X * 2).astype(np.uint8)])


@pytest.mark.parametrize(
    "options",
    [{"method": m, "quality": q} for m, q in ((4, 75), (4, 80), (4, 100))] + [{}, {"icc_profile": SRGB}],
    ids=lambda options: "+".join(options) or "plain",  # a profile holds the time, which workers do not share
)
def test_the_same_pixels_give_the_same_file(options: dict[str, object]) -> None:
    file = saved(PHOTO, "WEBP", lossless=True, **options)
    picture = image.decode(file)
    assert isinstance(picture.style, webp.Style)
    assert image.encode(picture, "WEBP") == file


def test_a_changed_picture_is_written_as_its_cover_was() -> None:
    """Methods differ in what they try, so that these files tell one from the other."""
    for settings in (CWEBP, Settings(6, 75)):
        options = {"lossless": True, "method": settings.method, "quality": settings.effort}
        cover = image.decode(saved(PHOTO, "WEBP", **options))
        changed = replace(cover, pixels=PHOTO ^ 1)
        written = image.encode(changed, "WEBP")
        assert written == saved(PHOTO ^ 1, "WEBP", **options)
        assert written != image.encode(replace(changed, style=None), "WEBP") or settings == CWEBP


def test_settings_are_found_whether_or_not_transparent_colours_were_kept() -> None:
    for exact in (False, True):
        file = saved(ALPHA, "WEBP", lossless=True, method=6, quality=75, exact=exact)
        assert webp.settings_of(file) == Settings(6, 75)
        picture = image.decode(file)
        written = image.decode(image.encode(picture, "WEBP"))
        assert np.array_equal(written.pixels, picture.pixels)
        assert np.array_equal(written.alpha, picture.alpha)


def test_unknown_settings_and_other_covers_give_those_of_cwebp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webp, "USUAL", (CWEBP,))
    unknown = saved(PHOTO, "WEBP", lossless=True, method=0, quality=0)
    assert webp.settings_of(unknown) is None
    wanted = saved(PHOTO, "WEBP", lossless=True, method=4, quality=75)
    for file in (unknown, saved(PHOTO, "PNG"), saved(PHOTO, "TIFF")):
        assert image.encode(image.decode(file), "WEBP") == wanted


def test_nothing_is_tried_for_large_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(PHOTO, "WEBP", lossless=True, method=4, quality=100)
    monkeypatch.setattr(webp, "MOST_PIXELS", PHOTO.size // 3 - 1)
    monkeypatch.setattr(webp, "_encoded", lambda *_: pytest.fail("it was encoded"))
    webp.settings_of.cache_clear()
    assert webp.settings_of(file) is None


def test_a_lossy_file_has_no_settings_to_take() -> None:
    assert image.decode(saved(PHOTO, "WEBP", quality=80)).style is None
