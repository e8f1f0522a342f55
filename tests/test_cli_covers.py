"""Methods that draw a cover from the key, as the command line serves them: numbers, shared covers, and their options.

A toy stands for the method: it draws blocks, marks one sample, and knows by heart what it hid under which number.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
from cli_helpers import SECRET, ok, refused, run, settle
from toys import register

from stegcli import training, weights
from stegcli.about import LOSSLESS, About
from stegcli.errors import RevealError, UnsafeNumberError
from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.method import Asked, Draft, Method, Request, Revealed
from stegcli.methods.cs_fnns.options import RevealOptions
from stegcli.options import Option, PsnrOption
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

MANIFEST = '\n[toy]\ndefault = "toy-1"\n[toy.toy-1]\nlicence = "Apache-2.0"\n'
SIDE = 64
TOY = ("hide", "secret.txt", "--method", "toy", "-o", "out.png")


@dataclass(frozen=True)
class Options(RevealOptions):
    psnr: PsnrOption = None
    steps: Annotated[int | None, Option("Steps.", min=1)] = None
    decoder: Annotated[Literal["own", "paper"] | None, Option("The decoder.")] = None
    grain: Annotated[float | None, Option("The grain.", min=0, max=12)] = None
    evade: Annotated[bool, Option("Whether to evade.")] = False
    force_number: Annotated[bool, Option("Whether a number may be used again.")] = False


class Toy(Method):
    about: ClassVar[About] = About(
        "toy", "draws blocks from the key", frozenset({"bytes"}), "from key", numbered=True, shares_cover=True,
        most_secrets=3, survives=("png", "jpeg:Q", "jpeg:A..B"), writes=LOSSLESS | {"JPEG"}, hide=Options,
        reveal=RevealOptions,
    )  # fmt: skip
    skips = 0  # so many numbers, unless it is told one
    hidden: ClassVar[dict[tuple[bytes, int], bytes]] = {}  # what all toys of one test know
    requests: ClassVar[list[Request]] = []
    asked: ClassVar[list[RevealOptions]] = []

    def __init__(self) -> None:
        super().__init__({})

    def capacity(self, request: Request) -> int:
        return 1000

    def drafts(self, request: Request) -> Iterator[Draft]:
        self.requests.append(request)
        options, keys_ = request.options, request.keys
        number = self.skips if options.number is None else options.number
        drawn = blocks(keys_[0], number)
        stego = drawn.copy()
        stego[0, 0, 0] += 1
        for key, secret in zip(keys_, request.secrets, strict=True):
            self.hidden[key.secret, number] = secret.data
        exact = tuple(s.data for s in request.secrets)
        told = RevealOptions(number, options.generator, options.prompt, options.generator_steps)
        forms = ("toy",) * len(keys_)
        yield Draft(Picture(stego), exact, forms, 1000, cover=Picture(drawn), number=number, told=told)

    def reveal(self, stego: Picture, asked: Asked) -> tuple[Revealed, ...]:
        self.asked.append(asked.options)
        number_ = asked.options.number
        assert asked.key is not None
        for number in range(4) if number_ is None else [number_]:
            alike = np.corrcoef(stego.pixels.ravel(), blocks(asked.key, number).ravel())[0, 1] > 0.9
            if alike and (asked.key.secret, number) in self.hidden:
                return (Revealed(self.hidden[asked.key.secret, number], notes=(f"its number is {number}",)),)
        raise RevealError


def blocks(key: Key, number: int) -> np.ndarray:
    """A cover: flat in blocks of 8x8, so that it survives JPEG."""
    drawn = key.cover_stream("blocks", number).integers((SIDE // 8) ** 2, 200).reshape(SIDE // 8, SIDE // 8, 1)
    return np.repeat(np.kron(drawn, np.ones((8, 8, 1))), 3, axis=2).astype(np.uint8)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The toy beside the other methods; toy.npy is a key of it."""
    register(monkeypatch, Toy)
    manifest = tmp_path / "weights.toml"
    manifest.write_text(weights.manifest_path().read_text(encoding="utf-8") + MANIFEST, encoding="utf-8")
    monkeypatch.setattr(weights, "manifest_path", lambda: manifest)
    for known in (Toy.hidden, Toy.requests, Toy.asked):
        known.clear()
    work = tmp_path / "work"
    work.mkdir()
    settle(work, monkeypatch)
    keys.generate("toy", "toy-1").save("toy.npy")
    yield work
    weights._manifest.cache_clear()


