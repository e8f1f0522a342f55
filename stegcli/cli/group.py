"""A command, and a command that holds other commands."""

from __future__ import annotations

from typing import Any

import click

from stegcli.errors import UsageError

INTERRUPTED = 130
SETTINGS = {"max_content_width": 100, "show_default": True}


class Command(click.Command):
    def get_help(self, context: click.Context) -> str:
        from stegcli.cli import helping

        return helping.drawn(self, context)


class Group(Command, click.Group):
    """Commands in the order in which they were added. Alone it prints its help to standard error, as wrong usage."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if not (args or context.resilient_parsing):
            click.echo(context.get_help(), err=True)
            context.exit(UsageError.exit_code)
        return super().parse_args(context, args)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:  # click would print an empty line
            context.exit(INTERRUPTED)
