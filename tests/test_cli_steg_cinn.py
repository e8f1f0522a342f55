"""steg-cinn on the command line: odd covers, stegos that were changed, and what does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import ok, refused, save, settle
from PIL import Image
from steg_cinn_helpers import small_photo

METHOD = ("--method", "steg-cinn")
HIDE = ("hide", "secret.txt", *METHOD, "--cover", "photo.png")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = settle(tmp_path, monkeypatch)
    save("photo.png", small_photo(72, 72))
    return folder


def capacity(cover: str) -> int:
    (row,) = ok("capacity", cover, *METHOD, "--json").json["rooms"]
    return int(row["capacity_bytes"])


PLAIN: dict[str, np.ndarray] = {
    "black": np.zeros((72, 72, 3), np.uint8),
    "white": np.full((72, 72, 3), 255, np.uint8),
    "red": np.full((72, 72, 3), (255, 0, 0), np.uint8),
}


@pytest.mark.parametrize("name", PLAIN)
def test_covers_that_hold_nothing_say_so(name: str) -> None:
    save("cover.png", PLAIN[name])
    assert capacity("cover.png") == 0
    Path("secret.txt").write_bytes(b"a")
    says = "does not fit: nothing, since hardly any colour of this cover may change unseen"
    refused(5, *HIDE[:-1], "cover.png", "-o", "out.png", says=says)


def test_covers_with_few_colours_hold_less_than_a_photo_and_what_they_promise() -> None:
    """Almost black, almost white, and red from a photo with green and blue at their ends."""
    pixels, most = small_photo(72, 72), capacity("photo.png")
    ends = np.zeros((72, 72), np.uint8), np.full((72, 72), 255, np.uint8)
    for cover in (pixels // 24, 255 - pixels // 24, np.stack([pixels[..., 0], *ends], axis=2)):
        save("cover.png", cover)
        room = capacity("cover.png")
        assert 0 < room < most
        Path("secret.txt").write_bytes(bytes(room))
        ok(*HIDE[:-1], "cover.png", "-o", "out.png", "--force")


def test_a_palette_cover_is_said_and_becomes_rgb() -> None:
    Image.fromarray(small_photo(72, 72)).quantize(64).save("cover.png")
    made = ok(*HIDE[:-1], "cover.png", "-o", "out.png", "--json").json
    assert made["verified"] is True
    assert any("palette" in note for note in made["notes"])
    with Image.open("out.png") as opened:
        assert opened.mode == "RGB"
    assert ok("reveal", "out.png", "--key", "out.key.npy").out == Path("secret.txt").read_bytes()


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "grey": lambda p: p.convert("L"),
    "cropped": lambda p: p.crop((1, 0, 72, 72)),
    "mirrored": lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "made small and large": lambda p: p.resize((40, 40)).resize((72, 72)),
}


def test_a_changed_stego_reveals_nothing() -> None:
    ok(*HIDE, "-o", "out.png")
    with Image.open("out.png") as opened:
        for name, change in CHANGES.items():
            change(opened).save(f"{name}.png")
        hue = np.roll(np.asarray(opened), 1, axis=2)
        opened.save("stego.jpg", quality=98, subsampling=0)
    save("hue.png", hue)
    for name in (*(f"{n}.png" for n in CHANGES), "stego.jpg", "photo.png"):
        refused(4, "reveal", name, "--key", "out.key.npy", "-o", "back", says="nothing revealed")


def test_one_byte_over_the_capacity_says_capacity_and_need() -> None:
    room = capacity("photo.png")
    Path("secret.txt").write_bytes(bytes(room + 1))
    refused(5, *HIDE, "-o", "out.png", says=f"does not fit: capacity {room} bytes, need {room + 1} bytes")
    Path("secret.txt").write_bytes(bytes(room))
    ok(*HIDE, "-o", "out.png")


REFUSALS: list[tuple[int, tuple[str, ...], str]] = [
    (2, ("hide", "secret.txt", *METHOD, "-o", "out.png"), "cover"),
    (3, (*HIDE, "-o", "out.jpg"), "JPEG"),
    (2, (*HIDE, "-o", "out.png", "--psnr", "40"), "--psnr"),
    (2, (*HIDE, "-o", "out.png", "--gap", "0.1"), "--gap goes with --bits 1"),
    (2, (*HIDE, "-o", "out.png", "--grain", "0.6"), "--grain"),
    (2, (*HIDE, "-o", "out.png", "--mode", "recolour", "--top", "2"), "--top goes with --mode keep"),
    (2, (*HIDE, "-o", "out.png", "--key", "key.npy"), "lossless-inn"),
]


@pytest.mark.parametrize(("status", "argv", "says"), REFUSALS, ids=lambda v: str(v)[-30:])
def test_what_cannot_work_is_refused(status: int, argv: tuple[str, ...], says: str) -> None:
    refused(status, *argv, says=says)


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_a_cover_without_colours_is_coloured(mode: str) -> None:
    """The file says grey; the stego is RGB, and that its colours were drawn is said."""
    Image.fromarray(small_photo(96, 96)).convert("L").convert(mode).save("cover.png")
    if mode == "1":
        refused(5, *HIDE[:-1], "cover.png", "-o", "out.png", says="does not fit")
        return
    made = ok(*HIDE[:-1], "cover.png", "-o", "out.png", "--json").json
    assert "the cover has no colours: all of them were drawn" in made["notes"]
    assert made["cover_psnr"] is None
