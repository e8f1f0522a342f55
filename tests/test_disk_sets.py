"""Files that belong together: one writer wins whole, whatever the others do and whenever a process is killed."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from stegcli import files
from stegcli.disk import sets
from stegcli.disk.drafts import identity
from stegcli.errors import FileError
from stegcli.files import Output

JOURNAL = f".stego-{os.geteuid()}.undo"


@pytest.fixture(params=["nameless", "hidden"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of writing: O_TMPFILE, and the hidden temporary file of systems without it."""
    if request.param == "hidden":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def write(folder: Path, data: bytes, names: tuple[str, ...] = ("a", "b", "c"), force: bool = True) -> None:
    files.write_all([Output(folder / n, data) for n in names], force)


# Failures in this process


def nth(count: int, real: Callable[..., None], error: BaseException) -> Callable[..., None]:
    """A function that fails when it is called for the nth time."""
    calls = iter(range(1, 100))

    def call(*args: object, **named: object) -> None:
        if next(calls) == count:
            raise error
        real(*args, **named)

    return call


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", [(), ("b",), ("a", "b", "c")])
@pytest.mark.parametrize(("call", "count"), [("replace", n) for n in (1, 2, 3)] + [("link", n) for n in range(1, 7)])
def test_a_failure_at_any_step_leaves_the_old(
    way: str, call: str, count: int, before: tuple[str, ...], error: BaseException, folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in before:
        (folder / name).write_bytes(b"old")
    old = contents(folder)
    with monkeypatch.context() as patches:
        patches.setattr(os, call, nth(count, getattr(os, call), error))
        try:
            write(folder, b"new")
        except (FileError, KeyboardInterrupt):
            assert contents(folder) == old
        else:  # that call was not needed, or another way was found
            assert contents(folder) == dict.fromkeys("abc", b"new")
    write(folder, b"newer")
    assert contents(folder) == dict.fromkeys("abc", b"newer")


def test_without_links_files_are_replaced_all_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    monkeypatch.setattr(os, "link", refuse)
    (folder / "b").write_bytes(b"old")
    with pytest.raises(FileError, match="exists"):
        write(folder, b"new", force=False)
    assert contents(folder) == {"b": b"old"}
    write(folder, b"new")
    assert contents(folder) == dict.fromkeys("abc", b"new")


def test_what_others_write_meanwhile_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, b"old", ("a", "b"))

    def another_writes(fd: int, data: bytes, offset: int) -> NoReturn:
        (folder / "a").unlink()
        (folder / "a").write_bytes(b"theirs")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", another_writes)
    with pytest.raises(FileError, match="no space left"):
        write(folder, b"new", ("a", "b"))
    assert contents(folder) == {"a": b"theirs", "b": b"old"}


def test_several_folders(way: str, folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "link").symlink_to("sub/stego")
    (folder / "sub" / "stego").write_bytes(b"old")
    write(folder, b"new", ("key", "link"))
    assert contents(folder) == {"key": b"new", "link": b"new", "sub/stego": b"new"}
    assert (folder / "link").is_symlink()


# Journals that lie there


def journal(folder: Path, state: str, *steps: object) -> Path:
    (folder / JOURNAL).write_text(f"{state}\n{json.dumps(steps)}")
    return folder / JOURNAL


def half_published(folder: Path, state: str) -> None:
    """As a killed process leaves it: `a` replaced, `b` new, `c` not yet touched but kept."""
    for name, data in {"a": b"new", "b": b"new", "c": b"old", ".stego-00000000000a.old": b"old"}.items():
        (folder / name).write_bytes(data)
    os.link(folder / "c", folder / ".stego-00000000000c.old")
    (folder / ".stego-00000000000c.part").write_bytes(b"new")
    steps = [[n, identity(folder / n), f"00000000000{n}"] for n in "ab"] + [["c", (1, 3, 1), "00000000000c"]]
    journal(folder, state, *steps)


@pytest.mark.parametrize("reading", [True, False])
def test_a_half_published_set_goes_back(reading: bool, folder: Path) -> None:
    half_published(folder, "open")
    if reading:
        assert files.read(folder / "a", "key") == b"old"
        with pytest.raises(FileError, match="no such file"):
            files.read(folder / "b", "stego")
        assert contents(folder) == {"a": b"old", "c": b"old"}
    else:
        write(folder, b"x", ("y", "z"), force=False)
        assert contents(folder) == {"a": b"old", "c": b"old", "y": b"x", "z": b"x"}


