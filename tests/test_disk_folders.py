"""Locks on folders."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stegcli.disk.folders import locked
from stegcli.errors import FileError

HOLD = """
import sys
from pathlib import Path
from stegcli.disk.folders import locked
with locked([Path(sys.argv[1])]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the folder until its standard input ends."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_another_process_waits_and_says_so_in_the_end(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(FileError, match="another program holds folder"), locked([tmp_path], patience=0.05):
            pass
        process.kill()
        with locked([tmp_path], patience=5):  # the lock ended with its process
            assert list(tmp_path.iterdir()) == []


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(30):
            with locked([tmp_path]):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_several_folders_in_any_order_never_block_each_other(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()

    def work(order: list[Path]) -> None:
        for _ in range(50):
            with locked(order):
                time.sleep(0)

    threads = [threading.Thread(target=work, args=(o,)) for o in (folders, folders[::-1], [folders[0]] * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(t.is_alive() for t in threads)


def test_what_cannot_be_locked_is_passed_over(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with locked([tmp_path / "absent", tmp_path, tmp_path / "."]):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