def hidden(*argv: object, key: str = "toy.npy", output: str = "out.png") -> Any:
    return ok("hide", "secret.txt", "--key", key, "-o", output, *argv)


# -- what is said of covers


def test_the_stego_is_compared_with_its_cover() -> None:
    result = ok(*TOY)
    assert "stego: wrote out.png: verified, 64x64, survives png, PSNR to its cover 89." in result.err
    figures = ok(*TOY, "--force", "--json").json
    assert figures["cover_psnr"] == pytest.approx(20 * np.log10(255 * np.sqrt(3 * SIDE**2)), abs=1e-3)
    assert list(figures)[-4:] == ["number", "verified", "notes", "seconds"]
    assert figures["number"] == 0


def test_notes_of_revealing_are_told() -> None:
    hidden("--number", 2)
    assert "stego: its number is 2\n" in ok("reveal", "out.png", "--key", "toy.npy", "-o", "back").err
    assert ok("reveal", "out.png", "--key", "toy.npy", "-q").err == ""


def test_other_methods_have_no_number() -> None:
    figures = ok("hide", "secret.txt", "--cover", "cover.png", "-o", "out.png", "--json").json
    assert figures["number"] is None
    assert not list(Path().glob("*.used"))


# -- numbers


def notes(folder: str = ".") -> list[str]:
    """What the notes of used numbers in a folder hold."""
    return [p.read_text() for p in sorted(Path(folder).glob(".stego-*.used"))]


def test_a_number_goes_to_sender_and_receiver() -> None:
    assert hidden("--number", 7, "--json").json["number"] == 7
    refused(4, "reveal", "out.png", "--key", "toy.npy", says="nothing revealed")
    assert ok("reveal", "out.png", "--key", "toy.npy", "--number", 7).out == SECRET
    assert [d.number for d in Toy.asked] == [7, None, 7]


def test_every_hide_takes_a_number_of_its_own() -> None:
    found = [hidden("--json", output=f"{i}.png").json["number"] for i in range(3)]
    assert found == [0, 1, 2]
    assert notes() == ["0\n1\n2\n"]
    (note,) = Path().glob(".stego-*.used")
    assert note.stat().st_mode & 0o777 == 0o600


def test_keys_of_one_group_share_their_numbers() -> None:
    ok("keygen", "--with", "toy.npy", "-o", "beside.npy")
    shutil.copy("toy.npy", "copy.npy")
    found = [hidden("--json", key=k, output=f"{k}.png").json["number"] for k in ("toy.npy", "beside.npy", "copy.npy")]
    assert found == [0, 1, 2]


def test_a_number_that_was_used_is_refused_unless_forced() -> None:
    hidden("--number", 3, output="a.png")
    result = refused(
        2, "hide", "secret.txt", "--key", "toy.npy", "-o", "b.png", "--number", 3, says="number 3 was used"
    )
    assert "hint: --number 0 is unused" in result.err
    assert hidden("--number", 3, "--force-number", "--json", output="b.png").json["number"] == 3


def test_the_number_is_the_one_that_the_method_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Toy, "skips", 2)
    assert ok(*TOY, "--json").json["number"] == 2
    assert notes() == ["2\n"]


def test_an_unsafe_number_is_passed_over_unless_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    drafts = Toy.drafts

    def wary(self: Toy, request: Request) -> Iterator[Draft]:
        if request.options.number == 0:
            raise UnsafeNumberError("the cover of number 0 is unsafe", "take another")
        return drafts(self, request)

    monkeypatch.setattr(Toy, "drafts", wary)
    refused(2, "hide", "secret.txt", "--key", "toy.npy", "-o", "a.png", "--number", 0, says="number 0 is unsafe")
    assert hidden("--json").json["number"] == 1


