"""The help of the command line as documents: docs/cli.md and the man page docs/stego.1. Run by `make docs`.

Both are generated from the commands and options that `--help` shows, so they cannot differ from it.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from stegcli import __version__
from stegcli.errors import CapacityError, FileError, RevealError, StegoError, UsageError, WeightsError

WIDTH = 120
ARGUMENTS = "Arguments"
OPTIONS = "Options"
STATUSES = (
    (0, "done"),
    (StegoError.exit_code, "a bug in stego; STEGO_DEBUG=1 shows the traceback"),
    (UsageError.exit_code, "wrong usage"),
    (FileError.exit_code, "bad input or output: unreadable, too small, unsupported, damaged key, unwritable place"),
    (RevealError.exit_code, "nothing revealed: wrong key, damaged stego, picture without a secret, other weights"),
    (CapacityError.exit_code, "the secret does not fit; the message gives the capacity and the need in bytes"),
    (WeightsError.exit_code, "weights missing, corrupt or unfit for this version"),
    (130, "interrupted"),
)
ENVIRONMENT = (
    ("STEGO_KEY", "path of a key, used where --key is not given"),
    ("STEGO_KEY_DIR", "folder for the fresh keys of hide, used where --key-dir is not given"),
    ("STEGO_DEVICE", "auto, cpu or cuda, used where --device is not given"),
    ("STEGO_DEBUG", "1 shows the traceback of an error"),
    ("HF_HOME, HF_HUB_OFFLINE, HF_ENDPOINT", "cache and server for weights on a hub"),
    ("NO_COLOR", "tables and help without colours"),
)


@dataclass(frozen=True)
class Row:
    """One argument or option: what the user types, and what it means."""

    words: str
    meaning: str


@dataclass(frozen=True)
class Page:
    """One command. panels: title -> rows. commands: its subcommands, each with the first line of its help."""

    name: str
    usage: str
    help: str
    panels: dict[str, list[Row]]
    examples: tuple[str, ...]
    commands: tuple[Row, ...]

    @property
    def anchor(self) -> str:
        return self.name.replace(" ", "-")


def pages(app: click.Group) -> list[Page]:
    """The pages of the program and of every command and subcommand, in the order of the help."""
    return list(_pages(app, "stego"))


def _pages(command: Any, name: str) -> Iterator[Page]:
    below: dict[str, Any] = getattr(command, "commands", {})
    panels: dict[str, list[Row]] = {}
    for parameter in command.params:
        panels.setdefault(_panel(parameter), []).append(_row(parameter))
    commands = tuple(Row(f"{name} {n}", _plain(c.help)) for n, c in below.items())
    yield Page(name, _usage(command, name, bool(below)), _plain(command.help), panels, _examples(command), commands)
    for word, inner in below.items():
        yield from _pages(inner, f"{name} {word}")


def _plain(text: str | None) -> str:
    return " ".join((text or "").split())


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _panel(parameter: Any) -> str:
    return parameter.panel or (ARGUMENTS if _is_argument(parameter) else OPTIONS)


def _usage(command: Any, name: str, group: bool) -> str:
    words = [name, "[OPTIONS]"]
    words += [_argument(p) for p in command.params if _is_argument(p)]
    return " ".join([*words, "COMMAND [ARGS]..."] if group else words)


def _argument(parameter: Any) -> str:
    name = str(parameter.metavar or parameter.name).upper()
    name = name if parameter.required else f"[{name}]"
    return f"{name}..." if parameter.nargs == -1 else name


def _row(parameter: Any) -> Row:
    meaning = [_plain(parameter.help)]
    if _is_argument(parameter):
        return Row(_argument(parameter), meaning[0])
    value = "" if parameter.is_flag else parameter.metavar
    words = ", ".join(sorted(parameter.opts, key=len))
    if isinstance(parameter.type, click.IntRange | click.FloatRange):
        meaning.append(_bounds(parameter.type.min, parameter.type.max))
    shown = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    if parameter.required:
        meaning.append("Required.")
    elif not parameter.is_flag and shown not in (None, ()):
        meaning.append(f"Default: {shown}.")
    if parameter.envvar:
        meaning.append(f"Environment: {parameter.envvar}.")
    return Row(f"{words} {value}".rstrip(), " ".join(meaning))


def _bounds(low: float | None, high: float | None) -> str:
    if high is None:
        return f"{low:g} or more."
    return f"{high:g} or less." if low is None else f"{low:g} to {high:g}."


def _examples(command: Any) -> tuple[str, ...]:
    lines = (line.strip() for line in (command.epilog or "").splitlines())
    return tuple(line for line in lines if line and line != "Examples:")


# -- Markdown


def markdown(app: click.Group) -> str:
    """The command line -> docs/cli.md."""
    found = pages(app)
    lines = ["# The command line", "", "`make docs` writes this page from the help. Do not edit it by hand.", ""]
    for row in found[0].commands:
        lines.append(f"- [{row.words}](#{row.words.replace(' ', '-')}): {_cell(row.meaning)}")
    lines += [
        "",
        "Data and tables go to standard output, messages and progress to standard error. `-` as a file name is",
    ]
    lines += ["is standard input or standard output.", ""]
    for page in found:
        lines += _section(page)
    lines += ["## Exit status", "", *_table("exit", "meaning", [(str(s), m) for s, m in STATUSES])]
    lines += ["## Environment", "", *_table("variable", "meaning", [(f"`{v}`", m) for v, m in ENVIRONMENT])]
    return "\n".join(lines).rstrip() + "\n"


def _section(page: Page) -> Iterator[str]:
    yield from (f"## {page.name}", "", *textwrap.wrap(page.help, WIDTH), "", "```", page.usage, "```", "")
    if page.examples:
        yield from ("```sh", *page.examples, "```", "")
    for title, rows in page.panels.items():
        cells = [(f"`{r.words.replace('|', chr(0))}`".replace(chr(0), r"\|"), _cell(r.meaning)) for r in rows]
        yield from _table(title, "meaning", cells)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;")


def _table(first: str, second: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    yield from (f"| {first} | {second} |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows), "")


# -- the man page


def roff(app: click.Group) -> str:
    """The command line -> docs/stego.1, in the macros of man(7)."""
    program, *commands = pages(app)
    lines = [f'.TH STEGO 1 "" "stego {__version__}" "User Commands"', ".SH NAME", r"stego \- hide a file in a picture"]
    lines += [".SH SYNOPSIS", f".B {_escaped(program.usage)}", ".SH DESCRIPTION", _escaped(program.help)]
    lines += [".SH OPTIONS", *_entries(program.panels[OPTIONS]), ".SH COMMANDS"]
    for page in commands:
        lines += [f".SS {_escaped(page.name)}", _escaped(page.help), ".PP", f".B {_escaped(page.usage)}"]
        for title, rows in page.panels.items():
            lines += [".PP", rf"\fI{_escaped(title)}\fR", *_entries(rows)]
        if page.examples:
            lines += [".PP", r"\fIExamples\fR", ".nf", ".RS", *map(_escaped, page.examples), ".RE", ".fi"]
    lines += [".SH EXIT STATUS", *_entries([Row(str(s), m) for s, m in STATUSES])]
    lines += [".SH ENVIRONMENT", *_entries([Row(*pair) for pair in ENVIRONMENT])]
    return "\n".join(lines) + "\n"


def _entries(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        yield from (".TP", rf"\fB{_escaped(row.words)}\fR", _escaped(row.meaning))


def _escaped(text: str) -> str:
    """Escape what roff would interpret: dashes, backslashes, and a full stop or quote at the start of a line."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{text}" if text.startswith((".", "'")) else text


def write(app: click.Group, folder: Path) -> None:
    """Write both documents into a folder."""
    (folder / "cli.md").write_text(markdown(app), encoding="utf-8")
    (folder / "stego.1").write_text(roff(app), encoding="utf-8")


if __name__ == "__main__":
    from stegcli.cli.app import assembled

    write(assembled(), Path(sys.argv[1]))
