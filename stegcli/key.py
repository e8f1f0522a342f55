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
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from stegcli import files
from stegcli.errors import FileError

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


class Stream:
    """A 32-byte seed -> an endless, platform-independent sequence of numbers.

    The ChaCha20 keystream with zero nonce, read as little-endian 64-bit words. Each call goes on where the
    one before stopped, so the order of calls is part of what sender and receiver share.
    """

    def __init__(self, seed: bytes):
        self._keystream = Cipher(algorithms.ChaCha20(seed, bytes(16)), mode=None).encryptor()

    def bytes(self, n: int) -> bytes:
        return self._keystream.update(bytes(n))

    def words(self, n: int) -> np.ndarray:
        """n uniform 64-bit words, uint64."""
        words: np.ndarray = np.frombuffer(self.bytes(8 * n), "<u8").astype(np.uint64, copy=False)
        return words

    def bits(self, n: int) -> np.ndarray:
        """n uniform bits, uint8 in {0, 1}; takes whole bytes from the stream."""
        return np.unpackbits(np.frombuffer(self.bytes((n + 7) // 8), np.uint8))[:n]

    def integers(self, n: int, bound: int) -> np.ndarray:
        """n exactly uniform integers in [0, bound), int64: words past the last multiple of `bound` are drawn anew."""
        last = 2**64 - 2**64 % bound - 1
        accepted = np.empty(0, np.uint64)
        while len(accepted) < n:
            words = self.words(n - len(accepted))
            accepted = np.concatenate([accepted, words[words <= np.uint64(last)]])
        return (accepted % np.uint64(bound)).astype(np.int64)

    def uniform(self, n: int) -> np.ndarray:
        """n floats (word >> 12 + 1/2) / 2^52: uniform in the open interval (0, 1), float64."""
        return ((self.words(n) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52

    def normal(self, n: int) -> np.ndarray:
        """n standard normals, float64, through the inverse distribution function."""
        return inverse_normal(self.uniform(n))

    def permutation(self, n: int) -> np.ndarray:
        """A uniform permutation of range(n), int64: the stable sort order of n words."""
        return np.argsort(self.words(n), kind="stable")


def inverse_normal(p: np.ndarray) -> np.ndarray:
    """p in (0, 1) -> the standard normal quantile, float64, relative error about 1e-16.

    Reference: Algorithm AS 241, PPND16 (Wichura, 1988). The logarithm is our own, see `_log`.
    """
    q = p - 0.5
    r = 0.180625 - q * q
    centre = q * _ratio(r, _CENTRE)
    tail_p = np.where(q < 0, p, 1.0 - p)
    t = np.sqrt(-_log(tail_p))
    tail = np.where(t <= 5, _ratio(t - 1.6, _MIDDLE), _ratio(t - 5.0, _FAR))
    return np.where(np.abs(q) <= 0.425, centre, np.where(q < 0, -tail, tail))


def _log(x: np.ndarray) -> np.ndarray:
    """Natural logarithm from exactly rounded operations alone.

    np.log differs in the last bit between processors. x = m 2^e with m in [sqrt(1/2), sqrt(2)), and
    log m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172: twelve terms reach 1e-20.
    """
    m, e = np.frexp(x)
    low = m < 0.7071067811865476
    m = np.where(low, 2.0 * m, m)
    e = e - low
    s = (m - 1.0) / (m + 1.0)
    s2 = s * s
    series = np.zeros_like(s)
    for k in range(23, 0, -2):
        series = series * s2 + 1.0 / k
    logarithm: np.ndarray = e * 0.6931471805599453 + 2.0 * s * series
    return logarithm


def _ratio(x: np.ndarray, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> np.ndarray:
    top: np.ndarray = np.zeros_like(x)
    bottom: np.ndarray = np.zeros_like(x)
    for a, b in zip(*(reversed(c) for c in coefficients), strict=True):
        top = top * x + a
        bottom = bottom * x + b
    top /= bottom
    return top


_CENTRE = (
    (
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ),
    (
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ),
)
_MIDDLE = (
    (
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ),
    (
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
)
_FAR = (
    (
        6.65790464350110377720e0,
        5.46378491116411436990e0,
        1.78482653991729133580e0,
        2.96560571828504891230e-1,
        2.65321895265761230930e-2,
        1.24266094738807843860e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ),
    (
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ),
)
