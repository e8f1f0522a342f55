"""The command line: parse, call, report. Nothing here touches tensors, and `stego --help` does not load torch."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stegcli import __version__
from stegcli.console import complain, emit, progress, say, table
from stegcli.errors import FileError, StegoError, UsageError

if TYPE_CHECKING:
    from stegcli.key import Key
    from stegcli.method import BitMethod

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, no_args_is_help=True, pretty_exceptions_enable=False,
    help="Hide a file in a picture, and get it back exactly.",
)  # fmt: skip
weights_app = typer.Typer(help="What weights.toml names: list, verify, fetch ahead, export.", no_args_is_help=True)
app.add_typer(weights_app, name="weights")

STDIO = "-"
DEFAULT_METHOD = "glow2"
DEFAULT_METHOD_WITH_COVER = "lossless-inn"

MethodOption = Annotated[str | None, typer.Option(help="The method; see `stego methods`.")]
WeightsOption = Annotated[str | None, typer.Option(help="Weights by name or alias (`stego weights list`), or a file.")]
DeviceOption = Annotated[str, typer.Option(envvar="STEGO_DEVICE", help="auto, cpu or cuda.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object (a line each in a batch).")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
ForceOption = Annotated[bool, typer.Option("--force", "-f", help="Replace outputs that exist.")]
JobsOption = Annotated[int, typer.Option(min=1, help="How many files of a batch at a time.")]
OutOption = Annotated[
    str | None, typer.Option("-o", "--output", help="Output file, or folder of a batch; - is standard output.")
]


@app.callback(invoke_without_command=True)
def top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"stego {__version__}")
        raise typer.Exit


@app.command()
def keygen(
    method: MethodOption = DEFAULT_METHOD_WITH_COVER,
    output: Annotated[str, typer.Option("-o", "--output", help="Where the key goes.")] = "key.npy",
    weights: WeightsOption = None,
    passphrase_file: Annotated[Path | None, typer.Option(help="Derive the key from this file's first line.")] = None,
    salt: Annotated[
        str | None, typer.Option(help="With a passphrase: the salt of an earlier key, in hex, to make that key again.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    force: ForceOption = False,
) -> None:
    """Make a key file. Sender and receiver need the same one."""
    from stegcli import files
    from stegcli import key as keys

    if salt is not None and passphrase_file is None:
        raise UsageError("--salt goes with --passphrase-file")
    if output != STDIO:
        files.check_writable([Path(output)], force)
    named = _identity(method or DEFAULT_METHOD_WITH_COVER, weights)
    if passphrase_file is None:
        key = keys.generate(method or DEFAULT_METHOD_WITH_COVER, named)
    else:
        phrase = files.read(passphrase_file, "passphrase", limit=1 << 20).split(b"\n")[0].rstrip(b"\r")
        if not phrase:
            raise UsageError(f"the first line of {passphrase_file} is empty")
        key = keys.from_passphrase(method or DEFAULT_METHOD_WITH_COVER, named, phrase, _hex(salt))
    if output == STDIO:
        files.write_stdout(key.to_bytes())
    else:
        key.save(output, force)
    made_salt = key.salt.hex() if key.salt else None
    if json:
        record = {"method": key.method, "weights": key.weights, "output": output, "salt": made_salt}
        emit(record, to_stderr=output == STDIO)
    elif not quiet:
        say(f"wrote key {output} for {key.method}, weights {key.weights}")
        if made_salt:
            say(f"salt {made_salt}: with the passphrase it makes the same key again (--salt)")


@app.command()
def hide(
    secret: Annotated[list[str], typer.Argument(help="The file to hide; - is standard input. Several: a batch.")],
    method: MethodOption = None,
    cover: Annotated[str | None, typer.Option(help="The picture to hide in; in a batch a folder of them.")] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="A key file; without one a fresh key is written beside the output.")
    ] = None,
    output: OutOption = None,
    weights: WeightsOption = None,
    survive: Annotated[str, typer.Option(help="What the stego must outlive: png, jpeg:Q, noise:S.")] = "png",
    key_out: Annotated[
        Path | None,
        typer.Option(
            help="lossless-inn in the paper's form: write a key file that carries z, and with it the message."
        ),
    ] = None,
    jobs: JobsOption = 1,
    json: JsonOption = False,
    quiet: QuietOption = False,
    force: ForceOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Hide a file in a picture; nothing is written that was not revealed again first."""
    key_paths = key or _key_of_environment()
    if len(key_paths) > 1:
        raise UsageError("several keys: no method here takes more than one")
    batch = _is_batch(secret, output)
    data_to_stdout = not batch and _to_stdout(output)
    if data_to_stdout and not key_paths and key_out is None:
        raise UsageError("without -o there is no place to write a fresh key beside", "give --key KEY or -o OUT")
    if key_out is not None and (key_paths or batch):
        raise UsageError("--key-out makes its own key, for one stego")
    if cover is None and not key_paths and method is None:
        raise UsageError("no cover", f"{DEFAULT_METHOD_WITH_COVER} needs --cover IMAGE")
    made = _key_maker(key_paths, method, cover, weights)
    first = made()
    if survive not in _survives(first.method):
        raise UsageError(
            f"{first.method} does not survive {survive}", f"it survives {', '.join(_survives(first.method))}"
        )
    if cover is None:
        raise UsageError(f"{first.method} needs --cover IMAGE")
    from stegcli import jobs as work

    covers = _covers(cover, len(secret), batch)
    outputs = _batch_outputs(secret, output, ".png") if batch else [output or STDIO]
    todo = []
    for i, name in enumerate(secret):
        one = first if key_paths or i == 0 else made()
        fresh = None if key_paths else key_out or _beside(outputs[i])
        todo.append(work.HideJob(name, covers[i], outputs[i], one, fresh, key_out is not None))
    if not batch:
        _refuse_early(todo[0], force)
    loaded = work.as_bit_method(_load(first, weights, device))
    with progress("hiding", quiet or not batch) as tick:
        _run(
            [(j.secret, partial(work.hide, j, loaded, force, quiet or batch)) for j in todo],
            batch, jobs, json, data_to_stdout, tick,
        )  # fmt: skip


