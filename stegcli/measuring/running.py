"""Where measurements run: in this process, or wherever the command line sends them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from stegcli import weights
from stegcli.method import Method

Run = Callable[[Sequence[Callable[[], Any]]], Iterator[Any]]
"""Jobs, which must go through pickle -> their results, in order. It raises the error of a job."""


def here(jobs: Sequence[Callable[[], Any]]) -> Iterator[Any]:
    """One job after the other, in this process."""
    return (job() for job in jobs)


@functools.lru_cache(maxsize=8)
def loaded(method: str, name: str, device: str) -> Method:
    """Names, which a job can carry -> the method, loaded once in a process. Raises WeightsError."""
    return weights.load(method, name, device)
