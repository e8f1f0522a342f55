"""One secret into one stego and back, as the command line does it; and many of them, side by side."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stegcli import api, files, methods
from stegcli.cli import console
from stegcli.errors import FileError, StegoError, UsageError
from stegcli.files import STDIO, Output
from stegcli.keys import key as keys
from stegcli.keys import tokens, used_numbers
from stegcli.keys.key import Key
from stegcli.method import (
    AS_USUAL,
    ROBUST_QUALITIES,
    BitMethod,
    Drawn,
    Method,
    PictureMethod,
    Revealed,
    Secret,
    Wish,
)
from stegcli.pictures import image
from stegcli.pictures.image import Picture

HIDE_FIGURES = (
    "method", "weights", "output", "key", "width", "height", "cover_psnr", "payload_bytes", "capacity_bytes", "bpp",
    "secret_psnr", "verified", "form", "seconds", "number",
)  # fmt: skip


REVEALED_QUALITY = 95
"""Of a revealed picture that is asked for as a JPEG."""


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
class MakeJob:
    """For methods that make the stego: secrets, keys and paths go together, one of each for a receiver.

    key_paths: where the keys lie. fresh_paths: where fresh ones go, and tokens if the method makes any. warn: whether
    to warn of a number that a key was used with before.
    """

    secrets: tuple[str, ...]
    output: str
    keys: tuple[Key, ...]
    key_paths: tuple[str, ...]
    fresh_paths: tuple[str, ...]
    fresh: bool
    wish: Wish
    cover: str | None = None
    quality: int = image.JPEG_QUALITY
    warn: bool = True


@dataclass(frozen=True)
class RevealJob:
    """stego, output: paths or `-`. method: what the key must be for, None for any.

    named: whether `output` is the whole name; else a suffix is added that tells a picture from a file.
    drawn: what the user knows of how the cover was drawn.
    """

    stego: str
    output: str
    key_path: str
    method: str | None = None
    named: bool = True
    drawn: Drawn = AS_USUAL


class Models:
    """Key -> the method it names, loaded once for any number of files and threads."""

    def __init__(self, weights: str | None, device: str):
        self._weights = weights
        self._device = api.pick_device(device)
        self._lock = threading.Lock()
        self._loaded: dict[tuple[str, str], Method] = {}

    def __call__(self, key: Key) -> Method:
        name = (key.method, key.weights)
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = api.load_method(key, self._weights, self._device)
            return self._loaded[name]


def make(job: MakeJob, loaded: Method, force: bool, quiet: bool) -> dict[str, Any]:
    """Run one job of a method that makes the stego -> the figures of `--json`."""
    started = time.monotonic()
    method = _as_picture_method(loaded)
    format = image.output_format(job.output, lossy=True)
    _check_outputs(job.output, job.fresh_paths if job.fresh else (), force)
    numbered, number = "number" in method.options, job.wish.drawn.number or 0
    if numbered:
        _warn_of_reuse(job, number)
    secrets = [_read_secret(s, job.wish, quiet) for s in job.secrets]
    cover = None if job.cover is None else image.load(job.cover, "cover")
    if not quiet:
        sizes = ", ".join(f"{s} ({len(r.data)} bytes)" for s, r in zip(job.secrets, secrets, strict=True))
        console.say(f"hiding {sizes} in a picture that {method.name} makes")
    made = api.make(secrets, job.keys, method, job.wish, cover, format, job.quality)
    if numbered and made.number not in (None, number):  # a method may pass over covers that are not safe
        _warn_of_reuse(job, made.number)
    fresh = _fresh_keys(job, made)
    _write_outputs(job.output, made.file, fresh, force)
    if numbered:
        _remember(job, number if made.number is None else made.number)
    named = [str(o.path) for o in fresh] or list(job.key_paths)
    paths = named[0] if len(named) == 1 else named
    figures = api.report_made(made, job.keys) | {"output": job.output, "key": paths}
    figures["seconds"] = round(time.monotonic() - started, 3)
    if not quiet:
        _say_made(job, made)
        for output in fresh:
            console.say(f"wrote key {output.path}: whoever has it and the stego can read the secret")
    return {name: figures[name] for name in HIDE_FIGURES}


def _warn_of_reuse(job: MakeJob, number: int) -> None:
    if job.fresh or not job.warn:
        return
    known = {path: used_numbers.numbers(path) for path in job.key_paths}
    again = [path for path, numbers in known.items() if number in numbers]
    if again:
        where = f"warning: number {number} was used with {', '.join(again)} before"
        console.say(f"{where}: two stegos of one cover show where they differ")
        console.say(f"hint: --number {used_numbers.least_unused(frozenset().union(*known.values()))} was not used yet")


def _remember(job: MakeJob, number: int) -> None:
    """Note the number beside each key file. Having no place for a note is no reason to fail: the stego is written."""
    for path in job.fresh_paths if job.fresh else job.key_paths:
        try:
            if job.fresh:  # it may have replaced a key that had a note
                used_numbers.forget(path)
            used_numbers.remember(path, number)
        except FileError as error:
            if job.warn:
                console.say(f"warning: number {number} will not be remembered: {error}")


def _fresh_keys(job: MakeJob, made: api.Made) -> list[Output]:
    """The key files to be written: fresh keys, and keys with the token that this stego's receiver needs besides."""
    if made.tokens:
        contents = [tokens.to_bytes(k, t) for k, t in zip(job.keys, made.tokens, strict=True)]
    elif job.fresh:
        contents = [k.to_bytes() for k in job.keys]
    else:
        return []
    return [Output(Path(p), c, 0o600) for p, c in zip(job.fresh_paths, contents, strict=True)]


