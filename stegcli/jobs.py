"""One secret into one stego and back, as the command line does it; and many of them, side by side."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stegcli import api, console, files, image, methods, zkey
from stegcli import key as keys
from stegcli.errors import StegoError, UsageError
from stegcli.files import STDIO, Output
from stegcli.key import Key
from stegcli.method import BitMethod, Method

HIDE_FIGURES = (
    "method", "weights", "output", "key", "width", "height", "cover_psnr", "payload_bytes", "capacity_bytes", "bpp",
    "secret_psnr", "verified", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class HideJob:
    """secret, cover, output: paths or `-`. key_path: where the key lies or, if it is `fresh`, is to be written."""

    secret: str
    cover: str
    output: str
    key: Key
    key_path: str
    fresh: bool = True
    with_z: bool = False


@dataclass(frozen=True)
class RevealJob:
    """stego, output: paths or `-`. method: what the key must be for, None for any."""

    stego: str
    output: str
    key_path: str
    method: str | None = None


class Models:
    """Key -> the method it names, loaded once for any number of files and threads."""

    def __init__(self, weights: str | None, device: str):
        self._weights = weights
        self._device = api.pick_device(device)
        self._lock = threading.Lock()
        self._loaded: dict[tuple[str, str], BitMethod] = {}

    def __call__(self, key: Key) -> BitMethod:
        name = (key.method, key.weights)
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = _as_bit_method(api.load_method(key, self._weights, self._device))
            return self._loaded[name]


def hide(job: HideJob, method: BitMethod, force: bool, quiet: bool) -> dict[str, Any]:
    """Run one job -> the figures of `--json`."""
    started = time.monotonic()
    format = image.output_format(job.output)
    _check_outputs(job, force)
    data = files.read(job.secret, "secret")
    cover = image.load(job.cover, "cover")
    if not quiet:
        for note in cover.notes:
            console.say(f"cover {job.cover}: {note}")
        console.say(f"hiding {len(data)} bytes in {job.cover} ({cover.width}x{cover.height})")
    embed = api.hide_bytes_with_z if job.with_z else api.hide_bytes
    hidden = embed(data, cover, job.key, method, format)
    _write_outputs(job, hidden, force)
    figures = api.report(hidden, cover, data, job.key) | {"output": job.output, "key": job.key_path}
    figures["seconds"] = round(time.monotonic() - started, 3)
    if not quiet:
        _say_hidden(job, figures)
    return {name: figures[name] for name in HIDE_FIGURES}


def reveal(job: RevealJob, models: Models, force: bool, quiet: bool) -> dict[str, Any]:
    """Run one job -> the figures of `--json`."""
    started = time.monotonic()
    if job.output != STDIO:
        files.check_writable([Path(job.output)], force)
    key, z = read_key(job.key_path)
    check_key(key, job.method)
    method = models(key)
    stego = image.load(job.stego, "stego")
    if not quiet:
        console.say(f"revealing {job.stego} ({stego.width}x{stego.height})")
    data = api.reveal_bytes(stego, key, method) if z is None else api.reveal_bytes_with_z(stego, key, z, method)
    _check_terminal(job.output, data)
    with console.stdout_errors():
        files.write(job.output, data, force)
    if not quiet:
        where = "standard output" if job.output == STDIO else job.output
        console.say(f"revealed {len(data)} bytes to {where}")
    return {
        "method": key.method,
        "weights": key.weights,
        "output": job.output,
        "bytes": len(data),
        "width": None,
        "height": None,
        "seconds": round(time.monotonic() - started, 3),
    }


def run_all(jobs: Sequence[tuple[str, Callable[[], dict[str, Any]]]], workers: int) -> Iterator[dict[str, Any]]:
    """Run (input's name, job) pairs side by side -> what came of each, in order, as soon as it is known.

    An outcome is the job's figures, or `error`; with `input` and `exit` besides. A bad file stops none of the others.
    """
    if workers == 1:  # in this thread, so that Ctrl-C need not wait for the file at hand
        yield from (_outcome(*job) for job in jobs)
        return
    threads = max(1, (os.cpu_count() or 1) // workers)
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads,)) as pool:
        yield from pool.map(lambda job: _outcome(*job), jobs)


def _outcome(name: str, job: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"input": name, "exit": 0} | job()
    except StegoError as error:
        problem = error
    except Exception as error:  # noqa: BLE001  (a bug that one file meets must not stop the others either)
        problem = console.as_fault(error)
        console.trace()
    console.complain(problem, about=name)
    return {"input": name, "exit": problem.exit_code, "error": str(problem)}


def _check_outputs(job: HideJob, force: bool) -> None:
    if job.output != STDIO:
        files.check_writable([Path(job.output)], force)
    if job.fresh:
        files.check_writable([Path(job.key_path)], force)


def _write_outputs(job: HideJob, hidden: api.Hidden, force: bool) -> None:
    outputs = []
    if job.fresh:
        content = job.key.to_bytes() if hidden.z is None else zkey.to_bytes(job.key, hidden.z)
        outputs.append(Output(Path(job.key_path), content, 0o600))
    if job.output != STDIO:
        outputs.append(Output(Path(job.output), hidden.file))
    files.write_all(outputs, force)
    if job.output == STDIO:
        try:
            with console.stdout_errors():
                files.write_stdout(hidden.file)
        except BaseException:
            for output in outputs:  # a key to what nobody received
                output.path.unlink(missing_ok=True)
            raise


def _say_hidden(job: HideJob, figures: dict[str, Any]) -> None:
    where = "standard output" if job.output == STDIO else job.output
    psnr = "inf" if figures["cover_psnr"] is None else f"{figures['cover_psnr']:.2f}"
    console.say(
        f"wrote {where}: verified, PSNR {psnr} dB, "
        f"{figures['payload_bytes']} of {figures['capacity_bytes']} bytes, {figures['bpp']:.3f} bpp"
    )
    if job.fresh:
        console.say(f"wrote key {job.key_path}: whoever has it and the stego can read the secret")


def _check_terminal(output: str, data: bytes) -> None:
    """Binary data on a terminal helps nobody and may reprogram it."""
    if output == STDIO and sys.stdout.isatty():
        with contextlib.suppress(UnicodeDecodeError):
            if data.decode().isprintable() or data.decode().replace("\n", "").isprintable():
                return
        raise UsageError("the secret is not text, and standard output is a terminal", "give -o FILE")


def read_key(path: str) -> tuple[Key, np.ndarray | None]:
    """A key file -> the key, and z if it is one of the paper's form."""
    if zkey.is_zkey(Path(path)):
        return zkey.load(Path(path))
    return keys.load(path), None


def check_key(key: Key, wanted: str | None) -> None:
    """Raises UsageError if the key is for a method that this stego lacks, or for another than `wanted`."""
    if wanted and key.method != wanted:
        raise UsageError(f"the key is for {key.method}, not for {wanted}")
    if key.method not in methods.names():
        raise UsageError(
            f"the key is for {key.method}, which this stego lacks", f"methods: {', '.join(methods.names())}"
        )


def _as_bit_method(method: Method) -> BitMethod:
    if not isinstance(method, BitMethod):
        raise UsageError(f"{method.name} does not carry bytes")
    return method
