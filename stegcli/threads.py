"""Array operations side by side: numpy lets go of Python's lock while it computes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from stegcli import progress

MOST = 4
"""Each thread has arrays of its own: more would cost memory."""
Work = TypeVar("Work")
Done = TypeVar("Done")


def count() -> int:
    """How many threads to use: OMP_NUM_THREADS if it is set, else one for each core; at most MOST."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(MOST, int(asked) if asked.isdigit() else _cores()))


def limit(most: int) -> None:
    """From now on use at most so many threads; torch, which counts for each thread that calls it, in this one."""
    os.environ["OMP_NUM_THREADS"] = str(most)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(most)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(do: Callable[[Work], Done], works: Sequence[Work]) -> Iterator[Done]:
    """The results in the order of the works. An error in one is raised here. Tells how many are done."""
    threads = min(count(), len(works))
    if threads <= 1:
        yield from map(do, progress.steps(works))
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        for done, result in enumerate(pool.map(do, works), 1):
            progress.tell(done, len(works))
            yield result
