"""PNG files written as another one was."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from jpeg_helpers import photo
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from stegcli.pictures import png
from stegcli.pictures.png import Style


def saved(image: Pillow.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def opened(file: bytes) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(file)))


def names(file: bytes) -> list[bytes]:
    return [name for name, _ in png._chunks(file)]


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("filters", [(0,), (1,), (2,), (3,), (4,), (0, 1, 2, 3, 4), (1, 4)])
def test_samples_come_back(mode: str, filters: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "STRIP", 16)
    samples = np.asarray(photo(50, 37).convert(mode))
    file = png.encode(samples, Style(6, 15, 900, filters))
    assert np.array_equal(opened(file), samples)
    found = png.style_of(file)
    assert found is not None
    assert set(found.filters) <= set(filters)


@pytest.mark.parametrize("level", [1, 4, 6, 9])
@pytest.mark.parametrize("size", [None, 512, 8192])
@pytest.mark.parametrize("filters", [(0,), (2,), (0, 1, 2, 3, 4)])
def test_style_is_read_and_written_alike(level: int, size: int | None, filters: tuple[int, ...]) -> None:
    chunk = png._chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1))
    style = Style(level, 15, size, filters, (chunk,), ())
    found = png.style_of(png.encode(np.asarray(photo()), style))
    assert found is not None
    assert (found.level, found.window, found.size, found.before) == (level, 15, size, (chunk,))
    assert set(found.filters) <= set(filters)


@pytest.mark.parametrize("options", [{}, {"compress_level": 9}, {"compress_level": 1}, {"optimize": True}])
def test_files_of_pillow_are_imitated(options: dict[str, object]) -> None:
    image = photo(220, 310)
    cover = saved(image, dpi=(72, 72), **options)
    style = png.style_of(cover)
    assert style is not None
    file = png.encode(np.asarray(image), style)
    assert names(file) == names(cover)
    assert png.style_of(file) == style
    coded = [next(data for name, data in png._chunks(f) if name == b"IDAT") for f in (file, cover)]
    assert coded[0][:2] == coded[1][:2]
    assert len(file) == pytest.approx(len(cover), rel=0.03)


def test_harmless_chunks_stay_in_their_order_and_text_goes() -> None:
    text = PngInfo()
    text.add_text("Author", "somebody")
    cover = saved(photo(), dpi=(300, 300), pnginfo=text, icc_profile=b"profile" * 20)
    style, keeping = png.style_of(cover), png.style_of(cover, keep_metadata=True)
    assert style is not None
    assert keeping is not None
    plain, full = (png.encode(np.asarray(photo()), s) for s in (style, keeping))
    assert b"somebody" not in plain
    assert names(full) == names(cover)
    assert [n for n in names(plain) if n != b"IDAT"] == [b"IHDR", b"iCCP", b"pHYs", b"IEND"]
    profiles = [next(d for n, d in png._chunks(f) if n == b"iCCP") for f in (plain, cover)]
    assert profiles[0] == profiles[1]  # its name too


def test_filters_are_those_libpng_would_take() -> None:
    """By hand: equal rows are left to Up, a ramp along the row to Sub, and ties go to the lower type."""
    ramp = np.arange(0, 120, 3, dtype=np.uint8)
    rows = np.stack([ramp, ramp, np.zeros_like(ramp)])
    coded = zlib.decompress(b"".join(d for n, d in png._chunks(png.encode(rows, EVERY)) if n == b"IDAT"))
    assert list(coded[:: 1 + len(ramp)]) == [1, 2, 0]


EVERY = Style(6, 15, 8192, (0, 1, 2, 3, 4))


@pytest.mark.parametrize("file", [b"", b"\xff\xd8", png.SIGNATURE, png.SIGNATURE + bytes(40)])
def test_what_is_no_png_has_no_style(file: bytes) -> None:
    assert png.style_of(file) is None


def test_damaged_and_interlaced_files_have_no_style() -> None:
    file = png.encode(np.asarray(photo()), EVERY)
    start = file.index(b"IDAT") + 4
    assert png.style_of(file[:start] + bytes(20) + file[start + 20 :]) is None
    header = file.index(b"IHDR") + 4
    assert png.style_of(file[: header + 12] + b"\1" + file[header + 13 :]) is None
