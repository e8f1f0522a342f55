"""Locks on folders, so that only one process at a time writes a set of files there."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from stegcli.errors import FileError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PATIENCE = 10.0
"""Seconds to wait for a folder that another process has locked. stego itself locks a folder for milliseconds."""
PAUSE = 0.002


@contextlib.contextmanager
def locked(folders: Iterable[Path], patience: float = PATIENCE) -> Iterator[None]:
    """Hold the locks of these folders. Other threads and processes that want one of them wait.

    The lock is flock() on the folder itself: it leaves no file behind and ends with its process, also under `kill -9`.
    Locks are always taken in the same order, which prevents deadlocks. Folders that cannot be read and file systems
    without such locks are skipped. Raises FileError if another process holds a folder for longer than `patience`.
    """
    with contextlib.ExitStack() as held:
        for fd, folder in _in_order(folders, held):
            _lock(fd, folder, patience)
            held.callback(_unlock, fd)
        yield


def _in_order(folders: Iterable[Path], held: contextlib.ExitStack) -> list[tuple[int, Path]]:
    """Each folder once, opened, sorted by device and inode."""
    found: dict[tuple[int, int], tuple[int, Path]] = {}
    for folder in folders:
        try:
            fd = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        except OSError:
            continue
        held.callback(os.close, fd)
        known = os.fstat(fd)
        found.setdefault((known.st_dev, known.st_ino), (fd, folder))
    return [found[place] for place in sorted(found)]


def _lock(fd: int, folder: Path, patience: float) -> None:
    if fcntl is None:
        return
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > end:
                raise FileError(f"another program holds folder {folder}", "try again when it has ended") from error
            time.sleep(PAUSE)
        except OSError:  # a file system without these locks
            return


def _unlock(fd: int) -> None:
    """Unlock explicitly: closing is not enough if a process forked meanwhile still holds a copy of the descriptor."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)