@app.command()
def reveal(
    stego: Annotated[
        list[str] | None, typer.Argument(help="The stego; none or - is standard input. Several: a batch.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="The key file.")] = None,
    method: MethodOption = None,
    output: OutOption = None,
    weights: WeightsOption = None,
    jobs: JobsOption = 1,
    json: JsonOption = False,
    quiet: QuietOption = False,
    force: ForceOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Get the hidden file back; without -o to standard output."""
    stegos = stego or [STDIO]
    batch = _is_batch(stegos, output)
    key_paths = [key] if key else _key_of_environment()
    if not key_paths and not batch:
        raise UsageError("no key", "give --key KEY.npy or set STEGO_KEY")
    from stegcli import jobs as work

    outputs = _batch_outputs(stegos, output, ".bin") if batch else [output or STDIO]
    todo = []
    for name, out in zip(stegos, outputs, strict=True):
        one, z = work.read_key(key_paths[0] if key_paths else str(_beside(name)))
        if method and one.method != method:
            raise UsageError(f"the key is for {one.method}, not for {method}")
        todo.append(work.RevealJob(name, out, one, z))
    loaded = work.as_bit_method(_load(todo[0].key, weights, device))
    with progress("revealing", quiet or not batch) as tick:
        _run(
            [(j.stego, partial(work.reveal, j, loaded, force, quiet or batch)) for j in todo],
            batch, jobs, json, outputs[0] == STDIO, tick,
        )  # fmt: skip


@app.command()
def train(
    method: Annotated[str, typer.Argument(help="The method to train.")],
    data: Annotated[Path, typer.Option(help="Folder of pictures to train on.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The weights, FILE.safetensors.")],
    part: Annotated[str | None, typer.Option(help="Which part of the method; the first by default.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.001, help="Budget in minutes.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Budget in steps.")] = None,
    val: Annotated[Path | None, typer.Option(help="Folder of pictures to measure on, never trained on.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint beside the output.")] = False,
    start: Annotated[Path | None, typer.Option(help="Begin with these weights.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Batch size in place of the recipe's.")] = None,
    precision: Annotated[str, typer.Option(help="no, bf16 or fp16.")] = "no",
    seed: Annotated[int, typer.Option(help="Of the start and the order of crops.")] = 0,
    quiet: QuietOption = False,
    force: ForceOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Train the weights of a method on a folder of pictures. Ctrl-C saves; --resume goes on."""
    if minutes is not None and steps is not None:
        raise UsageError("--minutes and --steps exclude each other")
    if precision not in ("no", "bf16", "fp16"):
        raise UsageError(f"no precision {precision!r}", "no, bf16 or fp16")
    if output.suffix != ".safetensors":
        raise UsageError("the output must end in .safetensors")
    if output.exists() and not (force or resume):
        raise FileError(f"output {output} exists", "give --resume to go on, --force to begin anew")
    _method_package(method)
    from stegcli import training

    def report(line: str) -> None:
        if not quiet:
            say(line)

    with progress(f"training {method}", quiet) as tick:
        budget = training.Budget(minutes, steps)
        training.train(
            method, part, data, output, budget, val=val, resume=resume, seed=seed, device=device,
            precision=precision, report=report, tick=tick, batch=batch, start=start,
        )  # fmt: skip
    report(f"wrote {output}")


@app.command()
def evaluate(
    method: Annotated[str, typer.Argument(help="The method to measure.")],
    covers: Annotated[Path, typer.Option(help="Folder of covers.")],
    weights: Annotated[
        list[str] | None, typer.Option(help="Weights to measure; repeat for several. All bundled ones by default.")
    ] = None,
    payload: Annotated[
        list[float] | None, typer.Option(help="Payload in bits per pixel; repeat. 0.1, 1 and the capacity by default.")
    ] = None,
    attack: Annotated[
        list[str] | None, typer.Option(help="What happens to the stego: jpeg:Q, noise:S; repeat.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many covers.")] = None,
    size: Annotated[str | None, typer.Option(help="WxH: cut the covers to this size first.")] = None,
    seed: Annotated[int, typer.Option(help="Of the random payloads.")] = 0,
    json: JsonOption = False,
    quiet: QuietOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Measure a method on pictures, beside plain LSB replacement and the limit."""
    _method_package(method)
    from stegcli import evaluation

    with progress("measuring", quiet) as tick:
        result = evaluation.evaluate(
            method, covers, weights=weights, payloads=payload, attacks=attack or [], limit=limit,
            size=_size(size), seed=seed, device=device, tick=tick,
        )  # fmt: skip
    if json:
        emit(result)
        return
    table(f"{method} on {result['covers']} covers, means", evaluation.COLUMNS, evaluation.rows(result))
    for line in evaluation.verdicts(result):
        typer.echo(line)


@app.command(name="methods")
def list_methods(json: JsonOption = False) -> None:
    """What each method carries, needs and survives."""
    from stegcli import overview

    columns, rows = overview.methods_table()
    if json:
        emit({r[0]: dict(zip(columns[1:], r[1:], strict=True)) for r in rows})
    else:
        table("methods", columns, rows)


@weights_app.command("list")
def weights_list(json: JsonOption = False) -> None:
    """The revisions that weights.toml names."""
    from stegcli import overview

    columns, rows = overview.weights_table()
    if json:
        emit({f"{r[0]}/{r[1]}": dict(zip(columns[2:], r[2:], strict=True)) for r in rows})
    else:
        table("weights", columns, rows)


@weights_app.command("verify")
def weights_verify(method: Annotated[str | None, typer.Argument(help="One method only.")] = None) -> None:
    """Check the bytes of every revision that is here or can be fetched, and that it loads."""
    from stegcli import weights

    for found in weights.entries(method):
        weights.load(found.method, found.name)
        say(f"ok: {found.method} {found.name}")


@weights_app.command("fetch")
def weights_fetch(
    method: Annotated[str | None, typer.Argument(help="One method only.")] = None, force: ForceOption = False
) -> None:
    """Fetch all revisions that lie on a hub, for use offline."""
    from stegcli import weights

    for found in weights.entries(method):
        if found.repo is not None:
            say(f"{found.method} {found.name}: {weights.locate(found, force)}")
            weights.verified_bytes(found)
        else:
            say(f"{found.method} {found.name}: in the package")


@weights_app.command("export")
def weights_export(
    folder: Annotated[Path, typer.Argument(help="Where the folders go.")],
    method: Annotated[str | None, typer.Option(help="One method only.")] = None,
) -> None:
    """Write one folder per revision, ready to upload: weights, config, model card."""
    from stegcli import weights

    for target in weights.export(folder, method):
        say(f"wrote {target}")


# -- shared by commands


def _method_package(name: str) -> Any:
    from stegcli import methods

    if name not in methods.names():
        raise UsageError(f"no method {name!r}", f"methods: {', '.join(methods.names())}")
    return name


def _survives(method: str) -> tuple[str, ...]:
    from stegcli import overview

    return overview.survives(method)


def _identity(method: str, weights: str | None) -> str:
    from stegcli import weights as store

    _method_package(method)
    return store.identity(method, weights or "default")


def _load(key: Key, weights: str | None, device: str) -> object:
    from stegcli import api

    return api.load_method(key, weights, device)


def _key_of_environment() -> list[str]:
    return [os.environ["STEGO_KEY"]] if os.environ.get("STEGO_KEY") else []


def _key_maker(paths: list[str], method: str | None, cover: str | None, weights: str | None) -> Callable[[], Key]:
    """-> a function that gives the user's key each time, or a fresh one each time."""
    from stegcli import key as keys

    if paths:
        given = keys.load(paths[0])
        if method and given.method != method:
            raise UsageError(f"the key is for {given.method}, not for {method}")
        _method_package(given.method)
        return lambda: given
    chosen = method or (DEFAULT_METHOD_WITH_COVER if cover else DEFAULT_METHOD)
    return partial(keys.generate, chosen, _identity(chosen, weights))


def _is_batch(inputs: list[str], output: str | None) -> bool:
    folder = output is not None and output != STDIO and (output.endswith("/") or Path(output).is_dir())
    if len(inputs) > 1 and not folder:
        raise UsageError("several inputs need -o FOLDER/")
    if folder and STDIO in inputs:
        raise UsageError("standard input cannot be part of a batch")
    return folder


def _batch_outputs(inputs: list[str], folder: str | None, suffix: str) -> list[str]:
    """a.txt -> FOLDER/a.png; where two inputs would meet, the whole name: FOLDER/a.txt.png."""
    target = Path(folder or ".")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make folder {target}: {(error.strerror or str(error)).lower()}") from error
    stems = [Path(i).stem for i in inputs]
    names = [s if stems.count(s) == 1 else Path(i).name for i, s in zip(inputs, stems, strict=True)]
    return [str(target / f"{n}{suffix}") for n in names]


def _covers(cover: str, count: int, batch: bool) -> list[str]:
    """One cover for one secret; in a batch a folder with one for each, or one for all, which is warned of."""
    if not (batch and Path(cover).is_dir()):
        if count > 1:
            say(f"warning: {cover} serves {count} times; two stegos of one cover show where they differ")
        return [cover] * count
    from stegcli.data import list_pictures

    found = [str(p) for p in list_pictures(Path(cover))]
    if len(found) < count:
        raise UsageError(f"{count} secrets need {count} covers, {cover} has {len(found)}")
    return found[:count]


def _beside(output: str) -> Path:
    return Path(output).with_suffix(".key.npy")


def _to_stdout(output: str | None) -> bool:
    if output is None and sys.stdout.isatty():
        raise UsageError("standard output is a terminal", "give -o OUT.png")
    return output in (None, STDIO)


def _refuse_early(job: Any, force: bool) -> None:
    """What is wrong with the outputs is said before torch is loaded."""
    from stegcli import files, image

    image.output_format(job.output)
    paths = [Path(job.output)] if job.output != STDIO else []
    files.check_writable(paths + ([job.key_out] if job.key_out else []), force)


def _run(
    todo: list[tuple[str, Callable[[], dict[str, Any]]]], batch: bool, workers: int, json: bool,
    data_to_stdout: bool, tick: Callable[[float, float], None],
) -> None:  # fmt: skip
    if not batch:
        figures = todo[0][1]()
        if json:
            emit(figures, to_stderr=data_to_stdout)
        return
    from stegcli.jobs import run_all

    done = [0]

    def report(outcome: dict[str, Any]) -> None:
        done[0] += 1
        tick(done[0] / len(todo), float("inf"))
        if json:
            emit(outcome)

    worst = run_all(todo, workers, report)
    if worst:
        raise typer.Exit(worst)


def _hex(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        salt = bytes.fromhex(text)
    except ValueError:
        salt = b""
    if len(salt) != 16:
        raise UsageError("--salt takes 32 hexadecimal digits")
    return salt


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise UsageError(f"size {text!r} is not WIDTHxHEIGHT")
    return int(width), int(height)


# -- how it ends


def _terminated(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def main() -> None:
    """Run, and turn every ending into one line and the documented exit status."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        status = app(standalone_mode=False) or 0
    except StegoError as error:
        complain(error)
        status = error.exit_code
        _trace()
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    except BrokenPipeError:
        say("error: standard output was closed")
        status = FileError.exit_code
    except Exception as error:  # the outermost frame: whatever is left is a bug, and is said to be one
        status = _unexpected(error)
    if status == 130:
        say("interrupted")
    _leave(status if isinstance(status, int) else 0)


def _unexpected(error: Exception) -> int:
    if hasattr(error, "format_message"):  # Typer's own usage errors
        say(f"error: {error.format_message().rstrip('.')}")
        return 2
    _trace()
    if isinstance(error, MemoryError):
        say("error: not enough memory")
        return 1
    say(f"error: internal fault: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    say("hint: STEGO_DEBUG=1 shows where; please report it")
    return 1


def _trace() -> None:
    if os.environ.get("STEGO_DEBUG"):
        traceback.print_exc()


def _leave(status: int) -> None:
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = status or FileError.exit_code
    sys.exit(status)
