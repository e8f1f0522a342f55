"""The help of a command, drawn by rich-click.

rich-click takes as long to load as click itself, so it loads for this alone.
"""

from __future__ import annotations

from typing import Any

import click
import rich_click

FIRST_PANELS = ("Arguments", "Options")
"""rich-click would show them last."""


class _Group(rich_click.RichGroup):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)


def drawn(command: click.Command, context: click.Context) -> str:
    """A command of click, whose parameters may have a `panel`, and its context -> its help for this terminal."""
    same: dict[str, Any] = {
        name: getattr(command, name) for name in ("name", "params", "help", "epilog", "context_settings")
    }
    if isinstance(command, click.Group):
        made: rich_click.RichCommand = _Group(commands=command.commands, **same)
    else:
        made = rich_click.RichCommand(panels=[rich_click.RichOptionPanel(p) for p in FIRST_PANELS], **same)
    return made.get_help(
        rich_click.RichContext(made, parent=context.parent, info_name=context.info_name, **command.context_settings)
    )
