"""Records which message numbers were used with a key, so that no cover is drawn twice.

The record is a file beside the key, `.stego-GROUP.used`, with one number per line, reserved before the work begins.
Keys that draw the same covers have the same group, and so share one record in a folder, whatever their names. This is
not a guarantee: a copy of the key in another folder has its own record. Random numbers hardly need one: of n covers
drawn under copies of a key, two are the same with probability n^2 / 2^49.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
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


def reserve(
    keys: Sequence[str], group: bytes, wanted: int | None = None, again: bool = False, bits: int = 0
) -> int:  # fmt: skip
    """Reserve a number: the wanted one, or one that was not used with these keys.

    keys: the key files of one stego. group: the bytes that their covers are drawn from, `Key.cover_secret()`.
    again: whether to allow a used number. bits: of a random number; 0 for the least. Raises UsageError if the wanted
    number was used, or if the least is wanted and no key is a file, so that used numbers are unknown; FileError if the
    record cannot be read or written.
    """
    notes = _notes(keys, group)
    if not (notes or bits) and wanted is None:
        raise UsageError("the used numbers of a key that is not a file are unknown", "give --number N")
    with locked({n.parent for n in notes}):
        used = frozenset(n for note in notes for n in _read(note))
        number = unused(used, bits) if wanted is None else wanted
        if number in used and not again:
            raise UsageError(
                f"number {number} was used with this key before: two stegos of one cover show where they differ",
                f"--number {unused(used, bits)} is unused",
            )
        for note in notes:
            with _opened(note, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as file:
                os.write(file, f"{number}\n".encode())
    return number


def release(keys: Sequence[str], group: bytes, number: int) -> None:
    """Release a number whose stego was not written. Raises FileError."""
    notes = _notes(keys, group)
    with locked({n.parent for n in notes}):
        for note in notes:
            left = _read(note)
            if number in left:
                left.reverse()
                left.remove(number)
                _write(note, left[::-1])


def numbers(keys: Sequence[str], group: bytes) -> frozenset[int]:
    """The numbers that are recorded as used with these keys. Raises FileError."""
    return frozenset(n for note in _notes(keys, group) for n in _read(note))


def unused(used: frozenset[int], bits: int) -> int:
    """A random unused number, or without bits the least: then a receiver tries the least numbers."""
    candidates = (secrets.randbits(bits) for _ in count()) if bits else count()
    return next(n for n in candidates if n not in used)


def _notes(keys: Sequence[str], group: bytes) -> list[Path]:
    """The paths of the records of key files; none for standard input and anything else that is not a regular file."""
    name = f".stego-{hashlib.sha256(b'used numbers' + group).hexdigest()[:12]}.used"
    held = [Path(os.path.realpath(k)) for k in keys if k != STDIO and Path(k).is_file()]
    return sorted({path.parent / name for path in held})


@contextmanager
def _opened(note: Path, flags: int) -> Iterator[int]:
    """Open a record. Links and special files are refused: another user of the folder could have put them there."""
    try:
        file = os.open(note, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        said = "it is a symbolic link" if error.errno == errno.ELOOP else reason(error)
        raise FileError(f"cannot record the number in {note}: {said}", "remove it") from error
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise FileError(f"cannot record the number in {note}: it is not a file", "remove it")
        yield file
    except OSError as error:
        raise FileError(f"cannot record the number in {note}: {reason(error)}") from error
    finally:
        os.close(file)


def _read(note: Path) -> list[int]:
    """The numbers of a record, in the order in which they were reserved. Lines that are not numbers are ignored."""
    if not os.path.lexists(note):
        return []
    with _opened(note, os.O_RDONLY) as file:
        text = os.read(file, MOST_BYTES).decode("ascii", errors="replace")
    return [int(w) for w in text.split() if w.isascii() and w.isdigit() and len(w) <= MOST_DIGITS]


def _write(note: Path, left: Sequence[int]) -> None:
    """Write in place, not through a draft: a write of a few lines is lost only if the machine itself stops."""
    if not left:
        note.unlink(missing_ok=True)
        return
    with _opened(note, os.O_WRONLY | os.O_TRUNC) as file:
        os.write(file, "".join(f"{n}\n" for n in left).encode())
