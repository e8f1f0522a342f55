"""What the user sees: messages and progress on standard error, data and JSON on standard output."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from stegcli.errors import FileError, StegoError


def say(message: str) -> None:
    """One line on standard error. A closed standard error is no reason to fail."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"stego: {_printable(message)}\n")
        sys.stderr.flush()


def complain(error: StegoError, about: str | None = None) -> None:
    """An error and its hint; about: the file of a batch that it concerns."""
    say(f"error: {about}: {error}" if about else f"error: {error}")
    if error.hint:
        say(f"hint: {error.hint}")


def as_fault(error: Exception) -> StegoError:
    """Whatever no one foresaw -> an error to complain of."""
    if isinstance(error, MemoryError):
        return StegoError("not enough memory")
    first = (str(error).splitlines() or [""])[0]
    message = f"internal fault: {type(error).__name__}: {first}".rstrip(": .")
    return StegoError(message, "STEGO_DEBUG=1 shows where; please report it")


def trace() -> None:
    """The traceback of the error being handled, for who asked for it."""
    if os.environ.get("STEGO_DEBUG"):
        traceback.print_exc()


def _printable(message: str) -> str:
    """The names of files may hold line breaks and terminal controls: those are spelled out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)


def emit(record: dict[str, Any], to_stderr: bool = False) -> None:
    """One JSON object on a line of its own. Not-a-number and infinity, which JSON lacks, become null."""
    text = json.dumps({k: _finite(v) for k, v in record.items()})
    if to_stderr:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    else:
        show(text)


def show(text: str) -> None:
    """Lines on standard output."""
    with stdout_errors():
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


@contextlib.contextmanager
def stdout_errors() -> Iterator[None]:
    """A closed pipe or a full disk behind standard output is told as of any other output; Typer would say nothing."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileError(f"cannot write standard output: {reason}") from error


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and value - value != 0 else value


def on_terminal() -> bool:
    return sys.stderr.isatty() and not os.environ.get("CI")


@contextlib.contextmanager
def progress(title: str, quiet: bool) -> Iterator[Callable[[float, float], None]]:
    """A bar with the time left on a terminal, nothing elsewhere. Yields tick(share done, seconds left)."""
    if quiet or not on_terminal():
        yield lambda done, left: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn(title),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=1.0, left="")

        def tick(done: float, left: float) -> None:
            bar.update(task, completed=done, left=_clock(left))

        yield tick


def _clock(seconds: float) -> str:
    if seconds - seconds != 0:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d} left"


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """A table on standard output, as wide as it needs to be."""
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=title, title_justify="left")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    terminal = sys.stdout.isatty()
    text = io.StringIO()
    Console(file=text, force_terminal=terminal, width=None if terminal else 160).print(drawn)
    show(text.getvalue().rstrip("\n"))
