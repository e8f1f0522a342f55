"""Key files, and all randomness that sender and receiver share.

A key is 32 secret bytes plus the names of the method and weights that they are for. All masks, permutations and
encryption keys are derived from it by HKDF-SHA256 (RFC 5869) under a name, and expanded by the ChaCha20 keystream
(RFC 8439). Covers are drawn from 16 bytes that the keys of several receivers may share. Floats and normals are computed
from the keystream's integers with only those operations that IEEE 754 rounds exactly (+, -, *, /, sqrt), so they have
the same bits on every machine. No library generator is used, since those may change from one version to the next.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from stegcli import files
from stegcli.errors import FileError
from stegcli.keys import record
from stegcli.keys.passphrase import COST_FIELDS, COSTS, KDF, SALT_BYTES, Costs, is_wrapped, stretch, unwrap
from stegcli.keys.stream import Stream

DERIVATION = 1
"""Version of the derivation from a key; part of every label. It does not depend on the format of the key file."""
SECRET_BYTES = 32
GROUP_BYTES = 16
MAX_FILE_BYTES = 4096
RANDOM = b"random"

FIELDS: record.Fields = [
    ("version", "<u2"),
    ("method", "|S32"),
    ("weights", "|S64"),
    ("secret", "|u1", (SECRET_BYTES,)),
    ("shares", "|u1"),  # 1 if covers are drawn from the following group, which other keys share
    ("group", "|u1", (GROUP_BYTES,)),
    *COST_FIELDS,  # kdf: "random", or "argon2id" with the costs of deriving the secret from a passphrase
]
RECORD = np.dtype(FIELDS)


@dataclass(frozen=True)
class Key:
    """The 32 secret bytes shared by sender and receiver, and the method and weights that they are for.

    salt, costs: of the passphrase that the key was derived from. group: the bytes that its covers are drawn from, if
    not from its own secret (`beside`). ValueError if a key has both a salt and a group.
    """

    method: str
    weights: str
    secret: bytes = field(repr=False)
    salt: bytes | None = None
    group: bytes | None = field(default=None, repr=False)
    costs: Costs = field(default=COSTS, repr=False)

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
        """Nonce of one message -> the key from which everything for this message, and for no other, is derived."""
        return Key(self.method, self.weights, self.derive("message", int.from_bytes(nonce, "big")))

    def cover_secret(self) -> bytes:
        """The 16 bytes that covers are drawn from: the group, or else bytes derived from the key.

        They may be given to other receivers: HKDF's output reveals nothing about the key or any other output.
        """
        return self.derive("covers", length=GROUP_BYTES) if self.group is None else self.group

    def cover_stream(self, purpose: str, number: int = 0) -> Stream:
        """Name -> a fresh deterministic stream that is the same for all keys of one group."""
        return Stream(_expand(self.cover_secret(), self.method, purpose, number))

    def save(self, path: str | os.PathLike[str], force: bool = False) -> None:
        """Write the key as one `.npy` record with mode 0600. Raises FileError if the file exists, without `force`."""
        files.write(path, self.to_bytes(), force=force, mode=0o600)

    def to_bytes(self) -> bytes:
        return record.to_bytes(self.to_record())

    def to_record(self) -> np.ndarray:
        held = np.zeros((), RECORD)
        held["version"] = record.VERSION
        held["method"] = self.method.encode()
        held["weights"] = self.weights.encode()
        held["secret"] = np.frombuffer(self.secret, np.uint8)
        held["shares"] = self.group is not None
        held["group"] = np.frombuffer(self.group or bytes(GROUP_BYTES), np.uint8)
        held["kdf"] = RANDOM if self.salt is None else KDF
        if self.salt is not None:
            held["salt"] = np.frombuffer(self.salt, np.uint8)
            held["memory"], held["passes"], held["lanes"] = self.costs.memory, self.costs.passes, self.costs.lanes
        return held


def _expand(secret: bytes, method: str, purpose: str, number: int, length: int = 32) -> bytes:
    info = f"stegcli/{DERIVATION}/{method}/{purpose}/{number}".encode()
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret)


def generate(method: str, weights: str) -> Key:
    """A fresh random key."""
    return Key(method, weights, secrets.token_bytes(SECRET_BYTES))


def beside(key: Key) -> Key:
    """Key -> a fresh key that draws the same covers but cannot read the other's messages.

    The two keys share only `cover_secret`. It reveals nothing about either key, and nothing that hides a message is
    derived from it. Since both receivers know the cover, each can see that the other has a message.
    """
    return Key(key.method, key.weights, secrets.token_bytes(SECRET_BYTES), group=key.cover_secret())


def from_passphrase(method: str, weights: str, passphrase: str, salt: bytes | None = None, costs: Costs = COSTS) -> Key:
    """Passphrase and salt (fresh if None) -> key, through Argon2id."""
    salt = salt or secrets.token_bytes(SALT_BYTES)
    return Key(method, weights, stretch(passphrase, salt, costs), salt, costs=costs)


def load(path: str | os.PathLike[str], ask: Callable[[], str] | None = None) -> Key:
    """Read a key file. ask: asks for the passphrase of a wrapped key.

    Raises FileError if the file is missing, damaged, of another format, or wrapped without `ask`.
    """
    return from_bytes(unwrapped(files.read(path, "key", limit=MAX_FILE_BYTES), path, ask), path)


def unwrapped(data: bytes, path: str | os.PathLike[str], ask: Callable[[], str] | None) -> bytes:
    """The bytes of a key file, wrapped or not -> the bytes of the unwrapped key file."""
    if not is_wrapped(data):
        return data
    if ask is None:
        raise FileError(f"key {path} is wrapped by a passphrase")
    return unwrap(data, ask(), path)


def from_bytes(data: bytes, path: str | os.PathLike[str]) -> Key:
    """The bytes of a key file -> Key. Raises FileError if they are not a key file."""
    return from_record(record.parse(data, path, FIELDS, None), path)


def from_record(held: np.ndarray, path: str | os.PathLike[str]) -> Key:
    """The record of a key file -> Key. Raises FileError if `to_bytes` cannot have made it."""
    try:
        method, weights = held["method"].item().decode(), held["weights"].item().decode()
    except UnicodeDecodeError as error:
        raise record.damaged(path) from error
    kdf, shares = held["kdf"].item(), int(held["shares"])
    if kdf not in (RANDOM, KDF) or shares not in (0, 1) or (shares and kdf == KDF):
        raise record.damaged(path)
    group = held["group"].tobytes() if shares else None
    if kdf == RANDOM:
        return Key(method, weights, held["secret"].tobytes(), group=group)
    costs = Costs(int(held["memory"]), int(held["passes"]), int(held["lanes"]))
    return Key(method, weights, held["secret"].tobytes(), held["salt"].tobytes(), costs=costs)