def test_a_set_that_was_done_stays(folder: Path) -> None:
    half_published(folder, "done")
    sets.mend(folder)
    assert contents(folder) == {"a": b"new", "b": b"new", "c": b"old"}


def test_what_was_changed_since_stays(folder: Path) -> None:
    half_published(folder, "open")
    for name in "ab":
        (folder / name).write_bytes(b"theirs")
    sets.mend(folder)
    assert contents(folder) == {"a": b"theirs", "b": b"theirs", "c": b"old"}


ODD = ["", "open", "open\n", "open\n{", "open\n[[", "open\n3", "open\n[3]", 'open\n[["a", [1, 2], "00000000000a"]]',
       'open\n[["a", [1, 2, 3], "../../../../x"]]', "open\n" + "[" * 100_000, '\nnull', "open\n[[null, null, null]]",
       'open\n[["\\u0000", [1, 2, 3], "00000000000a"]]']  # fmt: skip


@pytest.mark.parametrize("text", ODD)
def test_odd_journals_do_no_harm(text: str, folder: Path) -> None:
    (folder / "a").write_bytes(b"old")
    (folder / JOURNAL).write_text(text)
    sets.mend(folder)
    assert contents(folder) == {"a": b"old"}


def test_a_journal_of_another_user_is_not_followed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half_published(folder, "open")
    old = contents(folder)
    user = os.geteuid() + 1
    (folder / JOURNAL).rename(folder / f".stego-{user}.undo")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    sets.mend(folder)
    assert len(contents(folder)) == len(old)
    with pytest.raises(FileError, match=r"cannot write .*\.undo: file exists"):
        write(folder, b"x", ("y", "z"))


def test_a_journal_that_is_a_link_is_not_followed(folder: Path) -> None:
    half_published(folder, "open")
    (folder / JOURNAL).rename(folder / "elsewhere")
    (folder / JOURNAL).symlink_to("elsewhere")
    sets.mend(folder)
    assert contents(folder)["a"] == b"new"


# Several processes

STRESS = """
import os, random, signal, sys, time
from pathlib import Path
from stegcli import files
from stegcli.disk.folders import locked

if sys.argv[2] == "hidden":
    del os.O_TMPFILE
folder = Path(sys.argv[1])
names = [folder / n for n in ("out.key.npy", "out.png")]

def write(data):
    files.write_all([files.Output(p, data) for p in names], force=True)

def forked(work):
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    return child

def together(rounds):
    '''Pairs that fit after two processes have written at once, and at moments in between.'''
    fit = 0
    for n in range(rounds):
        both = [forked(lambda who=who: write(b"%d of %d" % (n, who))) for who in range(2)]
        between = []
        while len(between) < 3:
            with locked([folder]):
                between.append(len({p.read_bytes() if p.exists() else b"" for p in names}) == 1)
        ended = [os.waitpid(child, 0)[1] for child in both]
        last = {p.read_bytes() for p in names}
        fit += all(between) and ended == [0, 0] and len(last) == 1 and last.pop().startswith(b"%d of" % n)
    return fit

def killed(rounds):
    '''Pairs that do not fit after a process that writes was killed at a random moment and another one came to read.'''
    torn, mended = 0, 0
    def forever():
        for n in range(10**9):
            write(b"%d" % n)
    for n in range(10 * rounds):
        if n >= rounds and mended:  # a busy machine may need more rounds until a kill hits the middle of a set
            break
        child = forked(forever)
        time.sleep(random.Random(n).uniform(0.002, 0.012))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        mended += any(p.name.endswith(".undo") for p in folder.iterdir())
        torn += len({files.read(p, "file") for p in names}) != 1
    left = [p.name for p in folder.iterdir() if p not in names and not p.name.endswith(".part")]
    return torn, mended > 0, left

write(b"first")
rounds = int(sys.argv[3])
assert together(rounds) == rounds
ended = killed(rounds)
assert ended == (0, True, []), ended
print("all fit")
"""


def test_two_writers_and_killed_ones(way: str, folder: Path) -> None:
    """More rounds by hand: python -c "$STRESS" FOLDER nameless 1000."""
    command = [sys.executable, "-c", STRESS, str(folder), way, "100"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.stdout == "all fit\n", ended.stderr
