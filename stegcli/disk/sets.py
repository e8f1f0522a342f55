"""Sets of files that appear together or not at all, such as a key and its stego, or the keys of several receivers.

No system call names several files at once. Therefore a process that publishes a set locks its folders and first writes
a journal, `.stego-UID.undo`. It lists the names to take, the files to put there, and the hidden names under which
replaced files are kept. If the process is stopped by an error, Ctrl-C or `kill -9`, the journal says how to undo its
steps: the process itself does so, or the next one that reads or writes in that folder. The set is published at the
moment when a single write changes the journal's first word from `open` to `done`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stegcli.disk.drafts import NO_LINKS, Draft, Identity, cannot_write, hidden, identity
from stegcli.disk.folders import locked

OPEN, DONE = b"open\n", b"done\n"
MOST_JOURNAL_BYTES = 1 << 20


@dataclass(frozen=True)
class _Step:
    """One name to take: the file that gets it, and the hidden name under which a replaced file is kept."""

    path: Path
    new: Identity
    name: str

    @property
    def old(self) -> Path:
        return hidden(self.path, self.name, ".old")

    @property
    def part(self) -> Path:
        return hidden(self.path, self.name, ".part")


def publish(drafts: Sequence[Draft], force: bool) -> None:
    """Give all drafts their names, or none. Raises FileError."""
    steps = [_Step(_real(d.path.parent) / d.path.name, d.identity, d.name) for d in drafts]
    folders = [s.path.parent for s in steps]
    with locked(folders):
        for folder in folders:
            _mend(folder)
        try:
            with _undone_unless_done(steps, folders[0]):
                for draft, step in zip(drafts, steps, strict=True):
                    if force:
                        _keep(step)
                    draft.publish(force)
        except OSError as error:  # while writing the journal or keeping a replaced file
            raise cannot_write(folders[0], error) from error


def mend(folder: Path) -> None:
    """Undo a set that a killed process left half published in a folder. Fast if there is none."""
    if os.path.lexists(_journal(folder)):
        with locked([folder]):
            _mend(_real(folder))


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def _journal(folder: Path) -> Path:
    """The path of this user's journal. Each user has one, so that nobody can make another user's process undo files."""
    return folder / f".stego-{os.geteuid() if hasattr(os, 'geteuid') else 0}.undo"


@contextlib.contextmanager
def _undone_unless_done(steps: Sequence[_Step], folder: Path) -> Iterator[None]:
    journal = _journal(folder)
    try:
        fd = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise cannot_write(journal, error) from error
    try:
        os.write(fd, OPEN + json.dumps([[os.path.relpath(s.path, folder), s.new, s.name] for s in steps]).encode())
        yield
        os.pwrite(fd, DONE, 0)
    except BaseException:
        for step in reversed(steps):
            _back(step)
        raise
    finally:
        os.close(fd)
        _clean(steps, journal)


def _keep(step: _Step) -> None:
    """Give a second, hidden name to the file that is about to be replaced."""
    with contextlib.suppress(FileNotFoundError):
        try:
            os.link(step.path, step.old, follow_symlinks=False)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            step.path.rename(step.old)  # without links the file is missing for an instant


def _back(step: _Step) -> None:
    """Undo one step, if the name still holds the step's file. A file that another process put there stays."""
    now = identity(step.path)
    with contextlib.suppress(OSError):
        if os.path.lexists(step.old) and now in (None, step.new):
            step.old.replace(step.path)
        elif now == step.new:
            step.path.unlink()


def _clean(steps: Sequence[_Step], journal: Path) -> None:
    for path in [p for s in steps for p in (s.old, s.part)] + [journal]:
        with contextlib.suppress(OSError):
            path.unlink()


def _mend(folder: Path) -> None:
    """`mend` under the lock of the folder: the process that wrote the journal has ended."""
    journal = _journal(folder)
    try:
        fd = os.open(journal, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or (hasattr(os, "geteuid") and found.st_uid != os.geteuid()):
            return
        state, _, text = os.read(fd, MOST_JOURNAL_BYTES).partition(b"\n")
    finally:
        os.close(fd)
    steps = _parse(text, folder)
    if state + b"\n" != DONE:
        for step in reversed(steps):
            _back(step)
    _clean(steps, journal)


def _parse(text: bytes, folder: Path) -> list[_Step]:
    """Journal -> steps. A truncated journal was written before the first step, so there is nothing to undo."""
    try:
        steps = []
        for path, new, name in json.loads(text):
            inode, size, changed = map(int, new)
            if not re.fullmatch("[0-9a-f]{12}", name) or "\0" in path:
                return []
            steps.append(_Step(Path(os.path.normpath(folder / path)), (inode, size, changed), name))
        return steps
    except (ValueError, TypeError, RecursionError):
        return []


def undo(paths: Sequence[tuple[Path, Identity]]) -> None:
    """Remove published files, unless other files have taken their names."""
    for path, ours in paths:
        if identity(path) == ours:
            with contextlib.suppress(OSError):
                path.unlink()
