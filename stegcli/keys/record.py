"""`.npy` files with one record of known fields, read safely from untrusted bytes.

numpy's own reader creates any type that the header names. Here the header is first parsed as a literal that must name
exactly the expected fields, with their order and types; only then numpy reads the record.
"""

from __future__ import annotations

import ast
import io
import math
import os
from typing import Any

import numpy as np

from stegcli.errors import FileError

VERSION = 2
"""Version of the format of key files. It is the first field, so that every version of stego can check it."""
MAGIC = b"\x93NUMPY\x01\x00"
MOST_HEADER_BYTES = 2048
Fields = list[tuple[Any, ...]]


def to_bytes(held: np.ndarray) -> bytes:
    """One record -> the bytes of a `.npy` file."""
    buffer = io.BytesIO()
    np.save(buffer, held, allow_pickle=False)
    return buffer.getvalue()


def fields_of(data: bytes) -> Fields | None:
    """The bytes of a `.npy` file -> the fields of its single record; None for any other bytes."""
    found = _header(data)
    return found[0] if found else None


def parse(data: bytes, path: str | os.PathLike[str], fields: Fields, last: tuple[str, str, int] | None) -> np.ndarray:
    """The bytes of a key file -> its record.

    fields: name, type and optional shape of each. last: name, type and number of dimensions of one more field, whose
    shape the file gives. Raises FileError if the bytes are not such a record, or have another format version.
    """
    found = _header(data)
    if found is None:
        raise damaged(path)
    held, start = found
    if held[:1] == [("version", "<u2")]:
        version = int.from_bytes(data[start : start + 2], "little")
        if version != VERSION and len(data) > start + 1:
            raise FileError(f"key {path} has format {version}, this stego reads {VERSION}", "make a new key")
    if held[: len(fields)] != fields or not _is_last(held[len(fields) :], last):
        raise damaged(path)
    kind = np.dtype(held)
    if len(data) != start + kind.itemsize:
        raise damaged(path)
    return np.frombuffer(data, kind, count=1, offset=start).reshape(())


def damaged(path: str | os.PathLike[str]) -> FileError:
    return FileError(f"{path} is not a key file, or is damaged")


def _header(data: bytes) -> tuple[Fields, int] | None:
    """Returns the fields, and the offset of the record."""
    start = 10 + int.from_bytes(data[8:10], "little")
    if data[:8] != MAGIC or start > min(len(data), MOST_HEADER_BYTES):
        return None
    try:
        told = ast.literal_eval(data[10:start].decode("ascii"))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    if not isinstance(told, dict) or told.keys() != {"descr", "fortran_order", "shape"}:
        return None
    fields = told["descr"]
    whole = told["shape"] == () and told["fortran_order"] is False and isinstance(fields, list)
    return (fields, start) if whole and all(isinstance(f, tuple) for f in fields) else None


def _is_last(found: Fields, last: tuple[str, str, int] | None) -> bool:
    """Whether the field after the known ones is the allowed last one, of any shape of bounded size."""
    if last is None:
        return not found
    if len(found) != 1 or len(found[0]) != 3:
        return False
    name, kind, shape = found[0]
    if (name, kind) != last[:2] or not isinstance(shape, tuple) or len(shape) != last[2]:
        return False
    return all(type(side) is int and side > 0 for side in shape) and math.prod(shape) < 1 << 30
