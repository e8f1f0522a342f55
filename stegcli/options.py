"""Options that a method declares as a frozen dataclass, and the parser from flags to that dataclass.

    @dataclass(frozen=True)
    class HideOptions:
        steps: Annotated[int | None, Option("Steps of the search.", min=1)] = None
        travel: Annotated[Literal["auto", "bytes"], AS] = "auto"
        evade: Annotated[bool, Option("Mislead the detector too.")] = False

A field is a str, int, float, bool (a flag without a value), Path, Literal of strings or whole numbers, or `Size`; each
may be `| None`. Every field has a default. `__post_init__` may raise UsageError for values that exclude each other.
"""

from __future__ import annotations

import functools
import math
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union

from stegcli.errors import UsageError

ROBUST = "jpeg:75..95"
"""The channels that `--robust` stands for."""
JPEG_QUALITY = 90
"""Default quality of a JPEG file."""
Size = tuple[int, int]
"""Width and height; the command line writes WxH."""
KINDS: dict[Any, str] = {str: "TEXT", int: "INTEGER", float: "NUMBER", bool: "", Path: "FILE", Size: "WxH"}
"""Type of a field -> the word for its value in the help."""


@dataclass(frozen=True)
class NoOptions:
    """The option class of methods without own options."""


@dataclass(frozen=True)
class Option:
    """How the command line presents one field.

    flag: the name after `--`, by default the field's. min, max: bounds of a number, inclusive.
    shared: whether several methods have this option; each may narrow its choices.
    names_key: whether the value is the path of a fresh key file that also carries a part of this message.
    names_output: whether the value is the path of a file that `reveal` writes besides the secret.
    """

    help: str
    flag: str | None = None
    min: float | None = None
    max: float | None = None
    shared: bool = False
    names_key: bool = False
    names_output: bool = False


AS = Option("Form of the secret: auto, or a form of the method, see its page in the docs.", "as", shared=True)
SIZE = Option("Width and height of a generated stego.", "size", shared=True)
PSNR = Option("Quality to aim at: PSNR of the stego to its cover, in dB.", "psnr", 15, 70, shared=True)
NUMBER = Option(
    "Number of the message under its key; each number draws a different cover.", "number", 0, 2**48 - 1, shared=True
)

SizeOption = Annotated[Size | None, SIZE]
PsnrOption = Annotated[float | None, PSNR]
NumberOption = Annotated[int | None, NUMBER]


@dataclass(frozen=True)
class Declared:
    """One field of an option class: name, flag, type, choices and help."""

    name: str
    flag: str
    option: Option
    kind: Any  # a key of KINDS
    choices: tuple[str | int, ...]
    default: Any

    @property
    def is_flag(self) -> bool:
        return self.kind is bool

    @property
    def metavar(self) -> str:
        return "|".join(map(str, self.choices)) or KINDS[self.kind]

    def parse(self, text: str) -> Any:
        """The text after the flag -> the field's value. Raises UsageError."""
        if self.choices:
            return self._choice(text)
        if self.kind is Size:
            return parse_size(text, self.flag)
        if self.kind in (int, float):
            return self._number(text)
        return self.kind(text)

    def _choice(self, text: str) -> str | int:
        for choice in self.choices:
            if str(choice) == text:
                return choice
        raise self._no_choice(text)

    def _no_choice(self, given: object) -> UsageError:
        return UsageError(f"--{self.flag} takes no {given!r}", f"one of {', '.join(map(str, self.choices))}")

    def _number(self, text: str) -> int | float:
        try:
            value: int | float = self.kind(text)
        except ValueError:
            raise UsageError(f"--{self.flag} takes a number, not {text!r}") from None
        self._check_range(value, text)
        return value

    def _check_range(self, value: float, shown: str) -> None:
        low, high = self.option.min, self.option.max
        outside = (low is not None and value < low) or (high is not None and value > high)
        if outside or not math.isfinite(value):
            raise UsageError(f"--{self.flag} {shown} is out of range", _range(low, high))

    def check(self, value: Any) -> None:
        """Check that the command line would accept this value. Raises UsageError."""
        if value is None and self.default is None:
            return
        if self.choices:
            if value not in self.choices:
                raise self._no_choice(value)
        elif self.kind in (int, float):
            self._check_range(value, f"{value:g}")


def _range(low: float | None, high: float | None) -> str:
    if high is None:
        return "any number" if low is None else f"{low:g} or more"
    return f"{high:g} or less" if low is None else f"{low:g} to {high:g}"


@functools.cache
def declared(options: type) -> tuple[Declared, ...]:
    """An option class -> its fields. Raises TypeError if it is not an option class."""
    hints = typing.get_type_hints(options, include_extras=True)
    return tuple(_declared(f.name, hints[f.name], f.default) for f in fields(options))


def _declared(name: str, hint: Any, default: Any) -> Declared:
    if typing.get_origin(hint) is not Annotated:
        raise TypeError(f"option {name} is not Annotated with an Option")
    kind, *notes = typing.get_args(hint)
    option = next((n for n in notes if isinstance(n, Option)), None)
    if option is None or default is MISSING:
        raise TypeError(f"option {name} needs an Option and a default")
    kind = _without_none(kind)
    choices = typing.get_args(kind) if typing.get_origin(kind) is Literal else ()
    kind = type(choices[0]) if choices else kind
    if kind not in KINDS:
        raise TypeError(f"option {name} has the unknown type {kind}")
    return Declared(name, option.flag or name.replace("_", "-"), option, kind, choices, default)


def _without_none(kind: Any) -> Any:
    if typing.get_origin(kind) not in (Union, UnionType):
        return kind
    (inner,) = (k for k in typing.get_args(kind) if k is not NoneType)
    return inner


def flags(options: type) -> frozenset[str]:
    """The flags of an option class, without `--`."""
    return frozenset(d.flag for d in declared(options))


def parse(options: type, given: Mapping[str, str | bool]) -> Any:
    """Flags and their values -> an instance of the class, which must have all of them. Raises UsageError."""
    known = {d.flag: d for d in declared(options)}
    values = {known[f].name: w if isinstance(w, bool) else known[f].parse(w) for f, w in given.items()}
    return options(**values)


def check(options: Any) -> None:
    """Check an instance made in Python as the command line would check its values. Raises UsageError."""
    kind: type = type(options)
    for found in declared(kind):
        found.check(getattr(options, found.name))


def key_path(options: Any) -> Path | None:
    """An instance -> the path for a fresh key that it names, or None."""
    kind: type = type(options)
    for found in declared(kind):
        value = getattr(options, found.name)
        if found.option.names_key and value is not None:
            return Path(value)
    return None


def output_paths(options: Any) -> list[Path]:
    """An instance -> the paths that it names for files besides the secret."""
    kind: type = type(options)
    named = [getattr(options, d.name) for d in declared(kind) if d.option.names_output]
    return [Path(path) for path in named if path is not None]


def parse_size(text: str, flag: str = "size") -> Size:
    """`768x512` -> (768, 512). Raises UsageError."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise UsageError(f"--{flag} takes WIDTHxHEIGHT, not {text!r}")
    return int(width), int(height)
