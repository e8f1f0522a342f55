"""glow2 from the command line: what comes back, through which files, for whom; and what is refused, in one line."""

from __future__ import annotations

import functools
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import SECRET, ok, photo, pixels_of, refused, run, save, settle, snapshot, stego_process
from PIL import Image

from stegcli import weights
from stegcli.keys import key as keys
from stegcli.keys import tokens
from stegcli.methods import build
from stegcli.pictures import metrics

HIDE_FIELDS = [
    "method", "weights", "output", "key", "width", "height", "cover_psnr", "payload_bytes", "capacity_bytes", "bpp",
    "secret_psnr", "form", "number", "verified", "notes", "seconds",
]  # fmt: skip
SMALL = ("--size", "64x64")
NOTE = b"meet at nine\n"
"""Short enough for the smallest stego to bring it through JPEG 60."""
WEIGHTS = weights.default_name("glow2")
LOAD = functools.cache(weights.load)
"""Each command loads its weights; here the first does for all."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and a stego that most tests can share; nothing in here changes."""
    folder = tmp_path_factory.mktemp("prepared")
    for name in ("glow", "other", "third"):
        keys.generate("glow2", WEIGHTS).save(folder / f"{name}.npy")
    (folder / "note.txt").write_bytes(NOTE)
    save(folder / "picture.png", photo(200, 100))
    ok("hide", folder / "note.txt", "--key", folder / "glow.npy", "-o", folder / "stego.png", *SMALL)
    return folder


