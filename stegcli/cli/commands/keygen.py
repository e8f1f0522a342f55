"""`stego keygen`: make a key file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stegcli.cli.options import (
    KEYS,
    ForceOption,
    JsonOption,
    MethodOption,
    QuietOption,
    WeightsOption,
    takes_options_of_methods,
)

EXAMPLES = """
Examples:

stego keygen -o key.npy

stego keygen --method glow2 --domain landscapes -o landscapes.npy
"""

WithOption = Annotated[
    str | None,
    typer.Option(
        "--with", help="The key of another receiver of the same stegos; the new key draws the same covers.",
        rich_help_panel=KEYS,
    ),
]  # fmt: skip
KeyOutputOption = Annotated[str, typer.Option("-o", "--output", help="The file for the key; - is standard output.")]
PassphraseOption = Annotated[
    bool, typer.Option("--passphrase", help="Ask for a passphrase and derive the key from it.", rich_help_panel=KEYS)
]
PassphraseFileOption = Annotated[
    Path | None, typer.Option(help="Derive the key from the first line of this file.", rich_help_panel=KEYS)
]
WrapOption = Annotated[
    bool,
    typer.Option("--wrap", help="Ask for a passphrase and encrypt the key file with it.", rich_help_panel=KEYS),
]
SaltOption = Annotated[
    str | None,
    typer.Option(
        help="With a passphrase: the salt of an earlier key, in hex, to derive that key again.", rich_help_panel=KEYS
    ),
]


@takes_options_of_methods(None)
def keygen(
    facets: dict[str, str],
    method: MethodOption = None,
    output: KeyOutputOption = "key.npy",
    named: WeightsOption = None,
    first: WithOption = None,
    passphrase: PassphraseOption = False,
    passphrase_file: PassphraseFileOption = None,
    wrapped: WrapOption = False,
    salt: SaltOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    force: ForceOption = False,
) -> None:
    """Make a key file. Sender and receiver need the same key."""
    from stegcli.cli import keymaking

    keymaking.keygen(
        method, output, named, facets, first, passphrase, passphrase_file, wrapped, salt, json, quiet, force
    )
