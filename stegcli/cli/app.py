"""The command line: its commands, and the one line and documented exit status that each error ends with.

Nothing here touches tensors, and `stego --help` does not load torch.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from importlib import import_module
from typing import Annotated, Any

import typer

from stegcli import methods
from stegcli.cli.console import as_fault, complain, leave, say, show, trace
from stegcli.disk import descriptors
from stegcli.errors import StegoError, UsageError
from stegcli.version import __version__

INTERRUPTED = 130
SETTINGS = {"help_option_names": ["--help"], "max_content_width": 100}

COMMANDS = {
    "hide": "hide",
    "reveal": "reveal",
    "keygen": "keygen",
    "capacity": "capacity",
    "inspect": "inspect",
    "sample": "sample",
    "methods": "listing",
    "evaluate": "evaluate",
    "train": "train",
}
"""Command -> its module in `stegcli.cli.commands`, which holds a function of the command's name, and EXAMPLES."""
WEIGHTS_COMMANDS = ("list", "verify", "fetch", "export")
COMPLETES = "_STEGO_COMPLETE"
"""The variable by which a shell asks for completion."""


def assembled(only: str | None = None) -> typer.Typer:
    """The whole command line, or with `only` nothing but that command.

    A command declares the options of every method, which takes time: whoever reveals need not wait for `evaluate`.
    """
    app = typer.Typer(
        help="Hide a file in a picture, and get it back exactly.",
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings=SETTINGS,
    )
    app.callback(invoke_without_command=True)(top)
    for name in [only] if only else COMMANDS:
        module = import_module(f"stegcli.cli.commands.{COMMANDS[name]}")
        app.command(name, epilog=module.EXAMPLES.strip() or None)(getattr(module, name))
    if only is None:
        app.add_typer(_weights(), name="weights")
    return app


def _weights() -> typer.Typer:
    app = typer.Typer(
        help="List, verify, fetch and export weights.", rich_markup_mode="rich", context_settings=SETTINGS
    )
    app.callback(invoke_without_command=True)(top_of_weights)
    module = import_module("stegcli.cli.commands.weights")
    for name in WEIGHTS_COMMANDS:
        app.command(name)(getattr(module, f"weights_{name}"))
    return app


def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        show(f"stego {__version__}")
        raise typer.Exit
    _help_if_alone(context)


def top_of_weights(context: typer.Context) -> None:
    _help_if_alone(context)


def _help_if_alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        with contextlib.redirect_stdout(sys.stderr):  # rich prints by itself
            typer.echo(context.get_help(), err=True)
        raise typer.Exit(UsageError.exit_code)


# -- errors and exit statuses


def main() -> None:
    """Run a command; an error becomes one line and the documented exit status."""
    descriptors.reopen_closed()
    signal.signal(signal.SIGTERM, _terminated)
    for plugin, reason in methods.broken().items():
        say(f"warning: the plugin {plugin} cannot be loaded: {reason}")
    leave(_status())


def _terminated(*_: object) -> None:
    say("terminated")
    raise SystemExit(128 + signal.SIGTERM)


def _status() -> int:
    try:
        app = assembled(_only_command(sys.argv[1:]))
        status = int(app(prog_name="stego", standalone_mode=False) or 0)
    except StegoError as error:
        complain(error)
        trace()
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except Exception as error:  # noqa: BLE001  (the outermost frame: any other error is a bug, and is reported as one)
        if hasattr(error, "format_message"):  # Typer's own usage errors
            return _wrong_usage(error)
        complain(as_fault(error))
        trace()
        return StegoError.exit_code
    if status == INTERRUPTED:  # Typer turns Ctrl-C into this status
        say("interrupted")
    return status


def _only_command(words: list[str]) -> str | None:
    """The words of the command line -> the one command that they need; None if they need all."""
    return words[0] if words and words[0] in COMMANDS and COMPLETES not in os.environ else None


def _wrong_usage(error: Any) -> int:
    message = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    hint = f"see {context.command_path} --help" if context else None
    complain(UsageError(message[:1].lower() + message[1:], hint))
    return UsageError.exit_code
