"""Jobs side by side in threads, and an end at once when the user asks for it."""

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
"""Seconds that jobs have after an interrupt: one that has written its files needs less to tell of them."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def side_by_side(
    jobs: Sequence[Callable[[], T]], workers: int, start: Callable[[], None] = lambda: None
) -> Iterator[T]:
    """Run jobs in `workers` threads -> their results, in order, each as soon as it and those before it are known.

    start: what each thread does first. Ctrl-C and SIGTERM end it within half a second, whatever the threads are doing:
    no file gets its name any more, the results are given of those jobs that have written theirs, and KeyboardInterrupt
    is raised, or what SIGTERM was set to is done. The threads end with the process, see `console.leave`.
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
            except BaseException as error:  # noqa: BLE001  (it is raised again where the result is asked for)
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
    """After an interrupt: what is known, and what becomes known in the time that is left."""
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
    """Put signals into the queue that the main thread waits for; a second one is as it was before."""
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
