"""Key files, and all randomness that sender and receiver share.

A key is 32 secret bytes plus the names of the method and weights that they belong to. Everything keyed
(masks, permutations, encryption keys) is derived from it by HKDF-SHA256 (RFC 5869) under a name, and
expanded by the ChaCha20 keystream (RFC 8439). Covers are drawn from 16 bytes that the keys of several
receivers may have in common. Floats and normals are made from the keystream's integers by
formulas that use only operations IEEE 754 rounds exactly (+, -, *, /, sqrt), so that they are the same bits
on every machine. No library generator takes part: those may change from one version to the next.
"""

from __future__ import annotations

import io
import os
import secrets
import struct
import tokenize
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from stegcli import files
from stegcli.errors import FileError
from stegcli.keys.stream import Stream

VERSION = 1
SECRET_BYTES = 32
SALT_BYTES = 16
GROUP_BYTES = SALT_BYTES  # it lies in the salt's place
# scrypt at the strength OWASP and age's default consider interactive: 2^17 * 8 * 128 bytes = 128 MiB.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**17, 8, 1
MAX_FILE_BYTES = 4096

RECORD = np.dtype(
    [
        ("version", "<u2"),
        ("method", "S32"),
        ("weights", "S64"),
        ("secret", "u1", (SECRET_BYTES,)),
        ("kdf", "S16"),  # "random"; "scrypt" with the salt that follows; "covers" with the group in its place
        ("salt", "u1", (SALT_BYTES,)),
    ]
)


@dataclass(frozen=True)
class Key:
    """The 32 secret bytes shared by sender and receiver, and what they are for.

    salt: of the passphrase that it was made from. group: what its covers are drawn from, if that is not its own secret
    (`beside`). A key has at most one of the two: ValueError.
    """

    method: str
    weights: str
    secret: bytes = field(repr=False)
    salt: bytes | None = None
    group: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.salt is not None and self.group is not None:
            raise ValueError("a key of a passphrase has no group")
        if self.group is not None and len(self.group) != GROUP_BYTES:
            raise ValueError(f"group has {len(self.group)} bytes, not {GROUP_BYTES}")

    def derive(self, purpose: str, number: int = 0, length: int = 32) -> bytes:
        """Name -> `length` independent bytes: HKDF-SHA256 over method, purpose and message number."""
        return _expand(self.secret, self.method, purpose, number, length)

    def stream(self, purpose: str, number: int = 0) -> Stream:
        """Name -> a fresh deterministic stream of integers and floats."""
        return Stream(self.derive(purpose, number))

    def message(self, nonce: bytes) -> Key:
        """Nonce of one message -> the key that all of that message is derived from, and nothing of any other."""
        return Key(self.method, self.weights, self.derive("message", int.from_bytes(nonce, "big")))

    def cover_secret(self) -> bytes:
        """The 16 bytes that covers are drawn from: the group's, else derived from the key.

        They may be handed to other receivers: HKDF's output tells nothing of the key, nor of any other output.
        """
        return self.derive("covers", length=GROUP_BYTES) if self.group is None else self.group

    def cover_stream(self, purpose: str, number: int = 0) -> Stream:
        """Name -> a fresh deterministic stream that is the same for all keys of one group."""
        return Stream(_expand(self.cover_secret(), self.method, purpose, number))

    def save(self, path: str | os.PathLike[str], force: bool = False) -> None:
        """Write the key as one `.npy` record with mode 0600. Raises FileError if it exists and not `force`."""
        files.write(path, self.to_bytes(), force=force, mode=0o600)

    def to_bytes(self) -> bytes:
        record = np.zeros((), RECORD)
        record["version"] = VERSION
        record["method"] = self.method.encode()
        record["weights"] = self.weights.encode()
        record["secret"] = np.frombuffer(self.secret, np.uint8)
        record["kdf"] = b"scrypt" if self.salt else b"random" if self.group is None else b"covers"
        record["salt"] = np.frombuffer(self.group or self.salt or bytes(SALT_BYTES), np.uint8)
        buffer = io.BytesIO()
        np.save(buffer, record, allow_pickle=False)
        return buffer.getvalue()


def _expand(secret: bytes, method: str, purpose: str, number: int, length: int = 32) -> bytes:
    info = f"stegcli/{VERSION}/{method}/{purpose}/{number}".encode()
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret)


def generate(method: str, weights: str) -> Key:
    """A fresh random key."""
    return Key(method, weights, secrets.token_bytes(SECRET_BYTES))


def beside(key: Key) -> Key:
    """Key -> a fresh one that draws the same covers, and reads nothing of the other's messages.

    It is sound because the two share `cover_secret` alone: that tells nothing of either key, and nothing that hides a
    message is derived from it. That there is a message each of them can see: they know the cover.
    """
    return Key(key.method, key.weights, secrets.token_bytes(SECRET_BYTES), group=key.cover_secret())


def from_passphrase(method: str, weights: str, passphrase: bytes, salt: bytes | None = None) -> Key:
    """Passphrase and salt (fresh if None) -> key, through scrypt (RFC 7914) with 128 MiB."""
    salt = salt or secrets.token_bytes(SALT_BYTES)
    if len(salt) != SALT_BYTES:
        raise ValueError(f"salt has {len(salt)} bytes, not {SALT_BYTES}")
    kdf = Scrypt(salt=salt, length=SECRET_BYTES, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P)
    return Key(method, weights, kdf.derive(passphrase), salt)


def load(path: str | os.PathLike[str]) -> Key:
    """Read a key file. Raises FileError if it is missing, damaged, or of a later format."""
    return from_record(_record(Path(path)), path)


def from_record(record: np.ndarray, path: str | os.PathLike[str]) -> Key:
    """The record of a key file -> Key. Raises FileError if it is of a later format or damaged."""
    if int(record["version"]) != VERSION:
        raise FileError(f"key {path} has format {int(record['version'])}, this stego reads {VERSION}")
    try:
        method, weights = record["method"].item().decode(), record["weights"].item().decode()
    except UnicodeDecodeError as error:
        raise FileError(f"key {path} is damaged") from error
    kdf, extra = record["kdf"].item(), record["salt"].tobytes()
    salt, group = extra if kdf == b"scrypt" else None, extra if kdf == b"covers" else None
    return Key(method, weights, record["secret"].tobytes(), salt, group)


def _record(path: Path) -> np.ndarray:
    record = parse(files.read(path, "key", limit=MAX_FILE_BYTES), path)
    if record.dtype != RECORD:
        raise FileError(f"{path} is not a key file, or is damaged")
    return record


def parse(data: bytes, path: str | os.PathLike[str]) -> np.ndarray:
    """The bytes of a `.npy` file that holds one record -> that record. Raises FileError if they are anything else."""
    try:
        record = np.load(io.BytesIO(data), allow_pickle=False)
    except _PARSER_ERRORS as error:
        raise FileError(f"{path} is not a key file, or is damaged") from error
    if not isinstance(record, np.ndarray) or record.shape != () or record.dtype.names is None:
        raise FileError(f"{path} is not a key file, or is damaged")
    return record


# What numpy's, tokenize's and zipfile's parsers were seen to raise over damaged headers.
_PARSER_ERRORS = (
    ValueError, TypeError, LookupError, ArithmeticError, SyntaxError, EOFError, OSError, MemoryError, RecursionError,
    struct.error, tokenize.TokenError, zipfile.BadZipFile,
)  # fmt: skip