def test_a_failure_uses_no_number() -> None:
    refused(3, "hide", "missing", "--key", "toy.npy", "-o", "out.png")
    assert hidden("--json").json["number"] == 0


def test_a_key_on_standard_input_needs_a_number() -> None:
    argv = ("hide", "secret.txt", "--key", "-", "-o", "out.png", "--force")
    key = Path("toy.npy").read_bytes()
    result = run(*argv, stdin=key)
    assert result.status == 2
    assert "hint: give --number N" in result.err
    assert ok(*argv, "--number", 4, "--json", stdin=key).json["number"] == 4
    assert notes() == []


@pytest.fixture
def batch() -> list[str]:
    for name in "abc":
        Path(f"{name}.txt").write_bytes(name.encode() * 9)
    return ["a.txt", "b.txt", "c.txt"]


STEGOS = ("out/a.png", "out/b.png", "out/c.png")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_batch_under_one_key_counts(batch: list[str], workers: int) -> None:
    argv = ("hide", *batch, "--key", "toy.npy", "-o", "out/", "--jobs", workers)
    result = ok(*argv, "--number", 5, "--json")
    assert [line["number"] for line in result.lines] == [5, 6, 7]
    assert sorted(notes()[0].split()) == ["5", "6", "7"]
    ok("reveal", *STEGOS, "--key", "toy.npy", "--number", 5, "-o", "back/")
    assert [Path(f"back/{n}.bin").read_bytes() for n in "abc"] == [n.encode() * 9 for n in "abc"]
    again = run(*argv, "--number", 7, "--force", "--json")
    assert again.status == 2
    assert [line["exit"] for line in again.lines] == [2, 0, 0]  # 7 was used; 8 and 9 were not


def test_a_batch_takes_the_numbers_that_are_left_and_its_receiver_need_not_be_told(batch: list[str]) -> None:
    hidden(output="first.png")
    ok("hide", *batch, "--key", "toy.npy", "-o", "out/")
    assert sorted(r.options.number for r in Toy.requests) == [0, 1, 2, 3]
    Toy.asked.clear()
    ok("reveal", *reversed(STEGOS), "--key", "toy.npy", "-o", "back/")
    assert [d.number for d in Toy.asked] == [None] * 3
    assert Path("back/c.bin").read_bytes() == b"c" * 9


def test_a_batch_with_fresh_keys_does_not_count(batch: list[str]) -> None:
    ok("hide", *batch, "--method", "toy", "-o", "out/", "--number", 2)
    assert [r.options.number for r in Toy.requests] == [2, 2, 2]
    assert notes("out") == ["2\n"] * 3  # each key has a group of its own
    Toy.asked.clear()
    ok("reveal", *STEGOS, "-o", "back/", "--number", 2)
    assert [d.number for d in Toy.asked] == [2, 2, 2]


# -- covers of several receivers

TWO = ("hide", "--secret", "secret.txt", "--secret", "second.txt")


@pytest.fixture
def second() -> None:
    Path("second.txt").write_bytes(b"second")
    ok("keygen", "--with", "toy.npy", "-o", "beside.npy")


def test_a_key_for_another_receiver(second: None) -> None:
    made = ok("keygen", "--with", "toy.npy", "-o", "third.npy", "--json").json
    assert made == {"method": "toy", "weights": "toy-1", "output": "third.npy", "salt": None}
    first, other = keys.load("toy.npy"), keys.load("third.npy")
    assert first.cover_secret() == other.cover_secret()
    assert first.secret != other.secret
    assert Path("third.npy").stat().st_mode & 0o777 == 0o600
    refused(3, "keygen", "--with", "toy.npy", "-o", "third.npy", says="exists")
    ok("keygen", "--with", "third.npy", "--method", "toy", "-o", "fourth.npy")
    assert ok("keygen", "--with", "-", "-o", "-", stdin=first.to_bytes()).out != first.to_bytes()


