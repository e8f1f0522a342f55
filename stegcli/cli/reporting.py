"""`stego evaluate --report DIR`: the page DIR/METHOD.html."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stegcli import files, weights
from stegcli.cli import evaluating
from stegcli.cli.console import say
from stegcli.errors import UsageError, WeightsError
from stegcli.files import Output
from stegcli.measuring import charts, gallery, report, sweep
from stegcli.measuring.report import Page


def check(folder: Path, method: str, force: bool) -> Path:
    """-> the path of the page. Raises UsageError, FileError before any work if it cannot be made."""
    if find_spec("matplotlib") is None:
        raise UsageError("--report needs matplotlib", "pip install 'stegcli[report]'")
    path = folder / f"{method}.html"
    files.check_writable([path], force)
    return path


def write(asked: evaluating.Asked, result: dict[str, Any], path: Path, force: bool, quiet: bool) -> None:
    """Hide in a few pictures to show them, draw the charts, and write the page. What was not measured is left out."""
    result = {"rows": [], "measured": {}, "sweeps": []} | result
    page = Page(
        result, evaluating.main_tables(result), sweep.tables(result["sweeps"]), evaluating.verdicts(result),
        charts.of(result), _gallery(asked, result), command(), list(_weights(asked, result)),
    )  # fmt: skip
    files.write_all([Output(path, report.page(page).encode())], force)
    if not quiet:
        say(f"wrote {path}")


def command() -> str:
    """What the user typed, as a shell takes it."""
    return shlex.join(["stego", *sys.argv[1:]])


def _gallery(asked: evaluating.Asked, result: dict[str, Any]) -> list[gallery.Row]:
    """Nothing where detection drew its own pictures, or took covers for a method that carries pictures."""
    if "detection" in result and (asked.folder is None or asked.shows):
        return []
    return gallery.rows(asked.wanted)


def _weights(asked: evaluating.Asked, result: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and hash of each set of weights in the result."""
    method = asked.about.name
    named = [r["weights"] for r in [*result["rows"], *result["sweeps"]]] + list(result["measured"])
    for name in dict.fromkeys(named or asked.weights or ["default"]):
        try:
            entry = weights.entry(method, weights.default_name(method) if name == "default" else name)
        except WeightsError:
            yield name, "a file of the user"
        else:
            yield entry.name, weights.holder(entry).sha256 or "no file of its own"
