"""`stego keygen`: make a key file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from stegcli.cli.options import (
    KEYS,
    ForceOption,
    JsonOption,
    MethodOption,
    QuietOption,
    WeightsOption,
    command,
)
from stegcli.cli.parameters import option

EXAMPLES = """
Examples:

stego keygen -o key.npy

stego keygen --method glow2 --domain landscapes -o landscapes.npy
"""

WithOption = Annotated[
    str | None,
    option(
        "--with", help="The key of another receiver of the same stegos; the new key draws the same covers.",
        panel=KEYS,
    ),
]  # fmt: skip
KeyOutputOption = Annotated[str, option("-o", "--output", help="The file for the key; - is standard output.")]
PassphraseOption = Annotated[
    bool, option("--passphrase", help="Ask for a passphrase and derive the key from it.", panel=KEYS)
]
PassphraseFileOption = Annotated[
    Path | None, option(help="Derive the key from the first line of this file.", panel=KEYS)
]
WrapOption = Annotated[
    bool,
    option("--wrap", help="Ask for a passphrase and encrypt the key file with it.", panel=KEYS),
]
SaltOption = Annotated[
    str | None,
    option(help="With a passphrase: the salt of an earlier key, in hex, to derive that key again.", panel=KEYS),
]


@command(EXAMPLES)
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