def _read_secret(name: str, wish: Wish, quiet: bool) -> Secret:
    """A file -> the secret, with the picture it holds unless it is to go byte for byte."""
    data = files.read(name, "secret")
    if wish.travel == "bytes":
        return Secret(data)
    try:
        picture = image.decode(data, f"secret {name}")
    except FileError:
        if wish.travel != "auto":
            raise
        return Secret(data)
    if not quiet:
        for note in picture.notes:
            console.say(f"secret {name}: {note}")
    return Secret(data, picture)


def _say_made(job: MakeJob, made: api.Made) -> None:
    where = "standard output" if job.output == STDIO else job.output
    lasts = f"JPEG {ROBUST_QUALITIES[0]} to {ROBUST_QUALITIES[-1]}" if job.wish.robust else made.survives
    line = f"wrote {where}: verified, {made.picture.width}x{made.picture.height}, outlives {lasts}"
    console.say(line if made.cover_psnr is None else f"{line}, PSNR to its cover {made.cover_psnr:.2f} dB")
    told = zip(job.secrets, made.forms, made.payloads, made.psnrs, strict=True)
    for secret, form, size, psnr in told:
        came = [] if size is None else [f"{size} of {made.capacity} bytes"]
        if psnr is not None:
            came.append("exact" if np.isinf(psnr) else f"PSNR {psnr:.2f} dB")
        console.say(f"{secret}: {', '.join([form, *came])}")
    for note in made.notes:
        console.say(note)


def hide(job: HideJob, loaded: Method, force: bool, quiet: bool) -> dict[str, Any]:
    """Run one job -> the figures of `--json`."""
    started = time.monotonic()
    method = _as_bit_method(loaded)
    format = image.output_format(job.output)
    _check_outputs(job.output, (job.key_path,) if job.fresh else (), force)
    data = files.read(job.secret, "secret")
    cover = image.load(job.cover, "cover")
    if not quiet:
        for note in cover.notes:
            console.say(f"cover {job.cover}: {note}")
        console.say(f"hiding {len(data)} bytes in {job.cover} ({cover.width}x{cover.height})")
    embed = api.hide_bytes_with_z if job.with_z else api.hide_bytes
    hidden = embed(data, cover, job.key, method, format)
    _write_outputs(job.output, hidden.file, _fresh_key(job, hidden), force)
    figures = api.report(hidden, cover, data, job.key) | {"output": job.output, "key": job.key_path}
    figures["seconds"] = round(time.monotonic() - started, 3)
    if not quiet:
        _say_hidden(job, figures)
    return {name: figures[name] for name in HIDE_FIGURES}


def reveal(job: RevealJob, models: Models, force: bool, quiet: bool) -> dict[str, Any]:
    """Run one job -> the figures of `--json`."""
    started = time.monotonic()
    if job.output != STDIO:
        files.check_writable([Path(n) for n in _possible_names(job)], force)
    key, z = read_key(job.key_path)
    check_key(key, job.method)
    method = models(key)
    check_options(method, _options_of(job.drawn))
    stego = image.load(job.stego, "stego")
    if not quiet:
        console.say(f"revealing {job.stego} ({stego.width}x{stego.height})")
    revealed = _revealed(stego, key, z, method, job.drawn)
    data, picture = _as_file(revealed, job.output), revealed.picture
    output = _name_for(job, picture is not None)
    _check_terminal(output, data)
    with console.stdout_errors():
        files.write(output, data, force)
    if not quiet:
        where = "standard output" if output == STDIO else output
        what = f"{len(data)} bytes" if picture is None else f"a picture of {picture.width}x{picture.height}"
        console.say(f"revealed {what} to {where}")
        for note in revealed.notes:
            console.say(note)
    return {
        "method": key.method,
        "weights": key.weights,
        "output": output,
        "bytes": len(data),
        "width": None if picture is None else picture.width,
        "height": None if picture is None else picture.height,
        "seconds": round(time.monotonic() - started, 3),
    }


