"""The note of message numbers beside a key: no number twice, whoever asks at once; nothing but a file is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stegcli.errors import FileError, UsageError
from stegcli.keys import used_numbers

GROUP = bytes(range(16))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("key.npy").write_bytes(b"key")


def take(wanted: int | None = None, *keys: str, group: bytes = GROUP, again: bool = False) -> int:
    return used_numbers.reserve(keys or ("key.npy",), group, wanted, again)


def note() -> Path:
    (found,) = Path().glob(".stego-*.used")
    return found


def test_random_numbers_are_recorded_and_not_taken_again() -> None:
    taken = [used_numbers.reserve(["key.npy"], GROUP, bits=3) for _ in range(8)]
    assert sorted(taken) == list(range(8)) == sorted(used_numbers.numbers(["key.npy"], GROUP))


def test_random_numbers_need_no_file() -> None:
    assert used_numbers.reserve(["-"], GROUP, bits=48) != used_numbers.reserve(["-"], GROUP, bits=48)


def test_the_least_number_that_is_free() -> None:
    assert [take() for _ in range(3)] == [0, 1, 2]
    assert take(5) == 5
    assert [take() for _ in range(3)] == [3, 4, 6]
    assert take(10**15) == 10**15
    assert used_numbers.numbers(["key.npy"], GROUP) == {0, 1, 2, 3, 4, 5, 6, 10**15}
    assert note().stat().st_mode & 0o777 == 0o600


def test_a_number_is_not_given_twice() -> None:
    take()
    with pytest.raises(UsageError, match="number 0 was used with this key before") as caught:
        take(0)
    assert "--number 1" in str(caught.value.hint)
    assert take(0, again=True) == 0


def test_what_was_not_used_is_given_back() -> None:
    assert [take(), take(), take()] == [0, 1, 2]
    used_numbers.release(["key.npy"], GROUP, 1)
    assert take() == 1
    take(0, again=True)
    used_numbers.release(["key.npy"], GROUP, 0)
    assert used_numbers.numbers(["key.npy"], GROUP) == {0, 1, 2}
    for number in (0, 1, 2, 7):
        used_numbers.release(["key.npy"], GROUP, number)
    assert os.listdir() == ["key.npy"]  # noqa: PTH208


def test_keys_of_one_group_share_a_note_and_others_do_not() -> None:
    Path("other.npy").write_bytes(b"key")
    Path("link.npy").symlink_to("key.npy")
    Path("away").mkdir()
    Path("away/key.npy").write_bytes(b"key")
    assert [take(None, k) for k in ("key.npy", "other.npy", "link.npy")] == [0, 1, 2]
    assert take(group=bytes(16)) == 0
    assert take(None, "away/key.npy") == 0
    assert take(None, "key.npy", "other.npy", "away/key.npy") == 3
    assert used_numbers.numbers(["away/key.npy"], GROUP) == {0, 3}


@pytest.mark.parametrize("content", [b"", b"\n\n", b"2\nthree\n-4\n5.5\n", b"\xff\xfe 2\n", b"2\n" + b"9" * 9000, b"2"])
def test_a_damaged_note_is_read_as_far_as_it_goes(content: bytes) -> None:
    take()
    note().write_bytes(content)
    assert used_numbers.numbers(["key.npy"], GROUP) == ({2} if b"2" in content else set())


def test_of_what_is_no_file_nothing_is_known() -> None:
    read, write = os.pipe()
    Path("-").write_bytes(b"a file of the name that stands for standard input")
    for key in ("-", "missing.npy", ".", "/dev/null", f"/dev/fd/{read}"):
        assert take(3, key) == take(3, key) == 3
        used_numbers.release([key], GROUP, 3)
        with pytest.raises(UsageError, match="that is not a file"):
            take(None, key)
    os.close(read)
    os.close(write)
    assert sorted(p.name for p in Path().iterdir()) == ["-", "key.npy"]


def laid(kind: str) -> Path:
    """Something else than a file in the note's place."""
    take()
    place = note()
    place.unlink()
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        Path("victim").write_bytes(b"untouched")
        place.symlink_to("victim" if kind == "link" else "absent")
    return place


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "dangling link"])
def test_nothing_but_a_file_is_read_or_written(kind: str) -> None:
    place = laid(kind)
    for call in (take, lambda: take(7), lambda: used_numbers.numbers(["key.npy"], GROUP)):
        with pytest.raises(FileError, match=r"cannot record the number in .*\.used: "):
            call()
    assert os.path.lexists(place)
    assert not Path("absent").exists()
    assert kind != "link" or Path("victim").read_bytes() == b"untouched"


PROCESS = """
import sys
from stegcli.keys import used_numbers
for _ in range(25):
    number = used_numbers.reserve(["key.npy"], bytes(range(16)))
    sys.stdout.write(f"{number}\\n")
    if number % 5 == 0:
        used_numbers.release(["key.npy"], bytes(range(16)), number)
        sys.stdout.write(f"-{number}\\n")
"""


def test_processes_never_get_the_same_number() -> None:
    started = [subprocess.Popen([sys.executable, "-c", PROCESS], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = [line for process in started for line in process.communicate()[0].split()]
    assert [p.returncode for p in started] == [0] * 4
    kept = [int(n) for n in told if not n.startswith("-") and int(n) % 5]
    assert len(kept) == len(set(kept))
    assert used_numbers.numbers(["key.npy"], GROUP) == set(kept)


def test_threads_never_get_the_same_number() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(lambda _: take(), range(100))) == list(range(100))
