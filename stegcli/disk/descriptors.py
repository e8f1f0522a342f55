"""File descriptors: reopening closed ones, paths that name one, and silencing libraries on standard error."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

STANDARD = (0, 1, 2)
MOST_LINKS = 40  # the kernel's limit
_DESCRIPTOR = r"(?:/dev/fd|/proc/(?:self|thread-self)/fd)/(\d{1,9})"

_silencing = threading.Lock()
_depth = 0
_kept: tuple[int, TextIO | None, TextIO | None] | None = None


def reopen_closed() -> None:
    """Open /dev/null where standard input, output or error is closed. Call this before anything else is opened.

    Otherwise the next opened file would get descriptor 0, 1 or 2, and a library that writes to standard error would
    write into that file. `sys.stdin`, `sys.stdout` and `sys.stderr` stay None, so that callers can notice.
    """
    for fd in STANDARD:
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # open() returns the least free number: this one


def behind(path: str | os.PathLike[str]) -> int | None:
    """/dev/stdout, /dev/fd/3, or a link to one -> the descriptor of this process that it names, else None."""
    try:
        name = Path(path)
        for _ in range(MOST_LINKS):
            found = re.fullmatch(_DESCRIPTOR, os.path.normpath(name.absolute()))
            if found:
                return int(found[1])
            name = name.parent / name.readlink()
    except (OSError, ValueError):  # not a link, or no such path
        pass
    return None


@contextlib.contextmanager
def libraries_silenced() -> Iterator[None]:
    """Discard what C libraries write to descriptor 2; Python's `sys.stderr` still reaches the user.

    Several threads may be inside at the same time: the first to enter redirects descriptor 2, the last to leave
    restores it. With STEGO_DEBUG everything is shown.
    """
    if os.environ.get("STEGO_DEBUG"):
        yield
        return
    _enter_silence()
    try:
        yield
    finally:
        _leave_silence()


def _enter_silence() -> None:
    global _depth, _kept
    with _silencing:
        _depth += 1
        if _depth > 1:
            return
        try:
            saved = os.dup(2)
        except OSError:  # standard error is closed: there is nothing to silence
            return
        null = os.open(os.devnull, os.O_WRONLY)
        before, ours = sys.stderr, None
        if _is_descriptor_2(before):
            before.flush()
            ours = open(saved, "w", buffering=1, encoding=before.encoding, errors=before.errors, closefd=False)  # noqa: SIM115
            sys.stderr = ours
        os.dup2(null, 2)
        os.close(null)
        _kept = saved, before, ours


def _leave_silence() -> None:
    global _depth, _kept
    with _silencing:
        _depth -= 1
        if _depth > 0 or _kept is None:
            return
        saved, before, ours = _kept
        _kept = None
        os.dup2(saved, 2)
        if ours is not None:
            with contextlib.suppress(OSError):
                ours.flush()
            if sys.stderr is ours:
                sys.stderr = before
        os.close(saved)


def _is_descriptor_2(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.fileno() == 2
    except (OSError, ValueError, AttributeError):
        return False
