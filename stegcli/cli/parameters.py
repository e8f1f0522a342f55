"""Options and arguments of a command, from the signature of its function.

    KeyOption = Annotated[str | None, option("--key", help="The key file.", panel="Keys")]

    def reveal(key: KeyOption = None) -> None: ...

The type is str, int, float, Path or bool (a flag without a value), or a list of these for what may be repeated; each
may be `| None`. A parameter without a default is required.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Completer = Callable[[str], list[str]]
"""The start of a word -> the words that a shell offers."""
WORDS: dict[Any, str] = {str: "TEXT", int: "INTEGER", float: "NUMBER", Path: "PATH"}
"""Type -> the word that stands for the value in the help."""


class Option(click.Option):
    """panel: the title under which the help lists it; None for the usual one."""

    def __init__(self, *args: Any, panel: str | None = None, **details: Any):
        super().__init__(*args, **details)
        self.panel = panel


class Argument(click.Argument):
    """As Option. click's own arguments have no help."""

    def __init__(self, *args: Any, help: str, panel: str | None = None, **details: Any):
        super().__init__(*args, **details)
        self.help, self.panel = help, panel


@dataclass(frozen=True)
class Shown:
    """How the command line shows a parameter.

    flags: the names of an option, by default that of the parameter; None for an argument. min, max: bounds of a number,
    inclusive. details: for the class of click.
    """

    flags: tuple[str, ...] | None
    min: float | None
    max: float | None
    complete: Completer | None
    details: dict[str, Any]

    def parameter(self, name: str, annotation: Any, default: Any) -> click.Parameter:
        """Name, type and default of a parameter -> the parameter of click."""
        kind, repeated = _kind(annotation)
        required = default is inspect.Parameter.empty
        details = {"required": True} if required else {"required": False, "default": default}
        details |= {"type": self._type(kind), "callback": _listed if repeated else None} | self.details
        if self.flags is None:
            nargs = -1 if repeated else 1
            return Argument([name], nargs=nargs, shell_complete=self._completions, **details)
        words = [name, *(self.flags or ("--" + name.replace("_", "-"),))]
        if kind is bool:
            return Option(words, is_flag=True, **details)
        details = {"metavar": WORDS[kind], "multiple": repeated, "show_envvar": True} | details
        return Option(words, shell_complete=self._completions, **details)

    def _type(self, kind: Any) -> Any:
        if kind is Path:
            return click.Path(path_type=Path)
        if self.min is None and self.max is None:
            return kind
        made: Any = click.IntRange if kind is int else click.FloatRange
        bounded = made(self.min, self.max)
        bounded.name = WORDS[kind].lower()  # an error would say "'x' is not a valid integer range"
        return bounded

    def _completions(self, context: click.Context, parameter: click.Parameter, start: str) -> list[CompletionItem]:
        """Words that fit; where none does, the names of files."""
        from click.shell_completion import CompletionItem

        words = self.complete(start) if self.complete else []
        return [CompletionItem(w) for w in words] or [CompletionItem(start, type="file")]


def option(
    *flags: str, help: str, panel: str | None = None, min: float | None = None, max: float | None = None,
    complete: Completer | None = None, **details: Any,
) -> Shown:  # fmt: skip
    return Shown(flags, min, max, complete, {"help": help, "panel": panel} | details)


def argument(help: str, complete: Completer | None = None) -> Shown:
    return Shown(None, None, None, complete, {"help": help})


def parameter(declared: inspect.Parameter) -> click.Parameter:
    """A parameter of a function, annotated with an option or argument -> the parameter of click."""
    annotation, shown = typing.get_args(declared.annotation)
    made: click.Parameter = shown.parameter(declared.name, annotation, declared.default)
    return made


def _kind(annotation: Any) -> tuple[Any, bool]:
    """A type -> itself without None and list, and whether it is a list."""
    if isinstance(annotation, UnionType):
        (annotation,) = (a for a in typing.get_args(annotation) if a is not NoneType)
    if typing.get_origin(annotation) is list:
        return typing.get_args(annotation)[0], True
    return annotation, False


def _listed(context: click.Context, parameter: click.Parameter, values: tuple[Any, ...]) -> list[Any] | None:
    return list(values) or None
