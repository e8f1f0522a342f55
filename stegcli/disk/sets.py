"""Files that belong together appear together, or none of them does: a key and its stego, the keys of several receivers.

No system call names several files at once. Therefore whoever publishes a set holds the locks of its folders, and first
writes a journal, `.stego-UID.undo`: which names it takes, which files it will put there, and under which hidden names
the files that these replace are kept. Whatever stops it, an error, Ctrl-C or `kill -9`, the journal tells how to go
back: the process itself does so, or the next one that reads or writes in that folder. The set counts from the moment
at which the journal's first word turns from `open` to `done`, by a single write.
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
    """One name that is taken: by which file, and under which hidden name the file that had it is kept."""

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
        except OSError as error:  # of the journal, or of what is kept
            raise cannot_write(folders[0], error) from error


def mend(folder: Path) -> None:
    """Take back what a killed process has left half published in a folder. It is cheap where there is nothing."""
    if os.path.lexists(_journal(folder)):
        with locked([folder]):
            _mend(_real(folder))


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def _journal(folder: Path) -> Path:
    """Each user has one: nobody else can be made to go back by it."""
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
    """A second, hidden name for the file that is about to be replaced."""
    with contextlib.suppress(FileNotFoundError):
        try:
            os.link(step.path, step.old, follow_symlinks=False)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            step.path.rename(step.old)  # without links it is gone for an instant


def _back(step: _Step) -> None:
    """Undo one step, if the name is still as the step left it: what others wrote there meanwhile stays."""
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
    """Under the folder's lock: whoever wrote a journal that lies there is dead."""
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
    """A journal that was cut short comes from before the first step: there is nothing to undo."""
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
    """Remove files that were published, if they are still those."""
    for path, ours in paths:
        if identity(path) == ours:
            with contextlib.suppress(OSError):
                path.unlink()
