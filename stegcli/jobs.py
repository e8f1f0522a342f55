"""One secret into one stego and back, as the command line does it; and many of them, side by side."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from stegcli import api, console, files, image, zkey
from stegcli import key as keys
from stegcli.errors import FileError, StegoError, UsageError
from stegcli.files import STDIO, Output
from stegcli.key import Key
from stegcli.method import BitMethod


@dataclass(frozen=True)
class HideJob:
    """secret: path or `-`. key_out: where a fresh key goes, None if the key is the user's own."""

    secret: str
    cover: str
    output: str
    key: Key
    key_out: Path | None
    with_z: bool = False


@dataclass(frozen=True)
class RevealJob:
    stego: str
    output: str
    key: Key
    z: np.ndarray | None = None


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
    figures = api.report(hidden, cover, data, job.key)
    figures |= {"output": job.output, "key": str(job.key_out) if job.key_out else None}
    figures["seconds"] = round(time.monotonic() - started, 3)
    if not quiet:
        _say_hidden(job, figures)
    return figures


def reveal(job: RevealJob, method: BitMethod, force: bool, quiet: bool) -> dict[str, Any]:
    """Run one job -> the figures of `--json`."""
    started = time.monotonic()
    if job.output != STDIO:
        files.check_writable([Path(job.output)], force)
    stego = image.load(job.stego, "stego")
    if job.z is None:
        data = api.reveal_bytes(stego, job.key, method)
    else:
        data = api.reveal_bytes_with_z(stego, job.key, job.z, method)
    _check_terminal(job.output, data)
    files.write(job.output, data, force)
    if not quiet:
        where = "standard output" if job.output == STDIO else job.output
        console.say(f"revealed {len(data)} bytes to {where}")
    return {
        "method": job.key.method,
        "weights": job.key.weights,
        "output": job.output,
        "bytes": len(data),
        "width": None,
        "height": None,
        "seconds": round(time.monotonic() - started, 3),
    }


def run_all(
    jobs: Sequence[tuple[str, Callable[[], dict[str, Any]]]], workers: int, report: Callable[[dict[str, Any]], None]
) -> int:
    """Run (input's name, job) pairs side by side -> the worst exit status. A bad file stops none of the others."""
    if workers > 1:
        import torch

        torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))
    with ThreadPoolExecutor(workers) as pool:
        outcomes = list(pool.map(lambda job: _outcome(*job), jobs))
    for outcome in outcomes:
        report(outcome)
    return max((int(o.get("exit", 0)) for o in outcomes), default=0)


def _outcome(name: str, job: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return job() | {"input": name, "exit": 0}
    except StegoError as error:
        console.complain(StegoError(f"{name}: {error}", error.hint))
        return {"input": name, "error": str(error), "exit": error.exit_code}


def _check_outputs(job: HideJob, force: bool) -> None:
    if job.output != STDIO:
        files.check_writable([Path(job.output)], force)
    if job.key_out is not None:
        files.check_writable([job.key_out], force)


def _write_outputs(job: HideJob, hidden: api.Hidden, force: bool) -> None:
    outputs = []
    if job.key_out is not None:
        content = job.key.to_bytes() if hidden.z is None else zkey.to_bytes(job.key, hidden.z)
        outputs.append(Output(job.key_out, content, 0o600))
    if job.output != STDIO:
        outputs.append(Output(Path(job.output), hidden.file))
    files.write_all(outputs, force)
    if job.output == STDIO:
        files.write_stdout(hidden.file)


def _say_hidden(job: HideJob, figures: dict[str, Any]) -> None:
    where = "standard output" if job.output == STDIO else job.output
    psnr = "inf" if figures["cover_psnr"] is None else f"{figures['cover_psnr']:.2f}"
    console.say(
        f"wrote {where}: verified, PSNR {psnr} dB, "
        f"{figures['payload_bytes']} of {figures['capacity_bytes']} bytes, {figures['bpp']:.3f} bpp"
    )
    if job.key_out is not None:
        console.say(f"wrote {job.key_out}: whoever has it and the stego can read the secret")


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


def as_bit_method(method: object) -> BitMethod:
    if not isinstance(method, BitMethod):
        raise FileError("this method does not carry bytes")
    return cast(BitMethod, method)
