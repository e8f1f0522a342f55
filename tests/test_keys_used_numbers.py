"""The note beside a key file: what it keeps, who may read it, and that it never stands in the way."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stegcli.errors import FileError
from stegcli.keys import used_numbers


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("key.npy").write_bytes(b"key")


def test_numbers_are_remembered_in_a_private_file() -> None:
    assert used_numbers.numbers("key.npy") == frozenset()
    for number in (0, 7, 7, 10**15):
        used_numbers.remember("key.npy", number)
    assert used_numbers.numbers("key.npy") == {0, 7, 10**15}
    assert Path("key.npy.used").read_text() == "0\n7\n7\n1000000000000000\n"
    assert Path("key.npy.used").stat().st_mode & 0o777 == 0o600


def test_a_link_and_the_key_share_one_note() -> None:
    Path("link.npy").symlink_to("key.npy")
    used_numbers.remember("link.npy", 3)
    assert used_numbers.numbers("key.npy") == used_numbers.numbers("link.npy") == {3}
    assert Path("key.npy.used").exists()


@pytest.mark.parametrize("content", [b"", b"\n\n", b"2\nthree\n-4\n5.5\n", b"\xff\xfe 2\n", b"2\n" + b"9" * 9000, b"2"])
def test_a_damaged_note_is_read_as_far_as_it_goes(content: bytes) -> None:
    Path("key.npy.used").write_bytes(content)
    assert used_numbers.numbers("key.npy") <= {2}
    assert (2 in used_numbers.numbers("key.npy")) == (b"2" in content)


def test_the_least_number_that_is_free() -> None:
    assert [used_numbers.least_unused(frozenset(n)) for n in ([], [0], [1, 2], [0, 1, 5])] == [0, 1, 0, 2]


def test_what_is_no_file_has_no_note() -> None:
    read, write = os.pipe()
    Path("-").write_bytes(b"a file of the name that stands for standard input")
    for key in ("-", "missing.npy", ".", "/dev/null", f"/dev/fd/{read}"):
        used_numbers.remember(key, 1)
        used_numbers.forget(key)
        assert used_numbers.numbers(key) == frozenset()
    os.close(read)
    os.close(write)
    assert sorted(p.name for p in Path().iterdir()) == ["-", "key.npy"]


def test_a_note_that_cannot_be_written_is_an_error_and_one_that_cannot_be_read_is_none() -> None:
    Path("key.npy.used").mkdir()
    assert used_numbers.numbers("key.npy") == frozenset()
    with pytest.raises(FileError, match=r"cannot write .*key\.npy\.used: is a directory"):
        used_numbers.remember("key.npy", 1)
    with pytest.raises(FileError, match=r"cannot remove .*key\.npy\.used: "):
        used_numbers.forget("key.npy")


def test_forgetting() -> None:
    used_numbers.forget("key.npy")
    used_numbers.remember("key.npy", 1)
    used_numbers.forget("key.npy")
    assert not Path("key.npy.used").exists()


def test_nothing_is_lost_when_many_write() -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: used_numbers.remember("key.npy", n), range(200)))
    assert used_numbers.numbers("key.npy") == set(range(200))
