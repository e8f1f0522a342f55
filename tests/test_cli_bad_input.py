"""Everything that can go wrong: the exit status, one line that says what, and nothing left behind."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_helpers import SECRET, check_error, ok, photo, refused, run, save, settle, snapshot, stego_process
from hiding import room
from PIL import Image

from stegcli import methods, weights
from stegcli.cli import options as cli_options
from stegcli.files import Output
from stegcli.keys import key as keys
from stegcli.pictures import image

CAPACITY = room(weights.load("lossless-inn"), 96, 96)
TINY = methods.module("lossless-inn", "recipe").TINY[0]
HIDE = ("hide", "secret.txt", "--cover", "cover.png", "-o", "out.png")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return settle(tmp_path, monkeypatch)


@pytest.fixture
def stego() -> str:
    ok("hide", "secret.txt", "--cover", "cover.png", "--key", "key.npy", "-o", "stego.png")
    return "stego.png"


# -- pictures


def truncated(suffix: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo()).save(buffer, suffix)
    return buffer.getvalue()[: len(buffer.getvalue()) // 2]


BAD_PICTURES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "text": (lambda: b"Dear Alice,\n", "is not a picture"),
    "header only": (lambda: b"\x89PNG\r\n\x1a\n", ""),
    "truncated PNG": (lambda: truncated("PNG"), "is damaged or cut short"),
    "truncated JPEG": (lambda: truncated("JPEG"), "is damaged or cut short"),
    "truncated WebP": (lambda: truncated("WEBP"), ""),
    "truncated TIFF": (lambda: truncated("TIFF"), ""),
    "truncated BMP": (lambda: truncated("BMP"), "is damaged or cut short"),
}


@pytest.mark.parametrize("kind", BAD_PICTURES)
def test_a_picture_that_cannot_be_read(kind: str) -> None:
    make, says = BAD_PICTURES[kind]
    Path("bad.png").write_bytes(make())
    refused(3, "hide", "secret.txt", "--cover", "bad.png", "-o", "out.png", says=f"cover bad.png {says}")
    refused(3, "reveal", "bad.png", "--key", "key.npy", "-o", "back", says=f"stego bad.png {says}")
    refused(3, "reveal", "--key", "key.npy", stdin=make(), says=f"stego on standard input {says}")


@pytest.mark.parametrize("side", [1, 63])
def test_a_picture_that_is_too_small(side: int) -> None:
    save("small.png", photo(side, 200))
    refused(
        3, "hide", "secret.txt", "--cover", "small.png", "-o", "out.png",
        says=f"cover is {side}x200, lossless-inn needs at least 64x64",
    )  # fmt: skip
    refused(4, "reveal", "small.png", "--key", "key.npy", "-o", "back", says="nothing revealed")


def test_the_smallest_picture_works() -> None:
    save("small.png", photo(64, 64))
    ok("hide", "secret.txt", "--cover", "small.png", "-o", "out.png")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("hide", "missing", "--cover", "cover.png", "-o", "out.png"), "cannot read secret missing"),
        (("hide", ".", "--cover", "cover.png", "-o", "out.png"), "cannot read secret ."),
        (("hide", "secret.txt", "--cover", "missing.png", "-o", "out.png"), "cannot read cover missing.png"),
        (("hide", "secret.txt", "--cover", "folder", "-o", "out.png"), "no pictures in folder"),
        (("reveal", "missing.png", "--key", "key.npy"), "cannot read stego missing.png"),
        (("reveal", "folder", "--key", "key.npy"), "cannot read stego folder"),
        (("evaluate", "lossless-inn", "--covers", "missing"), "missing is not a folder"),
        (("train", "lossless-inn", "--data", "missing", "-o", "w.safetensors", "--steps", "1"), "missing"),
    ],
)
def test_an_input_that_is_not_there(argv: tuple[str, ...], says: str) -> None:
    Path("folder").mkdir()
    refused(3, *argv, says=says)


def test_a_name_with_a_line_break_makes_no_second_line() -> None:
    refused(3, "reveal", "a\nstego: error: b\x1b[2J", "--key", "key.npy", says=r"a\nstego: error: b\x1b[2J")


def test_a_name_that_is_too_long(stego: str) -> None:
    long = "x" * 300
    refused(3, "hide", long, "--cover", "cover.png", "-o", "out.png", says="file name too long")
    refused(3, "hide", "secret.txt", "--cover", long, "-o", "out.png", says="file name too long")
    refused(3, "hide", "secret.txt", "--cover", "cover.png", "-o", f"{long}.png", says="file name too long")
    refused(3, "hide", "secret.txt", "--cover", "cover.png", "-o", f"{long}/", says="file name too long")
    refused(3, "reveal", stego, "--key", long, says="file name too long")
    refused(3, "reveal", stego, "--key", "key.npy", "-o", long, says="file name too long")
    refused(6, *HIDE, "--weights", f"{long}.safetensors", says="file name too long")


def test_a_name_that_is_not_text() -> None:
    name = os.fsdecode(b"s\xff\n.txt")
    Path(name).write_bytes(SECRET)
    ok("hide", name, "--cover", "cover.png", "--key", "key.npy", "-o", f"{name}.png", "--json")
    assert ok("reveal", f"{name}.png", "--key", "key.npy").out == SECRET


# -- what does not fit


def test_one_byte_over_the_capacity_says_capacity_and_need() -> None:
    Path("secret.txt").write_bytes(bytes(CAPACITY))
    ok(*HIDE)
    Path("secret.txt").write_bytes(bytes(CAPACITY + 1))
    Path("out.png").unlink()
    Path("out.key.npy").unlink()
    refused(5, *HIDE, says=f"does not fit: capacity {CAPACITY} bytes, need {CAPACITY + 1} bytes")


def test_an_empty_secret_is_a_secret() -> None:
    Path("secret.txt").write_bytes(b"")
    ok(*HIDE)
    assert ok("reveal", "out.png", "--key", "out.key.npy").out == b""


# -- nothing revealed


def rewritten(change: Callable[[Image.Image], Image.Image], name: str, **options: int) -> str:
    with Image.open("stego.png") as opened:
        change(opened).save(name, **options)
    return name


def test_whatever_is_wrong_the_message_is_the_same(stego: str) -> None:
    ok("keygen", "-o", "other.npy")
    one_bit = photo()
    one_bit[:] = Image.open(stego)
    one_bit[::2, ::3, 1] ^= 1
    save("flipped.png", one_bit)
    attempts = [
        (stego, "other.npy"),
        ("cover.png", "key.npy"),
        (rewritten(lambda i: i, "saved.jpg", quality=95), "key.npy"),
        (rewritten(lambda i: i.crop((0, 0, 90, 96)), "cropped.png"), "key.npy"),
        (rewritten(lambda i: i.resize((128, 128)), "resized.png"), "key.npy"),
        (rewritten(lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "mirrored.png"), "key.npy"),
        ("flipped.png", "key.npy"),
    ]
    said = {refused(4, "reveal", s, "--key", k, "-o", "back", "-q").err for s, k in attempts}
    assert len(said) == 1
    refused(4, "reveal", "cover.png", "--key", "key.npy", says="nothing revealed")


def test_a_failed_reveal_does_not_touch_what_it_would_have_replaced(stego: str) -> None:
    Path("back").write_bytes(b"old")
    refused(4, "reveal", "cover.png", "--key", "key.npy", "-o", "back", "--force")


# -- keys


def damaged_keys() -> dict[str, bytes]:
    good = keys.Key("lossless-inn", "coset-1", bytes(32)).to_bytes()
    pickled = io.BytesIO()
    later = bytearray(good)
    later[-keys.RECORD.itemsize] += 1  # the version is the first field
    np.save(pickled, np.array([{"secret": 1}], dtype=object), allow_pickle=True)
    array = io.BytesIO()
    np.save(array, np.zeros(32, np.uint8))
    many = io.BytesIO()
    np.save(many, np.zeros(2, keys.RECORD))
    return {
        "empty": b"",
        "text": b"secret\n",
        "cut short": good[:-5],
        "header only": good[:100],
        "pickle": pickled.getvalue(),
        "another array": array.getvalue(),
        "two records": many.getvalue(),
        "not UTF-8": good.replace(b"coset-1", b"coset\xff\xfe"),
        "later format": bytes(later),
        "too large": good + bytes(10_000),
    }


@pytest.mark.parametrize("kind", damaged_keys())
def test_a_key_that_is_damaged(kind: str, stego: str) -> None:
    Path("bad.npy").write_bytes(damaged_keys()[kind])
    refused(3, "reveal", stego, "--key", "bad.npy", "-o", "back", says="bad.npy")
    refused(3, *HIDE, "--key", "bad.npy", says="bad.npy")


def test_a_key_that_is_not_there(stego: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(3, *HIDE, "--key", "missing.npy", says="cannot read key missing.npy")
    refused(3, "reveal", stego, "--key", "missing.npy", says="cannot read key missing.npy")
    monkeypatch.setenv("STEGO_KEY", "missing.npy")
    refused(3, *HIDE, says="cannot read key missing.npy")
    refused(3, "reveal", stego, says="cannot read key missing.npy")


def test_a_key_of_a_method_that_this_stego_lacks(stego: str) -> None:
    keys.generate("glow7", "small").save("glow.npy")
    refused(2, *HIDE, "--key", "glow.npy", says="the key is for glow7, which this stego lacks")
    refused(2, "reveal", stego, "--key", "glow.npy", says="the key is for glow7, which this stego lacks")


def test_a_key_of_weights_that_this_stego_lacks(stego: str) -> None:
    keys.generate("lossless-inn", "coset-99").save("later.npy")
    refused(6, *HIDE, "--key", "later.npy", says="no weights 'coset-99'")
    refused(6, "reveal", stego, "--key", "later.npy", says="no weights 'coset-99'")


# -- weights


@pytest.fixture
def tiny() -> Path:
    """An untrained network: right in form, and of no use for hiding."""
    torch.manual_seed(0)
    built = methods.build("lossless-inn", **TINY)
    Path("tiny.safetensors").write_bytes(weights.pack("lossless-inn", TINY, built.networks.state_dict(), {}))
    return Path("tiny.safetensors")


def test_weights_that_are_missing() -> None:
    refused(6, *HIDE, "--weights", "missing.safetensors", says="weights missing.safetensors: no such file")
    refused(6, *HIDE, "--weights", "nosuch", says="no weights 'nosuch'")


def test_weights_that_are_damaged(tiny: Path) -> None:
    good = tiny.read_bytes()
    flipped = bytearray(good)
    flipped[2] ^= 4
    cases = {"cut.safetensors": good[:-100], "flip.safetensors": bytes(flipped), "empty.safetensors": b""}
    for name, content in cases.items():
        Path(name).write_bytes(content)
        refused(6, *HIDE, "--weights", name, says=f"{name} is not a weights file")


def test_a_flipped_bit_in_the_weights_of_weights_toml(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flipped = bytearray(tiny.read_bytes())
    flipped[-1] ^= 1
    monkeypatch.setattr(weights, "PRETRAINED", Path())
    fileless = [e for e in weights.entries() if e.file is None]
    entry = weights.Entry("lossless-inn", "tiny-1", "tiny.safetensors", "0" * 64, tiny.stat().st_size, "Apache-2.0")
    monkeypatch.setattr(weights, "entries", lambda method=None: [*fileless, entry])
    refused(6, *HIDE, "--weights", "tiny-1", says="are corrupt (sha256 differs)")
    refused(6, "weights", "verify", says="are corrupt (sha256 differs)")


def test_weights_of_another_method(tiny: Path) -> None:
    built = methods.build("lossless-inn", **TINY)
    tiny.write_bytes(weights.pack("glow7", TINY, built.networks.state_dict(), {}))
    refused(6, *HIDE, "--weights", str(tiny), says="these are weights of glow7, not of lossless-inn")


def test_weights_other_than_the_keys(tiny: Path, stego: str) -> None:
    refused(2, *HIDE, "--key", "key.npy", "--weights", str(tiny), says="the key is for weights coset-1")
    refused(2, "reveal", stego, "--key", "key.npy", "--weights", str(tiny), says="the key is for weights coset-1")
    ok("keygen", "-o", "own.npy", "--weights", str(tiny))
    refused(6, "reveal", stego, "--key", "own.npy", says="a weights file of your own")


def test_a_network_that_cannot_hide_writes_nothing(tiny: Path) -> None:
    save("cover.png", photo(64, 64))
    refused(5, *HIDE, "--weights", str(tiny), says="does not fit")


# -- outputs


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("missing/out.png", "no such folder"),
        ("secret.txt/out.png", "no such folder"),
        ("folder.png", "output folder.png is a folder"),
    ],
)
def test_an_output_that_cannot_be_written(output: str, says: str, stego: str) -> None:
    Path("folder.png").mkdir()
    if Path(output).is_dir():
        refused(3, "keygen", "-o", output, says=says)
        return
    refused(3, "hide", "secret.txt", "--cover", "cover.png", "-o", output, says=says)
    refused(3, "hide", "secret.txt", "--cover", "cover.png", "-o", "new.png", "--key-out", output, says=says)
    refused(3, "reveal", stego, "--key", "key.npy", "-o", output, says=says)
    refused(3, "keygen", "-o", output, says=says)


def test_a_folder_that_cannot_be_made() -> None:
    refused(3, "hide", "secret.txt", "--cover", "cover.png", "-o", "secret.txt/out/", says="cannot make folder")


def test_a_folder_that_takes_no_files() -> None:
    """Even the superuser makes no files in /proc."""
    refused(3, "hide", "secret.txt", "--cover", "cover.png", "-o", "/proc/out.png", says="cannot write /proc/out")


def test_a_disk_that_is_full_at_the_second_file(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = os.fsync

    def fsync(fd: int) -> None:
        calls.append(fd)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    refused(3, *HIDE, says="cannot write out.png: no space left on device")
    assert len(calls) == 2


def test_a_limit_on_the_size_of_files(here: Path) -> None:
    before = snapshot(here)
    process = stego_process(
        *HIDE, prelude="import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))", cwd=here
    )
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (3, b"")
    check_error(err.decode(), "cannot write out.png: file too large")
    assert snapshot(here) == before


def test_an_output_that_appears_during_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from stegcli import files

    real = files.write_all

    def late(outputs: list[Output], force: bool) -> None:
        Path("out.png").write_bytes(b"somebody else's")
        real(outputs, force)

    monkeypatch.setattr(files, "write_all", late)
    assert run(*HIDE).status == 3
    assert Path("out.png").read_bytes() == b"somebody else's"
    assert not Path("out.key.npy").exists()


# -- endings that are not ours


def test_a_closed_pipe(here: Path) -> None:
    before = snapshot(here)
    reader, writer = os.pipe()
    os.close(reader)
    process = stego_process("hide", "secret.txt", "--cover", "cover.png", "--key", "key.npy", cwd=here, stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    check_error(err.decode(), "cannot write standard output: broken pipe")
    assert snapshot(here) == before


def test_a_full_disk_behind_standard_output(here: Path, stego: str) -> None:
    with Path("/dev/full").open("wb") as full:
        process = stego_process("reveal", stego, "--key", "key.npy", cwd=here, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    check_error(err.decode(), "cannot write standard output: no space left on device")


def test_a_closed_standard_error_is_no_failure(here: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = stego_process(*HIDE, cwd=here, stderr=writer)
    os.close(writer)
    process.communicate(timeout=60)
    assert process.returncode == 0


STALL = """
import signal, time
from stegcli import api
def stall(*_):
    print("working", flush=True)
    time.sleep(60)
