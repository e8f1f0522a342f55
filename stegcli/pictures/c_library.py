"""Helpers for libraries in C: paths for data in memory, and a catch for messages they write to standard error."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from stegcli.disk import descriptors

_STDERR = 2
_LOCK = threading.Lock()  # the whole process shares the descriptor


@contextlib.contextmanager
def scratch(data: bytes = b"") -> Iterator[Path]:
    """Bytes -> path of a temporary file that holds them: in memory on Linux, else in a private folder."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("stego")
        try:
            path = Path(f"/proc/self/fd/{descriptor}")
            path.write_bytes(data)
            yield path
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryDirectory(prefix="stego-") as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        yield path


@contextlib.contextmanager
def quiet(known: tuple[str, ...]) -> Iterator[list[str]]:
    """Catch what is written to standard error's descriptor. At the end the yielded list holds the lines with a `known`

    text. Runs inside `libraries_silenced`, so that no other thread restores the descriptor too early. Python's own
    `sys.stderr` still works, and a closed standard error is allowed.
    """
    lines: list[str] = []
    with descriptors.libraries_silenced(), _LOCK, tempfile.TemporaryFile() as caught:
        before = _duplicate(_STDERR)
        os.dup2(caught.fileno(), _STDERR)
        try:
            yield lines
        finally:
            if before is None:
                os.close(_STDERR)
            else:
                os.dup2(before, _STDERR)
                os.close(before)
            caught.seek(0)
            heard = (line.strip() for line in caught.read().decode(errors="replace").splitlines())
            lines += [line for line in heard if any(k in line for k in known)]


def _duplicate(descriptor: int) -> int | None:
    try:
        return os.dup(descriptor)
    except OSError:
        return None
