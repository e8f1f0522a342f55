"""The contract of the commands, as someone who only runs them sees it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import SECRET, check_error, ok, photo, pixels_of, refused, run, save, settle, snapshot, stego_process
from hiding import room
from PIL import Image
from toys import Frames

from stegcli import __version__, api, cli, weights
from stegcli.cli import complete, inputs
from stegcli.coding import payload
from stegcli.errors import UsageError
from stegcli.keys import key as keys
from stegcli.keys import passphrase
from stegcli.method import Method, Request

CAPACITY = room(weights.load("lossless-inn"), 96, 96)
HIDE_FIELDS = [
    "method", "weights", "output", "key", "width", "height", "cover_psnr", "payload_bytes", "capacity_bytes", "bpp",
    "secret_psnr", "form", "number", "verified", "notes", "seconds",
]  # fmt: skip
REVEAL_FIELDS = ["method", "weights", "output", "bytes", "width", "height", "notes", "seconds"]
COMMANDS = ["hide", "reveal", "keygen", "capacity", "inspect", "sample", "methods", "evaluate", "train", "weights"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return settle(tmp_path, monkeypatch)


def hidden(cover: object = "cover.png", output: str = "out.png", secret: object = "secret.txt") -> str:
    ok("hide", secret, "--cover", cover, "--key", "key.npy", "-o", output)
    return output


def revealed(stego: object = "out.png", key: object = "key.npy") -> bytes:
    return ok("reveal", stego, "--key", key).out


# -- there and back


@pytest.mark.parametrize("size", [0, 1, 1000, CAPACITY])
def test_any_file_up_to_the_capacity_comes_back(size: int) -> None:
    Path("secret.bin").write_bytes(bytes(i * 7 % 256 for i in range(size)))
    result = ok("hide", "secret.bin", "--cover", "cover.png", "-o", "out.png", "--json")
    assert result.json["payload_bytes"] == size
    assert result.json["capacity_bytes"] == CAPACITY
    ok("reveal", "out.png", "--key", "out.key.npy", "-o", "back.bin")
    assert Path("back.bin").read_bytes() == Path("secret.bin").read_bytes()


def test_a_fresh_key_lies_beside_the_output_and_is_told_of() -> None:
    result = ok("hide", "secret.txt", "--cover", "cover.png", "-o", "out.png")
    assert "out.key.npy" in result.err
    assert Path("out.key.npy").stat().st_mode & 0o777 == 0o600
    assert keys.load("out.key.npy").method == "lossless-inn"
    assert revealed(key="out.key.npy") == SECRET


@pytest.mark.parametrize("by_environment", [False, True])
def test_fresh_keys_go_into_the_key_folder_which_is_made(by_environment: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEGO_KEY_DIR", "mine" if by_environment else "ignored")
    argv = () if by_environment else ("--key-dir", "mine")
    Path("stegos").mkdir()
    figures = ok("hide", "secret.txt", "--cover", "cover.png", "-o", "stegos/out.png", *argv, "--json").json
    assert figures["key"] == "mine/out.key.npy"
    assert Path("mine").stat().st_mode & 0o777 == 0o700
    assert Path("mine/out.key.npy").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in Path("stegos").iterdir()] == ["out.png"]
    assert revealed("stegos/out.png", "mine/out.key.npy") == SECRET
    again = ("hide", "secret.txt", "--cover", "cover.png", "-o", "out.png", *argv)
    refused(3, *again, says="output mine/out.key.npy exists")
    assert not Path("out.png").exists()
    ok("hide", "secret.txt", "key.npy", "--cover", "cover.png", "-o", "batch/", *argv)
    assert sorted(p.name for p in Path("mine").iterdir()) == ["key.key.npy", "out.key.npy", "secret.key.npy"]


def test_a_key_folder_without_a_key_is_not_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    refused(3, "hide", "secret.txt", "--cover", "missing.png", "-o", "out.png", "--key-dir", "mine")
    refused(3, "hide", "secret.txt", "--cover", "cover.png", "-o", "out.png", "--key-dir", "secret.txt", says="folder")
    monkeypatch.setenv("STEGO_KEY_DIR", "mine")
    hidden()  # with a key of the user's own
    assert not Path("mine").exists()


def test_a_key_folder_means_nothing_to_a_method_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="frames takes no key"):
        inputs.key_dir("mine", Frames.about, False, None)
    monkeypatch.setenv("STEGO_KEY_DIR", "mine")
    assert inputs.key_dir(None, Frames.about, False, None) is None


def test_a_key_of_ones_own_is_used_and_none_is_made() -> None:
    hidden()
    assert not Path("out.key.npy").exists()
    assert revealed() == SECRET


def test_the_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEGO_KEY", "key.npy")
    ok("hide", "secret.txt", "--cover", "cover.png", "-o", "out.png")
    assert not Path("out.key.npy").exists()
    assert ok("reveal", "out.png").out == SECRET


def test_an_option_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEGO_KEY", "missing.npy")
    hidden()
    assert revealed() == SECRET


def test_the_device_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEGO_DEVICE", "abacus")
    refused(2, "hide", "secret.txt", "--cover", "cover.png", "-o", "out.png", says="no device 'abacus'")
    ok("hide", "secret.txt", "--cover", "cover.png", "-o", "out.png", "--device", "cpu")


def test_options_go_before_and_behind_arguments() -> None:
    ok("hide", "--cover", "cover.png", "-o", "out.png", "--key", "key.npy", "secret.txt")
    assert ok("reveal", "--key", "key.npy", "out.png").out == SECRET


def test_the_stego_is_the_cover_but_for_a_few_grey_levels() -> None:
    hidden()
    change = np.abs(pixels_of("out.png").astype(int) - pixels_of("cover.png"))
    assert 0 < change.mean() < 0.1
    assert change.max() <= 3


# -- streams


def test_reveal_is_a_filter() -> None:
    hidden()
    result = ok("reveal", "--key", "key.npy", stdin=Path("out.png").read_bytes())
    assert result.out == SECRET
    assert ok("reveal", "-", "--key", "key.npy", "-o", "-", stdin=Path("out.png").read_bytes()).out == SECRET


@pytest.mark.parametrize("output", [(), ("-o", "-")])
def test_hide_writes_the_stego_to_standard_output(output: tuple[str, ...]) -> None:
    result = ok("hide", "-", "--cover", "cover.png", "--key", "key.npy", *output, stdin=SECRET)
    assert result.out.startswith(b"\x89PNG")
    assert ok("reveal", "--key", "key.npy", stdin=result.out).out == SECRET


def test_the_cover_may_come_through_standard_input() -> None:
    stego = ok("hide", "secret.txt", "--cover", "-", "--key", "key.npy", stdin=Path("cover.png").read_bytes()).out
    assert ok("reveal", "--key", "key.npy", stdin=stego).out == SECRET


def test_the_key_may_come_through_standard_input() -> None:
    hidden()
    assert ok("reveal", "out.png", "--key", "-", stdin=Path("key.npy").read_bytes()).out == SECRET
    made = ok("keygen", "-o", "-").out
    assert ok("hide", "secret.txt", "--cover", "cover.png", "--key", "-", stdin=made).out.startswith(b"\x89PNG")


def test_json_steps_aside_to_standard_error_and_is_alone_there() -> None:
    result = ok("hide", "-", "--cover", "cover.png", "--key", "key.npy", "--json", stdin=SECRET)
    assert json.loads(result.err)["output"] == "-"
    back = ok("reveal", "--key", "key.npy", "--json", stdin=result.out)
    assert back.out == SECRET
    assert json.loads(back.err)["bytes"] == len(SECRET)


def test_nothing_binary_goes_to_a_terminal() -> None:
    refused(
        2, "hide", "secret.txt", "--cover", "cover.png", "--key", "key.npy", terminal=True,
        says="standard output is a terminal",
    )  # fmt: skip
    hidden()
    assert run("reveal", "out.png", "--key", "key.npy", terminal=True).out == SECRET
    Path("binary").write_bytes(b"\x1b]0;owned\x07\xff")
    hidden(secret="binary", output="binary.png")
    refused(2, "reveal", "binary.png", "--key", "key.npy", terminal=True, says="terminal")


def test_a_pipeline_of_processes_carries_only_data(here: Path) -> None:
    stego = [sys.executable, "-m", "stegcli"]
    first = subprocess.Popen(
        [*stego, "hide", "-", "--cover", "cover.png", "--key", "key.npy"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=here,
    )  # fmt: skip
    second = subprocess.Popen(
        [*stego, "reveal", "--key", "key.npy"],
        stdin=first.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=here,
    )  # fmt: skip
    assert first.stdin is not None
    assert first.stdout is not None
    first.stdout.close()
    first.stdin.write(SECRET)
    first.stdin.close()
    out, err = second.communicate(timeout=60)
    assert (first.wait(), second.returncode) == (0, 0), err
    assert out == SECRET


# -- what is said


def test_json_of_hide() -> None:
    figures = ok("hide", "secret.txt", "--cover", "cover.png", "-o", "out.png", "--json").json
    assert list(figures) == HIDE_FIELDS
    assert figures["method"] == "lossless-inn"
    assert figures["weights"] == "coset-3"
    assert (figures["output"], figures["key"]) == ("out.png", "out.key.npy")
    assert (figures["width"], figures["height"]) == (96, 96)
    assert figures["bpp"] == pytest.approx(8 * len(SECRET) / 96**2)
    assert figures["cover_psnr"] > 50
    assert figures["verified"] is True
    assert figures["secret_psnr"] is None
    assert figures["seconds"] >= 0


def test_json_names_the_key_that_was_given() -> None:
    figures = ok("hide", "secret.txt", "--cover", "cover.png", "-o", "out.png", "--key", "key.npy", "--json").json
    assert figures["key"] == "key.npy"


def test_json_of_reveal() -> None:
    hidden()
    figures = ok("reveal", "out.png", "--key", "key.npy", "-o", "back", "--json").json
    assert list(figures) == REVEAL_FIELDS
    assert figures["bytes"] == len(SECRET)
    assert (figures["output"], figures["width"], figures["height"]) == ("back", None, None)


def test_a_start_and_an_end_line() -> None:
    lines = ok("hide", "secret.txt", "--cover", "cover.png", "-o", "out.png", "--key", "key.npy").err.splitlines()
    assert lines[0] == f"stego: hiding secret.txt ({len(SECRET)} bytes) in cover.png (96x96)"
    assert lines[1].startswith("stego: wrote out.png: verified, 96x96, survives png, PSNR to its cover ")
    assert re.fullmatch(rf"stego: secret.txt: bytes, {len(SECRET)} of \d+ bytes", lines[2])
    lines = ok("reveal", "out.png", "--key", "key.npy", "-o", "back").err.splitlines()
    assert lines == ["stego: revealing out.png (96x96)", f"stego: revealed {len(SECRET)} bytes to back"]


def test_quiet_says_nothing() -> None:
    assert ok("keygen", "-o", "k.npy", "--quiet").err == ""
    assert ok("hide", "secret.txt", "--cover", "cover.png", "-o", "out.png", "-q").err == ""
    assert ok("reveal", "out.png", "--key", "out.key.npy", "--quiet").err == ""


@pytest.mark.parametrize("argv", [(), ("weights",)])
def test_alone_it_prints_help(argv: tuple[str, ...]) -> None:
    result = run(*argv)
    assert result.status == 2
    assert result.err.strip().startswith("Usage: stego")
    assert result.out == b""


def test_help_and_version_do_not_load_torch() -> None:
    calls = [["--help"], ["--version"], *([c, "--help"] for c in COMMANDS)]
    script = (
        "import sys\nfrom stegcli.cli import app as cli\n"
        f"for argv in {calls!r}:\n"
        "    sys.argv = ['stego', *argv]\n"
        "    try: cli.main()\n"
        "    except SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert __version__ in done.stdout
    assert all(command in done.stdout for command in COMMANDS)


def ends_without_torch(here: Path, *argv: object) -> bytes:
    """Run a command that must not import torch -> its standard output."""
    check = "import atexit, os\natexit.register(lambda: 'torch' in sys.modules and os._exit(99))"
    process = stego_process(*argv, prelude=check, cwd=here)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    return out


def test_no_torch_where_no_network_runs(here: Path) -> None:
    """The coset coder computes on arrays; keys, tables and their like need no network at all."""
    hidden()
    ends_without_torch(here, "hide", "secret.txt", "--cover", "cover.png", "--key", "key.npy", "-o", "again.png")
    assert ends_without_torch(here, "reveal", "out.png", "--key", "key.npy") == SECRET
    ends_without_torch(here, "keygen", "-o", "fresh.npy")
    Path("byte").write_bytes(b"1")
    Image.fromarray(photo()).save("photo.jpg")
    ends_without_torch(here, "hide", "byte", "--cover", "photo.jpg", "-o", "out.jpg", "--payload-limit", "0.4")
    ends_without_torch(here, "methods")
    ends_without_torch(here, "weights", "list")
    ends_without_torch(here, "inspect", "--help")


def test_the_test_above_notices_torch(here: Path) -> None:
    process = stego_process("methods", prelude="import torch, atexit, os\natexit.register(os._exit, 99)", cwd=here)
    process.communicate(timeout=120)
    assert process.returncode == 99


def test_the_shell_completes_methods_weights_and_channels(here: Path) -> None:
    """As the script of `--install-completion` asks: by the environment."""
    assert complete.method_names("lo") == ["lossless-inn"]
    assert complete.drawing_methods("gl") == ["glow2"]
    assert complete.weights_names("coset-3") == ["coset-3"]
    assert complete.channels("jpeg:7") == ["jpeg:75", "jpeg:75..95"]
    assert complete.devices("cu") == ["cuda"]
    asked = {"_STEGO_COMPLETE": "bash_complete", "COMP_WORDS": "stego hide --method ", "COMP_CWORD": "3"}
    prelude = f"import os\nos.environ.update({asked!r})"
    out, _ = stego_process(prelude=prelude, cwd=here).communicate(timeout=60)
    assert set(out.decode().split()) >= {"plain,cs-fnns", "plain,glow2", "plain,lossless-inn"}


# -- outputs


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".webp", ".PNG"])
def test_every_lossless_format_reveals(suffix: str) -> None:
    assert revealed(hidden(output=f"out{suffix}")) == SECRET


@pytest.mark.parametrize("name", ["out.jpg", "out.JPEG"])
def test_a_lossy_output_is_refused_before_any_work(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "write", None)
    argv = ("hide", "secret.txt", "--cover", "cover.png", "--coder", "network", "-o", name)
    refused(2, *argv, says="the network coder does not write JPEG")


@pytest.mark.parametrize("name", ["out", "out.gif", "out.key.npy"])
def test_an_unknown_format_is_refused(name: str) -> None:
    refused(3, "hide", "secret.txt", "--cover", "cover.png", "-o", name, says="unknown picture format")


def test_existing_outputs_need_force() -> None:
    argv = ("hide", "secret.txt", "--cover", "cover.png", "-o", "out.png")
    ok(*argv)
    refused(3, *argv, says="output out.png exists")
    Path("out.png").unlink()
    refused(3, *argv, says="output out.key.npy exists")
    before = Path("out.key.npy").read_bytes()
    ok(*argv, "--force")
    assert Path("out.key.npy").read_bytes() != before
    assert revealed(key="out.key.npy") == SECRET
    refused(3, "reveal", "out.png", "--key", "out.key.npy", "-o", "secret.txt", says="output secret.txt exists")
    Path("secret.txt").write_bytes(b"old")
    ok("reveal", "out.png", "--key", "out.key.npy", "-o", "secret.txt", "-f")
    assert Path("secret.txt").read_bytes() == SECRET


@pytest.mark.parametrize("name", ["cover.png", "secret.txt", "key.npy"])
def test_no_input_is_replaced_even_by_force(name: str) -> None:
    """The cover in particular: whoever has it and the stego sees what was changed; but to lose it is no mend."""
    Path("secret.png").write_bytes(Path("secret.txt").read_bytes())
    argv = ("hide", "secret.txt", "--cover", "cover.png", "--key", "key.npy", "--force")
    if Path(name).suffix == ".png":
        refused(2, *argv, "-o", name, says=f"output {name} is an input too")
    else:
        refused(3, *argv, "-o", name, says="unknown picture format")


# -- covers


def test_metadata_stays_behind_and_the_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    exif[0x010F] = "maker"
    save("cover.jpg", photo(96, 80), exif=exif, comment=b"here")
    argv = ("hide", "secret.txt", "--cover", "cover.jpg", "--key", "key.npy", "-o", "out.png")
    refused(3, *argv, says="cover is a JPEG")
    result = ok(*argv, "--unsafe-cover")
    assert "turned as its EXIF orientation says" in result.err
    with Image.open("out.png") as stego:
        assert stego.size == (80, 96)
        assert not stego.getexif()
        assert set(stego.info) <= {"icc_profile"}
    assert revealed() == SECRET


@pytest.mark.parametrize("output", ["out.png", "out.webp", "out.tiff"])
def test_alpha_is_kept_as_it_is(output: str) -> None:
    pixels = photo(channels=4)
    pixels[:10, :, 3] = 0
    save("alpha.png", pixels)
    hidden("alpha.png", output)
    assert (pixels_of(output)[..., 3] == pixels[..., 3]).all()
    assert revealed(output) == SECRET


def odd_cover(kind: str) -> Path:
    grey = photo(channels=1)
    made = {
        "grey": lambda: Image.fromarray(grey[..., 0]),
        "palette": lambda: Image.fromarray(photo()).quantize(64),
        "16-bit grey": lambda: Image.fromarray(grey[..., 0].astype(np.uint16) * 257),
        "CMYK": lambda: Image.fromarray(photo()).convert("CMYK"),
        "black and white": lambda: Image.fromarray(grey[..., 0]).convert("1"),
    }[kind]()
    path = Path("odd.tiff" if kind == "CMYK" else "odd.png")
    made.save(path)
    return path


@pytest.mark.parametrize("kind", ["grey", "palette", "16-bit grey", "CMYK", "black and white"])
def test_other_kinds_of_covers_work_and_are_told_of(kind: str) -> None:
    """Grey stays grey, and is no news; a palette is refused, since every new colour would show."""
    argv = ("hide", "secret.txt", "--cover", odd_cover(kind), "--key", "key.npy", "-o", "out.png")
    if kind == "palette":
        refused(3, *argv, says="cover has only 63 colours")
    result = ok(*argv, *(["--unsafe-cover"] if kind == "palette" else []))
    said = {"grey": "", "palette": "palette became 8-bit RGB", "CMYK": "CMYK"}.get(kind, f"{kind} became 8-bit grey")
    assert said in result.err
    assert pixels_of("out.png").ndim == (2 if "grey" in kind or "white" in kind else 3)
    assert revealed() == SECRET


# -- batches


@pytest.fixture
def batch() -> list[str]:
    """Three secrets, and a folder of three covers of which the second is none."""
    Path("covers").mkdir()
    for i, name in enumerate("abc"):
        Path(f"{name}.txt").write_bytes(name.encode() * 9)
        save(f"covers/{name}.png", photo(seed=i))
    Path("covers/b.png").write_text("not a picture")
    return ["a.txt", "b.txt", "c.txt"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_batch_goes_on_past_a_bad_file(batch: list[str], jobs: int) -> None:
    result = run("hide", *batch, "--cover", "covers", "-o", "out/", "--json", "--jobs", jobs)
    assert result.status == 3
    assert len(result.errors) == 1
    assert "b.txt" in result.errors[0]
    assert [line["input"] for line in result.lines] == batch
    assert [line["exit"] for line in result.lines] == [0, 3, 0]
    assert list(result.lines[0]) == ["input", "exit", *HIDE_FIELDS]
    assert "is not a picture" in result.lines[1]["error"]
    assert sorted(snapshot(Path("out"))) == ["out/a.key.npy", "out/a.png", "out/c.key.npy", "out/c.png"]


def test_the_worst_status_counts(batch: list[str]) -> None:
    Path("c.txt").write_bytes(bytes(CAPACITY + 1))
    result = run("hide", *batch, "--cover", "covers", "-o", "out/", "--json")
    assert result.status == 5
    assert [line["exit"] for line in result.lines] == [0, 3, 5]


def test_one_key_and_one_cover_for_a_whole_batch(batch: list[str]) -> None:
    result = ok("hide", *batch, "--cover", "cover.png", "--key", "key.npy", "-o", "out/")
    assert "warning: cover.png is the cover of 3 stegos" in result.err
    assert result.err.splitlines()[1:] == ["stego: hiding 3 files", "stego: done: 3 of 3 files"]
    assert sorted(snapshot(Path("out"))) == ["out/a.png", "out/b.png", "out/c.png"]
    ok("reveal", *(f"out/{n}.png" for n in "abc"), "--key", "key.npy", "-o", "back/")
    assert [Path(f"back/{n}.bin").read_bytes() for n in "abc"] == [n.encode() * 9 for n in "abc"]


def test_a_batch_reveals_with_the_keys_beside(batch: list[str]) -> None:
    ok("hide", *batch, "--cover", "cover.png", "-o", "out/", "-q")
    Path("out/b.key.npy").unlink()
    result = run("reveal", *(f"out/{n}.png" for n in "abc"), "-o", "back/", "--json", "--jobs", 2)
    assert result.status == 3
    assert [line["exit"] for line in result.lines] == [0, 3, 0]
    assert "cannot read key out/b.key.npy" in result.errors[0]
    assert sorted(snapshot(Path("back"))) == ["back/a.bin", "back/c.bin"]


def test_inputs_of_one_stem_keep_their_whole_names() -> None:
    for name in ("a.txt", "a.md"):
        Path(name).write_bytes(SECRET)
    ok("hide", "a.txt", "a.md", "--cover", "cover.png", "--key", "key.npy", "-o", "out/")
    assert sorted(snapshot(Path("out"))) == ["out/a.md.png", "out/a.txt.png"]


def test_inputs_that_would_meet_in_one_output_are_refused() -> None:
    Path("sub").mkdir()
    Path("sub/secret.txt").write_bytes(b"other")
    refused(
        2, "hide", "secret.txt", "sub/secret.txt", "--cover", "cover.png", "-o", "out/", says="would both become"
    )  # fmt: skip


def test_a_batch_of_failures_leaves_no_folder() -> None:
    before = snapshot(Path())
    result = run("hide", "missing1", "missing2", "--cover", "cover.png", "--key", "key.npy", "-o", "new/")
    assert result.status == 3
    assert len(result.errors) == 2
    assert snapshot(Path()) == before


def test_a_bug_met_by_one_file_stops_no_other(batch: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    real = api.hide

    def faulty(request: Request, method: Method) -> api.Hidden:
        if request.secrets[0].data.startswith(b"b"):
            raise RuntimeError("boom")
        return real(request, method)

    monkeypatch.setattr(api, "hide", faulty)
    result = run("hide", *batch, "--cover", "cover.png", "--key", "key.npy", "-o", "out/", "--json")
    assert result.status == 1
    assert [line["exit"] for line in result.lines] == [0, 1, 0]
    assert "b.txt: internal fault: RuntimeError: boom" in result.errors[0]


# -- keygen


def test_keygen_writes_a_private_key_once() -> None:
    Path("key.npy").unlink()
    result = ok("keygen")
    assert "wrote key key.npy for lossless-inn" in result.err
    assert Path("key.npy").stat().st_mode & 0o777 == 0o600
    refused(3, "keygen", says="output key.npy exists")
    before = Path("key.npy").read_bytes()
    ok("keygen", "--force")
    assert Path("key.npy").read_bytes() != before


def test_keygen_json() -> None:
    made = ok("keygen", "-o", "k.npy", "--json").json
    assert made == {"method": "lossless-inn", "weights": "coset-3", "output": "k.npy", "salt": None}


def test_a_passphrase_and_its_salt_make_the_key_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrase, "COSTS", passphrase.Costs(memory=64, passes=1, lanes=1))
    Path("phrase").write_bytes(b"correct horse\r\nignored")
    first = ok("keygen", "-o", "1.npy", "--passphrase-file", "phrase", "--json").json
    ok("keygen", "-o", "2.npy", "--passphrase-file", "phrase", "--salt", first["salt"])
    ok("keygen", "-o", "3.npy", "--passphrase-file", "phrase")
    assert Path("1.npy").read_bytes() == Path("2.npy").read_bytes()
    assert keys.load("1.npy").secret != keys.load("3.npy").secret
    ok("keygen", "-o", "4.npy", "--passphrase-file", "-", "--salt", first["salt"], stdin=b"correct horse\n")
    assert Path("4.npy").read_bytes() == Path("1.npy").read_bytes()


@pytest.mark.parametrize(
    ("status", "argv", "says"),
    [
        (3, ("--passphrase-file", "empty"), "the first line of empty is empty"),
        (3, ("--passphrase-file", "missing"), "cannot read passphrase missing"),
        (2, ("--salt", "00" * 16), "--salt goes with --passphrase or --passphrase-file"),
        (2, ("--passphrase-file", "secret.txt", "--salt", "abc"), "32 hexadecimal digits"),
        (2, ("--method", "glow7"), "no method 'glow7'"),
        (6, ("--weights", "nosuch"), "no weights 'nosuch'"),
        (6, ("--weights", "nosuch.safetensors"), "weights nosuch.safetensors"),
    ],
)
def test_keygen_refuses(status: int, argv: tuple[str, ...], says: str) -> None:
    Path("empty").write_bytes(b"\nsecond line")
    refused(status, "keygen", "-o", "k.npy", *argv, says=says)


# -- the coders of lossless-inn


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (("--coder", "coset"), "coset-3"),
        (("--coder", "network"), "blind-1bpp-1"),
        (("--coder", "network", "--weights", "3bpp"), "blind-3bpp-1"),
        (("--coder", "coset", "--weights", "coset-1"), "coset-1"),
    ],
)
def test_a_coder_names_the_weights_of_a_fresh_key(argv: tuple[str, ...], named: str) -> None:
    ok("keygen", "-o", "k.npy", *argv)
    assert keys.load("k.npy").weights == named
    result = ok(*HIDE, "-o", "out.png", *argv, "--json")
    assert keys.load("out.key.npy").weights == named
    assert ok("reveal", "out.png", "--key", "out.key.npy").out == SECRET
    warned = [note for note in result.json["notes"] if "for comparison, not secret" in note]
    assert len(warned) == named.startswith("blind")
    assert all(f"stego: {note}" in result.err for note in warned)


def test_a_key_that_has_the_coder_is_taken() -> None:
    ok("keygen", "-o", "3.npy", "--weights", "3bpp")
    ok(*HIDE, "-o", "out.png", "--key", "3.npy", "--coder", "network")
    assert ok("reveal", "out.png", "--key", "3.npy").out == SECRET


@pytest.mark.parametrize(
    ("argv", "says", "hint"),
    [
        (("--coder", "coset", "--weights", "1bpp"), "--weights 1bpp are for the coder network", "leave one of the two"),
        (("--coder", "haar"), "--coder takes no 'haar'", "coset, network"),
        (("--coder", "coset", "--method", "glow2"), "--coder means nothing to glow2", "lossless-inn"),
    ],
)
def test_coders_are_refused_with_a_hint(argv: tuple[str, ...], says: str, hint: str) -> None:
    for command in (("keygen", "-o", "k.npy"), (*HIDE, "-o", "out.png")):
        assert hint in refused(2, *command, *argv, says=says).err.splitlines()[1]


def test_a_key_of_the_other_coder_is_refused() -> None:
    result = refused(
        2, *HIDE, "-o", "out.png", "--key", "key.npy", "--coder", "network", says="the key is for the coder coset"
    )
    assert "stego keygen --coder" in result.err.splitlines()[1]
    refused(2, "keygen", "-o", "k.npy", "--with", "key.npy", "--coder", "coset", says="--with takes method and weights")


def test_evaluate_measures_one_coder() -> None:
    argv = ("evaluate", "lossless-inn", "--covers", ".", "--payload", "0.1", "--size", "64x64", "--json")
    names = {e.name for e in weights.entries("lossless-inn")}
    for coder in ("coset", "network"):
        measured = {row["weights"] for row in ok(*argv, "--coder", coder).json["rows"]}
        assert measured == {n for n in names if weights.load("lossless-inn", n).config["coder"] == coder} != set()
    refused(2, *argv, "--coder", "coset", "--weights", "3bpp", says="--weights 3bpp are for the coder network")


# -- overviews


def test_methods_and_weights_are_listed() -> None:
    assert b"lossless-inn" in ok("methods").out
    listed = ok("methods", "--json").json
    assert listed["lossless-inn"]["carries"] == "any file"
    assert listed["lossless-inn"]["survives"] == "png"
    assert "in 768x512" in listed["lossless-inn"]["room"]
    assert b"coset-1" in ok("weights", "list").out
    assert "lossless-inn/coset-1" in ok("weights", "list", "--json").json


def test_weights_are_verified() -> None:
    assert "ok: lossless-inn/coset-1" in ok("weights", "verify").err
    assert ok("weights", "verify", "lossless-inn", "--json").json["lossless-inn/coset-1"] is True
    refused(2, "weights", "verify", "glow7", says="no method 'glow7'")


def test_evaluate_measures() -> None:
    argv = ("evaluate", "lossless-inn", "--covers", ".", "--weights", "coset", "--payload", "0.1", "--size", "64x64")
    measured = ok(*argv, "--json").json
    assert measured["method"] == "lossless-inn"
    assert measured["covers"] == 1
    assert len(measured["rows"]) == 1
    assert b"lossless-inn" in ok(*argv).out


# -- faults and usage


def test_a_bug_is_one_line_and_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def boom(*_: object) -> None:
        raise RuntimeError("boom\nsecond line")

    monkeypatch.setattr(api, "hide", boom)
    argv = ("hide", "secret.txt", "--cover", "cover.png", "-o", "out.png")
    result = refused(1, *argv, says="internal fault: RuntimeError: boom")
    assert "STEGO_DEBUG=1" in result.err
    monkeypatch.setenv("STEGO_DEBUG", "1")
    assert "Traceback" in run(*argv).err


def test_the_traceback_of_a_users_error_is_there_for_the_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEGO_DEBUG", "1")
    result = run("reveal", "missing.png", "--key", "key.npy")
    assert result.status == 3
    assert "Traceback" in result.err


def test_out_of_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def boom(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(api, "hide", boom)
    refused(1, "hide", "secret.txt", "--cover", "cover.png", "-o", "out.png", says="not enough memory")


HIDE = ("hide", "secret.txt", "--cover", "cover.png")
INN = ("--method", "lossless-inn")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("bogus",), "no such command 'bogus'"),
        (("hide",), "no secret"),
        ((*HIDE, "--bogus"), "no such option"),
        ((*HIDE, "-o"), "requires an argument"),
        ((*HIDE, "-o", "out.png", "--jobs", "0"), "--jobs"),
        ((*HIDE, "-o", "out.png", "--method", "glow7"), "no method 'glow7'"),
        ((*HIDE, *INN, "-o", "out.png", "--survive", "jpeg:90"), "lossless-inn does not survive jpeg:90"),
        ((*HIDE, "-o", "out.png", "--device", "tpu"), "no device 'tpu'"),
        ((*HIDE, "-o", "out.png", "--key", "key.npy", "--key", "key.npy"), "several keys"),
        ((*HIDE, "-o", "out.png", "--key", "key.npy", "--method", "glow2"), "the key is for lossless-inn"),
        ((*HIDE, "-o", "out.png", "--key", "key.npy", "--key-out", "k.npy"), "--key-out makes its own key"),
        ((*HIDE, "-o", "out.png", "--key-out", "./out.png"), "would both be out.png"),
        ((*HIDE, "-o", "out.png", "--key-out", "k.npy"), "--key-out needs the paper's network"),
        ((*HIDE, "-o", ""), "the name of the output is empty"),
        (HIDE, "no place to write a fresh key"),
        ((*HIDE, "-o", "out.png", "--key", "key.npy", "--key-dir", "k"), "--key-dir is for fresh keys, and the key is"),
        ((*HIDE, "-o", "out.png", "--key-out", "k.npy", "--key-dir", "k"), "and --key-out names the key file"),
        ((*HIDE, "-o", "out.png", "--key-dir", ""), "the name of the key folder is empty"),
        (("hide", "secret.txt", "-o", "out.png", "--method", "lossless-inn"), "lossless-inn needs --cover"),
        (("hide", "secret.txt", "-o", "out.png", "--key", "key.npy"), "lossless-inn needs --cover"),
        (("hide", "-", "--cover", "-", "--key", "key.npy"), "only one of the inputs"),
        (("hide", "secret.txt", "key.npy", "--cover", "cover.png", "-o", "out.png"), "-o FOLDER/"),
        (("hide", "secret.txt", "-", "--cover", "cover.png", "-o", "out/"), "cannot be part of a batch"),
        (("hide", "secret.txt", "key.npy", "--cover", "covers", "-o", "out/"), "2 secrets need 2 covers"),
        (("reveal", "cover.png"), "no key"),
        (("reveal", "cover.png", "--key", "key.npy", "--method", "glow2"), "the key is for lossless-inn"),
        (("reveal", "-", "--key", "-"), "only one of the inputs"),
        (("train", "lossless-inn", "--data", ".", "-o", "w.bin"), "must end in .safetensors"),
        (("train", "glow7", "--data", ".", "-o", "w.safetensors"), "no method 'glow7'"),
        (("train", "lossless-inn", "--data", ".", "-o", "w.safetensors", "--precision", "half"), "no precision"),
        (
            ("train", "lossless-inn", "--data", ".", "-o", "w.safetensors", "--steps", "1", "--minutes", "1"),
            "exclude each other",
        ),
        (("evaluate", "glow7", "--covers", "."), "no method 'glow7'"),
        (("evaluate", "lossless-inn", "--covers", ".", "--size", "big"), "takes WIDTHxHEIGHT"),
        (("evaluate", "lossless-inn"), "lossless-inn needs --covers DIR"),
    ],
)
def test_wrong_usage(argv: tuple[str, ...], says: str) -> None:
    Path("covers").mkdir()
    save("covers/only.png", photo())
    refused(2, *argv, says=says)


def test_what_must_survive_more_goes_by_the_method_that_can(here: Path) -> None:
    save("large.png", photo(256, 256))
    result = ok("hide", "secret.txt", "--cover", "large.png", "-o", "out.png", "--survive", "jpeg:80", "--json")
    assert result.json["method"] == keys.load("out.key.npy").method == "riis"
    Image.open("out.png").save("sent.jpg", quality=80)
    assert ok("reveal", "sent.jpg", "--key", "out.key.npy").out == SECRET


def test_surviving_names_what_is_survived() -> None:
    result = refused(2, *HIDE, *INN, "-o", "out.png", "--survive", "jpeg:90")
    assert "stego: hint: it survives png" in result.err


def test_cuda_without_cuda_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    refused(2, *HIDE, "-o", "out.png", "--device", "cuda", says="no CUDA device")


def test_train_does_not_replace_its_output() -> None:
    Path("w.safetensors").write_bytes(b"precious")
    refused(3, "train", "lossless-inn", "--data", ".", "-o", "w.safetensors", "--steps", "1", says="exists")


@pytest.mark.parametrize(("asked", "used"), [(None, "1"), ("3", "3")])
def test_numpy_multiplies_on_one_thread_unless_asked(
    asked: str | None, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stegcli.cli.app.main", lambda: None)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", asked or "")
    if asked is None:
        monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    cli.main()
    assert os.environ["OPENBLAS_NUM_THREADS"] == used


def test_a_real_process_ends_the_same_way(here: Path) -> None:
    process = stego_process("reveal", "cover.png", "--key", "missing.npy", cwd=here)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert out == b""
    check_error(err.decode(), "cannot read key missing.npy")
