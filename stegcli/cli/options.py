"""The options of the command line: those that several commands share, and those that methods declare."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, TypeVar

import typer

from stegcli import methods
from stegcli.cli import complete
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
    typer.Option(help="The method; see `stego methods`.", rich_help_panel=METHOD, autocompletion=complete.method_names),
]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        "--weights", help="Weights by name or alias (`stego weights list`), or a file.", rich_help_panel=METHOD,
        autocompletion=complete.weights_names,
    ),
]  # fmt: skip
DeviceOption = Annotated[
    str,
    typer.Option(
        envvar="STEGO_DEVICE", help="Where networks run: auto, cpu or cuda.", rich_help_panel=OUTPUT,
        autocompletion=complete.devices,
    ),
]  # fmt: skip
MaxPixelsOption = Annotated[
    int,
    typer.Option(
        "--max-pixels", min=1, max=MOST_PIXELS, show_default="100 million", rich_help_panel=FILES,
        help="Refuse larger pictures before they are decoded.",
    ),
]  # fmt: skip
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, or one per file of a batch.", rich_help_panel=OUTPUT)
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.", rich_help_panel=OUTPUT)]
ForceOption = Annotated[bool, typer.Option("--force", "-f", help="Replace outputs that exist.", rich_help_panel=OUTPUT)]
JobsOption = Annotated[
    int, typer.Option("--jobs", min=1, help="How many files of a batch to process at a time.", rich_help_panel=OUTPUT)
]
OutOption = Annotated[
    str | None,
    typer.Option(
        "-o", "--output", help="Output file, or folder for a batch; - is standard output.", rich_help_panel=FILES
    ),
]
SeedOption = Annotated[int, typer.Option(help="Seed of all random numbers.")]
SurviveOption = Annotated[
    str | None,
    typer.Option(
        help="What the stego must survive: png, jpeg:Q, jpeg:A..B, noise:S. It is verified before it is written.",
        show_default="png", rich_help_panel=METHOD, autocompletion=complete.channels,
    ),
]  # fmt: skip
RobustOption = Annotated[
    bool, typer.Option("--robust", help=f"The same as --survive {ROBUST}.", rich_help_panel=METHOD)
]
OneMethodArgument = Annotated[str | None, typer.Argument(help="One method only.", autocompletion=complete.method_names)]
Command = TypeVar("Command", bound=Callable[..., None])


# -- options that methods declare


def takes_options_of_methods(command: methods.Command | None) -> Callable[[Command], Command]:
    """A command with the parameters `asked` and `facets` -> a command that takes the options of every method.

    command: the command whose options to add, None for facets alone. The command receives in `asked` the flags that
    were given and their values, which `parsed` checks against the chosen method, and in `facets` the options that
    choose weights.
    """

    def decorate(function: Command) -> Command:
        own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.name not in RECEIVES]
        extra = list(_parameters(command))

        @functools.wraps(function)
        def run(**values: Any) -> None:
            given = {n.removeprefix(PREFIX): values.pop(n) for n in [p.name for p in extra]}
            words = {_flag(n): v for n, v in given.items() if v is not None and v is not False}
            facets = {n: w for n, w in words.items() if n in all_facets()}
            asked = {n: w for n, w in words.items() if n not in facets}
            function(**values, **{n: v for n, v in {"asked": asked, "facets": facets}.items() if n in wanted})

        wanted = inspect.signature(function).parameters
        run.__signature__ = inspect.Signature([*own, *extra])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in (*own, *extra)}
        return run  # type: ignore[return-value]

    return decorate


RECEIVES = ("asked", "facets")


def _name(flag: str) -> str:
    return PREFIX + flag.replace("-", "_")


def _flag(name: str) -> str:
    return name.replace("_", "-")


def _parameters(command: methods.Command | None) -> Iterator[inspect.Parameter]:
    """One parameter for each flag that any method declares, shared flags first, and one for each facet."""
    takers = takers_by_flag(command) if command else {}
    shared = [f for f, t in takers.items() if next(iter(t.values())).option.shared]
    for flag in [*shared, *(f for f in takers if f not in shared)]:
        yield _parameter(flag, takers[flag])
    if command != "reveal":
        for facet, help in all_facets().items():
            annotation = Annotated[
                str | None, typer.Option(f"--{facet}", help=help, metavar="NAME", rich_help_panel=METHOD)
            ]
            yield inspect.Parameter(_name(facet), inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _parameter(flag: str, takers: Mapping[str, Declared]) -> inspect.Parameter:
    one = next(iter(takers.values()))
    names = ", ".join(takers)
    panel = SHARED if one.option.shared or len(takers) > 1 else f"Options of {names}"
    choices = list(dict.fromkeys(c for d in takers.values() for c in d.choices))
    if any(not d.choices for d in takers.values()):
        choices = []  # one of the methods takes any value
    details: dict[str, Any] = {
        "help": _help(takers),
        "rich_help_panel": panel,
    }
    if one.is_flag:
        annotation: Any = Annotated[bool, typer.Option(f"--{flag}", **details)]
    else:
        metavar = "|".join(map(str, choices)) or one.metavar
        annotation = Annotated[str | None, typer.Option(f"--{flag}", metavar=metavar, **details)]
    default = False if one.is_flag else None
    return inspect.Parameter(_name(flag), inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


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
        for option in declared(getattr(about, command)):
            found.setdefault(option.flag, {})[about.name] = option
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
