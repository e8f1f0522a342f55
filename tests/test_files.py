"""Files are written whole or not at all, and never over another unasked."""

from __future__ import annotations

import errno
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from stegcli import files
from stegcli.errors import CapacityError, FileError
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
    """Files of /proc tell size 0."""
    assert len(files.read("/proc/self/status", "key")) > 100
    with pytest.raises(FileError, match="too large"):
        files.read("/proc/self/status", "key", limit=10)


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
    (folder / "link").symlink_to(folder / "c")
    (folder / "c").write_bytes(b"old")
    for one, other in (("a", "a"), ("c", "link"), ("c", "c")):
        with pytest.raises(FileError, match="two outputs would both be"):
            files.write_all([Output(folder / one, b"1"), Output(folder / other, b"2")], force=True)
    assert names(folder) == ["c", "link"]
    assert (folder / "c").read_bytes() == b"old"


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


# Links, pipes, devices, descriptors


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("linked", [False, True])
def test_pipes_and_devices_are_written_through_and_stay(force: bool, linked: bool, folder: Path) -> None:
    pipe, name = folder / "pipe", folder / ("link" if linked else "pipe")
    os.mkfifo(pipe)
    if linked:
        name.symlink_to(pipe)
    with ThreadPoolExecutor(1) as pool:
        received = pool.submit(pipe.read_bytes)
        files.write(name, bytes(200_000), force=force)
        assert received.result() == bytes(200_000)
    assert pipe.is_fifo()
    assert name.is_symlink() == linked
    files.write("/dev/null", b"gone", force=force)
    assert Path("/dev/null").is_char_device()


def test_a_pipe_whose_reader_leaves_is_an_error(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(lambda: os.close(os.open(folder / "pipe", os.O_RDONLY)))
        with pytest.raises(FileError, match=r"cannot write .*pipe: broken pipe"):
            files.write(folder / "pipe", bytes(1 << 20))
        reading.result()


def test_a_key_does_not_go_into_a_pipe_that_lies_there(folder: Path) -> None:
    os.mkfifo(folder / "key.npy")
    (folder / "link").symlink_to("key.npy")
    for name in ("key.npy", "link"):
        with pytest.raises(FileError, match="is not a file, and keys"):
            files.write(folder / name, b"secret", force=True, mode=0o600)
        with pytest.raises(FileError, match="is not a file"):
            files.check_writable([folder / name], force=True, private=True)
        files.check_writable([folder / name], force=False)


def test_a_link_to_a_file_stays_and_the_file_is_replaced(way: str, folder: Path) -> None:
    (folder / "there").mkdir()
    (folder / "there" / "file").write_bytes(b"old")
    (folder / "link").symlink_to("there/file")
    (folder / "second").symlink_to("link")
    for name in ("link", "second"):
        with pytest.raises(FileError, match=rf"output .*{name} exists"):
            files.write(folder / name, b"new")
        files.write(folder / name, name.encode(), force=True)
        assert (folder / "there" / "file").read_bytes() == name.encode()
    assert (folder / "link").is_symlink()
    assert not (folder / "there" / "file").is_symlink()
    assert names(folder / "there") == ["file"]
    assert names(folder) == ["link", "second", "there"]


@pytest.mark.parametrize("force", [False, True])
def test_a_link_that_leads_nowhere_is_refused(force: bool, folder: Path) -> None:
    (folder / "dangling").symlink_to("absent")
    (folder / "circle").symlink_to("circle")
    for name in ("dangling", "circle"):
        with pytest.raises(FileError, match=r"output .* is a symbolic link that leads (nowhere|to itself)") as caught:
            files.write(folder / name, b"new", force=force)
        assert caught.value.hint == "remove it"
    assert names(folder) == ["circle", "dangling"]


def test_a_link_to_a_folder_is_a_folder(folder: Path) -> None:
    (folder / "link").symlink_to(".")
    with pytest.raises(FileError, match="is a folder"):
        files.write(folder / "link", b"", force=True)
    files.write(folder / "link" / "out", b"abc")
    assert names(folder) == ["link", "out"]


def test_a_strangers_link_in_a_folder_open_to_all_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").write_bytes(b"old")
    (folder / "link").symlink_to("file")
    folder.chmod(0o1777)
    files.write(folder / "link", b"new", force=True)  # our own
    real = Path.stat

    def another_owner(path: Path, **options: bool) -> object:
        found = real(path, **options)
        return SimpleNamespace(st_mode=found.st_mode, st_uid=4712) if path == folder else found

    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(Path, "stat", another_owner)
    with pytest.raises(FileError, match="a symbolic link of another user"):
        files.write(folder / "link", b"newer", force=True)
    assert (folder / "file").read_bytes() == b"new"


def test_names_as_long_as_the_system_takes(way: str, folder: Path) -> None:
    name = "x" * 245 + ".png"
    for force in (False, True):
        files.write(folder / name, b"abc", force=force)
    files.write_all([Output(folder / name, b"1"), Output(folder / ("y" * 255), b"2")], force=True)
    assert names(folder) == [name, "y" * 255]


def test_what_means_standard_output(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    for name in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", str(tmp_path / "link")):
        assert files.ordinary(name) == "-"
        assert files.is_stream(name)
    for name in ("", "out.png", "/dev/fd/2", "/dev/null", "/dev/fd", "\0"):
        assert files.ordinary(name) == name
    assert [files.is_stream(n) for n in ("/dev/fd/7", "/dev/null", "out.png", "/dev", "\0")] == [True, True] + [
        False
    ] * 3


def process(code: str, *argv: object, shell: str = "") -> subprocess.CompletedProcess[bytes]:
    """Python code as a process of its own, with the redirections that a shell makes."""
    script = f'exec {shlex.quote(sys.executable)} -c "$CODE" "$@" {shell}'
    command = ["bash", "-c", script, "bash", *map(str, argv)]
    environment = os.environ | {"CODE": f"import sys\nfrom pathlib import Path\nfrom stegcli import files\n{code}"}
    return subprocess.run(command, capture_output=True, env=environment, check=False, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "-"])
def test_standard_output_that_is_a_file_goes_on_where_it_was(name: str, folder: Path) -> None:
    code = "sys.stdout.write('head ')\nfiles.write(sys.argv[1], b'data', force=True, mode=0o600)\nprint(' tail')"
    ended = process(code, name, shell=f"> {folder}/out")
    assert ended.returncode == 0, ended.stderr
    assert (folder / "out").read_bytes() == b"head data tail\n"
    assert Path("/dev/stdout").is_symlink()


def test_another_descriptor(folder: Path) -> None:
    ended = process("files.write('/dev/fd/5', b'data', mode=0o600)", shell=f"5> {folder}/out")
    assert (ended.returncode, (folder / "out").read_bytes()) == (0, b"data")
    ended = process("files.write('/dev/fd/5', b'data')")
    assert b"cannot write /dev/fd/5: bad file descriptor" in ended.stderr


def test_files_go_again_when_nobody_reads_the_stream(way: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "old").write_bytes(b"old")
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=SimpleNamespace(write=fail)))
    for force in (False, True):
        outputs = [Output(folder / "key", b"1"), Output(Path("-"), b"3")]
        with pytest.raises(FileError, match="cannot write standard output: no space left"):
            files.write_all(outputs, force)
        with pytest.raises(FileError, match="cannot write standard output"):
            files.write_all([Output(folder / "b", b"2"), *outputs], force)
    assert names(folder) == ["old"]


