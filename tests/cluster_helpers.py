"""A local cluster: a dask scheduler and two worker processes, started as a user starts them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}
STARTS_WITHIN = 60.0
Process = subprocess.Popen[str]


@contextlib.contextmanager
def cluster(workers: int = 2) -> Iterator[str]:
    """Yields dask://HOST:PORT. Worker processes that die are started again, as by `dask worker` they always are."""
    with _dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard") as scheduler:
        (port,) = _told(scheduler, r"Scheduler at:\s+tcp://127\.0\.0\.1:(\d+)", 1)
        address = f"127.0.0.1:{port}"
        more = ("--nworkers", str(workers), "--nthreads", "1", "--no-dashboard") if workers else ()
        with _dask("worker", f"tcp://{address}", *more) if workers else contextlib.nullcontext() as worker:
            if worker is not None:
                _told(worker, r"Registered to:", workers)
            yield f"dask://{address}"


@contextlib.contextmanager
def _dask(*arguments: str) -> Iterator[Process]:
    command = [sys.executable, "-m", "dask", *arguments]
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def _told(process: Process, pattern: str, times: int) -> list[str]:
    """Reads the log until the pattern came so often; what follows is read and dropped, so that the pipe never fills."""
    assert process.stderr is not None
    found: list[str] = []
    end = time.monotonic() + STARTS_WITHIN
    for line in process.stderr:
        found += re.findall(pattern, line)
        if len(found) == times:
            threading.Thread(target=_drain, args=(process,), daemon=True).start()
            return found
        assert time.monotonic() < end, "the cluster does not start"
    raise AssertionError(f"the cluster ended: {found}")


def _drain(process: Process) -> None:
    assert process.stderr is not None
    with contextlib.suppress(ValueError):
        for _ in process.stderr:
            pass
