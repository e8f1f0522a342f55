"""`--cluster dask://HOST:PORT`: batches and measurements on the workers of a dask scheduler.

The command reads and writes all files itself, as it does with `--jobs`: names, keys, used numbers and whole files stay
with it. Workers get pictures and give pictures (`stegcli.remote`), so no folder is shared, and a job whose worker dies
runs again on another.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from stegcli import api, remote
from stegcli.api import Hidden
from stegcli.cli.models import Engine, Models
from stegcli.errors import FileError, StegoError, UsageError
from stegcli.method import Asked, Method, Request, Revealed
from stegcli.pictures import image
from stegcli.pictures.image import Picture
from stegcli.remote import Failed, Task
from stegcli.version import __version__

T = TypeVar("T")
PATIENCE = 10.0
"""Seconds within which the scheduler and one worker must answer."""
AHEAD = 2
"""Jobs that are under way for each thread of a worker, so that it finds the next one when it has done one."""


@contextlib.contextmanager
def engine(address: str | None, models: Models, workers: int) -> Iterator[tuple[Engine, int]]:
    """Yields what hides and reveals, and how many jobs are under way at a time.

    address: of the cluster; None for this process. workers: `--jobs`. Raises UsageError, FileError.
    """
    if address is None:
        yield api, workers
        return
    if workers != 1:
        raise UsageError("--jobs and --cluster both say where the work is done", "leave one of them out")
    with connected(address) as cluster:
        cluster.models = models
        yield cluster, AHEAD * cluster.threads


@contextlib.contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """Address -> the cluster. Raises UsageError, FileError if nobody answers or nobody works there."""
    found = re.fullmatch(r"dask://([^/\s:]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})", address)
    if found is None:
        raise UsageError(f"--cluster takes dask://HOST:PORT, not {address!r}")
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError("--cluster needs dask.distributed", "pip install 'stegcli[cluster]'") from error
    import logging

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what goes wrong is said in our own words
    try:
        client = Client(f"tcp://{found[1]}:{found[2]}", timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise FileError(
            f"cannot reach the cluster {address}", "is its scheduler running, and is the port open"
        ) from error
    try:
        yield Cluster(client, address)
    except Exception:
        client.close(timeout=1)
        raise
    client.close(timeout=PATIENCE)
    # After Ctrl-C nothing is closed: the process ends at once, and the scheduler drops its jobs.


class Cluster:
    """The workers of a scheduler. models: set by `engine`, for `hide` and `reveal`.

    Raises FileError if there are no workers, or if one has another version of stego.
    """

    def __init__(self, client: Any, address: str):
        self.client, self.address = client, address
        self.models: Models | None = None
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise FileError(f"the cluster {address} has no workers", "start one with dask worker") from error
        held: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
        self.threads = sum(w["nthreads"] for w in held.values())
        hosts = [w["host"] for w in held.values() for _ in range(w["nthreads"])]
        self._neighbours = max(hosts.count(h) for h in set(hosts))
        self._check_versions()

    def _check_versions(self) -> None:
        """Another version might hide in another format. Raises FileError. Workers that die meanwhile do not count."""
        found = self.client.run(remote.version, on_error="return")
        for worker, version in found.items():
            lacks = isinstance(version, (ImportError, AttributeError))
            if lacks or (isinstance(version, str) and version != __version__):
                told = "lacks it" if lacks else f"has {version}"
                raise FileError(f"here is stego {__version__}, worker {worker} {told}", "install the same everywhere")

    def hide(self, request: Request, method: Method) -> Hidden:
        hidden: Hidden = self._result(self._submit(remote.hide, self._source(method), request))
        return hidden

    def reveal(self, stego: Picture, method: Method, asked: Asked) -> tuple[Revealed, ...]:
        revealed: tuple[Revealed, ...] = self._result(self._submit(remote.reveal, self._source(method), stego, asked))
        return revealed

    def run(self, jobs: Sequence[Callable[[], T]]) -> Iterator[T]:
        """Jobs, which must go through pickle -> their results, in order. Raises their errors, and FileError."""
        waiting: deque[Any] = deque()
        for job in jobs:
            waiting.append(self._submit(job))
            if len(waiting) > AHEAD * self.threads:
                yield self._result(waiting.popleft())
        while waiting:
            yield self._result(waiting.popleft())

    def _source(self, method: Method) -> remote.Source:
        assert self.models is not None
        return self.models.source(method)

    def _submit(self, do: Callable[..., Any], *arguments: Any) -> Any:
        task = Task(do, arguments, image.pixel_limit(), self._neighbours)
        with self._reached():
            return self.client.submit(remote.perform, task, pure=False)

    def _result(self, future: Any) -> Any:
        """What a job gives. Raises the error that it returned; FileError if no worker could end it."""
        from distributed import KilledWorker

        with self._reached():
            try:
                while not self._ready(future):
                    if self.client.status in ("closing", "closed"):
                        raise OSError("the scheduler is gone")
                result = future.result()
            except KilledWorker as error:
                raise FileError("every worker that tried this job died", "it may need more memory") from error
        if isinstance(result, Failed):
            raise result.error or StegoError(f"fault on a worker: {result.told}", "please report it")
        return result

    @staticmethod
    def _ready(future: Any) -> bool:
        """Waits a while: a future whose scheduler died may never say so."""
        try:
            future.exception(timeout=PATIENCE)
        except TimeoutError:
            return False
        return True

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Turns what dask raises when its scheduler is gone into FileError."""
        from concurrent.futures import CancelledError

        from distributed.client import ClosedClientError
        from distributed.comm import CommClosedError

        try:
            yield
        except (CancelledError, ClosedClientError, CommClosedError, OSError, TimeoutError) as error:
            raise FileError(f"the cluster {self.address} is gone") from error
