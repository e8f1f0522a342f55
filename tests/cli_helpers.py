"""Running the command line: in this process for most tests, in a process of its own where signals or pipes matter."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from stegcli.cli import app

SECRET = b"The quick brown fox\n" * 5


class Result(NamedTuple):
    status: int
    out: bytes
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("stego: error: ")]


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def run(*argv: object, stdin: bytes = b"", terminal: bool = False) -> Result:
    """`stego ARGV...` in this process. terminal: whether standard output is one."""
    out, err = (Terminal if terminal else io.TextIOWrapper)(io.BytesIO()), io.StringIO()
    streams = {"stdin": io.TextIOWrapper(io.BytesIO(stdin)), "stdout": out, "stderr": err}
    with contextlib.ExitStack() as patches:
        patches.enter_context(mock.patch.multiple(sys, argv=["stego", *map(str, argv)], **streams))
        patches.enter_context(_own_sigterm())
        try:
            app.main()
        except SystemExit as end:
            out.flush()
            return Result(int(end.code or 0), out.buffer.getvalue(), err.getvalue())
    raise AssertionError("main() returned")


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def ok(*argv: object, **options: Any) -> Result:
    result = run(*argv, **options)
    assert result.status == 0, result.err
    assert not result.errors
    return result


def refused(status: int, *argv: object, says: str = "", stdin: bytes = b"", terminal: bool = False) -> Result:
    """Run in the current folder, and hold the failure to what every failure must keep."""
    before = snapshot(Path())
    result = run(*argv, stdin=stdin, terminal=terminal)
    assert result.status == status, (result.status, result.err)
    assert result.out == b""
    assert snapshot(Path()) == before
    check_error(result.err, says)
    return result


def check_error(err: str, says: str = "") -> None:
    """One error line, perhaps one hint; lower case, no full stop, no traceback."""
    lines = err.splitlines()
    assert all(line.startswith("stego: ") for line in lines), err
    errors = [line.removeprefix("stego: error: ") for line in lines if line.startswith("stego: error: ")]
    hints = [line.removeprefix("stego: hint: ") for line in lines if line.startswith("stego: hint: ")]
    assert len(errors) == 1, err
    assert len(hints) <= 1, err
    assert says in errors[0], err
    for text in (*errors, *hints):
        assert not text.endswith("."), text
        assert text.strip() == text != ""
    assert errors[0].split()[0] in (errors[0].split()[0].lower(), "BMP", "JPEG"), errors[0]


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything below a folder, hidden files too: path -> mode, content."""
    found = sorted(p for p in folder.rglob("*"))
    return {str(p): (p.lstat().st_mode, p.read_bytes() if p.is_file() else b"") for p in found}


def stego_process(*argv: object, prelude: str = "", **options: Any) -> subprocess.Popen[bytes]:
    """`stego ARGV...` as a process; prelude: Python that runs first."""
    script = (
        f"import sys\nfrom stegcli.cli import app as cli\n{prelude}\nsys.argv = ['stego', *sys.argv[1:]]\ncli.main()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    clean = {k: v for k, v in os.environ.items() if not k.startswith("STEGO_")}
    return subprocess.Popen([sys.executable, "-c", script, *map(str, argv)], env=clean, **pipes)


def photo(width: int = 96, height: int = 96, seed: int = 0, channels: int = 3) -> np.ndarray:
    """A smooth picture with some noise, uint8 (h, w, channels)."""
    y, x = np.mgrid[:height, :width]
    wave = 128 + 60 * np.sin(x / 9 + seed) + 40 * np.cos(y / 13)
    noise = np.random.default_rng(seed).normal(0, 4, (height, width, channels))
    return (wave[..., None] + noise).clip(0, 255).astype(np.uint8)


def save(path: str | Path, pixels: np.ndarray, **options: Any) -> Path:
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(path, **options)
    return Path(path)


def pixels_of(path: str | Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened)


def prepare(folder: Path) -> None:
    """cover.png, secret.txt and key.npy, as most tests want them."""
    from stegcli.keys import key as keys

    save(folder / "cover.png", photo())
    (folder / "secret.txt").write_bytes(SECRET)
    keys.generate("lossless-inn", "coset-1").save(folder / "key.npy")


def settle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in `folder`, with the files that most tests need and without the user's own settings."""
    prepare(folder)
    monkeypatch.chdir(folder)
    for name in ("STEGO_KEY", "STEGO_KEY_DIR", "STEGO_DEVICE", "STEGO_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return folder
