"""A table of the docs: the commands that measure it, and how their output becomes rows.

Commands are lines for a shell without its tricks. Words in braces stand for folders that `tables.py` makes:
{photos} all photos, {train} and {val} their two parts, {small} those of {val} made 160x160, which ends their JPEG past,
{textures} and {textures_val}, {cache} for what may be used again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Rows = list[list[str]]
Outputs = dict[str, str]
"""Name of a run -> what its command printed."""


@dataclass(frozen=True)
class Table:
    """name: PAGE/TABLE, as its marker in docs/methods/PAGE.md says. columns: the first line of the table.

    runs: name -> command. rows: what they printed -> the rows. hours: a guess, of two cores.
    """

    name: str
    columns: Sequence[str]
    runs: dict[str, str]
    rows: Callable[[Outputs], Rows] = field(repr=False)
    hours: float = 0.1

    @property
    def page(self) -> str:
        return self.name.partition("/")[0]


@dataclass(frozen=True)
class Fixed:
    """A table that no command prints. why: what it holds instead."""

    name: str
    why: str

    @property
    def page(self) -> str:
        return self.name.partition("/")[0]


def groups(pattern: str, text: str) -> list[str]:
    """The groups of the last match. Raises SystemExit if there is none: the output is not what the table expects."""
    found = list(re.finditer(pattern, text, re.MULTILINE))
    if not found:
        raise SystemExit(f"no {pattern!r} in the output:\n{text[-2000:]}")
    return [group or "" for group in found[-1].groups()]


def every(pattern: str, text: str) -> list[list[str]]:
    """The groups of every match, of which there must be one."""
    groups(pattern, text)
    return [[group or "" for group in match.groups()] for match in re.finditer(pattern, text, re.MULTILINE)]


def cells(text: str, first: str) -> list[str]:
    """The cells of a row that `console.table` printed, by the text of its first cell."""
    for line in text.splitlines():
        held = [cell.strip() for cell in re.split("[│┃]", line)[1:-1]]
        if held and held[0] == first:
            return held
    raise SystemExit(f"no row {first!r} in the output:\n{text[-2000:]}")


def number(text: str, digits: int) -> str:
    """`12609.4` -> `12,609` with no digits."""
    return f"{float(text):,.{digits}f}"


def markdown(columns: Sequence[str], rows: Rows) -> str:
    """-> the lines of a table, without a line break at the end."""
    for row in rows:
        assert len(row) == len(columns), f"{row} does not fit {columns}"
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("|" + "|".join(f" {cell} " if cell not in ("", "---") else cell or " " for cell in line) + "|"
                     for line in lines)  # fmt: skip