@pytest.fixture(autouse=True)
def here(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """cover.png, secret.txt and key.npy (of lossless-inn) besides what is prepared."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(weights, "load", LOAD)
    return settle(tmp_path, monkeypatch)


def resaved(name: str, **options: int) -> str:
    """A stego as whoever sends it on would write it: Pillow alone takes part."""
    output = f"{Path(name).stem}.resaved.jpg"
    with Image.open(name) as opened:
        opened.convert("RGB").save(output, "JPEG", **options)
    return output


def luminance_table(file: object) -> list[int]:
    with Image.open(file) as opened:  # type: ignore[arg-type]
        assert opened.format == "JPEG"
        return list(opened.quantization[0])  # type: ignore[attr-defined]


def likeness(name: str, truth: str = "picture.png") -> float:
    return metrics.psnr(pixels_of(name), pixels_of(truth))


# -- there and back


def test_without_method_and_cover_a_picture_is_made() -> None:
    result = ok("hide", "secret.txt", "-o", "out.png", *SMALL)
    lines = result.err.splitlines()
    assert lines[0] == f"stego: hiding secret.txt ({len(SECRET)} bytes) in a picture that glow2 makes"
    assert lines[1] == "stego: wrote out.png: verified, 64x64, survives png"
    assert lines[2].startswith(f"stego: secret.txt: bytes, {len(SECRET)} of ")
    assert lines[3].startswith("stego: wrote key out.key.npy: whoever has it")
    assert Path("out.key.npy").stat().st_mode & 0o777 == 0o600
    assert keys.load("out.key.npy").method == "glow2"
    ok("reveal", "out.png", "--key", "out.key.npy", "-o", "back")
    assert Path("back").read_bytes() == SECRET


def test_json_of_hide_and_reveal() -> None:
    figures = ok("hide", "secret.txt", "--key", "glow.npy", "-o", "out.png", *SMALL, "--json").json
    assert list(figures) == HIDE_FIELDS
    assert (figures["method"], figures["weights"], figures["form"]) == ("glow2", WEIGHTS, "bytes")
    assert (figures["output"], figures["key"]) == ("out.png", "glow.npy")
    assert (figures["width"], figures["height"]) == (64, 64)
    assert figures["payload_bytes"] == len(SECRET) < figures["capacity_bytes"]
    assert figures["bpp"] == pytest.approx(8 * len(SECRET) / 64**2)
    assert figures["cover_psnr"] is figures["secret_psnr"] is None
    assert figures["verified"] is True
    back = ok("reveal", "out.png", "--key", "glow.npy", "-o", "back", "--json").json
    assert (back["method"], back["weights"], back["output"]) == ("glow2", WEIGHTS, "back")
    assert (back["bytes"], back["width"], back["height"]) == (len(SECRET), None, None)


def test_a_picture_comes_back_in_its_size() -> None:
    figures = ok("hide", "picture.png", "--key", "glow.npy", "-o", "out.png", *SMALL, "--json").json
    assert figures["form"] == "compressed"
    assert figures["secret_psnr"] > 20
    assert 0 < figures["payload_bytes"] <= figures["capacity_bytes"]
    back = ok("reveal", "out.png", "--key", "glow.npy", "-o", "back.png", "--json").json
    assert (back["width"], back["height"]) == (200, 100)
    assert pixels_of("back.png").shape == (100, 200, 3)
    assert likeness("back.png") == pytest.approx(figures["secret_psnr"], abs=0.01)


def test_a_picture_by_the_cascade() -> None:
    argv = ("hide", "picture.png", "--key", "glow.npy", "-o", "out.png", *SMALL, "--as", "cascade")
    figures = ok(*argv, "--survive", "jpeg:80", "--json").json
    assert (figures["form"], figures["payload_bytes"], figures["bpp"]) == ("cascade", None, None)
    assert figures["secret_psnr"] > 12
    for stego in ("out.png", resaved("out.png", quality=80)):
        ok("reveal", stego, "--key", "glow.npy", "-o", "back.png", "--force")
        assert pixels_of("back.png").shape == (100, 200, 3)
        assert likeness("back.png") > 12


def test_a_small_picture_file_comes_back_without_loss() -> None:
    pixels = np.full((80, 120, 3), (200, 90, 30), np.uint8)
    pixels[:, 60:] = 255 - pixels[:, 60:]
    save("flat.png", pixels)
    figures = ok("hide", "flat.png", "--key", "glow.npy", "-o", "out.png", *SMALL, "--json").json
    assert figures["secret_psnr"] is None  # JSON has no infinity
    assert (pixels_of("out.png").shape, figures["form"]) == ((64, 64, 3), "compressed")
    ok("reveal", "out.png", "--key", "glow.npy", "-o", "back.png")
    assert (pixels_of("back.png") == pixels).all()
    assert Path("back.png").read_bytes() == Path("flat.png").read_bytes()  # the file itself, metadata included
    ok("reveal", "out.png", "--key", "glow.npy", "-o", "back.bmp")  # another format is encoded anew
    assert Path("back.bmp").read_bytes()[:2] == b"BM"
    assert (pixels_of("back.bmp") == pixels).all()


def test_a_picture_as_bytes_is_the_file_itself() -> None:
    save("tiny.png", photo(20, 10))
    figures = ok("hide", "tiny.png", "--key", "glow.npy", "-o", "out.png", *SMALL, "--as", "bytes", "--json").json
    assert (figures["form"], figures["secret_psnr"]) == ("bytes", None)
    assert ok("reveal", "out.png", "--key", "glow.npy").out == Path("tiny.png").read_bytes()


def test_a_revealed_picture_takes_the_format_of_its_name() -> None:
    save("tiny.png", photo(20, 10))
    ok("hide", "tiny.png", "--key", "glow.npy", "-o", "out.png", *SMALL)
    for name, format in (("back.jpg", "JPEG"), ("back.webp", "WEBP"), ("back.bmp", "BMP"), ("back", "PNG")):
        ok("reveal", "out.png", "--key", "glow.npy", "-o", name)
        with Image.open(name) as back:
            assert (back.format, back.size) == (format, (20, 10))


@pytest.mark.parametrize("name", ["out.webp", "out.bmp", "out.tiff"])
def test_every_lossless_format_reveals(name: str) -> None:
    ok("hide", "note.txt", "--key", "glow.npy", "-o", name, *SMALL)
    assert ok("reveal", name, "--key", "glow.npy").out == NOTE


def test_a_stego_of_another_shape() -> None:
    ok("hide", "note.txt", "--key", "glow.npy", "-o", "out.png", "--size", "64x128")
    assert pixels_of("out.png").shape == (128, 64, 3)
    assert ok("reveal", "out.png", "--key", "glow.npy").out == NOTE


def test_two_stegos_of_one_secret_and_key_are_different_pictures() -> None:
    ok("hide", "note.txt", "--key", "glow.npy", "-o", "again.png", *SMALL)
    assert (pixels_of("again.png") != pixels_of("stego.png")).mean() > 0.5
    assert ok("reveal", "again.png", "--key", "glow.npy").out == ok("reveal", "stego.png", "--key", "glow.npy").out


def test_temperature_and_domain() -> None:
    argv = ("hide", "note.txt", "--key", "glow.npy", "-o", "out.png", *SMALL)
    ok(*argv, "--temperature", "0.95", "--domain", "textures")
    assert ok("reveal", "out.png", "--key", "glow.npy").out == NOTE


def test_keygen_makes_keys_of_glow2() -> None:
    assert "for glow2" in ok("keygen", "--method", "glow2", "-o", "made.npy").err
    assert keys.load("made.npy").weights == WEIGHTS


def test_methods_tell_of_glow2() -> None:
    listed = ok("methods", "--json").json["glow2"]
    assert listed["carries"] == "1 to 4 pictures or any file"
    assert listed["cover"] == "generated"
    assert listed["survives"] == "png, jpeg:Q, jpeg:A..B"
    found = re.fullmatch(r"([\d,]+) bytes in (\d+)x\2; ([\d,]+) to survive jpeg:80", listed["room"])
    assert found
    assert int(found[1].replace(",", "")) > int(found[3].replace(",", "")) > 0


# -- through JPEG


def test_a_jpeg_is_written_at_the_quality_asked_for() -> None:
    result = ok("hide", "note.txt", "--key", "glow.npy", "-o", "out.jpg", "--quality", 60, *SMALL)
    assert "verified, 64x64, survives jpeg:60" in result.err
    assert luminance_table("out.jpg") == luminance_table(resaved("stego.png", quality=60))
    assert ok("reveal", "out.jpg", "--key", "glow.npy").out == NOTE


def test_a_jpeg_is_written_at_90_by_default() -> None:
    assert "survives jpeg:90" in ok("hide", "note.txt", "--key", "glow.npy", "-o", "out.JPEG", *SMALL).err
    assert ok("reveal", "out.JPEG", "--key", "glow.npy").out == NOTE


def test_what_is_to_survive_jpeg_does() -> None:
    result = ok("hide", "note.txt", "--key", "glow.npy", "-o", "out.png", "--survive", "jpeg:80", *SMALL)
    assert "survives jpeg:80" in result.err
    for stego in ("out.png", resaved("out.png", quality=80)):
        assert ok("reveal", stego, "--key", "glow.npy").out == NOTE


def test_a_harsher_channel_leaves_less_room() -> None:
    argv = ("hide", "note.txt", "--key", "glow.npy", *SMALL, "--json", "-o")
    png = ok(*argv, "a.png").json["capacity_bytes"]
    jpeg = ok(*argv, "b.png", "--survive", "jpeg:60").json["capacity_bytes"]
    assert png > jpeg > 0


# -- streams, environment


def test_stegos_and_secrets_flow_through_pipes() -> None:
    stego = ok("hide", "-", "--key", "glow.npy", *SMALL, "--json", stdin=NOTE)
    assert json.loads(stego.err)["output"] == "-"
    assert stego.out.startswith(b"\xff\xd8\xff")
    back = ok("reveal", "--key", "glow.npy", "--json", stdin=stego.out)
    assert back.out == NOTE
    assert json.loads(back.err)["bytes"] == len(NOTE)


def test_standard_output_is_a_jpeg_of_the_quality_asked_for() -> None:
    argv = ("hide", "note.txt", "--key", "glow.npy", *SMALL, "-o", "-")
    for given, quality in (((), 90), (("--quality", 70), 70)):
        result = ok(*argv, *given)
        assert f"survives jpeg:{quality}" in result.err
        assert luminance_table(io.BytesIO(result.out)) == luminance_table(resaved("stego.png", quality=quality))
        assert ok("reveal", "--key", "glow.npy", stdin=result.out).out == NOTE


def test_standard_output_is_a_png_for_whom_asks_for_png() -> None:
    argv = ("hide", "note.txt", "--key", "glow.npy", *SMALL, "-o", "-", "--survive", "png")
    assert ok(*argv).out.startswith(b"\x89PNG")
    refused(2, *argv, "--quality", 70, says="--quality needs a JPEG output")


def test_what_fits_only_in_a_png_is_refused_with_the_way_to_one() -> None:
    argv = ("hide", "big.bin", "--key", "glow.npy", *SMALL)
    Path("big.bin").write_bytes(b"x")
    Path("big.bin").write_bytes(bytes(ok(*argv, "--dry-run", "-o", "a.png", "--json").json["capacity_bytes"]))
    figures = ok(*argv, "--dry-run", "-o", "-", "--json").json
    assert figures["survive"] == "jpeg:90"
    assert figures["capacity_bytes"] < figures["payload_bytes"]
    says = f"does not fit: capacity {figures['capacity_bytes']} bytes"
    result = refused(5, *argv, "-o", "-", says=says)
    assert "stego: hint: use a larger --size, -o OUT.png or --survive png" in result.err
    assert ok(*argv, "-o", "-", "--survive", "png").out.startswith(b"\x89PNG")


def test_a_picture_flows_through_pipes() -> None:
    """What comes back is written as PNG."""
    save("tiny.png", photo(20, 10))
    stego = ok("hide", "-", "--key", "glow.npy", *SMALL, stdin=Path("tiny.png").read_bytes()).out
    back = ok("reveal", "--key", "glow.npy", stdin=stego).out
    with Image.open(io.BytesIO(back)) as opened:
        assert (opened.format, opened.size) == ("PNG", (20, 10))


def test_the_key_may_come_through_standard_input() -> None:
    argv = ("hide", "note.txt", "--key", "-", "-o", "out.png", *SMALL)
    ok(*argv, stdin=Path("glow.npy").read_bytes())
    assert ok("reveal", "out.png", "--key", "-", stdin=Path("glow.npy").read_bytes()).out == NOTE


def test_a_pipe_between_processes(here: Path) -> None:
    process = stego_process("hide", "-", "--key", "glow.npy", *SMALL, cwd=here)
    out, err = process.communicate(NOTE, timeout=60)
    assert process.returncode == 0, err
    assert ok("reveal", "--key", "glow.npy", stdin=out).out == NOTE


def test_the_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its method is taken too."""
    monkeypatch.setenv("STEGO_KEY", "glow.npy")
    assert ok("reveal", "stego.png").out == NOTE
    ok("hide", "note.txt", "-o", "out.png", *SMALL)
    assert not Path("out.key.npy").exists()
    assert ok("reveal", "out.png").out == NOTE
    refused(2, "hide", "note.txt", "-o", "new.png", "--cover", "cover.png", says="takes no --cover")


def test_quiet_says_nothing() -> None:
    assert ok("hide", "note.txt", "-o", "out.png", *SMALL, "-q").err == ""
    assert ok("reveal", "out.png", "--key", "out.key.npy", "-q").err == ""


# -- batches


@pytest.mark.parametrize("workers", [1, 2])
def test_a_batch_there_and_back(workers: int) -> None:
    save("tiny.png", photo(20, 10))
    result = ok("hide", "note.txt", "secret.txt", "tiny.png", "-o", "out/", *SMALL, "--json", "--jobs", workers)
    assert [line["input"] for line in result.lines] == ["note.txt", "secret.txt", "tiny.png"]
    assert list(result.lines[0]) == ["input", "exit", *HIDE_FIELDS]
    stegos = ["out/note.jpg", "out/secret.jpg", "out/tiny.jpg"]
    assert [line["output"] for line in result.lines] == stegos
    assert [line["key"] for line in result.lines] == [s.replace(".jpg", ".key.npy") for s in stegos]
    back = ok("reveal", *stegos, "-o", "back/", "--json", "--jobs", workers)
    assert [line["output"] for line in back.lines] == ["back/note.bin", "back/secret.bin", "back/tiny.png"]
    assert Path("back/note.bin").read_bytes() == NOTE
    assert Path("back/secret.bin").read_bytes() == SECRET
    assert pixels_of("back/tiny.png").shape == (10, 20, 3)


def test_a_batch_goes_on_past_a_bad_file() -> None:
    Path("big.bin").write_bytes(bytes(100_000))
    result = run("hide", "missing", "big.bin", "note.txt", "--key", "glow.npy", "-o", "out/", *SMALL, "--json")
    assert result.status == 5
    assert [line["exit"] for line in result.lines] == [3, 5, 0]
    assert sorted(snapshot(Path("out"))) == ["out/note.jpg"]
    assert ok("reveal", "out/note.jpg", "--key", "glow.npy").out == NOTE


def test_a_batch_of_png_for_whom_asks_for_png() -> None:
    ok("hide", "note.txt", "--key", "glow.npy", "-o", "out/", *SMALL, "--survive", "png")
    assert sorted(snapshot(Path("out"))) == ["out/note.png"]


def test_a_batch_of_stegos_with_an_innocent_picture_among_them() -> None:
    result = run("reveal", "stego.png", "picture.png", "--key", "glow.npy", "-o", "back/", "--json")
    assert result.status == 4
    assert [line["exit"] for line in result.lines] == [0, 4]
    assert sorted(snapshot(Path("back"))) == ["back/stego.bin"]


def test_a_batch_leaves_what_is_there_already() -> None:
    Path("back").mkdir()
    Path("back/stego.png").write_bytes(b"old")
    argv = ("reveal", "stego.png", "--key", "glow.npy", "-o", "back/")
    assert run(*argv).status == 3
    assert sorted(snapshot(Path("back"))) == ["back/stego.png"]
    ok(*argv, "--force")
    assert Path("back/stego.bin").read_bytes() == NOTE


# -- several receivers


def test_several_receivers_with_fresh_keys() -> None:
    figures = ok("hide", "--secret", "note.txt", "--secret", "secret.txt", "-o", "out.png", "--json").json
    assert list(figures) == HIDE_FIELDS
    assert figures["key"] == ["out.1.key.npy", "out.2.key.npy"]
    assert figures["payload_bytes"] == [len(NOTE), len(SECRET)]
    assert figures["form"] == ["bytes", "bytes"]
    assert figures["secret_psnr"] == [None, None]
    pixels = figures["width"] * figures["height"]
    assert figures["bpp"] == pytest.approx(8 * (len(NOTE) + len(SECRET)) / pixels)
    for path, expected in zip(figures["key"], (NOTE, SECRET), strict=True):
        assert Path(path).stat().st_mode & 0o777 == 0o600
        assert ok("reveal", "out.png", "--key", path).out == expected
    refused(4, "reveal", "out.png", "--key", "glow.npy", says="nothing revealed")


def test_several_receivers_with_keys_of_theirs() -> None:
    save("tiny.png", photo(20, 10))
    given = ("--secret", "note.txt", "--key", "glow.npy", "--secret", "tiny.png", "--key", "other.npy")
    result = ok("hide", *given, "-o", "out.png", "--survive", "png")
    assert "note.txt: bytes, " in result.err
    assert "tiny.png: compressed, " in result.err
    assert sorted(Path().glob("out*")) == [Path("out.png")]
    assert ok("reveal", "out.png", "--key", "glow.npy").out == NOTE
    ok("reveal", "out.png", "--key", "other.npy", "-o", "back.png")
    assert pixels_of("back.png").shape == (10, 20, 3)
    refused(4, "reveal", "out.png", "--key", "third.npy", says="nothing revealed")


def test_several_receivers_by_the_cascade_get_tokens() -> None:
    """The key alone is then not enough: beside the stego lies a key file with the token for each."""
    save("second.png", photo(60, 90, seed=3))
    given = ("--secret", "picture.png", "--key", "glow.npy", "--secret", "second.png", "--key", "other.npy")
    figures = ok("hide", *given, "-o", "out.png", "--as", "cascade", "--json").json
    assert figures["form"] == ["token", "token"]
    assert figures["key"] == ["out.1.key.npy", "out.2.key.npy"]
    for path, own, shape in zip(figures["key"], ("glow.npy", "other.npy"), ((100, 200), (90, 60)), strict=True):
        assert Path(path).stat().st_mode & 0o777 == 0o600
        assert tokens.load(Path(path))[0] == keys.load(own)
        ok("reveal", "out.png", "--key", path, "-o", "back.png", "--force")
        assert pixels_of("back.png").shape[:2] == shape
    refused(4, "reveal", "out.png", "--key", "glow.npy", says="nothing revealed")
    refused(2, "hide", *given, "--as", "cascade", says="no place to write the receivers' tokens")


def test_one_receiver_named_by_secret_is_like_any_other() -> None:
    figures = ok("hide", "--secret", "note.txt", "-o", "out.png", *SMALL, "--json").json
    assert (figures["key"], figures["payload_bytes"]) == ("out.key.npy", len(NOTE))
    Path("out.png").unlink()
    refused(3, "hide", "--secret", "note.txt", "-o", "out.png", *SMALL, says="output out.key.npy exists")


# -- what is refused


GLOW = ("hide", "note.txt", "-o", "out.png")
TWO = ("hide", "--secret", "note.txt", "--secret", "secret.txt", "-o", "out.png")


@pytest.mark.parametrize(
    ("argv", "says", "hint"),
    [
        ((*GLOW, "--method", "glow2", "--key", "key.npy"), "the key is for lossless-inn, not for glow2", ""),
        ((*GLOW, "--method", "glow2", "--cover", "cover.png"), "takes no --cover", "leave --cover out"),
        ((*GLOW, "--key", "glow.npy", "--cover", "cover.png"), "takes no --cover", "leave --cover out"),
        ((*GLOW, "--survive", "noise:5"), "glow2 does not survive noise:5", "png, jpeg:Q"),
        ((*GLOW, "--survive", "jpeg"), "channel 'jpeg' needs a number", ""),
        ((*GLOW, "--survive", "jpeg:0"), "channel 'jpeg:0' is out of range", "1 to 100"),
        ((*GLOW, "--size", "100x100"), "no size 100x100", "multiples of "),
        ((*GLOW, "--size", "32x32"), "no size 32x32", "from 64 to 512"),
        ((*GLOW, "--size", "576x64"), "no size 576x64", "from 64 to 512"),
        ((*GLOW, "--size", "64"), "takes WIDTHxHEIGHT", ""),
        ((*GLOW, "--temperature", "0.83"), "no temperature 0.83", "in steps of 0.05"),
        ((*GLOW, "--temperature", "1.5"), "no temperature 1.5", "0.9 to 1"),
        ((*GLOW, "--temperature", "0"), "no temperature 0", "0.9 to 1"),
        ((*GLOW, "--as", "odd"), "--as takes no 'odd'", "compressed, cascade"),
        ((*GLOW, "--domain", "cats"), "--domain takes no 'cats'", "textures"),
        ((*GLOW, "--domain", "landscapes", "--weights", "textures"), "for the domain textures, not for landscapes", ""),
        ((*GLOW, "--domain", "textures", "--cover", "cover.png"), "--domain means nothing to lossless-inn", "glow2"),
        ((*GLOW, "--key-out", "k.npy"), "--key-out means nothing to glow2", "lossless-inn"),
        ((*GLOW, "--key", "glow.npy", "--key", "other.npy"), "several keys for one secret", "--secret"),
        ((*GLOW, "--cover", "cover.png", "--as", "bytes"), "--as means nothing to lossless-inn", "glow2"),
        ((*GLOW, "--cover", "cover.png", *SMALL), "--size means nothing to lossless-inn", "glow2"),
        ((*GLOW, "--cover", "cover.png", "--quality", "60"), "--quality", "-o OUT.jpg"),
        ((*GLOW, "--cover", "cover.png", "--temperature", "0.9"), "--temperature means nothing", "glow2"),
        ((*TWO, "--cover", "cover.png"), "lossless-inn hides at most 1 secret", ""),
        ((*TWO, "--key", "glow.npy"), "2 secrets and 1 keys", "a --key of its own"),
        ((*TWO, "--key", "glow.npy", "--key", "glow.npy"), "one key for two secrets", "a --key of its own"),
        ((*TWO, "--key", "glow.npy", "--key", "copy.npy"), "one key for two secrets", "a --key of its own"),
        ((*TWO, "--key", "glow.npy", "--key", "key.npy"), "different methods or weights", ""),
        ((*TWO, *["--secret", "note.txt"] * 3), "glow2 hides at most 4 secrets", ""),
        (("hide", "note.txt", "--secret", "secret.txt", "-o", "out.png"), "stands outside --secret", ""),
        (("hide", "note.txt", *SMALL), "no place to write a fresh key", "--key KEY or -o OUT"),
        (("reveal", "stego.png", "--key", "glow.npy", "--method", "lossless-inn"), "the key is for glow2", ""),
        (("evaluate", "glow2", "--covers", "."), "glow2 needs --secrets DIR", ""),
    ],
)
def test_wrong_usage(argv: tuple[str, ...], says: str, hint: str) -> None:
    shutil.copy("glow.npy", "copy.npy")
    result = refused(2, *argv, says=says)
    assert hint in result.err


def test_a_secret_that_is_no_picture() -> None:
    for travel in ("picture", "compressed", "cascade"):
        refused(3, *GLOW, "--as", travel, says="secret note.txt is not a picture")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("hide", "missing", "-o", "out.png"), "cannot read secret missing"),
        (("hide", "note.txt", "-o", "out.gif"), "unknown picture format '.gif'"),
        (("hide", "note.txt", "-o", "out"), "unknown picture format ''"),
        (("hide", "note.txt", "-o", "missing/out.png"), "no such folder"),
        (("hide", "note.txt", "-o", "out.png", "--key", "missing.npy"), "cannot read key missing.npy"),
        (("hide", "--secret", "note.txt", "--secret", "missing", "-o", "out.png"), "cannot read secret missing"),
        (("reveal", "note.txt", "--key", "glow.npy"), "stego note.txt is not a picture"),
        (("reveal", "stego.png", "--key", "note.txt"), "note.txt is not a key file"),
    ],
)
def test_bad_inputs_and_outputs(argv: tuple[str, ...], says: str) -> None:
    refused(3, *argv, says=says)


