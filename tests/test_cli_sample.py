"""`stego sample`: innocent draws, in a folder, by the rule that stegos pass."""

import itertools
from pathlib import Path

import pytest
from cli_helpers import ok, refused, settle

from stegcli import methods, weights
from stegcli.methods.glow2.rule import Rule
from stegcli.pictures import image

SMALL = ("--size", "64x64")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settle(tmp_path, monkeypatch)
    return tmp_path


def test_a_seed_draws_the_same_pictures_and_a_longer_run_begins_with_them(here: Path) -> None:
    argv = ("sample", "glow2", *SMALL, "--seed", 7)
    found = ok(*argv, "-o", "one", "--count", 1, "--json").json
    ok(*argv, "-o", "two/", "--count", 2)
    assert found["output"] == "one/1.jpg"
    assert found["method"] == "glow2"
    assert sorted(path.name for path in (here / "two").iterdir()) == ["1.jpg", "2.jpg"]
    first, again, other = ((here / name).read_bytes() for name in ("one/1.jpg", "two/1.jpg", "two/2.jpg"))
    assert first == again != other
    assert image.decode(first).pixels.shape == (64, 64, 3)
    assert ok(*argv, "-o", "three", "--json", "--survive", "png").json["output"] == "three/1.png"


def test_draws_that_the_rule_rejects_are_passed_over(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = itertools.cycle([False, False, True])
    judged = []
    monkeypatch.setattr(Rule, "accepts", lambda self, z, x: judged.append(x) or next(turns))
    ok("sample", "glow2", *SMALL, "-o", "drawn", "--count", 2, "--format", "jpg", "--quality", 50)
    assert len(judged) == 6
    decoded = image.decode((here / "drawn" / "2.jpg").read_bytes())
    assert decoded.jpeg is not None
    assert decoded.jpeg.quality == 50


def test_covers_of_a_key_are_drawn_with_their_grain(here: Path) -> None:
    ok("sample", "cs-fnns", *SMALL, "-o", "drawn", "--seed", 1)
    ok("sample", "cs-fnns", *SMALL, "-o", "plain", "--seed", 1, "--grain", 0)
    grainy, plain = (image.load(f"{name}/1.png").pixels.astype(float) for name in ("drawn", "plain"))
    assert (grainy - plain).std() == pytest.approx(6, abs=0.5)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("lossless-inn",), "lossless-inn draws no pictures of its own"),
        (("glow7",), "no method 'glow7'"),
        (("glow2", "--format", "gif"), "unknown picture format"),
        (("glow2", "--quality", 50, "--format", "png"), "--quality needs a JPEG output"),
        (("glow2", "--survive", "noise:3"), "glow2 does not survive noise:3"),
        (("glow2", "--grain", 1), "--grain means nothing to glow2"),
        (("glow2", "--size", "65x65"), "no size 65x65"),
        (("cs-fnns", "--domain", "seas"), "--domain takes no 'seas'"),
    ],
)
def test_wrong_use_is_refused(argv: tuple[object, ...], says: str) -> None:
    refused(3 if "gif" in argv else 2, "sample", *argv, "-o", "drawn", says=says)


def test_nothing_is_replaced_without_force(here: Path) -> None:
    (here / "drawn").mkdir()
    (here / "drawn" / "2.jpg").write_bytes(b"mine")
    refused(3, "sample", "glow2", *SMALL, "-o", "drawn", "--count", 2, says="exists")


def test_methods_that_say_so_can_draw() -> None:
    for about in methods.abouts():
        overrides = "innocent" in vars(type(weights.load(about.name)))
        assert overrides == about.draws, about.name
