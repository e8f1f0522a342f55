"""The command line: parse, call, report. Nothing here touches tensors, and `stego --help` does not load torch."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stegcli import __version__
from stegcli.cli.console import as_fault, complain, emit, progress, say, show, stdout_errors, table, trace
from stegcli.errors import FileError, StegoError, UsageError, WeightsError

if TYPE_CHECKING:
    from stegcli.cli.jobs import HideJob, MakeJob
    from stegcli.keys.key import Key
    from stegcli.method import Drawn, Method, Wish

app = typer.Typer(
    help="Hide a file in a picture, and get it back exactly.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
weights_app = typer.Typer(help="What weights.toml names: list, verify, fetch ahead, export.")
app.add_typer(weights_app, name="weights")

STDIO = "-"
INTERRUPTED = 130
DEFAULT_METHOD = "glow2"
DEFAULT_METHOD_WITH_COVER = "lossless-inn"
CODERS = ("coset", "network")
"""Of lossless-inn, the default first. Each is an alias in weights.toml too."""
DETECTOR = "detector"
DETECTOR_IS = ("cs-fnns", DETECTOR)
"""The method and the part of it that `stego train detector` trains."""


# -- the options, in the order of the commands that take them

MethodOption = Annotated[str | None, typer.Option(help="The method; see `stego methods`.")]
OneMethodArgument = Annotated[str | None, typer.Argument(help="One method only.")]
OneMethodOption = Annotated[str | None, typer.Option(help="One method only.")]
KeyOption = Annotated[str | None, typer.Option(help="The key file; else the one that STEGO_KEY names.")]
WeightsOption = Annotated[str | None, typer.Option(help="Weights by name or alias (`stego weights list`), or a file.")]
CoderOption = Annotated[str | None, typer.Option(help=f"Of lossless-inn: {CODERS[0]} (default) or {CODERS[1]}.")]
DeviceOption = Annotated[str, typer.Option(envvar="STEGO_DEVICE", help="auto, cpu or cuda.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object (a line each in a batch).")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
ForceOption = Annotated[bool, typer.Option("--force", "-f", help="Replace outputs that exist.")]
JobsOption = Annotated[int, typer.Option(min=1, help="How many files of a batch at a time.")]
OutOption = Annotated[
    str | None, typer.Option("-o", "--output", help="Output file, or folder of a batch; - is standard output.")
]
SeedOption = Annotated[int, typer.Option(help="Of all that is drawn at random.")]

KeyMethodOption = Annotated[
    str | None, typer.Option(help="The method; see `stego methods`.", show_default=DEFAULT_METHOD_WITH_COVER)
]
WithOption = Annotated[
    str | None,
    typer.Option(
        "--with", help="A key: make one for another receiver of the same stegos, which draws the same covers."
    ),
]
KeyOutputOption = Annotated[str, typer.Option("-o", "--output", help="Where the key goes; - is standard output.")]
PassphraseOption = Annotated[Path | None, typer.Option(help="Derive the key from this file's first line.")]
SaltOption = Annotated[
    str | None, typer.Option(help="With a passphrase: the salt of an earlier key, in hex, to make that key again.")
]

SecretArgument = Annotated[
    list[str] | None, typer.Argument(help="The file to hide; - is standard input. Several: a batch.")
]
SecretOption = Annotated[
    list[str] | None, typer.Option("--secret", help="Repeated, with a --key each: several receivers of one stego.")
]
AsOption = Annotated[
    str | None,
    typer.Option(
        "--as", help="How a secret travels: auto, bytes (exactly), picture (as good as fits), compressed or cascade."
    ),
]
StegoSizeOption = Annotated[str | None, typer.Option("--size", help="WxH of a generated stego.")]
DomainOption = Annotated[str | None, typer.Option(help="What a generated stego shows: textures or landscapes.")]
TemperatureOption = Annotated[float | None, typer.Option(help="Of the generator; lower is calmer and carries less.")]
RedundancyOption = Annotated[int | None, typer.Option(min=1, help="Copies in the cascade: 1, 2 or 4.")]
QualityOption = Annotated[int | None, typer.Option(min=1, max=100, help="Of a JPEG output; 90 by default.")]
CoverOption = Annotated[
    str | None, typer.Option(help="The picture to hide in; - is standard input. In a batch a folder of them.")
]
KeysOption = Annotated[
    list[str] | None,
    typer.Option(
        help="A key file; else STEGO_KEY names one; without either, a fresh one is written beside the output."
    ),
]
SurviveOption = Annotated[
    str | None,
    typer.Option(help="What the stego must outlive: png, jpeg:Q; verified before it is written.", show_default="png"),
]
RobustOption = Annotated[bool, typer.Option("--robust", help="In place of --survive: any JPEG of quality 75 to 95.")]
NumberOption = Annotated[
    int | None,
    typer.Option(
        min=0, help="Of the message under its key, which draws another cover for each; of the first in a batch."
    ),
]
GeneratorOption = Annotated[str | None, typer.Option(help="What draws the cover: textures or diffusers:REPO.")]
PromptOption = Annotated[str | None, typer.Option(help="What --generator diffusers:REPO is told to draw.")]
GeneratorStepsOption = Annotated[int | None, typer.Option(min=1, help="Of --generator diffusers:REPO.")]
PsnrOption = Annotated[float | None, typer.Option(min=15, max=70, help="dB that the stego keeps to its cover.")]
SearchOption = Annotated[int | None, typer.Option("--steps", min=1, help="Of the search for a stego.")]
DecoderOption = Annotated[str | None, typer.Option(help="What the receiver's key makes: own or paper.")]
GrainOption = Annotated[
    float | None, typer.Option(min=0, max=12, help="Noise that the cover is given, in grey levels; 0 for none.")
]
EvadeOption = Annotated[bool, typer.Option("--evade", help="Mislead the detector too.")]
KeyOutOption = Annotated[
    Path | None,
    typer.Option(help="lossless-inn in the paper's form: write a key file that carries z, and with it the message."),
]

StegoArgument = Annotated[
    list[str] | None, typer.Argument(help="The stego; none or - is standard input. Several: a batch.")
]

TrainArgument = Annotated[
    str, typer.Argument(help=f"The method to train; {DETECTOR} stands for {' --part '.join(DETECTOR_IS)}.")
]
DataOption = Annotated[Path, typer.Option(help="Folder of pictures to train on.")]
TrainedOption = Annotated[Path, typer.Option("-o", "--output", help="The weights, FILE.safetensors.")]
PartOption = Annotated[str | None, typer.Option(help="Which part of the method; the first by default.")]
MinutesOption = Annotated[float | None, typer.Option(min=0.001, help="Budget in minutes.")]
StepsOption = Annotated[int | None, typer.Option(min=1, help="Budget in steps.")]
ValOption = Annotated[Path | None, typer.Option(help="Folder of pictures to measure on, never trained on.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint beside the output.")]
StartOption = Annotated[Path | None, typer.Option(help="Begin with these weights.")]
BatchOption = Annotated[int | None, typer.Option(min=1, help="Batch size in place of the recipe's.")]
PrecisionOption = Annotated[str, typer.Option(help="no, bf16 or fp16.")]

EvaluateArgument = Annotated[str, typer.Argument(help="The method to measure.")]
CoversOption = Annotated[Path | None, typer.Option(help="Folder of covers, for a method that hides bytes in them.")]
SecretsOption = Annotated[
    Path | None,
    typer.Option(help="Folder of pictures to hide, for a method that carries them; all are made 128x128 first."),
]
SeveralWeightsOption = Annotated[
    list[str] | None, typer.Option(help="Weights to measure; repeat for several. All bundled ones by default.")
]
PayloadOption = Annotated[
    list[float] | None, typer.Option(help="Payload in bits per pixel; repeat. 0.1, 1 and the capacity by default.")
]
AttackOption = Annotated[
    list[str] | None,
    typer.Option(help="What happens to the stego: jpeg:Q, noise:S; repeat. For secrets jpeg:90, 80 and 40 by default."),
]
LimitOption = Annotated[int | None, typer.Option(min=1, help="At most so many covers or secrets.")]
SizeOption = Annotated[
    str | None, typer.Option(help="WxH: cut the covers to this size first; with --secrets the size of the stegos.")
]

ExportArgument = Annotated[Path, typer.Argument(help="Where the folders go.")]


# -- the commands


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        show(f"stego {__version__}")
        raise typer.Exit
    _help_if_alone(context)


@weights_app.callback(invoke_without_command=True)
def top_of_weights(context: typer.Context) -> None:
    _help_if_alone(context)


@app.command()
def keygen(
    method: KeyMethodOption = None,
    output: KeyOutputOption = "key.npy",
    weights: WeightsOption = None,
    coder: CoderOption = None,
    domain: DomainOption = None,
    first: WithOption = None,
    passphrase_file: PassphraseOption = None,
    salt: SaltOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    force: ForceOption = False,
) -> None:
    """Make a key file. Sender and receiver need the same one."""
    from stegcli import files
    from stegcli.keys import used_numbers

    if salt is not None and passphrase_file is None:
        raise UsageError("--salt goes with --passphrase-file")
    if first is not None and any(o is not None for o in (weights, coder, domain, passphrase_file)):
        raise UsageError("--with takes method and weights of the other key", "leave the other options out")
    if output != STDIO:
        files.check_writable([Path(output)], force)
    if first is not None:
        key = _key_beside(first, method)
    else:
        chosen = method or DEFAULT_METHOD_WITH_COVER
        named = _weights_of_coder(chosen, coder, _weights_of_domain(chosen, domain, weights))
        key = _new_key(chosen, named, passphrase_file, salt)
    with stdout_errors():
        files.write(output, key.to_bytes(), force, mode=0o600)
    if output != STDIO:
        used_numbers.forget(output)
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
    secret: SecretArgument = None,
    method: MethodOption = None,
    cover: CoverOption = None,
    key: KeysOption = None,
    output: OutOption = None,
    receivers: SecretOption = None,
    weights: WeightsOption = None,
    coder: CoderOption = None,
    survive: SurviveOption = None,
    robust: RobustOption = False,
    travel: AsOption = None,
    size: StegoSizeOption = None,
    domain: DomainOption = None,
    temperature: TemperatureOption = None,
    redundancy: RedundancyOption = None,
    quality: QualityOption = None,
    number: NumberOption = None,
    generator: GeneratorOption = None,
    prompt: PromptOption = None,
    generator_steps: GeneratorStepsOption = None,
    psnr: PsnrOption = None,
    grain: GrainOption = None,
    steps: SearchOption = None,
    decoder: DecoderOption = None,
    evade: EvadeOption = False,
    key_out: KeyOutOption = None,
    jobs: JobsOption = 1,
    json: JsonOption = False,
    quiet: QuietOption = False,
    force: ForceOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Hide a file in a picture; nothing is written that was not revealed again first."""
    wanted: dict[str, Any] = {
        "as": travel, "size": size, "temperature": temperature, "redundancy": redundancy, "quality": quality,
        "secret": receivers, "key-out": key_out, "number": number, "psnr": psnr, "steps": steps, "robust": robust,
        "decoder": decoder, "generator": generator, "prompt": prompt, "generator-steps": generator_steps,
        "grain": grain, "evade": evade, "coder": coder,
    }  # fmt: skip
    names = _names_of_hide(secret, receivers, key, key_out, cover, output)
    held = _load_keys(names.keys)
    chosen = _chosen_method(held, method, cover)
    if not names.batch:
        _refuse_early(names, key_out, force, _writes_lossy(chosen, names.outputs[0]))
    named = _weights_of_domain(chosen, domain, weights)
    if not held:
        named = _weights_of_coder(chosen, coder, named)
    make_key = _key_maker(held, method, chosen, named)
    from stegcli.cli import jobs as work

    loaded = work.Models(named, device)(make_key()[0])
    _check_wanted(loaded, wanted, survive or "png", names.outputs)
    quiet = quiet or (json and names.to_stdout)
    if loaded.carries == "image":
        wish = _wish(survive, wanted)
        making = _make_jobs(names, cover, make_key, loaded, wish, quality, not quiet)
        todo = [(j.secrets[0], partial(work.make, j, loaded, force, quiet or names.batch)) for j in making]
    else:
        hiding = _hide_jobs(names, cover, make_key, key_out)
        todo = [(j.secret, partial(work.hide, j, loaded, force, quiet or names.batch)) for j in hiding]
    with _made_folder(output if names.batch else None):
        _run("hiding", todo, names.batch, jobs, json, quiet, names.to_stdout)


