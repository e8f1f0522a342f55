"""Slow derivation of 32 bytes from a passphrase, and key files encrypted with a passphrase."""

from __future__ import annotations

import os
import secrets
import threading
import unicodedata
from dataclasses import dataclass

import numpy as np
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from stegcli.errors import FileError
from stegcli.keys import record

KDF = b"argon2id"
SALT_BYTES, NONCE_BYTES = 16, 12
MOST_KIB, MOST_PASSES, MOST_LANES = 1 << 20, 16, 16
"""The most that a file may demand: one gibibyte, and some seconds."""


@dataclass(frozen=True)
class Costs:
    """The cost of one guess: memory in KiB, passes over it, lanes that may run in parallel."""

    memory: int = 1 << 18
    passes: int = 3
    lanes: int = 4

    @property
    def bearable(self) -> bool:
        """Whether Argon2 accepts these costs, and they are within our limits."""
        memory, passes, lanes = self.memory, self.passes, self.lanes
        return 8 * lanes <= memory <= MOST_KIB and 1 <= passes <= MOST_PASSES and 1 <= lanes <= MOST_LANES


COSTS = Costs()
"""256 MiB and three passes: four times the memory that RFC 9106 recommends for machines with little memory."""

COST_FIELDS: record.Fields = [
    ("kdf", "|S16"),
    ("memory", "<u4"),
    ("passes", "<u4"),
    ("lanes", "<u4"),
    ("salt", "|u1", (SALT_BYTES,)),
]
FIELDS: record.Fields = [("version", "<u2"), *COST_FIELDS, ("nonce", "|u1", (NONCE_BYTES,))]
"""The fields of a wrapped file; the field `sealed`, of any length, follows them."""

_ONE = threading.Lock()
"""OpenSSL has one pool of threads for the lanes: of two derivations at once, one fails."""


def stretch(passphrase: str, salt: bytes, costs: Costs = COSTS) -> bytes:
    """Passphrase and salt -> 32 bytes, by Argon2id (RFC 9106).

    The passphrase is used in Unicode normal form C and UTF-8, so that the same text from different keyboards gives the
    same bytes. Raises FileError if the cryptography package lacks Argon2id.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(f"salt has {len(salt)} bytes, not {SALT_BYTES}")
    try:
        kdf = Argon2id(salt=salt, length=32, iterations=costs.passes, lanes=costs.lanes, memory_cost=costs.memory)
    except UnsupportedAlgorithm as error:
        raise FileError("the cryptography package here lacks Argon2id", "install its wheel from PyPI") from error
    with _ONE:
        return kdf.derive(unicodedata.normalize("NFC", passphrase).encode())


def wrap(content: bytes, passphrase: str, costs: Costs = COSTS) -> bytes:
    """The bytes of a key file -> the bytes of a `.npy` record that only the passphrase opens.

    The content, with method and weights, is encrypted by ChaCha20-Poly1305; everything before it is authenticated.
    """
    salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
    sealed_bytes = len(content) + 16
    held = np.zeros((), [*FIELDS, ("sealed", "|u1", (sealed_bytes,))])
    held["version"], held["kdf"] = record.VERSION, KDF
    held["memory"], held["passes"], held["lanes"] = costs.memory, costs.passes, costs.lanes
    held["salt"], held["nonce"] = np.frombuffer(salt, np.uint8), np.frombuffer(nonce, np.uint8)
    head = held.tobytes()[:-sealed_bytes]
    sealed = ChaCha20Poly1305(stretch(passphrase, salt, costs)).encrypt(nonce, content, head)
    held["sealed"] = np.frombuffer(sealed, np.uint8)
    return record.to_bytes(held)


def is_wrapped(data: bytes) -> bool:
    """Whether these bytes are a file from `wrap`, damaged or not."""
    fields = record.fields_of(data)
    return fields is not None and fields[:-1] == FIELDS


def unwrap(data: bytes, passphrase: str, path: str | os.PathLike[str]) -> bytes:
    """The bytes of a wrapped file -> its content. Raises FileError for a wrong passphrase or a damaged file."""
    held = record.parse(data, path, FIELDS, ("sealed", "|u1", 1))
    costs = Costs(int(held["memory"]), int(held["passes"]), int(held["lanes"]))
    if held["kdf"].item() != KDF or not costs.bearable:
        raise record.damaged(path)
    head = held.tobytes()[: -held["sealed"].size]
    try:
        cipher = ChaCha20Poly1305(stretch(passphrase, held["salt"].tobytes(), costs))
        return cipher.decrypt(held["nonce"].tobytes(), held["sealed"].tobytes(), head)
    except InvalidTag as error:
        raise FileError(f"the passphrase does not open key {path}", "or the file is damaged") from error
