"""Jobs in parallel threads, which stop at once when the user interrupts them."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from stegcli import files

T = TypeVar("T")
GRACE = 0.3
"""Seconds to wait after an interrupt for the results of jobs that have written their files already."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def side_by_side(
    jobs: Sequence[Callable[[], T]], workers: int, start: Callable[[], None] = lambda: None
) -> Iterator[T]:
    """Run jobs in `workers` threads -> their results, in order, each as soon as it and those before it are known.

    start: called first in each thread. Ctrl-C and SIGTERM end the run within half a second, whatever the threads are
    doing: no further file is put in place, the results of jobs that have written their files are yielded, and then
    KeyboardInterrupt is raised or the earlier handler of SIGTERM runs. The threads end with the process, see
    `console.leave`.
    """
    todo: queue.SimpleQueue[tuple[int, Callable[[], T]]] = queue.SimpleQueue()
    for numbered in enumerate(jobs):
        todo.put(numbered)
    done: queue.SimpleQueue[tuple[int, T | BaseException] | int] = queue.SimpleQueue()
    with contextlib.ExitStack() as held:
        before = held.enter_context(_signals_into(done))
        held.callback(_empty, todo)
        for _ in range(min(workers, len(jobs))):
            threading.Thread(target=_work, args=(todo, done, start), daemon=True).start()
        known: dict[int, T] = {}
        for index in range(len(jobs)):
            while index not in known:
                came = done.get()
                if isinstance(came, int):
                    yield from _last_results(todo, done, known)
                    _interrupt(came, before)
                else:
                    known[came[0]] = _result(came[1])
            yield known.pop(index)


def _work(
    todo: queue.SimpleQueue[tuple[int, Callable[[], T]]],
    done: queue.SimpleQueue[tuple[int, T | BaseException] | int],
    start: Callable[[], None],
) -> None:
    start()
    with contextlib.suppress(queue.Empty):
        while True:
            index, job = todo.get_nowait()
            try:
                done.put((index, job()))
            except BaseException as error:  # noqa: BLE001  (`_result` raises it again)
                if not isinstance(error, Exception):
                    _empty(todo)
                done.put((index, error))


def _empty(todo: queue.SimpleQueue[tuple[int, Callable[[], T]]]) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            todo.get_nowait()


def _result(came: T | BaseException) -> T:
    if isinstance(came, BaseException):
        raise came
    return came


def _last_results(
    todo: queue.SimpleQueue[tuple[int, Callable[[], T]]],
    done: queue.SimpleQueue[tuple[int, T | BaseException] | int],
    known: dict[int, T],
) -> Iterator[T]:
    """The results that are known at an interrupt, and those that arrive within GRACE."""
    files.stop_writing()
    _empty(todo)
    end = time.monotonic() + GRACE
    with contextlib.suppress(queue.Empty):
        while (left := end - time.monotonic()) > 0:
            came = done.get(timeout=left)
            if not isinstance(came, int) and not isinstance(came[1], BaseException):
                known[came[0]] = came[1]
    yield from (known[index] for index in sorted(known))


def _interrupt(number: int, before: dict[int, Any]) -> None:
    if number == signal.SIGTERM and callable(before[number]):
        before[number](number, None)
    raise KeyboardInterrupt


@contextlib.contextmanager
def _signals_into(done: queue.SimpleQueue[Any]) -> Iterator[dict[int, Any]]:
    """Put signals into the queue that the main thread waits for. A second signal goes to the earlier handler."""
    before: dict[int, Any] = {}

    def arrived(number: int, _: object) -> None:
        restore()
        done.put(number)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    if threading.current_thread() is threading.main_thread():
        before.update({n: signal.signal(n, arrived) for n in SIGNALS})
    try:
        yield before
    finally:
        restore()
