"""The work of `stego evaluate --detect`: arguments -> what detectors found, as tables and sentences or as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stegcli.about import About
from stegcli.cli import console
from stegcli.errors import UsageError

NAMED = 10
"""Covers that are passed over by name; the rest are counted."""


def detect(
    about: About, covers: Path | None, secrets: Path | None, quiet: bool, epochs: int | None, **asked: Any
) -> dict[str, Any]:
    """-> what detectors found. asked: the other fields of `detection.Plan`. Raises StegoError."""
    if secrets is not None and "picture" not in about.carries:
        raise UsageError(f"{about.name} takes no --secrets", "random bytes are hidden")
    from stegcli.measuring import detection

    plan = detection.Plan(about.name, covers, secrets, epochs=detection.EPOCHS if epochs is None else epochs, **asked)
    with console.bar("detecting", quiet) as tick:
        result = detection.evaluate(plan, tick)
    if not quiet:
        _say_passed_over(result["detection"]["passed_over"])
    return result


def tell(result: dict[str, Any]) -> None:
    """Print the tables and the advice."""
    from stegcli.measuring import detection_tables

    for title, columns, rows in detection_tables.tables(result["detection"]):
        console.table(title, columns, rows)
    for line in result["detection"]["advice"]:
        console.show(line)


def _say_passed_over(names: list[str]) -> None:
    for line in names[:NAMED]:
        console.say(f"passed over: {line}")
    if len(names) > NAMED:
        console.say(f"passed over: {len(names) - NAMED} more")
