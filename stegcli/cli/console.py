"""What the user sees: messages and progress on standard error, data and JSON on standard output."""

from __future__ import annotations

import contextlib
import getpass
import io
import json
import math
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from stegcli import files, progress
from stegcli.errors import FileError, StegoError, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE = 2.0
"""Seconds after which work that goes on gets a bar."""
SIGNALLED = 128
"""Exit statuses from here on say that a signal ended us."""


def say(message: str) -> None:
    """Write one line to standard error. A closed standard error is not an error."""
    _tell(f"stego: {_printable(message)}\n")


def _tell(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # ValueError: it was closed from within
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()


def complain(error: StegoError, about: str | None = None) -> None:
    """Print an error and its hint. about: the file that the error concerns, in a batch."""
    say(f"error: {about}: {error}" if about else f"error: {error}")
    if error.hint:
        say(f"hint: {error.hint}")


def as_fault(error: Exception) -> StegoError:
    """An unexpected exception -> a StegoError that can be printed."""
    if isinstance(error, MemoryError):
        return StegoError("not enough memory")
    first = (str(error).splitlines() or [""])[0]
    message = f"internal fault: {type(error).__name__}: {first}".rstrip(": .")
    return StegoError(message, "STEGO_DEBUG=1 shows where; please report it")


def trace() -> None:
    """Print the traceback of the error being handled, if STEGO_DEBUG asks for it."""
    if os.environ.get("STEGO_DEBUG"):
        _tell(traceback.format_exc())


def _printable(message: str) -> str:
    """Escape line breaks and terminal controls, which file names may contain."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)


def emit(record: dict[str, Any], to_stderr: bool = False) -> None:
    """Print one JSON object on its own line. NaN and infinity, which JSON lacks, become null."""
    line = as_json(record)
    if to_stderr:
        _tell(line)
    else:
        show(line.rstrip("\n"))


def as_json(record: dict[str, Any]) -> str:
    """A record -> its line of JSON."""
    return json.dumps({k: _finite(v) for k, v in record.items()}) + "\n"


def show(text: str) -> None:
    """Print lines to standard output."""
    check_stdout()
    with stdout_errors():
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def check_stdout() -> None:
    """Raises FileError if standard output is closed. Call this before work whose result or JSON goes there."""
    if sys.stdout is None:
        raise FileError("cannot write standard output: it is closed")


def stdout_is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def leave(status: int) -> NoReturn:
    """End the process with this status. Standard output is flushed first; if that fails, the status is 3.

    After an interrupt, running threads are not waited for: they may need minutes.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = status or FileError.exit_code
    if status >= SIGNALLED or files.stopped():
        os._exit(status)
    sys.exit(status)


@contextlib.contextmanager
def stdout_errors() -> Iterator[None]:
    """Turn a closed pipe or a full disk behind standard output into FileError; click would say nothing."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileError(f"cannot write standard output: {reason}") from error


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and not os.environ.get("CI")


def ask_passphrase(prompt: str = "passphrase", twice: bool = False, hint: str = "give --passphrase-file FILE") -> str:
    """Ask for a passphrase on the terminal, without echo.

    The question goes to the terminal even where standard input and output are redirected. twice: ask again and compare,
    for a new key. Raises UsageError if there is no terminal, if the passphrase is empty, or if the two differ.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # else getpass would read standard input, with echo
        try:
            given = getpass.getpass(f"{prompt}: ")
            again = getpass.getpass(f"{prompt}, again: ") if twice and given else given
        except (getpass.GetPassWarning, OSError, AttributeError) as error:
            raise UsageError("no terminal to ask for the passphrase", hint) from error
        except (EOFError, UnicodeDecodeError) as error:
            raise UsageError("no passphrase was given") from error
    if not given:
        raise UsageError("the passphrase is empty")
    if given != again:
        raise UsageError("the two passphrases differ")
    return given


@contextlib.contextmanager
def bar(title: str, quiet: bool) -> Iterator[Callable[[float, float], None]]:
    """Show a bar and the time left if standard error is a terminal. Yields tick(share done, seconds left)."""
    if quiet or not on_terminal():
        yield lambda done, left: None
        return
    with _drawn(title) as drawn:
        yield partial(_tick, drawn)


@contextlib.contextmanager
def working(title: str, quiet: bool) -> Iterator[None]:
    """A bar for the work within, once it has taken PATIENCE seconds.

    It moves to and fro until the work tells how far it is. Each part of the work starts the bar anew; the time left is
    that of the part.
    """
    if quiet or not on_terminal():
        yield
        return
    drawn, began = _drawn(title), time.monotonic()

    def listen(done: int, steps: int) -> None:
        nonlocal began
        _tick(drawn, done / steps, time_left(began, done / steps))
        began = time.monotonic() if done == steps else began

    timer = threading.Timer(PATIENCE, drawn.start)
    timer.start()
    try:
        with progress.heard_by(listen):
            yield
    finally:
        timer.cancel()
        timer.join()
        drawn.stop()


def time_left(began: float, done: float) -> float:
    """When the work began, by time.monotonic(), and the share that is done -> the seconds left at this pace."""
    return (time.monotonic() - began) * (1 - done) / done if done else math.inf


def _drawn(title: str) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn(title), BarColumn(), TextColumn("{task.fields[left]}"))
    drawn = Progress(*columns, console=Console(stderr=True), transient=True)
    drawn.add_task(title, total=None, left="")
    return drawn


def _tick(drawn: Progress, done: float, left: float) -> None:
    drawn.update(drawn.task_ids[0], total=1.0, completed=done, left=f"{done:4.0%} {_clock(left)}")


def _clock(seconds: float) -> str:
    if not math.isfinite(seconds):
        return ""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d} left"


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table to standard output, as wide as its contents."""
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=title, title_justify="left")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    terminal = stdout_is_terminal()
    text = io.StringIO()
    Console(file=text, force_terminal=terminal, width=None if terminal else 160).print(drawn)
    show(text.getvalue().rstrip("\n"))
