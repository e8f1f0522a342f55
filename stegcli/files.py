"""Files and streams: bounded reads, and complete writes or none.

An output that is a free name, a regular file, or a symbolic link to one gets a new file in one step. An output that is
a stream (standard output, /dev/stdout, a pipe, a device) is written to and never replaced.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from stegcli.disk import descriptors, sets
from stegcli.disk.drafts import Draft, Output, cannot_write, exists, reason
from stegcli.errors import CapacityError, FileError

__all__ = ["LIMIT", "STDIO", "Output", "check_readable", "check_writable", "is_stream", "ordinary", "read", "size",
           "stop_writing", "stopped", "write", "write_all", "write_stdout"]  # fmt: skip

STDIO = "-"
LIMIT = 1 << 30
"""Most bytes of an input, if the caller gives no smaller limit."""
CHUNK = 1 << 20
BOUNDS = "KMGTP"

_stopped = threading.Event()


# -- reading


def read(path: str | os.PathLike[str], what: str, limit: int = LIMIT, capacity: int | None = None) -> bytes:
    """Path, or `-` for standard input, -> its bytes.

    An input larger than `limit` is refused before reading, or as soon as its size is known. capacity: most bytes that
    fit, if known and smaller. what: name of the input in messages. Raises FileError, or CapacityError over `capacity`.
    """
    bound = limit if capacity is None else min(limit, capacity)
    try:
        if str(path) == STDIO:
            return _read(_standard_input(what), bound, f"{what} on standard input", capacity)
        sets.mend(Path(path).parent)
        with Path(path).open("rb") as file:
            return _read(file, bound, f"{what} {path}", capacity)
    except OSError as error:
        raise FileError(f"cannot read {what} {path}: {reason(error)}") from error


def check_readable(path: str, what: str, limit: int = LIMIT) -> None:
    """Fail before long work as `read` would later: a missing file, one larger than `limit`, or a device."""
    if path == STDIO:
        _standard_input(what)
        return
    try:
        found = Path(path).stat()
        _check_kind(found, f"{what} {path}", terminal=stat.S_ISCHR(found.st_mode) and _is_terminal(path))
    except (OSError, ValueError) as error:
        raise FileError(f"cannot read {what} {path}: {reason(error)}") from error
    if stat.S_ISREG(found.st_mode) and found.st_size > limit:
        raise _too_large(f"{what} {path}", found.st_size, limit, None)


def _is_terminal(path: str) -> bool:
    with Path(path).open("rb", buffering=0) as file:
        return file.isatty()


def size(path: str | os.PathLike[str]) -> int | None:
    """Bytes of a regular file; None if the size is unknown before reading, or if it cannot be read."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) and str(path) != STDIO else None


def _standard_input(what: str) -> BinaryIO:
    if sys.stdin is None:
        raise FileError(f"cannot read {what} from standard input: it is closed")
    return sys.stdin.buffer


def _read(file: BinaryIO, bound: int, name: str, capacity: int | None) -> bytes:
    """Read at most one byte more than `bound`, in chunks, since the size of a pipe is unknown."""
    told = _told_size(file, name)
    if told > bound:
        raise _too_large(name, told, bound, capacity)
    data = file.read(min(told, bound) + 1)
    if len(data) <= told or (told == 0 and not data):
        return data
    chunks, total = [data], len(data)
    while total <= bound and (chunk := file.read(min(CHUNK, bound + 1 - total))):
        chunks.append(chunk)
        total += len(chunk)
    if total > bound:
        raise _too_large(name, total, bound, capacity)
    return b"".join(chunks)


def _told_size(file: BinaryIO, name: str) -> int:
    """Bytes left in a regular file; 0 for a pipe or a terminal. Raises FileError for a device."""
    try:
        found = os.fstat(file.fileno())
    except (OSError, AttributeError, ValueError):  # not a file of the operating system
        return 0
    if stat.S_ISREG(found.st_mode):
        return max(0, found.st_size - file.tell())
    _check_kind(found, name, file.isatty())
    return 0


def _check_kind(found: os.stat_result, name: str, terminal: bool) -> None:
    """Raises FileError for a device other than /dev/null and terminals: reading it may never end."""
    endless = stat.S_ISCHR(found.st_mode) and not terminal and not os.path.samestat(found, Path(os.devnull).stat())
    if endless or stat.S_ISBLK(found.st_mode):
        raise FileError(f"{name} is a device, not a file")


def _too_large(name: str, need: int, bound: int, capacity: int | None) -> FileError | CapacityError:
    if capacity is not None and capacity == bound:
        return CapacityError(capacity, need)
    return FileError(f"{name} is too large: the most is {_rounded(bound)}")