def test_existing_outputs_need_force() -> None:
    argv = ("hide", "note.txt", "-o", "stego.png", *SMALL)
    refused(3, *argv, says="output stego.png exists")
    Path("fresh.key.npy").write_bytes(b"old")
    refused(3, "hide", "note.txt", "-o", "fresh.png", *SMALL, says="output fresh.key.npy exists")
    before = Path("stego.png").read_bytes()
    ok(*argv, "--force")
    assert Path("stego.png").read_bytes() != before
    assert ok("reveal", "stego.png", "--key", "stego.key.npy").out == NOTE
    refused(3, "reveal", "stego.png", "--key", "stego.key.npy", "-o", "note.txt", says="output note.txt exists")
    Path("out.2.key.npy").write_bytes(b"old")
    refused(3, *TWO, says="output out.2.key.npy exists")


def test_whatever_is_wrong_the_message_is_the_same() -> None:
    with Image.open("stego.png") as opened:
        opened.resize((128, 128)).save("resized.png")
        opened.crop((0, 0, 60, 64)).save("cropped.png")
        opened.transpose(Image.Transpose.ROTATE_90).save("turned.png")
    save("innocent.png", photo(64, 64))
    attempts = [("stego.png", "other.npy"), ("innocent.png", "glow.npy"), ("cover.png", "glow.npy")]
    attempts += [(f"{name}.png", "glow.npy") for name in ("resized", "cropped", "turned")]
    said = {refused(4, "reveal", s, "--key", k, "-o", "back", "-q").err for s, k in attempts}
    assert len(said) == 1
    assert "nothing revealed" in said.pop()


