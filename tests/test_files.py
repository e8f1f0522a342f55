"""Files are written whole or not at all, and never over another unasked."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from stegcli import files
from stegcli.errors import FileError
from stegcli.files import Output


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


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def fail(*_: object, **__: object) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupt(*_: object, **__: object) -> NoReturn:
    raise KeyboardInterrupt


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


# Reading


def test_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.read(tmp_path / "a", "secret") == b"abc"


def test_read_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"abc")))
    assert files.read("-", "secret") == b"abc"


def test_read_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"cannot read secret .*absent: no such file or directory"):
        files.read(tmp_path / "absent", "secret")
    with pytest.raises(FileError, match="cannot read secret"):
        files.read(tmp_path, "secret")


def test_read_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.read(tmp_path / "a", "key", limit=3) == b"abc"
    with pytest.raises(FileError, match=r"key .* is too large"):
        files.read(tmp_path / "a", "key", limit=2)


def test_limit_holds_for_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.BytesIO(bytes(1000))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stdin))
    with pytest.raises(FileError, match="too large"):
        files.read("-", "key", limit=10)
    assert stdin.tell() == 11


def test_limit_holds_where_the_size_is_unknown() -> None:
    """A device tells size 0 and never ends."""
    with pytest.raises(FileError, match="too large"):
        files.read("/dev/zero", "key", limit=10)


# Writing


def test_write(way: str, folder: Path) -> None:
    files.write(folder / "out", b"abc")
    assert (folder / "out").read_bytes() == b"abc"
    assert names(folder) == ["out"]


def test_write_nothing_and_much(way: str, folder: Path) -> None:
    for data in (b"", bytes(range(256)) * 4096):
        files.write(folder / "out", data, force=True)
        assert (folder / "out").read_bytes() == data


def test_write_in_the_current_folder(way: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    files.write("out", b"abc")
    assert names(folder) == ["out"]


def test_write_standard_output(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    files.write("-", b"\x00\xff")
    assert capsysbinary.readouterr().out == b"\x00\xff"


def test_existing_output_is_refused(way: str, folder: Path) -> None:
    (folder / "out").write_bytes(b"old")
    with pytest.raises(FileError, match="exists") as caught:
        files.write(folder / "out", b"new")
    assert "--force" in str(caught.value.hint)
    assert (folder / "out").read_bytes() == b"old"
    assert names(folder) == ["out"]


def test_force_replaces(way: str, folder: Path) -> None:
    (folder / "out").write_bytes(b"something longer")
    files.write(folder / "out", b"new", force=True)
    assert (folder / "out").read_bytes() == b"new"
    assert names(folder) == ["out"]


def test_force_writes_what_is_not_there_yet(way: str, folder: Path) -> None:
    files.write(folder / "out", b"new", force=True)
    assert (folder / "out").read_bytes() == b"new"
    assert names(folder) == ["out"]


def test_mode_and_umask(way: str, folder: Path, umask: None) -> None:
    files.write(folder / "open", b"")
    files.write(folder / "private", b"", mode=0o600)
    files.write(folder / "private", b"again", mode=0o600, force=True)
    assert (folder / "open").stat().st_mode & 0o777 == 0o640
    assert (folder / "private").stat().st_mode & 0o777 == 0o600


def test_forced_mode_does_not_inherit_the_old_one(way: str, folder: Path, umask: None) -> None:
    (folder / "key").write_bytes(b"")
    (folder / "key").chmod(0o666)
    files.write(folder / "key", b"secret", mode=0o600, force=True)
    assert (folder / "key").stat().st_mode & 0o777 == 0o600


def test_write_all(way: str, folder: Path) -> None:
    files.write_all([Output(folder / "a", b"1"), Output(folder / "b", b"2", 0o600)])
    assert names(folder) == ["a", "b"]
    assert (folder / "a").read_bytes() + (folder / "b").read_bytes() == b"12"
    assert (folder / "b").stat().st_mode & 0o777 == 0o600


# Places that cannot be written


def test_folder_is_missing(way: str, folder: Path) -> None:
    with pytest.raises(FileError, match="no such folder"):
        files.write(folder / "absent" / "out", b"")
    assert names(folder) == []


def test_folder_is_a_file(way: str, folder: Path) -> None:
    (folder / "file").write_bytes(b"")
    with pytest.raises(FileError, match="cannot write"):
        files.write(folder / "file" / "out", b"", force=True)
    assert names(folder) == ["file"]


def test_output_is_a_folder(way: str, folder: Path) -> None:
    for force in (False, True):
        with pytest.raises(FileError, match="is a folder"):
            files.write(folder, b"", force=force)


def test_folder_is_read_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For root every folder is writable, so that the system's answer is made up."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(FileError, match="permission denied"):
        files.write(folder / "out", b"")
    assert names(folder) == []


def test_folder_that_takes_no_files(way: str) -> None:
    with pytest.raises(FileError, match="cannot write"):
        files.write("/proc/stego-test", b"")


def test_name_is_too_long(way: str, folder: Path) -> None:
    for force in (False, True):
        with pytest.raises(FileError, match="file name too long"):
            files.write(folder / ("x" * 300), b"", force=force)
    assert names(folder) == []


def test_places_are_checked_before_work(folder: Path) -> None:
    (folder / "old").write_bytes(b"")
    files.check_writable([folder / "new"], force=False)
    files.check_writable([folder / "old"], force=True)
    with pytest.raises(FileError, match="exists"):
        files.check_writable([folder / "new", folder / "old"], force=False)


# Failures on the way


@pytest.mark.parametrize("force", [False, True])
def test_disk_full_leaves_nothing(way: str, force: bool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FileError, match="no space left on device"):
        files.write(folder / "out", b"abc", force=force)
    assert names(folder) == []


def test_interrupt_leaves_nothing(way: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write(folder / "out", b"abc")
    assert names(folder) == []


@pytest.mark.parametrize("stop", [fail, interrupt])
@pytest.mark.parametrize("force", [False, True])
def test_failed_publishing_leaves_the_old(
    way: str, force: bool, stop: object, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if force:
        (folder / "out").write_bytes(b"old")
    monkeypatch.setattr(os, "link", stop)
    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises((FileError, KeyboardInterrupt)):
        files.write(folder / "out", b"new", force=force)
    assert names(folder) == (["out"] if force else [])
    assert not force or (folder / "out").read_bytes() == b"old"


def test_write_all_or_nothing_when_one_cannot_be_drafted(
    way: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def second_fails(fd: int) -> None:
        calls.append(fd)
        if len(calls) == 2:
            fail()

    monkeypatch.setattr(os, "fsync", second_fails)
    with pytest.raises(FileError, match=r"cannot write .*b: no space"):
        files.write_all([Output(folder / "a", b"1"), Output(folder / "b", b"2")])
    assert len(calls) == 2
    assert names(folder) == []


def test_write_all_or_nothing_when_one_exists(way: str, folder: Path) -> None:
    (folder / "b").write_bytes(b"old")
    with pytest.raises(FileError, match="exists"):
        files.write_all([Output(folder / "a", b"1"), Output(folder / "b", b"2")])
    assert names(folder) == ["b"]
    assert (folder / "b").read_bytes() == b"old"


def test_write_all_to_one_place_twice(way: str, folder: Path) -> None:
    with pytest.raises(FileError, match="exists"):
        files.write_all([Output(folder / "a", b"1"), Output(folder / "a", b"2")])
    assert names(folder) == []


def appears(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program writes `path` after our check and before we give our file its name."""
    monkeypatch.setattr(os, "fsync", lambda _: path.write_bytes(b"theirs"))