def test_nothing_is_written_after_an_interrupt(folder: Path) -> None:
    code = "files.stop_writing()\nfiles.write_all([files.Output(Path(n), b'') for n in sys.argv[1:]])"
    assert b"KeyboardInterrupt" in process(code, folder / "a", folder / "b").stderr
    assert names(folder) == []


# Closed descriptors


SAID = """
from stegcli.errors import FileError
try:
    {}
except FileError as error:
    Path(sys.argv[1]).write_text(str(error))
"""


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
@pytest.mark.parametrize("others", ["", "<&-", "2>&-", "<&- 2>&-"])
def test_closed_standard_output_is_said_and_nothing_is_written(name: str, others: str, folder: Path) -> None:
    code = SAID.format(f"files.write_all([files.Output(Path(p), b'x') for p in ({str(folder / 'key')!r}, {name!r})])")
    process(code, folder / "said", shell=f">&- {others}")
    assert (folder / "said").read_text() == "cannot write standard output: it is closed"
    assert names(folder) == ["said"]


def test_closed_standard_input_is_said(folder: Path) -> None:
    process(SAID.format("files.read('-', 'secret')"), folder / "said", shell="<&-")
    assert (folder / "said").read_text() == "cannot read secret from standard input: it is closed"


# Bounds


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_a_huge_file_is_refused_before_it_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sparse(folder / "huge", 6 << 30)
    monkeypatch.setattr(files, "_too_large", lambda *told: FileError(f"too large {told[1:3]}"))
    with pytest.raises(FileError, match=rf"too large \({6 << 30}, {1 << 30}\)"):
        files.read(path, "secret")
    code = f"sys.stdin.buffer.seek(10)\nfiles.read('-', 'secret', {1 << 20})"
    assert b"secret on standard input is too large: the most is 1 MiB" in process(code, shell=f"< {path}").stderr


def test_the_bound_is_named_in_round_figures() -> None:
    for bound, said in ((10, "10 bytes"), (4096, "4 KiB"), (1 << 30, "1 GiB"), (3 << 20, "3 MiB")):
        assert str(files._too_large("key x", 0, bound, None)) == f"key x is too large: the most is {said}"


def test_more_than_fits_is_told_as_that(folder: Path) -> None:
    with pytest.raises(CapacityError, match=rf"capacity 1000 bytes, need {6 << 30} bytes"):
        files.read(sparse(folder / "huge", 6 << 30), "secret", capacity=1000)
    with pytest.raises(FileError, match="too large"):
        files.read(folder / "huge", "secret", limit=999, capacity=1000)
    sparse(folder / "huge", 1000)
    assert files.read(folder / "huge", "secret", capacity=1000) == bytes(1000)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_devices_are_refused_at_once(device: str) -> None:
    with pytest.raises(FileError, match=f"secret {device} is a device"):
        files.read(device, "secret")
    ended = process("files.read('-', 'cover')", shell=f"< {device}")
    assert b"cover on standard input is a device" in ended.stderr


def test_an_empty_device_is_empty() -> None:
    assert files.read("/dev/null", "secret") == b""


def test_a_pipe_is_read_to_its_bound_and_no_further(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    for size, limit in ((0, 10), (3_000_000, 3_000_000), (3_000_001, 3_000_000)):
        with ThreadPoolExecutor(1) as pool:
            pool.submit((folder / "pipe").write_bytes, bytes(size))
            if size <= limit:
                assert files.read(folder / "pipe", "secret", limit) == bytes(size)
            else:
                with pytest.raises(FileError, match="too large"):
                    files.read(folder / "pipe", "secret", limit)


def test_size(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert files.size(sparse(folder / "file", 6 << 30)) == 6 << 30
    assert [files.size(n) for n in (folder / "pipe", folder, folder / "absent", "/dev/zero", "-", "\0")] == [None] * 6
