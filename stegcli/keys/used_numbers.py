"""Which numbers a key file was used with: a note beside it, so that no cover is drawn twice unnoticed.

`key.npy.used` holds one number a line, appended after each stego. It is a help and no guarantee: a copy of the key in
another place, or another key that draws the same covers, has a note of its own or none.
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from stegcli.errors import FileError
from stegcli.files import STDIO

SUFFIX = ".used"
MOST_DIGITS = 18


def beside(key: str) -> Path | None:
    """A key file -> where its note lies; None for standard input and whatever else is no file of its own."""
    if key == STDIO or not Path(key).is_file():
        return None
    return Path(os.path.realpath(key) + SUFFIX)


def numbers(key: str) -> frozenset[int]:
    """A key file -> the numbers that it was used with, as far as is known. What is no number is passed over."""
    note = beside(key)
    try:
        text = "" if note is None else note.read_text(encoding="ascii", errors="replace")
    except OSError:
        return frozenset()
    return frozenset(int(w) for w in text.split() if w.isascii() and w.isdigit() and len(w) <= MOST_DIGITS)


def least_unused(used: frozenset[int]) -> int:
    """The least number that was not used: a receiver who is told none tries the least first."""
    return next(n for n in count() if n not in used)


def remember(key: str, number: int) -> None:
    """Append a number to a key's note. Raises FileError if it cannot be written."""
    note = beside(key)
    if note is None:
        return
    try:
        file = os.open(note, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, f"{number}\n".encode())  # one call: what several jobs append does not mix
        finally:
            os.close(file)
    except OSError as error:
        raise FileError(f"cannot write {note}: {(error.strerror or str(error)).lower()}") from error


def forget(key: str) -> None:
    """Take away the note of a key that another one has replaced. Raises FileError if that cannot be done."""
    note = beside(key)
    try:
        if note is not None:
            note.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"cannot remove {note}: {(error.strerror or str(error)).lower()}") from error