def test_a_key_of_another_method_reveals_nothing() -> None:
    refused(4, "reveal", "stego.png", "--key", "key.npy", "-o", "back", says="nothing revealed")


def test_too_much_says_capacity_and_need() -> None:
    capacity = ok("hide", "note.txt", "--key", "glow.npy", "-o", "out.png", *SMALL, "--json").json["capacity_bytes"]
    Path("out.png").unlink()
    Path("big.bin").write_bytes(bytes(capacity + 1))
    says = f"does not fit: capacity {capacity} bytes, need {capacity + 1} bytes"
    result = refused(5, "hide", "big.bin", "-o", "out.png", *SMALL, says=says)
    assert "stego: hint: use a larger --size or a milder --survive" in result.err
    refused(5, "hide", "big.bin", "-o", "out.jpg", *SMALL, says=f"need {capacity + 1} bytes")
    refused(5, *TWO, *SMALL, says="does not fit: capacity 0 bytes")


def test_weights_that_are_wrong() -> None:
    refused(6, *GLOW, "--weights", "nosuch", says="no weights 'nosuch' of glow2")
    refused(6, *GLOW, "--weights", "missing.safetensors", says="weights missing.safetensors: no such file")
    Path("bad.safetensors").write_bytes(b"no weights")
    refused(6, *GLOW, "--weights", "bad.safetensors", says="bad.safetensors is not a weights file")
    bare = {"g1": {"widths": [4, 4, 4], "steps": [1, 1, 1]}}
    tensors = build("glow2", **bare).networks.state_dict()
    Path("bare.safetensors").write_bytes(weights.pack("glow2", bare, tensors, {}))
    refused(6, *GLOW, "--weights", "bare.safetensors", says="these weights have no generator")
    refused(
        2, "reveal", "stego.png", "--key", "glow.npy", "--weights", "bare.safetensors", says="the key is for weights"
    )
    keys.generate("glow2", "textures-99").save("later.npy")
    refused(6, "reveal", "stego.png", "--key", "later.npy", says="no weights 'textures-99'")


def test_quality_of_a_png_is_refused():
    refused(2, "hide", "note.txt", "-o", "quality.png", "--quality", 80, says="JPEG output")
