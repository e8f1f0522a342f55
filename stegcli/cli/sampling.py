"""The work of `stego sample`: arguments -> pictures in a folder."""

from __future__ import annotations

import hashlib
import secrets as os_random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stegcli import api, files, methods, weights
from stegcli.cli import console, inputs
from stegcli.cli.models import Models
from stegcli.files import Output
from stegcli.keys.stream import Stream
from stegcli.method import Request
from stegcli.pictures import formats, image
from stegcli.pictures.channel import parse_survive


@dataclass(frozen=True)
class Plan:
    """All that is known before weights are loaded. suffix: of the files, with its dot."""

    method: str
    named: str | None
    request: Request
    suffix: str


def planned(
    method: str, own: Any, named: str | None, facets: dict[str, str], survive: str,
    format: str | None, quality: int | None, unnamed: str,
) -> Plan:  # fmt: skip
    """Arguments of the command line -> the plan. unnamed: the format if none is given. Raises UsageError, FileError."""
    about = methods.about(method)
    suffix = formats.SUFFIXES[unnamed] if format is None else f".{format.lower().removeprefix('.')}"
    inputs.check_quality(quality, (f"drawn{suffix}",), about)
    request = Request(
        survive=parse_survive(survive),
        options=own,
        format=image.output_format(f"drawn{suffix}", about.writes_lossy),
        quality=quality or image.JPEG_QUALITY,
    )
    api.check_sample(request, about)
    return Plan(method, weights.by_facets(method, facets, named), request, suffix)


def sample(
    plan: Plan, folder: Path, count: int, seed: int | None, json: bool, quiet: bool, force: bool, device: str
) -> None:
    """Draw the pictures and write each as soon as it is drawn."""
    paths = [folder / f"{index + 1:0{len(str(count))}d}{plan.suffix}" for index in range(count)]
    with inputs.made_folder(str(folder)):
        files.check_writable(paths, force)
        method = Models(plan.named, device).of_method(plan.method)
        began = time.monotonic()
        with console.bar("drawing", quiet) as tick:
            for index, path in enumerate(paths):
                started = time.monotonic()
                data = api.sample(plan.request, method, Stream(_seed(seed, index)))
                files.write_all([Output(path, data)], force)
                done = (index + 1) / count
                tick(done, console.time_left(began, done))
                if json:
                    console.emit(_record(plan, path, data, started))
    if not quiet:
        console.say(f"drew {count} pictures without a message into {folder}")


def _seed(seed: int | None, index: int) -> bytes:
    """The seed of one picture, so that a longer run begins with the pictures of a shorter one."""
    return (
        os_random.token_bytes(32)
        if seed is None
        else hashlib.sha256(f"stegcli/sample {seed} {index}".encode()).digest()
    )


def _record(plan: Plan, path: Path, data: bytes, started: float) -> dict[str, Any]:
    return {
        "method": plan.method,
        "weights": plan.named or weights.default_name(plan.method),
        "output": str(path),
        "bytes": len(data),
        "seconds": round(time.monotonic() - started, 3),
    }
