"""`stego weights`: list, verify, fetch and export the weights that weights.toml names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from stegcli import methods
from stegcli.cli import complete
from stegcli.cli.console import complain, emit, say, table
from stegcli.cli.group import Group
from stegcli.cli.options import ForceOption, JsonOption, OneMethodArgument, command
from stegcli.cli.parameters import argument, option
from stegcli.errors import WeightsError

ExportArgument = Annotated[Path, argument(help="The parent of the folders.")]
OneMethodOption = Annotated[str | None, option("--method", help="One method only.", complete=complete.method_names)]


@command(name="list")
def weights_list(json: JsonOption = False) -> None:
    """List the weights that weights.toml names."""
    from stegcli.cli import tables

    columns, rows = tables.weights_table()
    if json:
        emit({f"{r[0]}/{r[1]}": dict(zip(columns[2:], r[2:], strict=True)) for r in rows})
    else:
        table("weights", columns, rows)


@command(name="verify")
def weights_verify(method: OneMethodArgument = None, json: JsonOption = False) -> int:
    """Check the hash of all weights that are here or can be fetched, and that they load."""
    from stegcli import weights as store

    _check_method(method)
    right: dict[str, bool] = {}
    for found in store.entries(method):
        name = f"{found.method}/{found.name}"
        try:
            _ = store.load(found.method, found.name).networks  # building them shows whether they fit
        except WeightsError as error:
            complain(error)
            right[name] = False
        else:
            say(f"ok: {name}")
            right[name] = True
    if json:
        emit(right)
    return 0 if all(right.values()) else WeightsError.exit_code


@command(name="fetch")
def weights_fetch(method: OneMethodArgument = None, force: ForceOption = False) -> None:
    """Fetch all weights that are on a hub, for use offline."""
    from stegcli import weights as store

    _check_method(method)
    for found in store.entries(method):
        held = store.holder(found)
        where = str(store.locate(held, force)) if held.repo is not None else "in the package"
        if held.repo is not None:
            store.verified_bytes(held)
        lender = f"of {held.method} {held.name}, " if found.borrows else ""
        say(f"{found.method} {found.name}: {lender}{where}")


@command(name="export")
def weights_export(folder: ExportArgument, method: OneMethodOption = None) -> None:
    """Write a folder for each revision of the weights, ready to upload: weights, config, model card."""
    from stegcli import publish

    _check_method(method)
    for target in publish.export(folder, method):
        say(f"wrote {target}")


weights = Group(name="weights", help="List, verify, fetch and export weights.")
for _command in (weights_list, weights_verify, weights_fetch, weights_export):
    weights.add_command(_command)


def _check_method(name: str | None) -> None:
    if name is not None:
        methods.about(name)