api.hide = stall
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background would have it ignored
"""


@pytest.mark.parametrize(
    ("number", "status", "says"),
    [(signal.SIGINT, 130, "stego: interrupted"), (signal.SIGTERM, 143, "stego: terminated")],
)
@pytest.mark.parametrize("output", ["out.png", "out/"])
def test_an_interrupt(here: Path, number: int, status: int, says: str, output: str) -> None:
    before = snapshot(here)
    process = stego_process("hide", "secret.txt", "--cover", "cover.png", "-o", output, prelude=STALL, cwd=here)
    assert process.stdout is not None
    assert process.stdout.readline() == b"working\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (status, b"")
    assert err.decode().splitlines()[1:] == [says]
    assert snapshot(here) == before


def test_a_kill_during_the_write_leaves_nothing(here: Path) -> None:
    before = snapshot(here)
    process = stego_process(*HIDE, prelude="import os\nos.fsync = lambda fd: os.kill(os.getpid(), 9)", cwd=here)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert snapshot(here) == before
    assert Path("secret.txt").read_bytes() == SECRET


@pytest.mark.parametrize(
    "words",
    [
        ("hide", "secret.txt", "--cover", "cover.png", "-o", "out.png"),
        ("reveal", "cover.png", "--key", "key.npy"),
        ("capacity", "cover.png"),
        ("inspect", "cover.png"),
    ],
)
def test_a_picture_of_more_pixels_than_asked_for_is_refused(words: tuple[str, ...]) -> None:
    result = run(*words, "--max-pixels", 1000)
    assert result.status == 3
    assert "is too large: the most is 0.001 megapixels" in result.err
    assert not Path("out.png").exists()
    for command in (("--max-pixels", 0), ("--max-pixels", 10**9)):
        assert run(*words, *command).status == 2


def test_the_bounds_of_pixels_are_those_of_the_pictures() -> None:
    assert cli_options.MAX_PIXELS == image.MAX_PIXELS
    assert 2 * (Image.MAX_IMAGE_PIXELS or 0) == cli_options.MOST_PIXELS  # from there on Pillow refuses