@pytest.mark.parametrize(
    ("status", "argv", "says"),
    [
        (2, ("--weights", "toy-1"), "--with takes method and weights from the other key"),
        (2, ("--domain", "x"), "--with takes method and weights from the other key"),
        (2, ("--passphrase-file", "secret.txt"), "--with takes method and weights from the other key"),
        (2, ("--salt", "00" * 16), "--salt goes with --passphrase or --passphrase-file"),
        (2, ("--method", "glow2"), "the key is for toy, not for glow2"),
        (2, ("--method", "glow7"), "the key is for toy, not for glow7"),
        (3, (), "cannot read key missing.npy"),
        (2, (), "--with means nothing to lossless-inn"),
    ],
)
def test_keygen_with_refuses(status: int, argv: tuple[str, ...], says: str) -> None:
    first = "missing.npy" if status == 3 else "key.npy" if "lossless" in says else "toy.npy"
    refused(status, "keygen", "--with", first, "-o", "k.npy", *argv, says=says)


def test_fresh_keys_of_one_stego_draw_one_cover(second: None) -> None:
    figures = ok(*TWO, "--method", "toy", "-o", "out.png", "--json").json
    made = [keys.load(p) for p in figures["key"]]
    assert len({k.cover_secret() for k in made}) == 1
    assert len({k.secret for k in made}) == 2
    assert ok("reveal", "out.png", "--key", "out.1.key.npy").out == SECRET
    assert ok("reveal", "out.png", "--key", "out.2.key.npy").out == b"second"
    assert notes() == ["0\n"]


def test_keys_that_draw_one_cover_serve_several_receivers(second: None) -> None:
    given = ("--key", "toy.npy", "--key", "beside.npy", "-o", "out.png")
    ok(*TWO, *given)
    assert ok("reveal", "out.png", "--key", "beside.npy").out == b"second"
    assert ok(*TWO, *given, "--force", "--json").json["number"] == 1


def test_keys_that_draw_different_covers_are_refused(second: None) -> None:
    keys.generate("toy", "toy-1").save("other.npy")
    says = "the keys draw different covers"
    result = refused(2, *TWO, "--key", "toy.npy", "--key", "other.npy", "-o", "out.png", says=says)
    assert "hint: make the others with stego keygen --with FIRST.npy" in result.err


# -- the options


def test_options_reach_the_method() -> None:
    hidden(
        "--psnr", 40.5, "--steps", 30, "--decoder", "paper", "--grain", 3, "--evade", "--robust", "--number", 2,
        "--generator", "diffusers:owner/repo", "--prompt", "a wood", "--generator-steps", 9,
    )  # fmt: skip
    drawn = RevealOptions(2, "diffusers:owner/repo", "a wood", 9)
    (request,) = Toy.requests
    assert request.options == Options(
        2, "diffusers:owner/repo", "a wood", 9, psnr=40.5, steps=30, decoder="paper", grain=3, evade=True
    )  # fmt: skip
    assert [c.strength for c in request.survive] == [75, 80, 85, 90, 95]
    Toy.asked.clear()
    told = ("--generator", drawn.generator, "--prompt", "a wood", "--generator-steps", 9)
    ok("reveal", "out.png", "--key", "toy.npy", "--number", 2, *told)
    assert Toy.asked == [drawn]
    hidden(output="plain.png")
    assert Toy.requests[1].options == Options(number=0)
    assert Toy.requests[1].survive == (Channel("png"),)
    hidden("--generator", "textures", "--grain", 0, "--survive", "jpeg:90", output="grain.png")
    assert Toy.requests[2].options == Options(number=1, generator="textures", grain=0)
    assert Toy.requests[2].survive == (Channel("jpeg", 90),)


