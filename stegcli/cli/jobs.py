"""One hide or reveal with files, as the command line runs it, and batches of them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from stegcli import api, files, methods, threads, weights
from stegcli.about import About
from stegcli.cli import console, inputs, report
from stegcli.cli.inputs import Passphrases
from stegcli.cli.models import Engine, Models
from stegcli.cli.pool import side_by_side
from stegcli.errors import FileError, RevealError, StegoError, UnsafeNumberError, UsageError
from stegcli.files import STDIO, Output
from stegcli.keys import tokens, used_numbers
from stegcli.keys.key import Key
from stegcli.method import Asked, Method, Request, Revealed, Secret
from stegcli.options import output_paths
from stegcli.pictures import formats, image
from stegcli.pictures.channel import Channel


@dataclass(frozen=True)
class HideJob:
    """The hiding of one stego. secrets, cover, output: paths or `-`.

    keys: one for each secret, or one for all, or none. key_paths: the files of these keys. fresh_paths: the files for
    fresh keys, and for tokens if the method makes any. warn: whether to warn if a key was used with this number before.
    unnamed: the format of an output whose name says none.
    """

    secrets: tuple[str, ...]
    cover: str | None
    output: str
    keys: tuple[Key, ...]
    key_paths: tuple[str, ...]
    fresh_paths: tuple[str, ...]
    fresh: bool
    options: Any
    survive: tuple[Channel, ...]
    quality: int = image.JPEG_QUALITY
    warn: bool = True
    unnamed: str = "PNG"


@dataclass(frozen=True)
class RevealJob:
    """The revealing of one stego. stego, output: paths or `-`. key_path: None for a method without keys.

    method: the method that the key must be for, None for any. named: whether `output` is the whole name; otherwise a
    suffix for a picture or a file is added. given: the method's own options, as typed.
    """

    stego: str
    output: str
    key_path: str | None
    method: str | None = None
    named: bool = True
    given: tuple[tuple[str, str | bool], ...] = ()
    index: int = 0  # in a batch under one key
    passphrases: Passphrases = field(default_factory=Passphrases)


# -- hiding


def hide(job: HideJob, method: Method, force: bool, quiet: bool, engine: Engine = api) -> dict[str, Any]:
    """Run one job -> the figures of `--json`."""
    started = time.monotonic()
    about = method.about
    format = image.output_format(job.output, about.writes_lossy, job.unnamed)
    _check_outputs(job.output, job.fresh_paths if job.fresh else (), force)
    notes: list[str] = []
    secrets = tuple(_read_secret(s, job.options, about, notes) for s in job.secrets)
    cover = None if job.cover is None else image.load(job.cover, "cover")
    notes += [f"cover {job.cover}: {note}" for note in cover.notes] if cover is not None else []
    if job.output == STDIO and about.keeps_jpeg and cover is not None and cover.source is not None:
        format = "JPEG"
    if not quiet:
        report.say_start(job.secrets, secrets, job.cover, cover, about, notes)
    if cover is not None:
        image.check(cover, format)
    request = Request(secrets, job.keys, cover, job.survive, job.options, format, job.quality)
    with _numbers(job, method) as take:
        hidden = _hidden(request, method, take, engine)
        fresh = _fresh_keys(job, hidden)
        files.write_all([*fresh, Output(Path(job.output), hidden.file)], force)
    if about.numbered and job.fresh:
        _note_fresh(job, hidden.draft.number)
    paths = [str(o.path) for o in fresh] or list(job.key_paths)
    notes += [*hidden.draft.notes, *image.lost_in(hidden.draft.picture, format)]
    seconds = round(time.monotonic() - started, 3)
    if not quiet:
        report.say_hidden(job.output, job.secrets, hidden, [o.path for o in fresh])
        for note in image.lost_in(hidden.draft.picture, format):
            console.say(note)
    return report.of_hidden(hidden, method, job.keys, secrets, job.output, paths, notes, seconds)


@contextlib.contextmanager
def _numbers(job: HideJob, method: Method) -> Iterator[Callable[[int | None], int | None]]:
    """Yields a function: a wanted message number, or None for any -> a number now reserved under these keys.

    The function raises UsageError if the wanted number was used before. If no stego is written, the numbers are
    released. A fresh key has used no numbers.
    """
    taken: list[int] = []
    about = method.about
    group = job.keys[0].cover_secret() if about.numbered else b""

    def take(wanted: int | None) -> int | None:
        if not about.numbered or job.fresh or wanted in taken:
            return wanted
        again, bits = getattr(job.options, "force_number", False), method.number_bits(job.options)
        taken.append(used_numbers.reserve(job.key_paths, group, wanted, again, bits))
        return taken[-1]

    try:
        yield take
    except BaseException:
        for number in taken:
            used_numbers.release(job.key_paths, group, number)
        raise


def _hidden(request: Request, method: Method, take: Callable[[int | None], int | None], engine: Engine) -> api.Hidden:
    """Hide, under a reserved message number if the method uses numbers. If the cover of a number that nobody asked for
    is not safe, or if the number that the method arrives at is taken, it gets another."""
    asked = wanted = getattr(request.options, "number", None)
    while True:
        number = take(wanted)
        ours = request if number is None else replace(request, options=replace(request.options, number=number))
        try:
            hidden = engine.hide(ours, method)
        except UnsafeNumberError:
            if asked is not None:
                raise
            continue
        try:
            take(number if hidden.draft.number is None else hidden.draft.number)
        except UsageError:
            wanted = None
        else:
            return hidden


def _note_fresh(job: HideJob, number: int | None) -> None:
    """Record the number that a fresh key was used with. If that fails, only warn: the stego is written already."""
    try:
        used_numbers.reserve(job.fresh_paths, job.keys[0].cover_secret(), number or 0, again=True)
    except FileError as error:
        console.say(f"warning: number {number or 0} will not be remembered: {error}")


def _fresh_keys(job: HideJob, hidden: api.Hidden) -> list[Output]:
    """The key files to write: fresh keys, and keys with the token that the receiver of this stego needs."""
    if hidden.draft.tokens:
        contents = [tokens.to_bytes(k, t) for k, t in zip(job.keys, hidden.draft.tokens, strict=True)]
    elif job.fresh:
        contents = [k.to_bytes() for k in job.keys]
    else:
        return []
    return [Output(Path(p), c, 0o600) for p, c in zip(job.fresh_paths, contents, strict=True)]


def _read_secret(name: str, options: Any, about: About, notes: list[str]) -> Secret:
    """A file -> the secret, with the picture in it unless the file must travel byte for byte."""
    data = files.read(name, "secret")
    travel = getattr(options, "travel", "auto")
    if "picture" not in about.carries or travel == "bytes":
        return Secret(data)
    try:
        picture = image.decode(data, f"secret {name}")
    except FileError:
        if travel != "auto" or "bytes" not in about.carries:
            raise
        return Secret(data)
    notes += [f"secret {name}: {note}" for note in picture.notes]
    return Secret(data, picture)


def _check_outputs(output: str, fresh: Sequence[str], force: bool) -> None:
    files.check_writable([Path(output)], force)
    files.check_writable([Path(p) for p in fresh], force, private=True)


# -- revealing


def reveal(job: RevealJob, models: Models, force: bool, quiet: bool, engine: Engine = api) -> dict[str, Any]:
    """Run one job -> the figures of `--json`."""
    started = time.monotonic()
    if "%d" not in job.output:
        files.check_writable([Path(n) for n in _possible_names(job.output, job.named)], force)
    key, asked, method = _asked(job, models)
    _check_besides(output_paths(asked.options), job, force)
    stego = image.load(job.stego, "stego")
    if not quiet:
        console.say(f"revealing {job.stego} ({stego.width}x{stego.height})")
    revealed = engine.reveal(stego, method, asked)
    written = _write_revealed(revealed, job, force)
    notes = [*stego.notes, *(n for r in revealed for n in r.notes)]
    seconds = round(time.monotonic() - started, 3)
    if not quiet:
        report.say_revealed(revealed, written, notes)
    named = key.weights if key is not None else weights.identity(method.name, models.named)
    return report.of_revealed(revealed, written, method.name, named, notes, seconds)


def _check_besides(paths: Sequence[Path], job: RevealJob, force: bool) -> None:
    """Fail before long work if files besides the secret cannot be written. Raises FileError, UsageError."""
    if paths and not job.named:
        raise UsageError(f"{paths[0]} is one file, and this is a batch", "reveal one stego")
    if Path(STDIO) in paths:
        raise UsageError("only the secret goes to standard output", "name a file")
    inputs.refuse_own([str(p) for p in paths], [job.stego, job.key_path])
    files.check_writable(paths, force)


def _asked(job: RevealJob, models: Models) -> tuple[Key | None, Asked, Method]:
    """Returns the key, everything that the receiver has, and the method. Options are checked before weights load."""
    from stegcli.cli.options import parsed

    if job.key_path is None:
        assert job.method is not None
        name, key, token = job.method, None, None
    else:
        key, token = tokens.load(job.key_path, job.passphrases.of(job.key_path))
        inputs.check_key(key, job.method)
        name = key.method
    options = parsed("reveal", name, dict(job.given))
    if job.index and getattr(options, "number", None) is not None:
        options = inputs.nth(options, job.index, methods.about(name))
    method = models.of_method(name) if key is None else models.of_key(key)
    return key, Asked(key, token, options), method


def _write_revealed(revealed: Sequence[Revealed], job: RevealJob, force: bool) -> list[tuple[str, bytes]]:
    """Write each secret. Returns paths and bytes. Raises UsageError if several secrets would go to standard output."""
    if len(revealed) > 1 and job.output == STDIO:
        raise UsageError(f"the stego holds {len(revealed)} secrets", "give -o 'NAME-%d.png'")
    if not revealed:
        raise RevealError
    outputs = []
    for index, one in enumerate(revealed):
        name = _numbered(job.output, index, len(revealed))
        data = _as_file(one, name)
        if not job.named:
            name += ".bin" if one.picture is None else ".png"
        _check_terminal(name, data)
        outputs.append((name, data))
    besides = [Output(p, image.encode_as(picture, str(p))) for one in revealed for p, picture in one.besides]
    files.write_all([*(Output(Path(n), d) for n, d in outputs), *besides], force)
    return outputs


def _numbered(output: str, index: int, count: int) -> str:
    """back-%d.png -> back-1.png; without %d, back.png -> back-1.png if there are several secrets."""
    if "%d" in output:
        return output.replace("%d", str(index + 1))
    if count == 1:
        return output
    path = Path(output)
    return str(path.with_name(f"{path.stem}-{index + 1}{path.suffix}"))


def _possible_names(output: str, named: bool) -> list[str]:
    return [output] if named else [output + ".png", output + ".bin"]


def _as_file(revealed: Revealed, output: str) -> bytes:
    """A revealed secret -> the bytes to write.

    A picture is encoded in the format that the output's name asks for. If its own file travelled and has that format,
    that file is given back.
    """
    if revealed.picture is None:
        assert revealed.data is not None
        return revealed.data
    if revealed.file is not None and formats.format_of(revealed.file) == image.format_of_name(output):
        return revealed.file
    return image.encode_as(revealed.picture, output)


def _check_terminal(output: str, data: bytes) -> None:
    """Refuse to write binary data to a terminal, which might obey control codes in it. Raises UsageError."""
    if output == STDIO and console.stdout_is_terminal():
        with contextlib.suppress(UnicodeDecodeError):
            if data.decode().isprintable() or data.decode().replace("\n", "").isprintable():
                return
        raise UsageError("the secret is not text, and standard output is a terminal", "give -o FILE")


# -- batches

Task = tuple[str, Callable[[], dict[str, Any]]]
"""The name of the input, and the work to do."""


def run_all(tasks: Sequence[Task], workers: int) -> Iterator[dict[str, Any]]:
    """Run tasks in parallel -> the outcome of each, in order, as soon as it is known.

    An outcome holds the job's figures or `error`, and always `input` and `exit`. A bad file does not stop the others.
    """
    tasks_of_all = [partial(_outcome, *task) for task in tasks]
    if workers == 1:  # a single job uses all cores
        yield from side_by_side(tasks_of_all, workers)
    else:
        each = max(1, (os.cpu_count() or 1) // workers)
        yield from side_by_side(tasks_of_all, workers, partial(threads.limit, each))


def _outcome(name: str, job: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"input": name, "exit": 0} | job()
    except StegoError as error:
        problem = error
    except Exception as error:  # noqa: BLE001  (a bug in the handling of one file must not stop the others)
        problem = console.as_fault(error)
        console.trace()
    console.complain(problem, about=name)
    return {"input": name, "exit": problem.exit_code, "error": str(problem)}


def run(
    title: str, tasks: Sequence[Task], batch: bool, workers: int, json: bool, quiet: bool, data_to_stdout: bool
) -> int:
    """Run one task, or all of a batch with progress messages. Returns the exit status."""
    if json or data_to_stdout:
        console.check_stdout()
    if not batch:
        with console.working(title, quiet):
            figures = tasks[0][1]()
        if json:
            console.emit(figures, to_stderr=data_to_stdout)
        return 0
    statuses: list[int] = []
    if not quiet:
        console.say(f"{title} {len(tasks)} files")
    began = time.monotonic()
    with console.bar(title, quiet) as tick:
        for outcome in run_all(tasks, workers):
            statuses.append(outcome["exit"])
            done = len(statuses) / len(tasks)
            tick(done, console.time_left(began, done))
            if json:
                console.emit(outcome)
    if not quiet:
        console.say(f"done: {statuses.count(0)} of {len(tasks)} files")
    return max(statuses)
