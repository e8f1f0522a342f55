"""The work of `stego hide`: arguments -> a plan -> jobs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from stegcli import api, files, methods, options, weights
from stegcli.about import About
from stegcli.cli import cluster, inputs, jobs
from stegcli.cli.console import emit, show
from stegcli.cli.inputs import Named
from stegcli.cli.jobs import HideJob
from stegcli.cli.models import Models
from stegcli.cli.options import check_facets, parsed, survive_text
from stegcli.errors import UsageError
from stegcli.files import STDIO
from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.method import Request, Secret
from stegcli.pictures import image
from stegcli.pictures.channel import parse_survive, told


class Plan:
    """Everything about a hide that is known and checked before weights are loaded."""

    def __init__(self, about: About, names: Named, held: tuple[Key, ...], named: str | None, opts: Any):
        self.about, self.names, self.held, self.named, self.options = about, names, held, named, opts
        self.cover: str | None = None
        self.key_dir: str | None = None
        self.survive = parse_survive("png")
        self.survive_text = "png"
        self.unnamed = "PNG"
        self.quality = image.JPEG_QUALITY


def planned(
    secret: list[str] | None, receivers: list[str] | None, key: list[str] | None, key_dir: str | None,
    cover: str | None, output: str | None, method: str | None, asked: dict[str, str | bool], facets: dict[str, str],
    named: str | None, survive: str | None, robust: bool, quality: int | None,
) -> Plan:  # fmt: skip
    """Arguments of the command line -> the plan. Raises UsageError, FileError."""
    output = output if output is None else files.ordinary(output)
    key_flag = next((f for f in _flags_of_key_paths() if f in asked), None)
    given = key or ([] if key_flag or _needs_no_key(method, asked) else inputs.key_of_environment())
    if "" in given:
        raise UsageError("the name of the key is empty")
    inputs.check_stdin(*(secret or []), *(receivers or []), cover, *given)
    passphrases = inputs.Passphrases()
    held = tuple(keys.load(g, passphrases.of(g)) for g in given)
    channel = survive_text(survive, robust)
    chosen = inputs.chosen_method(held, method, cover, channel)
    about = methods.about(chosen)
    opts = parsed("hide", chosen, asked)
    about = about.serving(opts)
    check_facets(chosen, facets)
    unnamed = about.format_for(survive)
    names = inputs.named_for_hide(secret, receivers, given, output, about, key_flag, unnamed)
    if held:
        inputs.check_held(held, facets)
    plan = Plan(about, names, held, named if held else _weights(about, facets, named), opts)
    plan.survive_text, plan.unnamed = channel, unnamed
    plan.survive = parse_survive(plan.survive_text)
    api.check_survives(plan.survive, about)
    inputs.check_quality(quality, names.outputs, about, unnamed)
    plan.quality = quality or image.JPEG_QUALITY
    plan.cover = _checked_cover(cover, about)
    plan.key_dir = inputs.key_dir(key_dir, about, bool(held) and not names.receivers, key_flag)
    for name in () if names.batch else names.groups[0]:  # in a batch each file fails by itself
        files.check_readable(name, "secret")
    if plan.cover is not None and not inputs.is_folder(plan.cover):
        files.check_readable(plan.cover, "cover")
    return plan


def _needs_no_key(method: str | None, asked: dict[str, str | bool]) -> bool:
    """Whether the named method hides in a form without a key, so that a key in the environment is not meant."""
    return method is not None and not methods.about(method).serving(parsed("hide", method, asked)).keyed


def _weights(about: About, facets: dict[str, str], named: str | None) -> str | None:
    """The weights to load without a key: the named ones, those that the facets choose, or the form's own."""
    chosen = weights.by_facets(about.name, facets, named)
    return chosen or (None if about.weights == "default" else about.weights)


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


