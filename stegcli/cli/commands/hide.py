"""`stego hide`: secrets into a stego."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from stegcli import api, methods, options, weights
from stegcli.about import About
from stegcli.cli import inputs, jobs
from stegcli.cli.console import emit, show
from stegcli.cli.inputs import Named
from stegcli.cli.jobs import HideJob
from stegcli.cli.options import (
    FILES,
    KEYS,
    OUTPUT,
    DeviceOption,
    ForceOption,
    JobsOption,
    JsonOption,
    MethodOption,
    OutOption,
    QuietOption,
    RobustOption,
    SurviveOption,
    WeightsOption,
    check_facets,
    parsed,
    survive_text,
    takes_options_of_methods,
)
from stegcli.errors import UsageError
from stegcli.files import STDIO
from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.pictures import image
from stegcli.pictures.channel import parse_survive

EXAMPLES = """
Examples:

stego hide report.pdf --cover scan.png -o out.png

stego hide photo.jpg --survive jpeg:80 -o out.png

stego hide *.pdf --cover scans/ --key key.npy -o stegos/ --jobs 2
"""

SecretArgument = Annotated[
    list[str] | None, typer.Argument(help="The file to hide; - is standard input. Several: a batch.")
]
CoverOption = Annotated[
    str | None,
    typer.Option(
        help="The picture to hide in; - is standard input. In a batch a folder of them.", rich_help_panel=FILES
    ),
]
KeysOption = Annotated[
    list[str] | None,
    typer.Option(
        help="A key file; else STEGO_KEY names one; without either, a fresh one is written beside the output.",
        rich_help_panel=KEYS,
    ),
]
SecretOption = Annotated[
    list[str] | None,
    typer.Option("--secret", help="Repeated, with a --key each: several receivers of one stego.", rich_help_panel=KEYS),
]
QualityOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=100, help=f"Quality of a JPEG output; {image.JPEG_QUALITY} by default.", rich_help_panel=OUTPUT
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Hide nothing; tell what would fit.", rich_help_panel=OUTPUT)
]


@takes_options_of_methods("hide")
def hide(
    asked: dict[str, str | bool],
    facets: dict[str, str],
    secret: SecretArgument = None,
    cover: CoverOption = None,
    output: OutOption = None,
    key: KeysOption = None,
    receivers: SecretOption = None,
    method: MethodOption = None,
    named: WeightsOption = None,
    survive: SurviveOption = None,
    robust: RobustOption = False,
    quality: QualityOption = None,
    dry_run: DryRunOption = False,
    workers: JobsOption = 1,
    json: JsonOption = False,
    quiet: QuietOption = False,
    force: ForceOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Hide a file in a picture. Nothing is written that was not revealed again first."""
    plan = _planned(secret, receivers, key, cover, output, method, asked, facets, named, survive, robust, quality)
    if dry_run:
        _tell_capacity(plan, json, device)
    else:
        _hide(plan, output, force, workers, json, quiet, device)


class _Plan:
    """Everything that can be known and checked of a hide before anything large is loaded."""

    def __init__(self, about: About, names: Named, held: tuple[Key, ...], named: str | None, opts: Any):
        self.about, self.names, self.held, self.named, self.options = about, names, held, named, opts
        self.cover: str | None = None
        self.survive = parse_survive("png")
        self.survive_text = "png"
        self.quality = image.JPEG_QUALITY


def _planned(
    secret: list[str] | None, receivers: list[str] | None, key: list[str] | None, cover: str | None,
    output: str | None, method: str | None, asked: dict[str, str | bool], facets: dict[str, str], named: str | None,
    survive: str | None, robust: bool, quality: int | None,
) -> _Plan:  # fmt: skip
    """The words of the command line -> the plan. Raises UsageError, FileError."""
    names_key = any(f in asked for f in _flags_of_key_paths())
    given = key or ([] if names_key else inputs.key_of_environment())
    inputs.check_stdin(*(secret or []), *(receivers or []), cover, *given)
    held = tuple(keys.load(g) for g in given)
    chosen = inputs.chosen_method(held, method, cover)
    about = methods.about(chosen)
    opts = parsed("hide", chosen, asked)
    check_facets(chosen, facets)
    names = inputs.named_for_hide(secret, receivers, given, output, about, options.key_path(opts))
    if held:
        inputs.check_held(held, facets)
    plan = _Plan(about, names, held, named if held else weights.by_facets(chosen, facets, named), opts)
    plan.survive_text = survive_text(survive, robust)
    plan.survive = parse_survive(plan.survive_text)
    api.check_survives(plan.survive, about)
    inputs.check_quality(quality, names.outputs, about)
    plan.quality = quality or image.JPEG_QUALITY
    plan.cover = _checked_cover(cover, about)
    return plan


