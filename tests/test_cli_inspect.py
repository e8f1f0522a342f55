"""`stego inspect` and `stego capacity`: what is told before anything is hidden."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_helpers import ok, photo, refused, save, settle
from PIL import Image


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return settle(tmp_path, monkeypatch)


def jpeg(name: str = "photo.jpg", **options: object) -> str:
    rng = np.random.default_rng(0)
    pixels = photo(192, 160) // 2 + rng.integers(0, 128, (160, 192, 3)).astype(np.uint8)
    Image.fromarray(pixels.astype(np.uint8)).save(name, quality=85, **options)
    return name


def test_a_jpeg_tells_its_quality_and_what_would_travel() -> None:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    exif.get_ifd(0x8825)[1] = "N"
    found = ok("inspect", jpeg(exif=exif), "--json").json
    assert (found["format"], found["width"], found["height"]) == ("JPEG", 192, 160)
    assert found["jpeg"]["quality"] == 85
    assert found["metadata"]["gps"] is True
    assert "camera maker" in found["metadata"]["tells"]
    assert found["history"]["kind"] == "jpeg"
    (lossless,) = (c for c in found["covers"] if c["method"] == "lossless-inn")
    assert lossless["capacity_bytes"] > 0


def test_a_picture_that_was_a_jpeg_is_no_cover_and_the_reason_is_told() -> None:
    Image.open(jpeg()).save("decoded.png")
    found = ok("inspect", "decoded.png", "--json").json
    assert found["history"]["kind"] == "jpeg"
    (lossless,) = (c for c in found["covers"] if c["method"] == "lossless-inn")
    assert lossless["capacity_bytes"] is None
    assert "JPEG" in lossless["why"]


def test_what_differs_from_the_cover_is_told() -> None:
    ok("hide", "secret.txt", "--cover", "cover.png", "--key", "key.npy", "-o", "out.png")
    found = ok("inspect", "out.png", "--cover", "cover.png", "--json").json
    assert found["differences"]
    same = ok("inspect", "cover.png", "--cover", "cover.png", "--json").json
    assert same["differences"] != found["differences"]


def test_the_table_has_the_same_facts() -> None:
    told = ok("inspect", jpeg()).out.decode()
    for word in ("JPEG", "192", "quality", "85", "lossless-inn"):
        assert word in told


def test_a_file_that_is_no_picture() -> None:
    refused(3, "inspect", "secret.txt", says="is not a picture")
    refused(3, "inspect", "missing.png", says="cannot read")


# -- capacity


def test_a_cover_is_told_by_methods_that_take_one() -> None:
    rooms = ok("capacity", "cover.png", "--json").json["rooms"]
    assert {"lossless-inn"} <= {r["method"] for r in rooms}
    assert not {"glow2", "cs-fnns"} & {r["method"] for r in rooms}
    (room,) = (r for r in rooms if r["method"] == "lossless-inn" and r["survive"] == "png")
    assert room["bpp"] == pytest.approx(8 * room["capacity_bytes"] / 96**2)
    hidden = ok("hide", "secret.txt", "--cover", "cover.png", "--key", "key.npy", "-o", "out.png", "--json").json
    assert room["capacity_bytes"] == hidden["capacity_bytes"]


def test_generated_pictures_are_told_by_size_and_channel() -> None:
    argv = ("capacity", "--size", "128x128", "--method", "glow2", "--json")
    rooms = {r["survive"]: r["capacity_bytes"] for r in ok(*argv).json["rooms"]}
    assert rooms["png"] > rooms["jpeg:90"] > rooms["jpeg:75"] > 0
    (one,) = ok(*argv, "--survive", "jpeg:80").json["rooms"]
    assert one["survive"] == "jpeg:80"


def test_what_cannot_be_asked() -> None:
    refused(2, "capacity", "cover.png", "--size", "64x64", says="a cover has its own size")
    refused(2, "capacity", "--method", "lossless-inn", says="hides in a picture of yours")
    refused(2, "capacity", "cover.png", "--method", "glow2", says="makes its own picture")
    refused(2, "capacity", "--survive", "fax:1", says="no channel")


def test_a_dry_run_writes_nothing_and_tells_what_would_fit() -> None:
    argv = ("hide", "secret.txt", "--cover", "cover.png", "-o", "out.png", "--dry-run")
    record = ok(*argv, "--json").json
    assert record["fits"] is True
    assert record["payload_bytes"] == 100
    assert not Path("out.png").exists()
    assert not Path("out.key.npy").exists()
    assert b"100 of" in ok(*argv).out
    save("small.png", photo(64, 64))
    Path("big.bin").write_bytes(bytes(50_000))
    told = ok("hide", "big.bin", "--cover", "small.png", "-o", "out.png", "--dry-run", "--json").json
    assert told["fits"] is False
