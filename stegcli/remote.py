"""What a worker of a cluster does: hide and reveal for pictures in memory, by the names of method and weights.

A task gets pictures and gives pictures; it reads and writes no files, so it can be done again if its worker dies. Every
failure is returned and not raised: dask writes the arguments of a task that raises into its log, and keys are among
them.
"""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stegcli import api, threads, weights
from stegcli.errors import StegoError
from stegcli.method import Asked, Method, Request, Revealed
from stegcli.pictures import image
from stegcli.pictures.image import Picture
from stegcli.version import __version__

GARBAGE = 20_000
"""Objects made before Python looks for garbage, as in the command line."""


@dataclass(frozen=True)
class Source:
    """What to load. weights: a name, or the path of a file. named: the weights that a key names, or None."""

    method: str
    weights: str
    named: str | None
    device: str


@dataclass(frozen=True)
class Task:
    """A function and its arguments, which are not shown. most_pixels: of pictures. neighbours: how many tasks run on
    the worker's machine at a time."""

    do: Callable[..., Any]
    arguments: tuple[Any, ...] = field(repr=False)
    most_pixels: int
    neighbours: int


@dataclass(frozen=True)
class Failed:
    """Why a task failed: an error with a message for the user, or what else was raised, in words."""

    error: StegoError | None
    told: str = ""


def perform(task: Task) -> Any:
    """Task -> what its function returns, or Failed."""
    gc.set_threshold(GARBAGE)
    threads.limit(max(1, (os.cpu_count() or 1) // task.neighbours))
    image.limit_pixels(task.most_pixels)  # for good: tasks of a worker with several threads would undo each other's
    try:
        return task.do(*task.arguments)
    except StegoError as error:
        return Failed(error)
    except Exception as error:  # noqa: BLE001  (the sender says it to the user)
        first = (str(error).splitlines() or [""])[0]
        return Failed(None, f"{type(error).__name__}: {first}".rstrip(": ."))


def hide(source: Source, request: Request) -> api.Hidden:
    return api.hide(request, loaded(source))


def reveal(source: Source, stego: Picture, asked: Asked) -> tuple[Revealed, ...]:
    return api.reveal(stego, loaded(source), asked)


@functools.lru_cache(maxsize=4)
def loaded(source: Source) -> Method:
    """The method, loaded once in a process."""
    return weights.load(source.method, source.weights, source.device, source.named)


def version() -> str:
    """Of stego, on the worker."""
    return __version__
