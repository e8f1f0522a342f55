"""A key file that serves one stego only: an ordinary key, and behind it z, as large as the message or the stego.

z depends on the message, so this file *carries* it: whoever has it and the stego reads the message. Two uses: the
lossless INN in its paper's form, where z is the other half of the bijection; and glow2's cascade with several
receivers, where z is the receiver's token.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from stegcli import files
from stegcli.errors import FileError
from stegcli.keys import key as keys
from stegcli.keys.key import Key


def to_bytes(key: Key, z: np.ndarray) -> bytes:
    """Key and z (message, h, w) -> the bytes of a `.npy` record with one more field, `z` in float32."""
    plain = np.load(io.BytesIO(key.to_bytes()), allow_pickle=False)
    record = np.zeros((), np.dtype([*keys.RECORD.descr, ("z", "<f4", z.shape)]))
    for name in keys.RECORD.names or ():
        record[name] = plain[name]
    record["z"] = z
    buffer = io.BytesIO()
    np.save(buffer, record, allow_pickle=False)
    return buffer.getvalue()


def is_zkey(path: Path) -> bool:
    """Whether this may be such a file: it is larger than any ordinary key."""
    try:
        return path.stat().st_size > keys.MAX_FILE_BYTES
    except OSError:
        return False


def load(path: Path) -> tuple[Key, np.ndarray]:
    """Raises FileError if it is damaged."""
    record = keys.parse(files.read(path, "key"), path)
    names = record.dtype.names or ()
    if names[:-1] != keys.RECORD.names or names[-1] != "z" or record["z"].ndim != 3:
        raise FileError(f"{path} is not a key file, or is damaged")
    plain = np.zeros((), keys.RECORD)
    for name in names[:-1]:
        plain[name] = record[name]
    return keys.from_record(plain, path), np.array(record["z"], np.float32)
