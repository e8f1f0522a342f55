"""Links, pipes, closed descriptors, bounds and wrapped keys, through the whole command line."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_helpers import SECRET, Result, check_error, ok, pixels_of, refused, run, settle
from PIL import Image

from stegcli.cli import console
from stegcli.keys import key as keys
from stegcli.keys import passphrase
from stegcli.keys.passphrase import Costs

HIDE = ("hide", "secret.txt", "--cover", "cover.png", "--key", "key.npy")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(tmp_path, monkeypatch)
    keys.generate("lossless-inn", "coset-3").save("key.npy", force=True)


def shell(line: str, **options: object) -> Result:
    """A line for a shell, in which `stego` is ours, as a process of its own."""
    stego = f'stego() {{ {shlex.quote(sys.executable)} -m stegcli "$@"; }}\n'
    ended = subprocess.run(["bash", "-c", stego + line], capture_output=True, check=False, **options)
    return Result(ended.returncode, ended.stdout, ended.stderr.decode())


def revealed(path: str, key: str = "key.npy") -> bool:
    return ok("reveal", path, "--key", key).out == SECRET


# Outputs


def test_a_stego_goes_to_standard_output_by_any_of_its_names() -> None:
    done = shell(f"{{ printf head; stego {' '.join(HIDE)} -q --force -o /dev/stdout; }} > out")
    assert (done.status, done.err) == (0, "")
    assert Path("out").read_bytes()[:4] == b"head"
    Path("out.png").write_bytes(Path("out").read_bytes()[4:])
    assert revealed("out.png")
    assert Path("/dev/stdout").is_symlink()


def test_a_pipe_takes_a_stego_and_no_key() -> None:
    os.mkfifo("pipe")
    with subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        try:
            ok(*HIDE, "-o", "pipe", "--force")
            Path("out.png").write_bytes(reader.stdout.read())
        finally:
            reader.kill()
    assert Path("pipe").is_fifo()
    assert revealed("out.png")
    assert run("keygen", "-o", "pipe", "--force").status == 3
    assert run("hide", "secret.txt", "--cover", "cover.png", "-o", "pipe").status == 2
    assert Path("pipe").is_fifo()


def test_links_stay_and_what_they_lead_to_is_replaced() -> None:
    Path("there").mkdir()
    Path("there/stego.png").write_bytes(b"old")
    Path("there/key.npy").write_bytes(b"old")
    Path("out.png").symlink_to("there/stego.png")
    Path("out.key.npy").symlink_to("there/key.npy")
    refused(3, *HIDE, "-o", "out.png", says="output out.png exists")
    ok("hide", "secret.txt", "--cover", "cover.png", "-o", "out.png", "--force")
    assert Path("out.png").is_symlink()
    assert Path("out.key.npy").is_symlink()
    assert revealed("there/stego.png", "there/key.npy")
    assert sorted(p.name for p in Path("there").iterdir()) == ["key.npy", "stego.png"]
    ok("keygen", "-o", "out.key.npy", "--force")
    assert Path("out.key.npy").is_symlink()
    assert Path("there/key.npy").stat().st_mode & 0o777 == 0o600


def test_a_link_that_leads_nowhere_is_refused() -> None:
    Path("out.png").symlink_to("absent.png")
    refused(3, *HIDE, "-o", "out.png", says="is a symbolic link that leads nowhere")
    refused(3, "keygen", "-o", "out.png", "--force", says="is a symbolic link that leads nowhere")


def test_inputs_are_not_written_over() -> None:
    ok(*HIDE, "-o", "out.png")
    Path("link.png").symlink_to("out.png")
    for output in ("out.png", "./out.png", "link.png", "key.npy"):
        refused(2, "reveal", "out.png", "--key", "key.npy", "-o", output, "--force", says="is an input too")
    for output in ("cover.png", "./cover.png"):
        refused(2, *HIDE, "-o", output, "--force", says="is an input too")


def test_a_name_as_long_as_the_system_takes() -> None:
    name = "x" * 240 + ".png"
    ok("hide", "secret.txt", "--cover", "cover.png", "-o", name)
    assert revealed(name, "x" * 240 + ".key.npy")


# Closed descriptors


def test_closed_descriptors() -> None:
    lines = {
        f"stego {' '.join(HIDE)} -o a.png >&-": (0, "a.png"),
        f"stego {' '.join(HIDE)} -o b.png --json >&-": (3, None),
        f"stego {' '.join(HIDE)} >&-": (3, None),
        f"stego {' '.join(HIDE)} -o c.png <&- >&- 2>&-": (0, "c.png"),
        "stego hide - --cover cover.png --key key.npy -o d.png <&-": (3, None),
        "stego keygen -o e.npy --json >&-": (3, None),
        "stego --version >&-": (3, None),
    }
    for line, (status, written) in lines.items():
        before = set(Path().iterdir())
        done = shell(line)
        assert done.status == status, (line, done)
        assert {p.name for p in set(Path().iterdir()) - before} == ({written} if written else set())
        if status:
            check_error(done.err, "closed")
    assert revealed("c.png")


def test_a_batch_goes_on_without_anybody_who_listens() -> None:
    Path("b.txt").write_bytes(b"b")
    done = shell("stego hide secret.txt missing b.txt --cover cover.png --key key.npy -o out/ <&- >&- 2>&-")
    assert done.status == 3
    assert sorted(p.name for p in Path("out").iterdir()) == ["b.png", "secret.png"]


# Bounds


def test_huge_inputs_are_refused_at_once(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    huge = tmp_path_factory.mktemp("elsewhere") / "huge"  # what lies here is read to see that nothing changed
    with huge.open("wb") as file:
        file.truncate(6 << 30)
    began = time.monotonic()
    refused(3, "hide", huge, *HIDE[2:], "-o", "out.png", says=f"secret {huge} is too large")
    refused(3, *HIDE[:3], huge, "-o", "out.png", says=f"cover {huge} is too large")
    refused(3, *HIDE[:5], huge, "-o", "out.png", says=f"key {huge} is too large")
    refused(3, "reveal", huge, "--key", "key.npy", says=f"stego {huge} is too large")
    refused(3, "reveal", "cover.png", "--key", huge, says=f"key {huge} is too large")
    refused(3, "hide", "/dev/zero", *HIDE[2:], "-o", "out.png", says="secret /dev/zero is a device")
    refused(3, "reveal", "/dev/zero", "--key", "key.npy", says="stego /dev/zero is a device")
    assert time.monotonic() - began < 10
    huge.unlink()


# Interrupts


def test_a_batch_ends_at_once_and_tells_of_every_file() -> None:
    names = [f"{n}.txt" for n in range(60)]
    for name in names:
        Path(name).write_bytes(b"x" * 100)
    argv = ["hide", *names, "--cover", "cover.png", "--key", "key.npy", "-o", "out/", "--jobs", "2", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "stegcli", *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as p:
        assert p.stdout is not None
        first = p.stdout.readline()
        began = time.monotonic()
        p.send_signal(signal.SIGINT)
        rest = p.stdout.read().splitlines()
        assert p.wait() == 130
    assert time.monotonic() - began < 3  # half a second on an idle machine
    told = {Path(json.loads(line)["output"]).name for line in [first, *rest]}
    assert told == {p.name for p in Path("out").iterdir()}
    assert len(told) < 60


# Keys and passphrases


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passphrases that cost little, and are typed by themselves."""
    real = passphrase.stretch
    monkeypatch.setattr(passphrase, "stretch", lambda word, salt, _: real(word, salt, Costs(64, 1, 2)))
    monkeypatch.setattr(keys, "stretch", lambda word, salt, _: real(word, salt, Costs(64, 1, 2)))
    monkeypatch.setattr(console.getpass, "getpass", lambda _: "Gru\u0308n")


