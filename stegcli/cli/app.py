"""The command line: its commands, and the one line and documented exit status that each error ends with.

Nothing here touches tensors, and `stego --help` does not load torch.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module

import click

from stegcli import methods
from stegcli.cli.complete import VARIABLE
from stegcli.cli.console import as_fault, complain, leave, say, show, trace
from stegcli.cli.group import INTERRUPTED, SETTINGS, Group
from stegcli.cli.parameters import Option
from stegcli.disk import descriptors
from stegcli.errors import StegoError, UsageError
from stegcli.version import __version__

COMMANDS = ("hide", "reveal", "keygen", "capacity", "inspect", "sample", "methods", "evaluate", "train", "weights")
"""Each is a module of `stegcli.cli.commands`, which holds the command under the same name."""


def assembled(only: str | None = None) -> Group:
    """The whole command line, or with `only` nothing but that command.

    A command declares the options of every method, which takes time: whoever reveals need not wait for `evaluate`.
    """
    app = Group(name="stego", help="Hide a file in a picture, and get it back exactly.", context_settings=SETTINGS)
    app.params += [
        _at_once("--version", "Print the version.", _version),
        _at_once("--install-completion", "Install completion for your shell: bash, zsh or fish.", _install_completion),
        _at_once("--show-completion", "Print the script that completes commands in your shell.", _show_completion),
    ]
    for name in [only] if only else COMMANDS:
        app.add_command(getattr(import_module(f"stegcli.cli.commands.{name}"), name))
    return app


def _at_once(flag: str, help: str, act: Callable[[], None]) -> click.Option:
    """An option that acts in place of a command."""

    def callback(context: click.Context, _: click.Parameter, given: bool) -> None:
        if given and not context.resilient_parsing:
            act()
            context.exit()

    return Option([flag], help=help, is_flag=True, is_eager=True, expose_value=False, callback=callback)


def _version() -> None:
    show(f"stego {__version__}")


def _install_completion() -> None:
    from stegcli.cli import shells

    shells.install()


def _show_completion() -> None:
    from stegcli.cli import shells

    show(shells.script())


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
        status = int(app.main(prog_name="stego", standalone_mode=False) or 0)
    except StegoError as error:
        complain(error)
        trace()
        return error.exit_code
    except click.ClickException as error:
        return _wrong_usage(error)
    except (KeyboardInterrupt, click.Abort):
        status = INTERRUPTED
    except Exception as error:  # noqa: BLE001  (the outermost frame: any other error is a bug, and is reported as one)
        complain(as_fault(error))
        trace()
        return StegoError.exit_code
    if status == INTERRUPTED:
        say("interrupted")
    return status


def _only_command(words: list[str]) -> str | None:
    """The words of the command line -> the one command that they need; None if they need all."""
    return words[0] if words and words[0] in COMMANDS and VARIABLE not in os.environ else None


def _wrong_usage(error: click.ClickException) -> int:
    message = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    hint = f"see {context.command_path} --help" if context else None
    complain(UsageError(message[:1].lower() + message[1:], hint))
    return UsageError.exit_code
