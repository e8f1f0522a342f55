"""The values of `--attack`, what each does to a file, and the sweeps that show where a method breaks."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from cli_helpers import ok, photo, refused, save
from PIL import Image as Pillow

from stegcli import methods
from stegcli.cli.evaluating import Asked
from stegcli.errors import CapacityError, FileError, UsageError
from stegcli.keys.key import Key
from stegcli.measuring import attacks, bits, running, sweep
from stegcli.measuring.sweep import Outcome, Setting
from stegcli.method import Request, Secret
from stegcli.pictures import channel, image
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

STEGO = Picture(photo(96, 64))


def names(text: str) -> list[str]:
    return [str(a) for a in attacks.parse(text).attacks]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("jpeg:90", ["jpeg:90"]),
        ("jpeg:95..70", ["jpeg:95", "jpeg:90", "jpeg:85", "jpeg:80", "jpeg:75", "jpeg:70"]),
        ("jpeg:70..95/10", ["jpeg:95", "jpeg:85", "jpeg:75", "jpeg:70"]),
        ("noise:1..3", ["noise:1", "noise:2", "noise:3"]),
        ("resize:0.5..1/0.25", ["resize:1", "resize:0.75", "resize:0.5"]),
        ("resize:0.5..2/0.5", ["resize:1", "resize:1.5", "resize:2", "resize:0.5"]),
        ("crop:1..16/7", ["crop:1", "crop:8", "crop:15", "crop:16"]),
        ("fit:64..192", ["fit:192", "fit:128", "fit:64"]),
        ("blur:0.5..1", ["blur:0.5", "blur:0.75", "blur:1"]),
        ("crop", ["crop"]),
        ("png", ["png"]),
    ],
)
def test_a_range_goes_from_mild_to_harsh(text: str, steps: list[str]) -> None:
    assert names(text) == steps


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fog:1", "no attack 'fog:1'"),
        ("jpeg:900", "out of range"),
        ("webp:0", "out of range"),
        ("blur:x", "needs a number"),
        ("blur:nan", "needs a number"),
        ("crop:", "needs a number"),
        ("jpeg:90..", "needs a number"),
        ("jpeg:90..90", "is not a range"),
        ("jpeg:95..30/0", "is not a range"),
        ("jpeg:95..300", "out of range"),
        ("noise:1..200/0.5", "more than 100 steps"),
        ("png:1..2", "is no range"),
    ],
)
def test_what_is_no_attack_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        attacks.parse(text)


def through(text: str, stego: Picture = STEGO) -> tuple[str, np.ndarray]:
    """-> format of the file that arrives, and its pixels."""
    (one,) = attacks.parse(text).attacks
    data = one.file(stego, np.random.default_rng(0))
    return str(Pillow.open(io.BytesIO(data)).format), image.decode(data).pixels


def test_codecs_are_real_and_geometry_is_exact() -> None:
    assert through("webp:80")[0] == "WEBP"
    assert through("jpeg:80")[0] == "JPEG"
    kind, cut = through("crop:3")
    assert kind == "PNG"
    assert np.array_equal(cut, STEGO.pixels[3:-3, 3:-3])
    assert through("fit:48")[1].shape == (32, 48, 3)
    assert np.array_equal(through("fit:96")[1], STEGO.pixels)
    assert np.array_equal(through("png")[1], STEGO.pixels)


@pytest.mark.parametrize("text", ["jpeg:95..30/15", "webp:95..30/15", "blur:0.5..3/0.5", "noise:1..16/5"])
def test_later_steps_change_more(text: str) -> None:
    errors = [np.abs(through(n)[1].astype(int) - STEGO.pixels).mean() for n in names(text)]
    assert errors == sorted(errors)
    assert errors[0] < errors[-1]


def test_a_picture_that_is_cut_away_is_refused() -> None:
    with pytest.raises(FileError, match="nothing of the picture is left"):
        through("crop:32")


def test_a_chain_is_done_in_order(tmp_path: Path) -> None:
    path = tmp_path / "messenger.toml"
    path.write_text('name = "messenger"\nsteps = ["fit:48", "crop:4", "jpeg:75"]\n')
    (one,) = attacks.parse(f"social:{path}").attacks
    assert str(one) == "messenger"
    assert one.channel is None
    kind, pixels = through(f"social:{path}")
    assert (kind, pixels.shape) == ("JPEG", (24, 40, 3))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps = [", "is no TOML"),
        ("steps = []", "is no chain"),
        ('name = 3\nsteps = ["png"]', "is no chain"),
        ('steps = ["png"]\nsize = 3', "is no chain"),
        (None, "cannot read chain of attacks"),
    ],
)
def test_a_broken_chain_is_told(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "chain.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(FileError, match=says):
        attacks.parse(f"social:{path}")


def test_ranges_and_new_attacks_are_swept_and_channels_are_not() -> None:
    texts = ["png", "jpeg:90", "noise:5", "blur:1", "jpeg:90..80"]
    plain, sweeps = attacks.split(texts, lambda c: c.kind != "noise")
    assert plain == ["png", "jpeg:90"]
    assert [s.name for s in sweeps] == ["noise:5", "blur:1", "jpeg:90..80"]


# -- sweeps


COSET = Setting("lossless-inn", "coset-1", "0.1 bpp", device="cpu")


def request(data: bytes = b"meet at noon") -> Request:
    method = running.loaded("lossless-inn", "coset-1", "cpu")
    return Request((Secret(data),), (Key("lossless-inn", "coset-1", bytes(32)),), STEGO, options=method.about.hide())


def test_a_stego_for_a_lossless_file_holds_there_and_breaks_behind() -> None:
    parsed = [attacks.parse(t) for t in ("png", "jpeg:95..80")]
    whole, broken = sweep.swept(COSET, [request(), request()], parsed, 0, running.here)
    assert (whole["holds"], whole["breaks"]) == ("png", None)
    assert whole["steps"][0]["came_back"] == 1
    assert whole["steps"][0]["stego_psnr"] > 60
    assert (broken["holds"], broken["breaks"]) == (None, "jpeg:95")
    assert [s["came_back"] for s in broken["steps"]] == [0] * 4
    assert broken["made_for"] == "png"


def test_after_two_losses_a_picture_is_not_tried_further(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    behind = sweep._behind
    monkeypatch.setattr(sweep, "_behind", lambda *a: tried.append(str(a[3])) or behind(*a))
    found = sweep.one_picture(COSET, request(), attacks.parse("jpeg:95..60"), (0,))
    assert tried == ["jpeg:95", "jpeg:90"]
    assert found == [Outcome(False, stego_psnr=found[0].stego_psnr)] * 8


def test_what_does_not_fit_is_a_row_that_says_so() -> None:
    (record,) = sweep.swept(COSET, [request(), request(bytes(10_000))], [attacks.parse("png")], 0, running.here)
    (step,) = record["steps"]
    assert (step["came_back"], step["refused"]) == (0.5, 0.5)
    assert "does not fit: capacity" in step["why"]
    _, columns, rows = sweep.tables([record])[1]
    assert "refused for 50 %: does not fit" in rows[0][columns.index("note")]


def test_a_stego_is_made_for_the_step_where_the_method_can() -> None:
    method = running.loaded("riis", "coded-1", "cpu")
    setting = Setting("riis", "coded-1", "x")
    made = {t: sweep._made_for(method, setting, attacks.parse(t).attacks[0]) for t in ("jpeg:80", "blur:1", "crop")}
    assert made == {"jpeg:80": (Channel("jpeg", 80.0),), "blur:1": (Channel("png"),), "crop": (Channel("crop"),)}
    fixed = Setting("riis", "coded-1", "x", "jpeg:75..95")
    assert sweep._made_for(method, fixed, attacks.parse("blur:1").attacks[0]) == channel.parse_survive("jpeg:75..95")


def test_tables_tell_where_it_breaks() -> None:
    outcomes = [
        [Outcome(True, 30.0, 42.0), Outcome(True, 28.0, 42.0)],
        [Outcome(True, float("inf"), 40.0), Outcome(False, None, 40.0)],
    ]
    record = sweep._record(COSET, attacks.parse("jpeg:90..85"), outcomes)
    (_, columns, (row,)), (_, _, steps) = sweep.tables([record])
    assert dict(zip(columns, row, strict=True)) == {
        "weights": "coset-1", "payload": "0.1 bpp", "attack": "jpeg:90..85", "made for": "png",
        "all come back up to": "jpeg:90", "breaks at": "jpeg:85", "there": "50 % come back",
    }  # fmt: skip
    assert [s[4:8] for s in steps] == [["100 %", "30.00", "30.00", "41.00"], ["50 %", "28.00", "28.00", "41.00"]]
    assert sweep.tables([]) == []


# -- the command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for seed in range(2):
        save(tmp_path / "photos" / f"{seed}.png", photo(128, 128, seed))
    return tmp_path


def test_command_sweeps_covers_and_measures_nothing_else(folder: Path) -> None:
    argv = ("evaluate", "lossless-inn", "--covers", "photos", "--weights", "coset-1", "--payload", 0.05)
    result = ok(*argv[:6], "--attack", "jpeg:95..90", "--json").json
    assert result["rows"] == []
    assert [r["breaks"] for r in result["sweeps"]] == ["jpeg:95"]
    both = ok(*argv, "--attack", "jpeg:95", "--attack", "blur:0.5", "--json").json
    assert both["rows"][0]["attacks"] == {"jpeg:95": 0}
    assert [(r["payload"], r["attack"]) for r in both["sweeps"]] == [("0.05 bpp", "blur:0.5")]


def test_command_sweeps_secrets_for_a_channel_that_is_named(folder: Path) -> None:
    argv = ("evaluate", "riis", "--secrets", "photos", "--size", "128x128", "--weights", "coded-1")
    printed = ok(*argv, "--attack", "jpeg:95..80/15", "--survive", "jpeg:75").out.decode()
    assert "where it breaks" in printed
    each = ok(*argv, "--attack", "jpeg:95..75/20", "--json").json["sweeps"][0]
    assert [s["made_for"] for s in each["steps"]] == ["jpeg:95", "jpeg:75"]
    assert (each["holds"], each["breaks"]) == ("jpeg:75", None)
    assert each["steps"][0]["psnr"] > each["steps"][-1]["psnr"] > 12


@pytest.mark.parametrize(
    ("argv", "status", "says"),
    [
        (("--attack", "fog:1"), 2, "no attack"),
        (("--attack", "jpeg:95..90", "--survive", "noise:3"), 2, "does not survive noise:3"),
        (("--attack", "social:missing.toml"), 3, "cannot read chain of attacks"),
        (("--attack", "jpeg:95", "--survive", "png"), 2, "--survive is for"),
    ],
)
def test_wrong_use_is_told(folder: Path, argv: tuple[str, ...], status: int, says: str) -> None:
    refused(status, "evaluate", "lossless-inn", "--covers", "photos", "--weights", "coset-1", *argv, says=says)


def test_a_capacity_error_is_a_refusal_of_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    method = running.loaded("lossless-inn", "coset-1", "cpu")

    def full(*_: object) -> None:
        raise CapacityError(3, 5)

    monkeypatch.setattr(sweep.api, "hide", full)
    assert sweep._hidden(method, request(), (channel.LOSSLESS,)) == "does not fit: capacity 3 bytes, need 5 bytes"


def test_a_jpeg_cover_is_measured_as_a_jpeg_stego_unless_it_is_cut(tmp_path: Path) -> None:
    Pillow.fromarray(photo(128, 96)).save(tmp_path / "a.jpg", quality=90)
    cover = image.load(tmp_path / "a.jpg", "cover")
    method = running.loaded("lossless-inn", "coset-1", "cpu")
    assert bits.format_for(method, cover) == "JPEG"
    assert bits.format_for(running.loaded("steg-cinn", "photos-2", "cpu"), cover) == "PNG"
    part = bits.cut(cover, (64, 32))
    assert np.array_equal(part.pixels, cover.pixels[32:64, 32:96])
    assert bits.format_for(method, part) == "PNG"


def test_a_channel_that_one_form_of_a_method_refuses_is_swept() -> None:
    asked = SimpleNamespace(shows=True, about=methods.about("riis"))
    for name, in_table in (("jpeg:80", True), ("noise:5", True), ("webp:80", False)):
        assert Asked.made_behind(cast(Any, asked), channel.parse(name)) is in_table
    assert Asked.made_behind(cast(Any, SimpleNamespace(shows=False, about=asked.about)), channel.parse("webp:80"))
