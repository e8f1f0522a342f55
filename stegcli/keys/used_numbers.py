"""Which message numbers were used with a key, so that no cover is drawn twice.

The note lies beside the key file, `.stego-GROUP.used`: one number a line, taken before the work begins. Keys that draw
the same covers have one group, hence one note in a folder, whatever they are called. It is no guarantee: a copy of the
key in another folder has a note of its own.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from stegcli.disk.drafts import reason
from stegcli.disk.folders import locked
from stegcli.errors import FileError, UsageError
from stegcli.files import STDIO

MOST_DIGITS = 18
MOST_BYTES = 1 << 24


def reserve(keys: Sequence[str], group: bytes, wanted: int | None = None, again: bool = False) -> int:
    """Take a number: the wanted one, or the least that was not used with these keys. Nobody else gets it then.

    keys: the files of the keys that one stego is for. group: what their covers are drawn from, `Key.cover_secret()`.
    again: whether a wanted number may have been used. Raises UsageError if it was, or if none is wanted and no key is a
    file, so that nothing is known of it; FileError if the note cannot be read or written.
    """
    notes = _notes(keys, group)
    if not notes and wanted is None:
        raise UsageError("of a key that is no file it is not known which numbers were used", "give --number N")
    with locked({n.parent for n in notes}):
        used = frozenset(n for note in notes for n in _read(note))
        number = least_unused(used) if wanted is None else wanted
        if number in used and not again:
            raise UsageError(
                f"number {number} was used with this key before: two stegos of one cover show where they differ",
                f"--number {least_unused(used)} was not used yet",
            )
        for note in notes:
            with _opened(note, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as file:
                os.write(file, f"{number}\n".encode())
    return number


def release(keys: Sequence[str], group: bytes, number: int) -> None:
    """Give a number back whose stego never came to be. Raises FileError."""
    notes = _notes(keys, group)
    with locked({n.parent for n in notes}):
        for note in notes:
            left = _read(note)
            if number in left:
                left.reverse()
                left.remove(number)
                _write(note, left[::-1])


def numbers(keys: Sequence[str], group: bytes) -> frozenset[int]:
    """The numbers that were used with these keys, as far as is known. Raises FileError."""
    return frozenset(n for note in _notes(keys, group) for n in _read(note))


def least_unused(used: frozenset[int]) -> int:
    """The least number that was not used: a receiver who is told none tries the least first."""
    return next(n for n in count() if n not in used)


def _notes(keys: Sequence[str], group: bytes) -> list[Path]:
    """Where the notes of key files lie; none for standard input and whatever else is no file of its own."""
    name = f".stego-{hashlib.sha256(b'used numbers' + group).hexdigest()[:12]}.used"
    held = [Path(os.path.realpath(k)) for k in keys if k != STDIO and Path(k).is_file()]
    return sorted({path.parent / name for path in held})


@contextmanager
def _opened(note: Path, flags: int) -> Iterator[int]:
    """No link is followed, and nothing but a file is opened: whoever may write to the folder could have laid it."""
    try:
        file = os.open(note, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        said = "it is a symbolic link" if error.errno == errno.ELOOP else reason(error)
        raise FileError(f"cannot note the number in {note}: {said}", "remove it") from error
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise FileError(f"cannot note the number in {note}: it is no file", "remove it")
        yield file
    except OSError as error:
        raise FileError(f"cannot note the number in {note}: {reason(error)}") from error
    finally:
        os.close(file)


def _read(note: Path) -> list[int]:
    """The numbers of a note, in the order in which they were taken. What is no number is passed over."""
    if not os.path.lexists(note):
        return []
    with _opened(note, os.O_RDONLY) as file:
        text = os.read(file, MOST_BYTES).decode("ascii", errors="replace")
    return [int(w) for w in text.split() if w.isascii() and w.isdigit() and len(w) <= MOST_DIGITS]


def _write(note: Path, left: Sequence[int]) -> None:
    """In place: what is written here is one of many lines, and is lost only together with the machine."""
    if not left:
        note.unlink(missing_ok=True)
        return
    with _opened(note, os.O_WRONLY | os.O_TRUNC) as file:
        os.write(file, "".join(f"{n}\n" for n in left).encode())
