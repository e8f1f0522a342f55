"""`stego keygen`: make a key file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stegcli import files, methods, weights
from stegcli.cli import inputs
from stegcli.cli.console import emit, say, stdout_errors
from stegcli.cli.options import (
    KEYS,
    ForceOption,
    JsonOption,
    MethodOption,
    QuietOption,
    WeightsOption,
    check_facets,
    takes_options_of_methods,
)
from stegcli.errors import FileError, UsageError
from stegcli.files import STDIO
from stegcli.keys import key as keys
from stegcli.keys import used_numbers
from stegcli.keys.key import Key

EXAMPLES = """
Examples:

stego keygen -o key.npy

stego keygen --method glow2 --domain landscapes -o key.npy
"""

WithOption = Annotated[
    str | None,
    typer.Option(
        "--with", help="A key: make one for another receiver of the same stegos, which draws the same covers.",
        rich_help_panel=KEYS,
    ),
]  # fmt: skip
KeyOutputOption = Annotated[str, typer.Option("-o", "--output", help="Where the key goes; - is standard output.")]
PassphraseOption = Annotated[
    Path | None, typer.Option(help="Derive the key from the first line of this file.", rich_help_panel=KEYS)
]
SaltOption = Annotated[
    str | None,
    typer.Option(
        help="With a passphrase: the salt of an earlier key, in hex, to make that key again.", rich_help_panel=KEYS
    ),
]


@takes_options_of_methods(None)
def keygen(
    facets: dict[str, str],
    method: MethodOption = None,
    output: KeyOutputOption = "key.npy",
    named: WeightsOption = None,
    first: WithOption = None,
    passphrase_file: PassphraseOption = None,
    salt: SaltOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    force: ForceOption = False,
) -> None:
    """Make a key file. Sender and receiver need the same one."""
    if salt is not None and passphrase_file is None:
        raise UsageError("--salt goes with --passphrase-file")
    if first is not None and (named is not None or facets or passphrase_file is not None):
        raise UsageError("--with takes method and weights of the other key", "leave the other options out")
    if output != STDIO:
        files.check_writable([Path(output)], force)
    if first is not None:
        key = _key_beside(first, method)
    else:
        key = _new_key(method or methods.DEFAULT_WITH_COVER, named, facets, passphrase_file, salt)
    with stdout_errors():
        files.write(output, key.to_bytes(), force, mode=0o600)
    if output != STDIO:
        used_numbers.forget(output)
    made_salt = key.salt.hex() if key.salt else None
    if json:
        record = {"method": key.method, "weights": key.weights, "output": output, "salt": made_salt}
        emit(record, to_stderr=output == STDIO)
    elif not quiet:
        say(f"wrote key {output} for {key.method}, weights {key.weights}")
        if made_salt:
            say(f"salt {made_salt}: with the passphrase it makes the same key again (--salt)")


def _new_key(
    method: str, named: str | None, facets: dict[str, str], passphrase_file: Path | None, salt: str | None
) -> Key:
    if not methods.about(method).keyed:
        raise UsageError(f"{method} needs no key")
    check_facets(method, facets)
    name = weights.identity(method, weights.by_facets(method, facets, named) or "default")
    if passphrase_file is None:
        return keys.generate(method, name)
    return keys.from_passphrase(method, name, _first_line(passphrase_file), _hex(salt))


def _key_beside(first: str, method: str | None) -> Key:
    """A key for another receiver of the stegos that the first one gets, if their method has receivers share a cover."""
    held = keys.load(first)
    inputs.check_key(held, method)
    if not methods.about(held.method).shares_cover:
        raise UsageError(f"--with means nothing to {held.method}", "any key serves another receiver")
    return keys.beside(held)


def _first_line(path: Path) -> bytes:
    phrase = files.read(path, "passphrase", limit=1 << 20).split(b"\n")[0].rstrip(b"\r")
    if not phrase:
        raise FileError(f"the first line of {path} is empty")
    return phrase


def _hex(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        salt = bytes.fromhex(text)
    except ValueError:
        salt = b""
    if len(salt) != 16:
        raise UsageError("--salt takes 32 hexadecimal digits")
    return salt
