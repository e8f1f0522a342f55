"""What a library in C needs: files by path where we have bytes, and its messages kept off the user's terminal."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from stegcli.disk import descriptors

_STDERR = 2
_LOCK = threading.Lock()  # the descriptor is the whole process's


@contextlib.contextmanager
def scratch(data: bytes = b"") -> Iterator[Path]:
    """Bytes -> the path of a file that holds them, gone afterwards: in memory on Linux, else in a private folder."""
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
    """Standard error's descriptor is caught meanwhile -> the lines that hold one of the `known` texts, once it is over.

    Inside `libraries_silenced`, so that no other thread turns the descriptor back before this one does. What Python
    writes to `sys.stderr` goes its own way. Works with a closed standard error, too.
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
