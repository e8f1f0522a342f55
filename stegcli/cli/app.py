"""The command line: its commands, and the one line and documented exit status that each error ends with.

Nothing here touches tensors, and `stego --help` does not load torch.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from stegcli import methods
from stegcli.cli.commands import capacity, evaluate, hide, inspect, keygen, listing, reveal, sample, train, weights
from stegcli.cli.console import as_fault, complain, leave, say, show, trace
from stegcli.disk import descriptors
from stegcli.errors import StegoError, UsageError
from stegcli.version import __version__

INTERRUPTED = 130
SETTINGS = {"help_option_names": ["--help"], "max_content_width": 100}

app = typer.Typer(
    help="Hide a file in a picture, and get it back exactly.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)
weights_app = typer.Typer(
    help="List, verify, fetch and export weights.", rich_markup_mode="rich", context_settings=SETTINGS
)

COMMANDS: tuple[tuple[str, Callable[..., None], str], ...] = (
    ("hide", hide.hide, hide.EXAMPLES),
    ("reveal", reveal.reveal, reveal.EXAMPLES),
    ("keygen", keygen.keygen, keygen.EXAMPLES),
    ("capacity", capacity.capacity, capacity.EXAMPLES),
    ("inspect", inspect.inspect, inspect.EXAMPLES),
    ("sample", sample.sample, sample.EXAMPLES),
    ("methods", listing.methods, listing.EXAMPLES),
    ("evaluate", evaluate.evaluate, evaluate.EXAMPLES),
    ("train", train.train, train.EXAMPLES),
)
WEIGHTS_COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("list", weights.weights_list),
    ("verify", weights.weights_verify),
    ("fetch", weights.weights_fetch),
    ("export", weights.weights_export),
)
for name, function, examples in COMMANDS:
    app.command(name, epilog=examples.strip() or None)(function)
for name, function in WEIGHTS_COMMANDS:
    weights_app.command(name)(function)
app.add_typer(weights_app, name="weights")


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        show(f"stego {__version__}")
        raise typer.Exit
    _help_if_alone(context)


@weights_app.callback(invoke_without_command=True)
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


def _wrong_usage(error: Any) -> int:
    message = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    hint = f"see {context.command_path} --help" if context else None
    complain(UsageError(message[:1].lower() + message[1:], hint))
    return UsageError.exit_code