def _options_of(drawn: Drawn) -> set[str]:
    """The options by which a user said something of how the cover was drawn."""
    said = {"number": drawn.number, "generator": drawn.generator, "prompt": drawn.prompt or None,
            "generator-steps": drawn.generator_steps}  # fmt: skip
    return {name for name, value in said.items() if value is not None}


def _revealed(stego: Picture, key: Key, z: np.ndarray | None, method: Method, drawn: Drawn) -> Revealed:
    if isinstance(method, PictureMethod):
        return api.reveal_picture(stego, key, method, z, drawn)
    bits = _as_bit_method(method)
    if z is None:
        return Revealed(api.reveal_bytes(stego, key, bits))
    return Revealed(api.reveal_bytes_with_z(stego, key, z, bits))


def _as_file(revealed: Revealed, output: str) -> bytes:
    """What came back -> the bytes to write: of a picture those of the format that the output's name asks for."""
    if revealed.picture is None:
        assert revealed.data is not None
        return revealed.data
    suffix = Path(output).suffix.lower()
    format = (image.LOSSLESS | image.LOSSY).get(suffix, "PNG")
    alpha = revealed.picture.alpha if format not in ("BMP", "JPEG") else None
    return image.encode(replace(revealed.picture, alpha=alpha), format, REVEALED_QUALITY)


def _possible_names(job: RevealJob) -> list[str]:
    return [job.output] if job.named else [job.output + ".png", job.output + ".bin"]


def _name_for(job: RevealJob, picture: bool) -> str:
    return job.output if job.named else job.output + (".png" if picture else ".bin")


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


def _check_outputs(output: str, fresh: Sequence[str], force: bool) -> None:
    if output != STDIO:
        files.check_writable([Path(output)], force)
    files.check_writable([Path(p) for p in fresh], force)


def _fresh_key(job: HideJob, hidden: api.Hidden) -> list[Output]:
    if not job.fresh:
        return []
    content = job.key.to_bytes() if hidden.z is None else tokens.to_bytes(job.key, hidden.z)
    return [Output(Path(job.key_path), content, 0o600)]


def _write_outputs(output: str, file: bytes, fresh: list[Output], force: bool) -> None:
    outputs = fresh if output == STDIO else [*fresh, Output(Path(output), file)]
    files.write_all(outputs, force)
    if output == STDIO:
        try:
            with console.stdout_errors():
                files.write_stdout(file)
        except BaseException:
            for key in fresh:  # a key to what nobody received
                key.path.unlink(missing_ok=True)
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
    if tokens.is_zkey(Path(path)):
        return tokens.load(Path(path))
    return keys.load(path), None


def check_key(key: Key, wanted: str | None) -> None:
    """Raises UsageError if the key is for a method that this stego lacks, or for another than `wanted`."""
    if wanted and key.method != wanted:
        raise UsageError(f"the key is for {key.method}, not for {wanted}")
    if key.method not in methods.names():
        raise UsageError(
            f"the key is for {key.method}, which this stego lacks", f"methods: {', '.join(methods.names())}"
        )


def check_options(method: Method | type[Method], asked: set[str]) -> None:
    """An option that means nothing to the method is refused, and who takes it is named. Raises UsageError."""
    for option in sorted(asked - method.options):
        takers = [n for n in methods.names() if option in methods.get(n).METHOD.options]
        hint = f"methods that take it: {', '.join(takers)}" if takers else None
        raise UsageError(f"--{option} means nothing to {method.name}", hint)


def _as_picture_method(method: Method) -> PictureMethod:
    if not isinstance(method, PictureMethod):
        raise UsageError(f"{method.name} does not make pictures")
    return method


def _as_bit_method(method: Method) -> BitMethod:
    if not isinstance(method, BitMethod):
        raise UsageError(f"{method.name} does not carry bytes")
    return method