@app.command()
def reveal(
    stego: StegoArgument = None,
    key: KeyOption = None,
    method: MethodOption = None,
    output: OutOption = None,
    weights: WeightsOption = None,
    number: NumberOption = None,
    generator: GeneratorOption = None,
    prompt: PromptOption = None,
    generator_steps: GeneratorStepsOption = None,
    jobs: JobsOption = 1,
    json: JsonOption = False,
    quiet: QuietOption = False,
    force: ForceOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Get the hidden file back; without -o to standard output."""
    stegos = stego or [STDIO]
    batch = _is_batch(stegos, output)
    given = [key] if key else _key_of_environment()
    if not given and not batch:
        raise UsageError("no key", "give --key KEY.npy or set STEGO_KEY")
    _check_stdin(*stegos, *given)
    outputs = _batch_outputs(stegos, output, "") if batch else [output or STDIO]
    to_stdout = outputs[0] == STDIO
    if not batch and not to_stdout:
        _refuse_existing([Path(outputs[0])], force)
    from stegcli.cli import jobs as work

    models, drawn = work.Models(weights, device), _drawn(number, generator, prompt, generator_steps)
    quiet = quiet or (json and to_stdout)
    work_list = []
    for index, (name, out) in enumerate(zip(stegos, outputs, strict=True)):
        ours = _nth(drawn, index) if given and number is not None else drawn
        job = work.RevealJob(name, out, given[0] if given else str(_beside(name)), method, not batch, ours)
        work_list.append((name, partial(work.reveal, job, models, force, quiet or batch)))
    with _made_folder(output if batch else None):
        _run("revealing", work_list, batch, jobs, json, quiet, to_stdout)


@app.command()
def train(
    method: TrainArgument,
    data: DataOption,
    output: TrainedOption,
    part: PartOption = None,
    minutes: MinutesOption = None,
    steps: StepsOption = None,
    val: ValOption = None,
    resume: ResumeOption = False,
    start: StartOption = None,
    batch: BatchOption = None,
    precision: PrecisionOption = "no",
    seed: SeedOption = 0,
    quiet: QuietOption = False,
    force: ForceOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Train the weights of a method on a folder of pictures. Ctrl-C saves; --resume goes on."""
    if method == DETECTOR:
        if part is not None:
            raise UsageError(f"{DETECTOR} takes no --part", f"it is a part of {DETECTOR_IS[0]}")
        method, part = DETECTOR_IS
    if minutes is not None and steps is not None:
        raise UsageError("--minutes and --steps exclude each other")
    if precision not in ("no", "bf16", "fp16"):
        raise UsageError(f"no precision {precision!r}", "no, bf16 or fp16")
    if output.suffix != ".safetensors":
        raise UsageError("the output must end in .safetensors")
    if output.exists() and not (force or resume):
        raise FileError(f"output {output} exists", "give --resume to go on, --force to begin anew")
    _check_method(method)
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
    method: EvaluateArgument,
    covers: CoversOption = None,
    secrets: SecretsOption = None,
    weights: SeveralWeightsOption = None,
    coder: CoderOption = None,
    payload: PayloadOption = None,
    attack: AttackOption = None,
    limit: LimitOption = None,
    size: SizeOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    quiet: QuietOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Measure a method: beside plain LSB replacement and the limit, or beside its paper."""
    folder = _what_to_measure(method, covers, secrets, payload)
    named = _weights_to_measure(method, coder, weights)
    common: Any = {"weights": named, "attacks": attack, "limit": limit, "size": _size(size), "seed": seed,
                   "device": device}  # fmt: skip
    from stegcli.measuring import bits, pictures

    with progress("measuring", quiet) as tick:
        if folder is covers:
            result = bits.evaluate(method, folder, payloads=payload, tick=tick, **common)
        else:
            result = pictures.evaluate(method, folder, tick=tick, **common)
    if json:
        emit(result)
    elif folder is covers:
        table(f"{method} on {result['covers']} covers, means", bits.COLUMNS, bits.rows(result))
        for line in bits.verdicts(result):
            show(line)
    else:
        for title, columns, rows in pictures.tables(result):
            table(title, columns, rows)


@app.command(name="methods")
def list_methods(json: JsonOption = False) -> None:
    """What each method carries, needs and survives."""
    from stegcli.cli import tables

    columns, rows = tables.methods_table()
    if json:
        emit({r[0]: dict(zip(columns[1:], r[1:], strict=True)) for r in rows})
    else:
        table("methods", columns, rows)


@weights_app.command("list")
def weights_list(json: JsonOption = False) -> None:
    """The revisions that weights.toml names."""
    from stegcli.cli import tables

    columns, rows = tables.weights_table()
    if json:
        emit({f"{r[0]}/{r[1]}": dict(zip(columns[2:], r[2:], strict=True)) for r in rows})
    else:
        table("weights", columns, rows)


@weights_app.command("verify")
def weights_verify(method: OneMethodArgument = None, json: JsonOption = False) -> None:
    """Check the bytes of every revision that is here or can be fetched, and that it loads."""
    from stegcli import weights

    _check_method(method)
    right: dict[str, bool] = {}
    for found in weights.entries(method):
        name = f"{found.method}/{found.name}"
        try:
            weights.load(found.method, found.name)
        except WeightsError as error:
            complain(error)
            right[name] = False
        else:
            say(f"ok: {name}")
            right[name] = True
    if json:
        emit(right)
    if not all(right.values()):
        raise typer.Exit(WeightsError.exit_code)


@weights_app.command("fetch")
def weights_fetch(method: OneMethodArgument = None, force: ForceOption = False) -> None:
    """Fetch all revisions that lie on a hub, for use offline."""
    from stegcli import weights

    _check_method(method)
    for found in weights.entries(method):
        held = weights.holder(found)
        where = str(weights.locate(held, force)) if held.repo is not None else "in the package"
        if held.repo is not None:
            weights.verified_bytes(held)
        lender = f"of {held.method} {held.name}, " if found.borrows else ""
        say(f"{found.method} {found.name}: {lender}{where}")


@weights_app.command("export")
def weights_export(folder: ExportArgument, method: OneMethodOption = None) -> None:
    """Write one folder per revision, ready to upload: weights, config, model card."""
    from stegcli import weights

    _check_method(method)
    for target in weights.export(folder, method):
        say(f"wrote {target}")


# -- keys and methods


def _help_if_alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(UsageError.exit_code)


def _check_method(name: str | None) -> None:
    from stegcli import methods

    if name is not None and name not in methods.names():
        raise UsageError(f"no method {name!r}", f"methods: {', '.join(methods.names())}")


def _what_to_measure(method: str, covers: Path | None, secrets: Path | None, payload: list[float] | None) -> Path:
    """-> the folder of covers or of secrets, whichever the method needs; the other is refused."""
    _check_method(method)
    from stegcli import methods

    if methods.get(method).METHOD.carries == "image":
        if secrets is None or covers is not None or payload:
            raise UsageError(f"{method} needs --secrets DIR, and takes no --covers or --payload", "it carries pictures")
        return secrets
    if covers is None or secrets is not None:
        raise UsageError(
            f"{method} needs --covers DIR, and takes no --secrets", "random bytes are hidden in the covers"
        )
    return covers


def _check_wanted(method: Method, wanted: dict[str, Any], survive: str, outputs: list[str]) -> None:
    """Whether the method takes the options of `hide` that were given, and outlives what it should."""
    from stegcli.cli import jobs

    jobs.check_options(method, {n for n, v in wanted.items() if v is not None and v is not False})
    _check_coder(method, wanted["coder"], "the key is", "leave --coder out, or make a key with stego keygen --coder")
    _check_quality(wanted["quality"], outputs)
    _check_survives(method, survive)


def _check_quality(quality: int | None, outputs: list[str]) -> None:
    from stegcli.pictures import image

    if quality is not None and not all(Path(o).suffix.lower() in image.LOSSY for o in outputs):
        raise UsageError(
            "--quality is of a JPEG output", "-o OUT.jpg, or --survive jpeg:Q for a PNG that may become one"
        )


def _check_survives(method: Method, wanted: str) -> None:
    from stegcli.pictures import channel

    kind = channel.parse(wanted).kind
    if wanted not in method.survives and f"{kind}:Q" not in method.survives:
        raise UsageError(f"{method.name} does not survive {wanted}", f"it survives {', '.join(method.survives)}")


def _load_keys(given: list[str]) -> tuple[Key, ...]:
    """Each is read once: standard input gives its bytes only once."""
    from stegcli.keys import key as keys

    return tuple(keys.load(g) for g in given)


def _chosen_method(held: tuple[Key, ...], method: str | None, cover: str | None) -> str:
    """The method: the key's, else the one asked for, else by whether there is a cover."""
    _check_method(method)
    if held:
        return held[0].method
    return method or (DEFAULT_METHOD_WITH_COVER if cover else DEFAULT_METHOD)


def _writes_lossy(method: str, output: str) -> bool:
    """Whether that output is a JPEG and the method outlives it. Its package is loaded only for such a name."""
    from stegcli import methods
    from stegcli.pictures import image

    if Path(output).suffix.lower() not in image.LOSSY or method not in methods.names():
        return False
    return any(s.startswith("jpeg") for s in methods.get(method).METHOD.survives)


def _weights_of_domain(method: str, domain: str | None, weights: str | None) -> str | None:
    """--domain is another name for the weights that draw it."""
    if domain is None:
        return weights
    from stegcli import weights as store

    if weights is not None:
        raise UsageError("--domain and --weights both name the weights")
    domains = [e.domain for e in store.entries(method) if e.domain]
    if domain not in domains:
        hint = f"domains: {', '.join(dict.fromkeys(domains))}" if domains else f"{method} takes no --domain"
        raise UsageError(f"{method} has no domain {domain!r}", hint)
    return store.aliases(method)[domain]


def _weights_of_coder(method: str, coder: str | None, weights: str | None) -> str | None:
    """--coder is another name for the coder's default weights; other weights that are named must be of that coder."""
    if coder is None:
        return weights
    from stegcli import methods
    from stegcli import weights as store
    from stegcli.cli import jobs

    _check_method(method)
    jobs.check_options(methods.get(method).METHOD, {"coder"})
    if coder not in CODERS:
        raise UsageError(f"no coder {coder!r}", " or ".join(CODERS))
    if weights is None:
        return coder
    _check_coder(store.load(method, weights), coder, f"--weights {weights} are", "leave one of the two out")
    return weights


def _check_coder(method: Method, coder: str | None, what: str, hint: str) -> None:
    """Whether a method that was loaded has the coder that was asked for. what: that which named its weights."""
    if coder is not None and coder != method.config["coder"]:
        raise UsageError(f"{what} for the coder {method.config['coder']}, not for {coder}", hint)


def _weights_to_measure(method: str, coder: str | None, weights: list[str] | None) -> list[str] | None:
    """The weights that were named, which must be of that coder, or all that are."""
    if coder is None:
        return weights
    from stegcli import weights as store

    if weights is None:
        _weights_of_coder(method, coder, None)
        named = [e.name for e in store.entries(method)]
        return [n for n in named if store.load(method, n).config["coder"] == coder]
    for name in weights:
        _weights_of_coder(method, coder, name)
    return weights


def _wish(survive: str | None, wanted: dict[str, Any]) -> Wish:
    """The options of `hide` by their names, those that were not given None or False -> what is asked of a stego."""
    from stegcli.method import Wish
    from stegcli.pictures import channel

    if wanted["robust"] and survive is not None:
        raise UsageError("--robust and --survive both say what the stego must outlive", "leave one of them out")
    if wanted["decoder"] not in (None, "own", "paper"):
        raise UsageError(f"no decoder {wanted['decoder']!r}", "own or paper")
    return Wish(
        channel.parse(survive or "png"), _way(wanted["as"], wanted["redundancy"]), _size(wanted["size"]),
        wanted["temperature"], wanted["redundancy"],
        drawn=_drawn(wanted["number"], wanted["generator"], wanted["prompt"], wanted["generator-steps"]),
        psnr=wanted["psnr"],
        steps=wanted["steps"], robust=wanted["robust"], decoder=wanted["decoder"], grain=wanted["grain"],
        evade=wanted["evade"],
    )  # fmt: skip


def _way(travel: str | None, redundancy: int | None) -> Any:
    """--as -> how a secret travels."""
    ways = {"auto": "auto", "bytes": "bytes", "picture": "picture", "image": "picture", "compressed": "compressed",
            "cascade": "cascade"}  # fmt: skip
    if travel is not None and travel not in ways:
        raise UsageError(f"--as takes no {travel!r}", "auto, bytes, picture, compressed or cascade")
    way = ways[travel or "auto"]
    if redundancy is not None and way != "cascade":
        raise UsageError("--redundancy goes with --as cascade")
    return way


def _drawn(number: int | None, generator: str | None, prompt: str | None, steps: int | None) -> Drawn:
    from stegcli.method import Drawn

    kind, _, repo = (generator or "textures").partition(":")
    if (kind, repo) != ("textures", "") and (kind != "diffusers" or not repo):
        raise UsageError(f"no generator {generator!r}", "textures or diffusers:REPO")
    for option, value in (("prompt", prompt), ("generator-steps", steps)):
        if value is not None and kind != "diffusers":
            raise UsageError(f"--{option} goes with --generator diffusers:REPO")
    return Drawn(number, generator, prompt or "", steps)


def _nth(drawn: Drawn, index: int) -> Drawn:
    """What is asked of the first of a batch under one key -> of another, which has a number of its own."""
    return replace(drawn, number=(drawn.number or 0) + index)


def _new_key(method: str, weights: str | None, passphrase_file: Path | None, salt: str | None) -> Key:
    from stegcli.keys import key as keys

    named = _identity(method, weights)
    if passphrase_file is None:
        return keys.generate(method, named)
    return keys.from_passphrase(method, named, _first_line(passphrase_file), _hex(salt))


def _key_beside(first: str, method: str | None) -> Key:
    """A key for another receiver of the stegos that the first one gets, if their method has receivers share a cover."""
    from stegcli import methods
    from stegcli.cli import jobs
    from stegcli.keys import key as keys

    _check_method(method)
    held = keys.load(first)
    jobs.check_key(held, method)
    if not methods.get(held.method).METHOD.shares_cover:
        raise UsageError(f"--with means nothing to {held.method}", "any key serves another receiver")
    return keys.beside(held)


def _identity(method: str, weights: str | None) -> str:
    from stegcli import weights as store

    _check_method(method)
    return store.identity(method, weights or "default")


def _key_of_environment() -> list[str]:
    return [os.environ["STEGO_KEY"]] if os.environ.get("STEGO_KEY") else []


def _secrets(secrets: list[str] | None, receivers: list[str] | None) -> list[str]:
    if receivers and secrets:
        raise UsageError("--secret names all secrets: none stands by itself")
    if not receivers and not secrets:
        raise UsageError("no secret", "stego hide FILE -o OUT.png")
    return receivers or secrets or []


def _check_keys(
    given: list[str], receivers: list[str] | None, key_out: Path | None, batch: bool, to_stdout: bool
) -> None:
    if receivers and given and len(given) != len(receivers):
        raise UsageError(f"{len(receivers)} secrets and {len(given)} keys", "each --secret takes a --key of its own")
    if len(given) > 1 and not receivers:
        raise UsageError(
            "several keys for one secret", "several receivers: --secret A --key A.npy --secret B --key B.npy"
        )
    if len(set(given)) < len(given):
        raise UsageError("one key for two secrets", "each --secret takes a --key of its own")
    if key_out is not None and (given or batch):
        raise UsageError("--key-out makes its own key, for one stego")
    if to_stdout and not given and key_out is None:
        raise UsageError("without -o there is no place to write a fresh key beside", "give --key KEY or -o OUT")


def _key_maker(
    held: tuple[Key, ...], method: str | None, chosen: str, weights: str | None
) -> Callable[[], tuple[Key, ...]]:
    """-> a function that gives the user's keys each time, or a fresh one each time."""
    from stegcli.cli import jobs
    from stegcli.keys import key as keys

    if not held:
        named = _identity(chosen, weights)
        return lambda: (keys.generate(chosen, named),)
    for key in held:
        jobs.check_key(key, method)
    if len({(k.method, k.weights) for k in held}) > 1:
        raise UsageError("the keys are for different methods or weights")
    if len({k.secret for k in held}) < len(held):
        raise UsageError("one key for two secrets", "each --secret takes a --key of its own")
    return lambda: held


def _first_line(path: Path) -> bytes:
    from stegcli import files

    phrase = files.read(path, "passphrase", limit=1 << 20).split(b"\n")[0].rstrip(b"\r")
    if not phrase:
        raise FileError(f"the first line of {path} is empty")
    return phrase


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


# -- inputs and outputs


@dataclass(frozen=True)
class _Names:
    """The files of `hide`. groups: secrets that go into one stego, one for each receiver. keys: none if fresh ones are
    to be made."""

    groups: list[tuple[str, ...]]
    outputs: list[str]
    keys: list[str]
    batch: bool
    to_stdout: bool


def _names_of_hide(
    secret: list[str] | None, receivers: list[str] | None, key: list[str] | None, key_out: Path | None,
    cover: str | None, output: str | None,
) -> _Names:  # fmt: skip
    given = key or ([] if key_out else _key_of_environment())
    secrets = _secrets(secret, receivers)
    batch = not receivers and _is_batch(secrets, output)
    to_stdout = not batch and _to_stdout(output)
    _check_keys(given, receivers, key_out, batch, to_stdout)
    _check_stdin(*secrets, cover, *given)
    outputs = _batch_outputs(secrets, output, ".png") if batch else [output or STDIO]
    groups: list[tuple[str, ...]] = [tuple(secrets)] if receivers else [(s,) for s in secrets]
    return _Names(groups, outputs, given, batch, to_stdout)


def _check_stdin(*names: str | None) -> None:
    if names.count(STDIO) > 1:
        raise UsageError("standard input can be only one of the inputs")


def _to_stdout(output: str | None) -> bool:
    if output is None and sys.stdout.isatty():
        raise UsageError("standard output is a terminal", "give -o OUT.png")
    return output in (None, STDIO)


def _beside(output: str) -> Path:
    """out.png -> out.key.npy"""
    return Path(output).with_suffix(".key.npy")


def _fresh_paths(output: str, receivers: int) -> list[str]:
    """Where fresh keys go: out.key.npy, and for several receivers out.1.key.npy, out.2.key.npy, ..."""
    if receivers == 1:
        return [str(_beside(output))]
    return [str(Path(output).with_suffix(f".{i + 1}.key.npy")) for i in range(receivers)]


def _refuse_early(names: _Names, key_out: Path | None, force: bool, lossy: bool) -> None:
    """What is wrong with the outputs of one stego is said before any work."""
    from stegcli.pictures import image

    output = names.outputs[0]
    image.output_format(output, lossy)
    fresh = [] if names.keys else [str(key_out)] if key_out else _fresh_paths(output, len(names.groups[0]))
    paths = [Path(p) for p in (output, *fresh) if p != STDIO]
    if len({p.absolute() for p in paths}) < len(paths):
        raise UsageError(f"stego and key would both be {paths[0]}")
    _refuse_existing(paths, force)


def _refuse_existing(paths: list[Path], force: bool) -> None:
    from stegcli import files

    files.check_writable(paths, force)


def _hide_jobs(
    names: _Names, cover: str | None, make_key: Callable[[], tuple[Key, ...]], key_out: Path | None
) -> list[HideJob]:
    secrets = [group[0] for group in names.groups]
    keys = [make_key()[0] for _ in secrets]
    if cover is None:
        raise UsageError(f"{keys[0].method} needs --cover IMAGE")
    from stegcli.cli.jobs import HideJob

    covers = _covers(cover, len(secrets))
    paths = names.keys * len(secrets) if names.keys else [str(key_out or _beside(o)) for o in names.outputs]
    return [
        HideJob(*named, key=key, key_path=path, fresh=not names.keys, with_z=key_out is not None)
        for named, key, path in zip(zip(secrets, covers, names.outputs, strict=True), keys, paths, strict=True)
    ]


def _make_jobs(
    names: _Names, cover: str | None, make_key: Callable[[], tuple[Key, ...]], method: Method, wish: Wish,
    quality: int | None, warn: bool,
) -> list[MakeJob]:  # fmt: skip
    """One job for each stego; a group holds the secrets that go into it, one for each receiver."""
    from stegcli.cli.jobs import MakeJob
    from stegcli.pictures.image import JPEG_QUALITY

    if cover is not None:
        raise UsageError("this method makes its own picture and takes no --cover", "leave --cover out")
    todo = []
    for index, (group, out) in enumerate(zip(names.groups, names.outputs, strict=True)):
        if out == STDIO and len(group) > 1 and wish.travel == "cascade":
            raise UsageError("without -o there is no place to write the receivers' tokens beside", "give -o OUT")
        keys = _receivers_keys(names, make_key, len(group), method.shares_cover)
        fresh = tuple(_fresh_paths(out, len(group)))
        counts = names.batch and names.keys and "number" in method.options
        ours = replace(wish, drawn=_nth(wish.drawn, index)) if counts else wish
        job = MakeJob(group, out, keys, tuple(names.keys) or fresh, fresh, not names.keys, ours, warn=warn)
        todo.append(replace(job, quality=quality or JPEG_QUALITY))
    return todo


def _receivers_keys(
    names: _Names, make_key: Callable[[], tuple[Key, ...]], count: int, shares_cover: bool
) -> tuple[Key, ...]:
    """The user's keys or fresh ones, one for each receiver of a stego; they draw one cover if they must."""
    from stegcli.keys.key import beside

    keys = make_key()
    if not names.keys:
        first = keys[0]
        return (first, *(beside(first) if shares_cover else make_key()[0] for _ in range(count - 1)))
    if shares_cover and len({k.cover_secret() for k in keys}) > 1:
        raise UsageError("the keys draw different covers", f"make the others with stego keygen --with {names.keys[0]}")
    return keys


# -- batches


def _is_batch(inputs: list[str], output: str | None) -> bool:
    if output == "":
        raise UsageError("the name of the output is empty")
    folder = output is not None and output != STDIO and (output.endswith("/") or _is_folder(output))
    if len(inputs) > 1 and not folder:
        raise UsageError("several inputs need -o FOLDER/")
    if folder and STDIO in inputs:
        raise UsageError("standard input cannot be part of a batch")
    return folder


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:  # a name too long: whoever opens it says so
        return False


def _batch_outputs(inputs: list[str], folder: str | None, suffix: str) -> list[str]:
    """a.txt -> FOLDER/a.png; where two inputs would meet, the whole name: FOLDER/a.txt.png."""
    stems = [Path(i).stem for i in inputs]
    names = [s if stems.count(s) == 1 else Path(i).name for i, s in zip(inputs, stems, strict=True)]
    for name, meant in zip(names, inputs, strict=True):
        if names.count(name) > 1:
            raise UsageError(f"{meant} and another input would both become {name}{suffix}")
    return [str(Path(folder or ".") / f"{n}{suffix}") for n in names]


def _covers(cover: str, count: int) -> list[str]:
    """One cover for one secret; in a batch a folder with one for each, or one for all, which is warned of."""
    if not _is_folder(cover):
        if count > 1:
            say(f"warning: {cover} serves {count} times; two stegos of one cover show where they differ")
        return [cover] * count
    from stegcli.data import list_pictures

    found = [str(p) for p in list_pictures(Path(cover))]
    if len(found) < count:
        raise UsageError(f"{count} secrets need {count} covers, {cover} has {len(found)}")
    return found[:count]


@contextlib.contextmanager
def _made_folder(folder: str | None) -> Iterator[None]:
    """Make the folder of a batch, and take it away again if nothing came to lie in it."""
    if folder is None or _is_folder(folder):
        yield
        return
    try:
        Path(folder).mkdir(parents=True)
    except OSError as error:
        raise FileError(f"cannot make folder {folder}: {(error.strerror or str(error)).lower()}") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def _run(
    title: str, todo: Sequence[tuple[str, Callable[[], dict[str, Any]]]], batch: bool, workers: int, json: bool,
    quiet: bool, data_to_stdout: bool,
) -> None:  # fmt: skip
    if not batch:
        figures = todo[0][1]()
        if json:
            emit(figures, to_stderr=data_to_stdout)
        return
    from stegcli.cli.jobs import run_all

    statuses = []
    if not quiet:
        say(f"{title} {len(todo)} files")
    with progress(title, quiet) as tick:
        for outcome in run_all(todo, workers):
            statuses.append(outcome["exit"])
            tick(len(statuses) / len(todo), float("inf"))
            if json:
                emit(outcome)
    if not quiet:
        say(f"done: {statuses.count(0)} of {len(todo)} files")
    if any(statuses):
        raise typer.Exit(max(statuses))


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise UsageError(f"size {text!r} is not WIDTHxHEIGHT")
    return int(width), int(height)


# -- how it ends


def main() -> None:
    """Run, and turn every ending into one line and the documented exit status."""
    signal.signal(signal.SIGTERM, _terminated)
    _leave(_status())


def _terminated(*_: object) -> None:
    say("terminated")
    raise SystemExit(128 + signal.SIGTERM)


def _status() -> int:
    try:
        status = int(app(prog_name="stego", standalone_mode=False) or 0)
    except StegoError as error:
        complain(error)
        trace()
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except Exception as error:  # noqa: BLE001  (the outermost frame: whatever is left is a bug, and is said to be one)
        if hasattr(error, "format_message"):  # Typer's own usage errors
            return _wrong_usage(error)
        complain(as_fault(error))
        trace()
        return StegoError.exit_code
    if status == INTERRUPTED:  # Typer makes this number of a Ctrl-C
        say("interrupted")
    return status


def _wrong_usage(error: Any) -> int:
    message = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    hint = f"see {context.command_path} --help" if context else None
    complain(UsageError(message[:1].lower() + message[1:], hint))
    return UsageError.exit_code


def _leave(status: int) -> None:
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = status or FileError.exit_code
    sys.exit(status)
