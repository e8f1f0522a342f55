"""Jobs side by side, and how they end."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from stegcli.cli.pool import side_by_side


def test_results_come_in_order_each_as_soon_as_it_is_known() -> None:
    last = threading.Event()

    def wait() -> int:
        assert last.wait(10)
        return 2

    def finish() -> int:
        last.set()
        return 3

    results = side_by_side([lambda: 0, lambda: 1, wait, finish], 2)
    assert [next(results), next(results)] == [0, 1]
    assert list(results) == [2, 3]
    assert list(side_by_side([], 2)) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_workers_than_asked_for_and_each_starts_once(workers: int) -> None:
    busy, most, started = [0], [0], []
    guard = threading.Lock()

    def job() -> None:
        with guard:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        time.sleep(0.005)
        with guard:
            busy[0] -= 1

    list(side_by_side([job] * 12, workers, lambda: started.append(1)))
    assert most[0] <= workers
    assert len(started) == workers


def test_an_error_is_raised_where_the_result_is_asked_for() -> None:
    before = signal.getsignal(signal.SIGINT)  # a shell's background jobs ignore it
    results = side_by_side([lambda: 1, lambda: 1 // 0], 1)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert signal.getsignal(signal.SIGINT) is before


INTERRUPTED = r"""
import signal, sys, threading, time
from pathlib import Path
from stegcli import files
from stegcli.cli import console
from stegcli.cli.pool import side_by_side

def terminated(*_):
    raise SystemExit(143)

def tell(what):
    sys.stdout.write(f"{what}\n")  # one call: what threads tell does not mix
    sys.stdout.flush()

def job(n):
    if n == 2:
        tell("ready")
    if n > 1:
        time.sleep(0.02 if n == 3 else 30)  # one is just about to end, as are its files
    files.write(str(Path(sys.argv[1]) / str(n)), b"")
    if n == 1:
        time.sleep(0.1)  # it has written its file, and has yet to tell of it
    return n

signal.signal(signal.SIGTERM, terminated)
status = 0
try:
    for n in side_by_side([lambda n=n: job(n) for n in range(8)], int(sys.argv[2])):
        tell(n)
except KeyboardInterrupt:
    status = 130
except SystemExit as end:
    status = end.code
console.leave(status)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_an_interrupt_ends_it_at_once_and_every_file_is_told_of(
    number: signal.Signals, status: int, workers: int, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path), str(workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = []
        while "ready" not in seen:
            seen.append(process.stdout.readline().strip())
            assert seen[-1], "it ended by itself"
        began = time.monotonic()
        process.send_signal(number)
        rest = process.stdout.read().split()
        assert process.wait() == status
    assert time.monotonic() - began < 2  # a third of a second on an idle machine
    told = {line for line in seen + rest if line != "ready"}
    assert told == {p.name for p in tmp_path.iterdir()}
    assert len(told) < 8
