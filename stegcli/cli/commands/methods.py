"""`stego methods`: what each method carries, needs and survives."""

from __future__ import annotations

from stegcli.cli.console import emit, table
from stegcli.cli.options import JsonOption, command

EXAMPLES = """
Examples:

stego methods
"""


@command(EXAMPLES)
def methods(json: JsonOption = False) -> None:
    """Show what each method carries, needs and survives."""
    from stegcli.cli import tables

    columns, rows = tables.methods_table()
    if json:
        emit({r[0]: dict(zip(columns[1:], r[1:], strict=True)) for r in rows})
    else:
        table("methods", columns, rows)
