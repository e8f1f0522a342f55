"""cs-fnns from the command line, with the shipped covers: what comes back, for whom, and what is refused."""

from __future__ import annotations

import functools
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import SECRET, ok, photo, pixels_of, refused, save, settle
from PIL import Image

from stegcli import weights
from stegcli.keys import key as keys
from stegcli.pictures import metrics

SMALL = ("--method", "cs-fnns", "--size", "128x128", "--steps", 60)
WEIGHTS = weights.default_name("cs-fnns")
LOAD = functools.cache(weights.load)
"""Each command loads its weights; here the first does for all."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and a stego that most tests can share; nothing in here changes."""
    folder = tmp_path_factory.mktemp("prepared")
    first = keys.generate("cs-fnns", WEIGHTS)
    for name, key in (("a", first), ("b", keys.beside(first)), ("stranger", keys.generate("cs-fnns", WEIGHTS))):
        key.save(folder / f"{name}.npy")
    save(folder / "picture.png", photo(64, 64))
    save(folder / "other.png", photo(64, 64)[::-1])
    ok("hide", folder / "picture.png", "--key", folder / "a.npy", "-o", folder / "stego.png", *SMALL)
    return folder


@pytest.fixture(autouse=True)
def here(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """cover.png, secret.txt and key.npy (of lossless-inn) besides what is prepared."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(weights, "load", LOAD)
    return settle(tmp_path, monkeypatch)


def receivers(first: str, second: str) -> tuple[str, ...]:
    return "--secret", "picture.png", "--key", first, "--secret", "other.png", "--key", second


def likeness(name: str, other: str) -> float:
    return metrics.psnr(pixels_of(name), pixels_of(other))


def test_a_picture_comes_back() -> None:
    ok("reveal", "stego.png", "--key", "a.npy", "-o", "back.png")
    assert likeness("picture.png", "back.png") > 30


def test_figures_of_hide() -> None:
    figures = ok("hide", "picture.png", *SMALL, "-o", "out.png", "--psnr", 42, "--json").json
    assert figures["method"] == "cs-fnns"
    assert 42 <= figures["cover_psnr"] < 42.1
    assert figures["secret_psnr"] > 30
    assert figures["verified"] is True
    assert 0 <= figures["number"] < 2**48


def test_any_file_comes_back_byte_for_byte() -> None:
    ok("hide", "secret.txt", *SMALL, "-o", "out.png")
    assert ok("reveal", "out.png", "--key", "out.key.npy").out == SECRET


def test_through_pipes() -> None:
    made = ok("hide", "-", "--key", "a.npy", *SMALL, stdin=SECRET).out
    assert ok("reveal", "--key", "a.npy", stdin=made).out == SECRET


@pytest.mark.parametrize("quality", [75, 95])
def test_robust_stegos_may_be_saved_again(quality: int) -> None:
    made = ok("hide", "secret.txt", *SMALL, "--robust", "-o", "out.png", "--json").json
    number = ("--number", made["number"]) if made["notes"] else ()  # of about one cover in twenty, which tells none
    with Image.open("out.png") as opened:
        opened.save("again.jpg", quality=quality)
    assert ok("reveal", "again.jpg", "--key", "out.key.npy", *number).out == SECRET


def test_jpeg_output() -> None:
    ok("hide", "secret.txt", *SMALL, "--quality", 85, "-o", "out.jpg")
    with Image.open("out.jpg") as opened:
        assert opened.format == "JPEG"
    assert ok("reveal", "out.jpg", "--key", "out.key.npy").out == SECRET


def test_two_receivers_each_find_their_own() -> None:
    ok("hide", *receivers("a.npy", "b.npy"), "--number", 1, *SMALL, "-o", "both.png")
    for key, mine, others in (("a", "picture.png", "other.png"), ("b", "other.png", "picture.png")):
        ok("reveal", "both.png", "--key", f"{key}.npy", "-o", f"{key}.png")
        assert likeness(mine, f"{key}.png") > likeness(others, f"{key}.png") + 8


def test_fresh_keys_of_several_receivers_share_their_cover() -> None:
    ok("hide", "--secret", "picture.png", "--secret", "secret.txt", *SMALL, "-o", "both.png")
    assert ok("reveal", "both.png", "--key", "both.2.key.npy").out == SECRET


def test_a_number_is_not_used_twice() -> None:
    argv = ("hide", "secret.txt", "--key", "stranger.npy", *SMALL)
    first, second = (ok(*argv, "-o", f"{i}.png", "--json").json["number"] for i in range(2))
    assert first != second
    says = f"number {second} was used with this key before"
    refused(2, *argv, "-o", "again.png", "--number", second, says=says)


def test_a_receiver_answers_with_a_copy_of_the_key() -> None:
    """The copy lies in another folder and knows of no used number; no cover is drawn twice all the same."""
    Path("away").mkdir()
    shutil.copy("stranger.npy", "away/copy.npy")
    told = [
        ok("hide", "secret.txt", "--key", k, *SMALL, "-o", f"{i}.png", "--json").json["number"]
        for i, k in enumerate(("stranger.npy", "away/copy.npy"))
    ]
    assert len(set(told)) == 2
    for i, key in enumerate(("away/copy.npy", "stranger.npy")):
        assert ok("reveal", f"{i}.png", "--key", key).out == SECRET


def test_every_stego_of_a_batch_has_its_own_number() -> None:
    told = ok("hide", "picture.png", "other.png", "--key", "stranger.npy", *SMALL, "-o", "out/", "--json").lines
    assert len({line["number"] for line in told}) == 2
    ok("reveal", "out/picture.png", "out/other.png", "--key", "stranger.npy", "-o", "back/")
    assert likeness("other.png", "back/other.png") > 25


@pytest.mark.parametrize("change", ["resized", "cropped", "recompressed"])
def test_changed_stegos(change: str) -> None:
    with Image.open("stego.png") as opened:
        if change == "resized":
            opened.resize((192, 128)).save("changed.png")
        elif change == "cropped":
            opened.crop((0, 0, 64, 64)).save("changed.png")
        else:
            opened.save("changed.jpg", quality=75)
    name = "changed.jpg" if change == "recompressed" else "changed.png"
    refused(4, "reveal", name, "--key", "a.npy", "-o", "back.png", says="nothing revealed")


def test_a_strangers_key() -> None:
    refused(4, "reveal", "stego.png", "--key", "stranger.npy", "-o", "back.png", says="nothing revealed")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (receivers("a.npy", "a.npy"), "one key for two"),
        (receivers("a.npy", "stranger.npy"), "different covers"),
        (("picture.png", "--cover", "cover.png"), "takes no --cover"),
        (("picture.png", "--temperature", "0.8"), "means nothing to cs-fnns"),
        (("picture.png", "--as", "cascade"), "--as takes no 'cascade'"),
        (("picture.png", "--decoder", "paper", "--psnr", "42"), "--decoder paper uses"),
    ],
)  # fmt: skip
def test_wrong_usage(argv: tuple[str, ...], says: str) -> None:
    refused(2, "hide", *argv, "-o", "out.png", *SMALL, says=says)


def test_too_large_a_size() -> None:
    refused(2, "hide", "picture.png", "--method", "cs-fnns", "--size", "2048x2048", "-o", "out.png", says="no size")


def test_what_does_not_fit() -> None:
    Path("large.bin").write_bytes(bytes(10_000))
    refused(5, "hide", "large.bin", *SMALL, "-o", "out.png", says="capacity")


def test_a_generator_that_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    argv = ("--generator", "diffusers:nobody/nothing", "--prompt", "a lawn")
    refused(6, "hide", "picture.png", *SMALL, *argv, "-o", "out.png", says="generator nobody/nothing is not here")


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3)])
def test_odd_secrets(shape: tuple[int, int, int]) -> None:
    save("odd.png", np.full(shape, 200, np.uint8))
    ok("hide", "odd.png", *SMALL, "-o", "out.png")
    back = ok("reveal", "out.png", "--key", "out.key.npy").out
    with Image.open(io.BytesIO(back)) as opened:
        assert (opened.height, opened.width) == shape[:2]