def _flags_of_key_paths() -> list[str]:
    return [d.flag for a in methods.abouts() for d in options.declared(a.hide) if d.option.names_key]


def _checked_cover(cover: str | None, about: About) -> str | None:
    if cover == "":
        raise UsageError("the name of the cover is empty")
    if about.cover == "given" and cover is None:
        raise UsageError(f"{about.name} needs --cover IMAGE")
    if about.cover != "given" and cover is not None:
        raise UsageError(f"{about.name} makes its own picture and takes no --cover", "leave --cover out")
    return cover


def _hide(plan: _Plan, output: str | None, force: bool, workers: int, json: bool, quiet: bool, device: str) -> None:
    names, about = plan.names, plan.about
    if not names.batch:
        _refuse_early(plan, force)
    models = jobs.Models(plan.named, device)
    make_keys = inputs.key_maker(plan.held, about, plan.named)
    method = models.of_key(plan.held[0]) if plan.held else models.of_method(about.name)
    quiet = quiet or (json and names.to_stdout)
    todo = [
        (j.secrets[0], partial(jobs.hide, j, method, force, quiet or names.batch))
        for j in _jobs(plan, make_keys, not quiet)
    ]
    with inputs.made_folder(output if names.batch else None):
        status = jobs.run("hiding", todo, names.batch, workers, json, quiet, names.to_stdout)
    if status:
        raise typer.Exit(status)


def _key_count(plan: _Plan, secrets: int) -> int:
    """How many keys a stego of so many secrets needs."""
    return secrets if plan.names.receivers or not plan.about.shares_key else 1


def _fresh_paths(plan: _Plan, output: str, count: int) -> tuple[str, ...]:
    asked = options.key_path(plan.options)
    return (str(asked),) if asked is not None else inputs.fresh_paths(output, count)


def _jobs(plan: _Plan, make_keys: Any, warn: bool) -> list[HideJob]:
    """One job for each stego."""
    names, about = plan.names, plan.about
    covers = inputs.covers_for(plan.cover, len(names.groups))
    if names.to_stdout and len(names.groups[0]) > 1 and getattr(plan.options, "travel", "") == "cascade":
        raise UsageError("without -o there is no place to write the receivers' tokens beside", "give -o OUT")
    todo = []
    for index, (group, out, cover) in enumerate(zip(names.groups, names.outputs, covers, strict=True)):
        held = make_keys(_key_count(plan, len(group)))
        fresh = _fresh_paths(plan, out, max(1, len(held)))
        counts = names.batch and plan.held and about.numbered
        opts = inputs.nth(plan.options, index, about) if counts else plan.options
        todo.append(
            HideJob(
                group, cover, out, held, names.keys or fresh, fresh, bool(held) and not plan.held, opts, plan.survive,
                plan.quality, warn,
            )
        )  # fmt: skip
    return todo


def _refuse_early(plan: _Plan, force: bool) -> None:
    """What is wrong with the outputs of one stego is said before any work."""
    names = plan.names
    output = names.outputs[0]
    image.output_format(output, plan.about.writes_lossy)
    fresh = plan.about.keyed and not plan.held
    count = _key_count(plan, len(names.groups[0]))
    paths = [output, *(_fresh_paths(plan, output, count) if fresh else ())]
    inputs.check_outputs([Path(p) for p in paths if p != STDIO], force)


def _tell_capacity(plan: _Plan, json: bool, device: str) -> None:
    """`--dry-run`: what each stego could carry, and what its secrets need."""
    from stegcli import files
    from stegcli.method import Request, Secret

    models = jobs.Models(plan.named, device)
    method = models.of_key(plan.held[0]) if plan.held else models.of_method(plan.about.name)
    covers = inputs.covers_for(plan.cover, len(plan.names.groups))
    for group, out, cover in zip(plan.names.groups, plan.names.outputs, covers, strict=True):
        picture = None if cover is None else image.load(cover, "cover")
        secrets = tuple(Secret(files.read(s, "secret")) for s in group)
        request = Request(secrets, (), picture, plan.survive, plan.options)
        room = max(0, method.capacity(request))
        need = max(len(s.data) for s in secrets)
        fits = need <= room or "picture" in plan.about.carries
        record = {
            "method": method.name, "output": out, "survive": plan.survive_text, "payload_bytes": need,
            "capacity_bytes": room, "fits": fits,
        }  # fmt: skip
        if json:
            emit(record)
        else:
            show(f"{out}: {need} bytes for {room} bytes of room by {method.name}, to survive {plan.survive_text}")
