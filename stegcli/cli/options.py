"""The options of the command line: those that several commands share, and those that methods declare."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import click

from stegcli import methods
from stegcli.cli import complete
from stegcli.cli.group import Command
from stegcli.cli.parameters import argument, option, parameter
from stegcli.errors import UsageError
from stegcli.options import ROBUST, Declared, declared

FILES = "Files"
KEYS = "Keys and receivers"
METHOD = "Method"
SHARED = "Options of several methods"
OUTPUT = "Output"
MAX_PIXELS = 100_000_000
MOST_PIXELS = 178_956_970
"""As in `pictures.image`, which loads numpy: the default, and the bound of Pillow."""
PREFIX = "method_option_"
"""Prefix of the parameters that methods declare, so that their names do not clash with others."""

# -- options that several commands take

MethodOption = Annotated[
    str | None,
    option(help="The method; see `stego methods`.", panel=METHOD, complete=complete.method_names),
]
WeightsOption = Annotated[
    str | None,
    option(
        "--weights", help="Weights by name or alias (`stego weights list`), or a file.", panel=METHOD,
        complete=complete.weights_names,
    ),
]  # fmt: skip
DeviceOption = Annotated[
    str,
    option(
        envvar="STEGO_DEVICE", help="Where networks run: auto, cpu or cuda.", panel=OUTPUT,
        complete=complete.devices,
    ),
]  # fmt: skip
MaxPixelsOption = Annotated[
    int,
    option(
        "--max-pixels", min=1, max=MOST_PIXELS, show_default="100 million", panel=FILES,
        help="Refuse larger pictures before they are decoded.",
    ),
]  # fmt: skip
JsonOption = Annotated[bool, option("--json", help="Print one JSON object, or one per file of a batch.", panel=OUTPUT)]
QuietOption = Annotated[bool, option("--quiet", "-q", help="Print nothing but errors.", panel=OUTPUT)]
ForceOption = Annotated[bool, option("--force", "-f", help="Replace outputs that exist.", panel=OUTPUT)]
JobsOption = Annotated[
    int, option("--jobs", min=1, help="How many files of a batch to process at a time.", panel=OUTPUT)
]
ClusterOption = Annotated[
    str | None,
    option(
        "--cluster", metavar="dask://HOST:PORT", panel=OUTPUT,
        help="Work on the workers of this dask scheduler, in place of --jobs; see docs/scale.md.",
    ),
]  # fmt: skip
OutOption = Annotated[
    str | None,
    option("-o", "--output", help="Output file, or folder for a batch; - is standard output.", panel=FILES),
]
SeedOption = Annotated[int, option(help="Seed of all random numbers.")]
SurviveOption = Annotated[
    str | None,
    option(
        help="What the stego must survive: png, jpeg:Q, jpeg:A..B, webp:Q, noise:S, crop. "
        "It is verified before it is written.",
        show_default="png", panel=METHOD, complete=complete.channels,
    ),
]  # fmt: skip
RobustOption = Annotated[bool, option("--robust", help=f"The same as --survive {ROBUST}.", panel=METHOD)]
OneMethodArgument = Annotated[str | None, argument(help="One method only.", complete=complete.method_names)]

# -- commands, and the options that methods declare


def command(examples: str = "", name: str | None = None) -> Callable[[Callable[..., int | None]], Command]:
    """A function -> the command with its name, docstring and parameters. It may return an exit status.

    Two parameters receive options that methods declare, as flags that were given and their values: `asked` those of
    this command, which `parsed` checks against the chosen method, and `facets` those that choose weights.
    """

    def decorate(function: Callable[..., int | None]) -> Command:
        called = name or function.__name__
        wanted = inspect.signature(function, eval_str=True).parameters
        more = {"asked": _parameters_of_methods(called), "facets": _parameters_of_facets()}
        received = {n: list(made) for n, made in more.items() if n in wanted}

        def run(**values: Any) -> int | None:
            for receiver, taken in received.items():
                given = {p.opts[0].removeprefix("--"): values.pop(p.name) for p in taken}
                values[receiver] = {f: v for f, v in given.items() if v is not None and v is not False}
            return function(**values)

        own = [parameter(p) for p in wanted.values() if p.name not in received]
        return Command(
            name=called, callback=run, params=[*own, *itertools.chain(*received.values())], help=function.__doc__,
            epilog=examples.strip() or None,
        )  # fmt: skip

    return decorate


def _name(flag: str) -> str:
    return PREFIX + flag.replace("-", "_")


def _parameters_of_facets() -> Iterator[click.Parameter]:
    for facet, help in all_facets().items():
        yield option(f"--{facet}", help=help, metavar="NAME", panel=METHOD).parameter(_name(facet), str, None)


def _parameters_of_methods(command: Any) -> Iterator[click.Parameter]:
    """A parameter for each flag that any method declares, shared flags first."""
    takers = takers_by_flag(command)
    shared = [f for f, t in takers.items() if next(iter(t.values())).option.shared]
    for flag in [*shared, *(f for f in takers if f not in shared)]:
        yield _parameter(flag, takers[flag])


def _parameter(flag: str, takers: Mapping[str, Declared]) -> click.Parameter:
    one = next(iter(takers.values()))
    panel = SHARED if one.option.shared or len(takers) > 1 else f"Options of {', '.join(takers)}"
    choices = list(dict.fromkeys(c for d in takers.values() for c in d.choices))
    if any(not d.choices for d in takers.values()):
        choices = []  # one of the methods takes any value
    metavar = "|".join(map(str, choices)) or one.metavar
    shown = option(f"--{flag}", help=_help(takers), panel=panel, metavar=None if one.is_flag else metavar)
    return shown.parameter(_name(flag), bool if one.is_flag else str, False if one.is_flag else None)


def _help(takers: Mapping[str, Declared]) -> str:
    """The help of a flag: of a shared option, or of one method; else of each method under its name."""
    one, *others = takers.values()
    if not others and not one.option.shared:
        return one.option.help + _default(one)
    if all(d.option is one.option for d in others):
        return f"{one.option.help} ({', '.join(takers)}){_default(one)}"
    return " ".join(f"{name}: {d.option.help}{_default(d)}" for name, d in takers.items())


def _default(option: Declared) -> str:
    return "" if option.default in (None, False) else f" Default: {option.default}."


def takers_by_flag(command: methods.Command) -> dict[str, dict[str, Declared]]:
    """Flag -> the methods that take it with this command, and their declarations."""
    found: dict[str, dict[str, Declared]] = {}
    for about in methods.abouts():
        for one in declared(getattr(about, command)):
            found.setdefault(one.flag, {})[about.name] = one
    return found


def all_facets() -> dict[str, str]:
    """The options of all methods that choose weights, with their help."""
    found: dict[str, dict[str, str]] = {}
    for about in methods.abouts():
        for facet, help in about.facets.items():
            found.setdefault(facet, {})[about.name] = help
    return {f: " ".join(dict.fromkeys(h.values())) + f" ({', '.join(h)})" for f, h in found.items()}


def parsed(command: methods.Command, method: str, asked: Mapping[str, str | bool]) -> Any:
    """The flags that were given -> an instance of the method's option class. Raises UsageError."""
    from stegcli import options

    about = methods.about(method)
    known: type = getattr(about, command)
    for flag in asked:
        if flag not in options.flags(known):
            takers = methods.takers(command, flag)
            raise UsageError(f"--{flag} means nothing to {method}", f"methods that take it: {', '.join(takers)}")
    return options.parse(known, asked)


def check_facets(method: str, facets: Mapping[str, str]) -> None:
    """Check that the method has these facets. Raises UsageError."""
    for facet in facets:
        if facet not in methods.about(method).facets:
            takers = ", ".join(a.name for a in methods.abouts() if facet in a.facets)
            raise UsageError(f"--{facet} means nothing to {method}", f"methods that take it: {takers}")


def survive_text(survive: str | None, robust: bool) -> str:
    """--survive and --robust -> the name of the channel. Raises UsageError if both are given."""
    if robust and survive is not None:
        raise UsageError("--robust and --survive both say what the stego must survive", "leave one of them out")
    return ROBUST if robust else survive or "png"
