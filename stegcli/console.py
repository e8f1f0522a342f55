"""What the user sees: messages and progress on standard error, data and JSON on standard output."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from stegcli.errors import StegoError


def say(message: str) -> None:
    """One line on standard error. A closed standard error is no reason to fail."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"stego: {message}\n")
        sys.stderr.flush()


def complain(error: StegoError) -> None:
    say(f"error: {error}")
    if error.hint:
        say(f"hint: {error.hint}")


def emit(record: dict[str, Any], to_stderr: bool = False) -> None:
    """One JSON object on a line of its own. Not-a-number and infinity, which JSON lacks, become null."""
    text = json.dumps({k: _finite(v) for k, v in record.items()})
    stream = sys.stderr if to_stderr else sys.stdout
    stream.write(text + "\n")
    stream.flush()


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
    Console(width=None if sys.stdout.isatty() else 160).print(drawn)
