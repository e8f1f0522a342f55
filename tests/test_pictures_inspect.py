"""What a picture file tells of itself, and as a cover."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from jpeg_helpers import exif, photo, saved, segment, with_segments
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from stegcli import inspection
from stegcli.errors import FileError
from stegcli.pictures import inspect, jpeg


def png(image: Pillow.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def test_a_camera_file_tells_who_took_it_where() -> None:
    file = with_segments(saved(photo(), quality=92, subsampling=1, progressive=True), exif(6), segment(0xFE, b"x"))
    found = inspect.facts(file + b"video")
    assert (found["format"], found["width"], found["height"]) == ("JPEG", 120, 139)  # turned
    metadata = found["metadata"]
    assert (metadata["gps"], metadata["orientation"]) == (True, 6)
    assert metadata["tells"] == ["camera maker", "camera serial number"]
    assert metadata["segments"] == ["jfif", "exif", "comment"]
    assert metadata["trailing_bytes"] == 5
    facts = found["jpeg"]
    assert (facts["quality"], facts["sampling"], facts["progressive"], facts["components"]) == (92, "4:2:2", True, 3)
    assert facts["nonzero_ac"] == jpeg.read(file).nonzero_ac
    assert found["history"]["kind"] == "jpeg"
    json.dumps(found)


@pytest.mark.parametrize(("mode", "sampling"), [("L", "grey"), ("CMYK", "4:4:4"), ("RGB", "4:2:0")])
def test_sampling_has_its_usual_name(mode: str, sampling: str) -> None:
    assert inspect.facts(saved(photo().convert(mode)))["jpeg"]["sampling"] == sampling


def test_the_past_of_a_png() -> None:
    decoded = Pillow.open(io.BytesIO(saved(photo())))
    assert inspect.facts(png(photo()))["history"]["kind"] == "never"
    was = inspect.facts(png(decoded))["history"]
    assert (was["kind"], was["off_lattice"]) == ("jpeg", 0)
    pixels = np.asarray(decoded).copy()
    pixels[:9, :9] = np.random.default_rng(0).integers(0, 256, (9, 9, 3))
    changed = inspect.facts(png(Pillow.fromarray(pixels)))["history"]
    assert changed["kind"] == "mixed"
    assert 0 < changed["off_lattice"] < 0.01
    assert inspect.facts(png(photo().convert("L")))["history"]["kind"] == "unknown"


def test_text_of_a_png_is_told() -> None:
    text = PngInfo()
    text.add_text("Author", "somebody")
    assert inspect.facts(png(photo(), pnginfo=text))["metadata"]["text"] == ["Author"]


def test_damaged_exif_is_no_reason_to_fail() -> None:
    file = with_segments(saved(photo()), segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\xff\x01"))
    assert inspect.facts(file)["metadata"]["gps"] is False


def test_no_picture_is_refused() -> None:
    with pytest.raises(FileError):
        inspect.facts(b"text")


# -- beside the original


def test_a_stego_beside_its_cover() -> None:
    file = with_segments(saved(photo()), exif(1))
    cover = jpeg.read(file)
    blocks = [c.blocks.copy() for c in cover.components]
    blocks[0][3, 3, 1, 1] += 1
    blocks[1][2, 2, 0, 1] -= 1
    found = inspect.differences(jpeg.write(cover, blocks).file, file)
    assert found["jpeg"] == {
        "same_tables": True,
        "changed_coefficients": 2,
        "segments_left_out": ["exif"],
        "segments_added": [],
    }
    assert 0 < found["changed_samples"] < 2000
    assert found["psnr"] > 50


def test_equal_and_unlike_files() -> None:
    file = png(photo())
    same = inspect.differences(file, file)
    assert (same["same_bytes"], same["changed_samples"], same["psnr"]) == (True, 0, None)
    other = inspect.differences(file, png(photo(90, 90)))
    assert (other["same_size"], other["same_bytes"]) == (False, False)
    json.dumps([same, other])


def test_suitability_says_what_fits_or_why_not() -> None:
    decoded = Pillow.open(io.BytesIO(saved(photo())))

    def room(file: bytes) -> dict[str, object]:
        return next(c for c in inspection.inspected(file)["covers"] if c["method"] == "lossless-inn")

    assert room(png(photo()))["capacity_bytes"] > 5000
    assert 0 < room(saved(photo(256, 300)))["capacity_bytes"] < 500
    refused = room(png(decoded))
    assert refused["capacity_bytes"] is None
    assert "was a JPEG before" in refused["why"]
    too_fine = room(saved(photo(), quality=100))
    assert "quality 99 or more" in too_fine["why"]
    both = inspection.inspected(png(decoded), png(photo()))
    assert both["differences"]["changed_samples"] > 0
