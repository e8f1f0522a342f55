"""Key files for one stego only: an ordinary key followed by z, an array as large as the message or the stego.

z depends on the message, so this file carries a part of it: anyone with the file and the stego can read the message.
There are two uses. In the paper's form of lossless-inn, z is the second output of the bijection. In glow2's cascade
with several receivers, z is the receiver's token.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from stegcli import files
from stegcli.keys import key as keys
from stegcli.keys import record
from stegcli.keys.key import Key

LAST = ("z", "<f4", 3)


def to_bytes(key: Key, z: np.ndarray) -> bytes:
    """Key and z (message, h, w) -> the bytes of a `.npy` record with one more field, `z` in float32."""
    plain = key.to_record()
    held = np.zeros((), [*keys.FIELDS, (*LAST[:2], z.shape)])
    for name in keys.RECORD.names or ():
        held[name] = plain[name]
    held["z"] = z
    return record.to_bytes(held)


def load(path: str | os.PathLike[str], ask: Callable[[], str] | None = None) -> tuple[Key, np.ndarray | None]:
    """A key file -> the key, and z or None. ask: asks for the passphrase of a wrapped key. Raises FileError."""
    data = keys.unwrapped(files.read(path, "key"), path, ask)
    found = record.fields_of(data)
    if not found or found[-1][:1] != LAST[:1]:
        return keys.from_bytes(data, path), None
    held = record.parse(data, path, keys.FIELDS, LAST)
    return keys.from_record(held, path), np.array(held["z"], np.float32)