def test_what_is_robust_is_said_to_be() -> None:
    assert "survives JPEG 75 to 95" in hidden("--robust").err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--number", "-1"), "--number"),
        (("--psnr", "14"), "--psnr"),
        (("--psnr", "71"), "--psnr"),
        (("--steps", "0"), "--steps"),
        (("--grain", "12.5"), "--grain"),
        (("--decoder", "best"), "--decoder takes no 'best'"),
        (("--generator", "photos"), "no generator 'photos'"),
        (("--generator", "diffusers:"), "no generator 'diffusers:'"),
        (("--generator", "textures:x"), "no generator 'textures:x'"),
        (("--prompt", "a cat"), "--prompt goes with --generator diffusers:REPO"),
        (("--generator-steps", "9"), "--generator-steps goes with --generator diffusers:REPO"),
        (("--generator", "textures", "--prompt", "a cat"), "--prompt goes with --generator diffusers:REPO"),
        (("--robust", "--survive", "jpeg:90"), "--robust and --survive"),
        (("--robust", "--survive", "png"), "--robust and --survive"),
        (("--cover", "cover.png"), "takes no --cover"),
    ],
)
def test_wrong_usage(argv: tuple[str, ...], says: str) -> None:
    refused(2, *TOY, *argv, says=says)


VALUES = {"number": 0, "psnr": 40, "steps": 5, "decoder": "own", "generator": "textures", "grain": 0.0}


@pytest.mark.parametrize("option", sorted(VALUES))
def test_options_mean_nothing_to_other_methods(option: str) -> None:
    """Zero is a value like any other."""
    for argv in (("--method", "glow2"), ("--cover", "cover.png")):
        result = refused(
            2, "hide", "secret.txt", "-o", "out.png", f"--{option}", VALUES[option], *argv,
            says=f"--{option} means nothing to",
        )  # fmt: skip
        assert "toy" in result.err.splitlines()[1]


def test_switches_mean_nothing_to_other_methods() -> None:
    refused(2, "hide", "secret.txt", "-o", "out.png", "--evade", says="--evade means nothing to glow2")
    argv = ("hide", "secret.txt", "--cover", "cover.png", "--method", "lossless-inn", "-o", "out.png", "--robust")
    refused(2, *argv, says="lossless-inn does not survive jpeg:75")


def test_options_of_reveal_mean_nothing_to_other_methods() -> None:
    ok("hide", "secret.txt", "--cover", "cover.png", "--key", "key.npy", "-o", "out.png")
    for option, value in (("number", 0), ("generator", "textures")):
        argv = ("reveal", "out.png", "--key", "key.npy", f"--{option}", value)
        refused(2, *argv, says=f"--{option} means nothing to lossless-inn")


# -- overviews, and training


def test_the_toy_is_listed() -> None:
    listed = ok("methods", "--json").json["toy"]
    assert (listed["carries"], listed["cover"], listed["key"]) == ("any file", "from key", "yes")
    assert listed["survives"] == "png, jpeg:Q, jpeg:A..B"
    assert listed["weights (default first)"] == "toy-1"


def test_the_capacity_of_the_toy_is_told_by_channel() -> None:
    rooms = ok("capacity", "--method", "toy", "--json").json["rooms"]
    assert [(r["survive"], r["capacity_bytes"]) for r in rooms] == [
        ("png", 1000), ("jpeg:90", 1000), ("jpeg:75", 1000), ("jpeg:75..95", 1000),
    ]  # fmt: skip


def test_the_detector_is_a_part_of_cs_fnns(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[object, ...]] = []
    monkeypatch.setattr(training, "train", lambda *a, **_: trained.append(a[:2]))
    argv = ("--data", ".", "-o", "w.safetensors", "--steps", 1)
    ok("train", "cs-fnns", "--part", "detector", *argv)
    assert trained == [("cs-fnns", "detector")]
    refused(2, "train", "cs-fnns", "--part", "g1", *argv, says="cs-fnns has no part 'g1'")
    refused(2, "train", "toy", *argv, says="toy has no networks to train")