def hide(
    plan: Plan, output: str | None, force: bool, workers: int, json: bool, quiet: bool, device: str,
    address: str | None = None,
) -> int:  # fmt: skip
    """Run the plan. Returns the exit status."""
    names, about = plan.names, plan.about
    with inputs.made_folder(output if names.batch else None), inputs.made_folder(plan.key_dir, private=True):
        if not names.batch:
            _refuse_early(plan, force)
        models = Models(plan.named, device)
        make_keys = inputs.key_maker(plan.held, about, plan.named)
        method = models.of_key(plan.held[0]) if plan.held else models.of_method(about.name)
        quiet = quiet or (json and names.to_stdout)
        with cluster.engine(address, models, workers) as (engine, workers):
            todo = [
                (j.secrets[0], partial(jobs.hide, j, method, force, quiet or names.batch, engine))
                for j in _jobs(plan, make_keys, not quiet)
            ]
            return jobs.run("hiding", todo, names.batch, workers, json, quiet, names.to_stdout)


def _key_count(plan: Plan, secrets: int) -> int:
    """How many keys a stego of this number of secrets needs."""
    return secrets if plan.names.receivers or not plan.about.shares_key else 1


def _fresh_paths(plan: Plan, output: str, count: int) -> tuple[str, ...]:
    asked = options.key_path(plan.options)
    return (str(asked),) if asked is not None else inputs.fresh_paths(output, count, plan.key_dir)


def _jobs(plan: Plan, make_keys: Any, warn: bool) -> list[HideJob]:
    """One job for each stego."""
    names, about = plan.names, plan.about
    covers = inputs.covers_for(plan.cover, len(names.groups))
    if names.to_stdout and len(names.groups[0]) > 1 and getattr(plan.options, "travel", "") == "cascade":
        raise UsageError("without -o there is no place to write the receivers' tokens beside", "give -o OUT")
    todo = []
    for index, (group, out, cover) in enumerate(zip(names.groups, names.outputs, covers, strict=True)):
        held = make_keys(_key_count(plan, len(group)))
        out = inputs.as_cover(out, cover, about) if names.batch else out
        fresh = _fresh_paths(plan, out, max(1, len(held)))
        counts = names.batch and plan.held and about.numbered
        opts = inputs.nth(plan.options, index, about) if counts else plan.options
        todo.append(
            HideJob(
                group, cover, out, held, names.keys or (fresh if held else ()), fresh, bool(held) and not plan.held,
                opts, plan.survive, plan.quality, warn, plan.unnamed,
            )
        )  # fmt: skip
    return todo


def _refuse_early(plan: Plan, force: bool) -> None:
    """Check the outputs of a single stego before any work. Raises UsageError, FileError."""
    names = plan.names
    output = names.outputs[0]
    image.output_format(output, plan.about.writes_lossy, plan.unnamed)
    fresh = plan.about.keyed and not plan.held
    count = _key_count(plan, len(names.groups[0]))
    paths = [output, *(_fresh_paths(plan, output, count) if fresh else ())]
    inputs.refuse_own(paths, [*names.groups[0], plan.cover, *names.keys])
    inputs.check_outputs([Path(p) for p in paths if p != STDIO], force)


def tell_capacity(plan: Plan, json: bool, device: str) -> None:
    """`--dry-run`: print what each stego could carry, and what its secrets need."""
    models = Models(plan.named, device)
    method = models.of_key(plan.held[0]) if plan.held else models.of_method(plan.about.name)
    covers = inputs.covers_for(plan.cover, len(plan.names.groups))
    for group, out, cover in zip(plan.names.groups, plan.names.outputs, covers, strict=True):
        picture = None if cover is None else image.load(cover, "cover")
        secrets = tuple(Secret(files.read(s, "secret")) for s in group)
        format = image.output_format(out, plan.about.writes_lossy, plan.unnamed)
        request = Request(secrets, (), picture, plan.survive, plan.options, format, plan.quality)
        channels = api.channels_of(request)
        survive = plan.survive_text if channels == plan.survive else told(channels)
        room = max(0, method.capacity(replace(request, survive=channels)))
        need = max(len(s.data) for s in secrets)
        fits = need <= room or "picture" in plan.about.carries
        record = {
            "method": method.name, "output": out, "survive": survive, "payload_bytes": need,
            "capacity_bytes": room, "fits": fits,
        }  # fmt: skip
        if json:
            emit(record)
        else:
            show(f"{out}: {need} of {room} bytes, by {method.name}, to survive {survive}")