def test_a_key_of_a_passphrase_is_made_again_with_its_salt(cheap: None) -> None:
    salt = ok("keygen", "--passphrase", "-o", "one.npy", "--json").json["salt"]
    Path("phrase").write_bytes("Grün\nanother line\n".encode())
    ok("keygen", "--passphrase-file", "phrase", "--salt", salt, "-o", "two.npy")
    assert Path("one.npy").read_bytes() == Path("two.npy").read_bytes()
    refused(2, "keygen", "--passphrase", "--passphrase-file", "phrase", "-o", "x.npy", says="exclude each other")
    refused(2, "keygen", "--salt", salt, "-o", "x.npy", says="--salt goes with")
    Path("phrase").write_bytes(b"\xff\xfe\n")
    refused(3, "keygen", "--passphrase-file", "phrase", "-o", "x.npy", says="is not UTF-8")


def test_a_wrapped_key_hides_and_reveals(cheap: None, monkeypatch: pytest.MonkeyPatch) -> None:
    ok("keygen", "--wrap", "-o", "wrapped.npy")
    assert b"lossless" not in Path("wrapped.npy").read_bytes()
    ok(*HIDE[:5], "wrapped.npy", "-o", "out.png")
    assert revealed("out.png", "wrapped.npy")
    monkeypatch.setattr(console.getpass, "getpass", lambda _: "another")
    refused(3, "reveal", "out.png", "--key", "wrapped.npy", says="the passphrase does not open key wrapped.npy")


def test_a_passphrase_is_asked_for_once_in_a_batch(cheap: None, monkeypatch: pytest.MonkeyPatch) -> None:
    ok("keygen", "--wrap", "-o", "wrapped.npy")
    asked: list[str] = []
    monkeypatch.setattr(console.getpass, "getpass", lambda prompt: asked.append(prompt) or "Grün")
    Path("second.txt").write_bytes(b"second")
    ok("hide", "secret.txt", "second.txt", "--cover", "cover.png", "--key", "wrapped.npy", "-o", "out/", "--jobs", "2")
    assert asked == ["passphrase of wrapped.npy: "]
    asked.clear()
    ok("reveal", "out/secret.png", "out/second.png", "--key", "wrapped.npy", "-o", "back/", "--jobs", "2")
    assert asked == ["passphrase of wrapped.npy: "]


def test_libtiff_says_nothing_by_itself() -> None:
    pixels = pixels_of("cover.png")
    image = io.BytesIO()
    Image.fromarray(pixels).save(image, "TIFF", compression="tiff_lzw")
    damaged = bytearray(image.getvalue())
    damaged[2000:2100] = bytes(range(100))
    Path("cover.tif").write_bytes(damaged)
    done = shell("stego hide secret.txt --cover cover.tif --key key.npy -o out.png")
    assert all(line.startswith("stego: ") for line in done.err.splitlines()), done.err