def test_file_that_appears_meanwhile_is_kept(way: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    appears(folder / "out", monkeypatch)
    with pytest.raises(FileError, match="exists"):
        files.write(folder / "out", b"ours")
    assert (folder / "out").read_bytes() == b"theirs"
    assert names(folder) == ["out"]


def test_write_all_takes_back_what_it_published(way: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    appears(folder / "b", monkeypatch)
    with pytest.raises(FileError, match="exists"):
        files.write_all([Output(folder / "a", b"1"), Output(folder / "b", b"2")])
    assert names(folder) == ["b"]
    assert (folder / "b").read_bytes() == b"theirs"


def test_file_system_without_nameless_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: str, flags: int, *rest: int, **named: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "not supported")
        return real(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", refuse)
    files.write(folder / "out", b"abc")
    assert (folder / "out").read_bytes() == b"abc"
    assert names(folder) == ["out"]


FULL_DISK = """
import os, resource, sys
from pathlib import Path
from stegcli import files
from stegcli.errors import FileError
if sys.argv[1] == "hidden":
    del os.O_TMPFILE
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
folder = Path(sys.argv[2])
try:
    files.write_all([files.Output(folder / "a", bytes(10)), files.Output(folder / "b", bytes(100_000))])
except FileError as error:
    sys.exit(str(error))
"""


def test_file_size_limit_of_the_system(way: str, folder: Path) -> None:
    arguments = [sys.executable, "-c", FULL_DISK, way, str(folder)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("b: file too large")
    assert names(folder) == []


KILLED = """
import os, signal, sys
from stegcli import files
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
files.write(sys.argv[1], b"abc")
"""


def test_kill_leaves_nothing(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder / "out")], check=False)
    assert done.returncode == -9
    assert names(folder) == []


def test_a_device_is_written_through_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        received = pool.submit(pipe.read_bytes)
        files.write(pipe, b"through")
        assert received.result() == b"through"
    assert pipe.is_fifo()
    files.write("/dev/null", b"gone", force=True)
    assert Path("/dev/null").is_char_device()
