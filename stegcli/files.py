"""Files and streams: bounded reads, and writes that happen whole or not at all.

A new file is first written without a name (Linux O_TMPFILE), then linked into its folder: even `kill -9`
leaves nothing behind. Where the system cannot do that, a hidden temporary file is renamed instead.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stegcli.errors import FileError

STDIO = "-"


@dataclass(frozen=True)
class Output:
    """A file to be written: where, what, and who may read it."""

    path: Path
    data: bytes
    mode: int = 0o666


def read(path: str | os.PathLike[str], what: str, limit: int | None = None) -> bytes:
    """Path, or `-` for standard input, -> its bytes. Raises FileError naming `what` it was to be."""
    try:
        if str(path) == STDIO:
            data = _read(sys.stdin.buffer, limit)
        else:
            with Path(path).open("rb") as file:
                data = _read(file, limit)
    except OSError as error:
        raise FileError(f"cannot read {what} {path}: {_reason(error)}") from error
    if limit is not None and len(data) > limit:
        raise FileError(f"{what} {path} is too large (more than {limit} bytes)")
    return data


def _read(file: BinaryIO, limit: int | None) -> bytes:
    """At most one byte more than `limit`: the size that the system tells says nothing about a pipe or a device."""
    return file.read(-1 if limit is None else limit + 1)


def write(path: str | os.PathLike[str], data: bytes, force: bool = False, mode: int = 0o666) -> None:
    """Write one file whole or not at all. `-` is standard output."""
    if str(path) == STDIO:
        write_stdout(data)
    else:
        write_all([Output(Path(path), data, mode)], force)


def write_all(outputs: Sequence[Output], force: bool = False) -> None:
    """Write several files: all are complete on disk before the first gets its name.

    Raises FileError if one exists and not `force`, or cannot be written; then none of them is left behind.
    """
    check_writable([o.path for o in outputs], force)
    devices = [o for o in outputs if _is_device(o.path)]
    with contextlib.ExitStack() as drafts:
        ready = [(drafts.enter_context(_Draft(o)), o) for o in outputs if o not in devices]
        published: list[Path] = []
        try:
            for draft, output in ready:
                draft.publish(force)
                published.append(output.path)
            for output in devices:
                _write_through(output)
        except BaseException:
            for path in published if not force else []:
                path.unlink(missing_ok=True)
            raise


def write_stdout(data: bytes) -> None:
    """Bytes -> standard output, flushed, so that a closed pipe is noticed here."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def check_writable(paths: Sequence[Path], force: bool) -> None:
    """Fail early, before long work: outputs that exist, and folders that are absent or closed to us."""
    for path in paths:
        try:
            _check_writable(path, force)
        except OSError as error:  # a name too long, a folder that may not be entered
            raise FileError(f"cannot write {path}: {_reason(error)}") from error


def _check_writable(path: Path, force: bool) -> None:
    if path.is_dir():
        raise FileError(f"output {path} is a folder")
    if _is_device(path):
        return
    if path.exists() and not force:
        raise FileError(f"output {path} exists", "give --force to replace it")
    if not path.parent.is_dir():
        raise FileError(f"cannot write {path}: no such folder")
    if not os.access(path.parent, os.W_OK):
        raise FileError(f"cannot write {path}: permission denied")


def _is_device(path: Path) -> bool:
    """/dev/null, a pipe: to be written to, never to be replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _write_through(output: Output) -> None:
    try:
        output.path.write_bytes(output.data)
    except OSError as error:
        raise FileError(f"cannot write {output.path}: {_reason(error)}") from error


class _Draft:
    """One output, complete on disk but without its name yet."""

    def __init__(self, output: Output):
        self.output = output
        self.fd = -1
        self.hidden: Path | None = None  # the temporary name, where one is needed

    def __enter__(self) -> _Draft:
        try:
            self._open()
            with os.fdopen(os.dup(self.fd), "wb") as file:
                file.write(self.output.data)
            os.fsync(self.fd)
        except OSError as error:
            self._discard()
            raise FileError(f"cannot write {self.output.path}: {_reason(error)}") from error
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._discard()

    def _open(self) -> None:
        folder = self.output.path.parent
        if not hasattr(os, "O_TMPFILE") or not Path("/proc/self/fd").is_dir():
            self._open_hidden()
            return
        try:
            self.fd = os.open(folder, os.O_TMPFILE | os.O_RDWR, self.output.mode)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                raise
            self._open_hidden()  # a file system without nameless files

    def _open_hidden(self) -> None:
        path = self.output.path
        self.fd, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        self.hidden = Path(name)
        umask = os.umask(0)
        os.umask(umask)
        self.hidden.chmod(self.output.mode & ~umask)

    def publish(self, force: bool) -> None:
        path = self.output.path
        try:
            if self.hidden is None and not force:
                self._link(path)
                return
            if self.hidden is None:
                # link() never replaces, rename() does: give it a name for an instant.
                name = Path(tempfile.mktemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
                self._link(name)
                self.hidden = name
            if path.exists() and not force:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            self.hidden.replace(path)
            self.hidden = None
        except FileExistsError as error:
            raise FileError(f"output {path} exists", "give --force to replace it") from error
        except OSError as error:
            raise FileError(f"cannot write {path}: {_reason(error)}") from error

    def _link(self, path: Path) -> None:
        # Naming a dir_fd makes Python call linkat(), the only call that can name a file that has no name.
        os.link(f"/proc/self/fd/{self.fd}", path, src_dir_fd=self.fd, follow_symlinks=True)

    def _discard(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self.hidden is not None:
            self.hidden.unlink(missing_ok=True)
            self.hidden = None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
