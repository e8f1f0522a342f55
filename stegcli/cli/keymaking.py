"""The work of `stego keygen`."""

from __future__ import annotations

from pathlib import Path

from stegcli import files, methods, weights
from stegcli.cli import inputs
from stegcli.cli.console import ask_passphrase, check_stdout, emit, say
from stegcli.cli.options import check_facets
from stegcli.errors import FileError, UsageError
from stegcli.files import STDIO
from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.keys.passphrase import wrap


def keygen(
    method: str | None, output: str, named: str | None, facets: dict[str, str], first: str | None, passphrase: bool,
    passphrase_file: Path | None, wrapped: bool, salt: str | None, json: bool, quiet: bool, force: bool,
) -> None:  # fmt: skip
    """Make a key and write it. first: the key of another receiver of the same stegos."""
    if passphrase and passphrase_file is not None:
        raise UsageError("--passphrase and --passphrase-file exclude each other")
    derived = passphrase or passphrase_file is not None
    if salt is not None and not derived:
        raise UsageError("--salt goes with --passphrase or --passphrase-file")
    if first is not None and (named is not None or facets or derived):
        raise UsageError("--with takes method and weights from the other key", "leave the other options out")
    output = files.ordinary(output)
    files.check_writable([Path(output)], force, private=True)
    if json and output != STDIO:
        check_stdout()
    if first is not None:
        key = _key_beside(first, method)
    else:
        key = _new_key(
            method or methods.DEFAULT_WITH_COVER, named, facets, _phrase(passphrase, passphrase_file, salt), salt
        )
    content = key.to_bytes()
    if wrapped:
        content = wrap(content, ask_passphrase("passphrase to wrap the key with", twice=True, hint="leave --wrap out"))
    files.write(output, content, force, mode=0o600)
    made_salt = key.salt.hex() if key.salt else None
    if json:
        record = {"method": key.method, "weights": key.weights, "output": output, "salt": made_salt}
        emit(record, to_stderr=output == STDIO)
    elif not quiet:
        say(f"wrote key {output} for {key.method}, weights {key.weights}")
        if made_salt:
            say(f"salt {made_salt}: with the passphrase it makes the same key again (--salt)")


def _new_key(method: str, named: str | None, facets: dict[str, str], passphrase: str | None, salt: str | None) -> Key:
    if not methods.about(method).keyed:
        raise UsageError(f"{method} needs no key")
    check_facets(method, facets)
    name = weights.identity(method, weights.by_facets(method, facets, named) or "default")
    if passphrase is None:
        return keys.generate(method, name)
    return keys.from_passphrase(method, name, passphrase, _hex(salt))


def _phrase(asked: bool, file: Path | None, salt: str | None) -> str | None:
    """The passphrase to derive the key from. It is asked for once if a salt is given: then it recreates an earlier key,
    and a typing error shows when that key fails to reveal."""
    if file is not None:
        return _first_line(file)
    return ask_passphrase(twice=salt is None) if asked else None


def _key_beside(first: str, method: str | None) -> Key:
    """A key for another receiver of the first key's stegos. Raises UsageError if the method shares no covers."""
    held = keys.load(first, inputs.Passphrases().of(first))
    inputs.check_key(held, method)
    if not methods.about(held.method).shares_cover:
        raise UsageError(f"--with means nothing to {held.method}", "any key serves another receiver")
    return keys.beside(held)


def _first_line(path: Path) -> str:
    phrase = files.read(path, "passphrase", limit=1 << 20).split(b"\n")[0].rstrip(b"\r")
    if not phrase:
        raise FileError(f"the first line of {path} is empty")
    try:
        return phrase.decode()
    except UnicodeDecodeError as error:
        raise FileError(f"the first line of {path} is not UTF-8") from error


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
