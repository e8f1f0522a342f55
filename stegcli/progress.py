"""How far the work at hand is. Long loops tell; the command line listens and shows a bar."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Listener = Callable[[int, int], None]
"""Called with the number of steps that are done and the number of all."""
Work = TypeVar("Work")
_listeners: list[Listener] = []


@contextlib.contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Within the context the listener is told. Batches have none: several jobs at once would mix."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def tell(done: int, steps: int) -> None:
    for listener in _listeners:
        listener(done, steps)


def steps(works: Sequence[Work]) -> Iterator[Work]:
    """The works, one after the other; tells after each how many are done."""
    for done, work in enumerate(works, 1):
        yield work
        tell(done, len(works))
