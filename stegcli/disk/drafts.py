"""Drafts: output files that are complete on disk before they get their name.

A draft is first written without a name (Linux O_TMPFILE) and then linked into its folder, so that even `kill -9` leaves
nothing behind. Where the system cannot do that, it is first written under a hidden name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from stegcli.errors import FileError

_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
Identity = tuple[int, int, int]
"""Inode, size, and time of the last change of content; links and renames change none of them."""


@dataclass(frozen=True)
class Output:
    """A file to write: path (`-` is standard output), content, and mode."""

    path: Path
    data: bytes
    mode: int = 0o666

    @property
    def private(self) -> bool:
        """Whether only its owner may read it, as for a key."""
        return self.mode & 0o077 == 0


def hidden(path: Path, name: str, suffix: str) -> Path:
    """A short hidden name beside `path`. A name derived from its own could be too long."""
    return path.parent / f".stego-{name}{suffix}"


def identity(path: Path | int) -> Identity | None:
    """The identity of a file, which shows if another file has taken its name; None if there is no file."""
    try:
        found = os.fstat(path) if isinstance(path, int) else path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class Draft:
    """One output, complete on disk but without its name yet. `path` must not be a symbolic link."""

    def __init__(self, output: Output):
        self.path = output.path
        self.name = secrets.token_hex(6)
        self._output = output
        self._fd = -1
        self._part: Path | None = None  # the hidden name, if it has one

    @property
    def identity(self) -> Identity:
        found = identity(self._fd)
        assert found is not None
        return found

    def __enter__(self) -> Draft:
        try:
            self._open()
            with os.fdopen(os.dup(self._fd), "wb") as file:
                file.write(self._output.data)
            os.fsync(self._fd)
        except OSError as error:
            self._discard()
            raise cannot_write(self.path, error) from error
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._discard()

    def _open(self) -> None:
        if hasattr(os, "O_TMPFILE") and Path("/proc/self/fd").is_dir():
            try:
                self._fd = os.open(self.path.parent, os.O_TMPFILE | os.O_RDWR, self._output.mode)
                return
            except OSError as error:  # ENOENT: the file system does not know the flag, or the folder does not exist
                if error.errno not in _NO_NAMELESS:
                    raise
        part = hidden(self.path, self.name, ".part")
        # Created with its mode, so that the system applies the umask. Python cannot read the umask without changing it.
        self._fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, self._output.mode)
        self._part = part

    def publish(self, force: bool) -> None:
        """Give the draft its name; with `force` it replaces an existing file. Both are atomic."""
        try:
            if force and os.path.lexists(self.path):
                self._replace()
            else:
                self._appear(force)
        except FileExistsError as error:
            raise exists(self.path) from error
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def _replace(self) -> None:
        if self._part is None:  # link() never replaces a file, rename() does: so it needs a name first
            part = hidden(self.path, self.name, ".part")
            self._link(part)
            self._part = part
        self._part.replace(self.path)
        self._part = None

    def _appear(self, force: bool) -> None:
        """Take a free name. If another process takes it meanwhile, raise FileError unless `force`."""
        try:
            self._link(self.path)
        except FileExistsError:
            if not force:
                raise
            self._replace()
        except OSError as error:
            if self._part is None or error.errno not in NO_LINKS:
                raise
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # no links here: reserve the name
            self._replace()

    def _link(self, path: Path) -> None:
        if self._part is not None:
            os.link(self._part, path)
        else:
            # With a dir_fd Python calls linkat(), the only call that can give a name to a nameless file.
            os.link(f"/proc/self/fd/{self._fd}", path, src_dir_fd=self._fd, follow_symlinks=True)

    def _discard(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._part is not None:
            with contextlib.suppress(OSError):
                self._part.unlink()
            self._part = None


def exists(path: Path) -> FileError:
    return FileError(f"output {path} exists", "give --force to replace it")


def cannot_write(path: Path, error: OSError) -> FileError:
    return FileError(f"cannot write {path}: {reason(error)}")


def reason(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