def _rounded(count: int) -> str:
    power = min((count.bit_length() - 1) // 10, len(BOUNDS)) if count else 0
    return f"{count >> 10 * power} {BOUNDS[power - 1]}iB" if power else f"{count} bytes"


# -- kinds of outputs


def ordinary(path: str) -> str:
    """The name of an output -> `-` if it is another name of standard output (/dev/stdout, /dev/fd/1), else itself."""
    return STDIO if path and descriptors.behind(path) == descriptors.STANDARD[1] else path


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether an output is a stream: standard output, a descriptor, a pipe, a device. Such a name needs no suffix, and
    no key can be written beside it."""
    if str(path) == STDIO or descriptors.behind(path) is not None:
        return True
    try:
        found = Path(path).stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(found) and not stat.S_ISDIR(found)


def check_writable(paths: Sequence[Path], force: bool, private: bool = False) -> None:
    """Fail before long work: outputs that exist, and folders that are missing or not writable.

    private: whether the outputs are keys.
    """
    for path in paths:
        _settled(Output(path, b"", 0o600 if private else 0o666), force)


def _settled(output: Output, force: bool) -> Output:
    """An output -> the same with symbolic links resolved. Raises FileError if it cannot be written."""
    path = output.path
    try:
        if is_stream(path):
            _check_stream(output)
            return output
        if path.is_symlink():
            output = replace(output, path=_target(path))
        _check_place(output.path, path, force)
    except OSError as error:  # the name is too long, a folder is not accessible, or links form a circle
        raise cannot_write(path, error) from error
    return output


def _check_stream(output: Output) -> None:
    if str(output.path) == STDIO:
        _standard_output()
    elif output.private and descriptors.behind(output.path) is None:
        raise FileError(f"output {output.path} is not a file, and keys are written to files only", "give -o FILE")


def _check_place(path: Path, given: Path, force: bool) -> None:
    if path.is_dir():
        raise FileError(f"output {given} is a folder")
    if os.path.lexists(path) and not force:
        raise exists(given)
    if not path.parent.is_dir():
        raise FileError(f"cannot write {given}: no such folder")
    if not os.access(path.parent, os.W_OK):
        raise FileError(f"cannot write {given}: permission denied")


def _target(link: Path) -> Path:
    """A symbolic link -> its target, which will be replaced instead of the link.

    A link without a target is refused, since another user may have placed it. For the same reason another user's link
    in a folder that everyone may write to is refused, as by Linux (fs.protected_symlinks).
    """
    folder, laid = link.parent.stat(), link.lstat()
    open_to_all = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
    if open_to_all and laid.st_uid not in (os.geteuid(), folder.st_uid):
        raise FileError(f"output {link} is a symbolic link of another user", "name the file that it leads to")
    try:
        return link.resolve(strict=True)
    except FileNotFoundError as error:
        raise FileError(f"output {link} is a symbolic link that leads nowhere", "remove it") from error
    except RuntimeError as error:  # Python 3.11 raises this for links in a circle
        raise FileError(f"output {link} is a symbolic link that leads to itself", "remove it") from error


# -- writing


def write(path: str | os.PathLike[str], data: bytes, force: bool = False, mode: int = 0o666) -> None:
    """Write one file, completely or not at all, or a stream. `-` is standard output."""
    write_all([Output(Path(path), data, mode)], force)


def write_all(outputs: Sequence[Output], force: bool = False) -> None:
    """Write several outputs. All files are complete on disk before the first gets its name; all appear, or none.

    Streams come last; if one fails, files that replaced no others are removed again. If two processes write the same
    set with `force`, all files come from one of them. Raises FileError if a file exists without `force`, or cannot be
    written.
    """
    settled = [_settled(o, force) for o in outputs]
    streams = [o for o in settled if is_stream(o.path)]
    places = [o for o in settled if o not in streams]
    if len({os.path.realpath(o.path) for o in places}) < len(places):
        raise FileError(f"two outputs would both be {places[0].path}")
    with contextlib.ExitStack() as held:
        drafts = [held.enter_context(Draft(o)) for o in places]
        fresh = [(d.path, d.identity) for d in drafts if not os.path.lexists(d.path)]
        if _stopped.is_set():
            raise KeyboardInterrupt
        if len(drafts) > 1:
            sets.publish(drafts, force)
        elif drafts:
            drafts[0].publish(force)
        try:
            for output in streams:
                _write_through(output)
        except BaseException:
            sets.undo(fresh)
            raise


def write_stdout(data: bytes) -> None:
    """Write bytes to standard output and flush, so that a closed pipe is noticed here. Raises FileError."""
    out = _standard_output()
    try:
        out.write(data)
        out.flush()
    except OSError as error:
        raise FileError(f"cannot write standard output: {reason(error)}") from error


def _standard_output() -> BinaryIO:
    if sys.stdout is None:
        raise FileError("cannot write standard output: it is closed")
    return sys.stdout.buffer


def stop_writing() -> None:
    """Prevent this process from publishing any more files: it was interrupted, but its threads may still run."""
    _stopped.set()


def stopped() -> bool:
    return _stopped.is_set()


def _write_through(output: Output) -> None:
    behind = descriptors.behind(output.path)
    if str(output.path) == STDIO or behind == descriptors.STANDARD[1]:
        write_stdout(output.data)
        return
    try:
        fd = os.dup(behind) if behind is not None else _opened_stream(output.path)
        with os.fdopen(fd, "wb", buffering=0) as file:
            rest = memoryview(output.data)
            while rest:
                rest = rest[file.write(rest) or 0 :]
    except OSError as error:
        raise cannot_write(output.path, error) from error


def _opened_stream(path: Path) -> int:
    fd = os.open(path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0))
    if stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise FileError(f"output {path} has become a file meanwhile")
    return fd
