"""`.npy` files that hold one record of known fields, read without trusting a byte of them.

numpy's own reader makes whatever type a header names before anyone can look at it. Here the header is a literal that
must name exactly the fields that are expected, in their order and types; only then numpy is asked.
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
"""Of key files. The first field of every one, so that a stego can tell what it does not read."""
MAGIC = b"\x93NUMPY\x01\x00"
MOST_HEADER_BYTES = 2048
Fields = list[tuple[Any, ...]]


def to_bytes(held: np.ndarray) -> bytes:
    """One record -> the bytes of a `.npy` file."""
    buffer = io.BytesIO()
    np.save(buffer, held, allow_pickle=False)
    return buffer.getvalue()


def fields_of(data: bytes) -> Fields | None:
    """The bytes of a `.npy` file -> the fields of its one record; None for whatever else they are."""
    found = _header(data)
    return found[0] if found else None


def parse(data: bytes, path: str | os.PathLike[str], fields: Fields, last: tuple[str, str, int] | None) -> np.ndarray:
    """The bytes of a key file -> its record.

    fields: name, type and perhaps shape of each. last: one more, by name, type and number of dimensions; its shape is
    the file's. Raises FileError if they are anything else, or of another format.
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
    """-> the fields, and where the record begins."""
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
    """Whether what stands behind the known fields is the one more that may: of any shape, if it has an end."""
    if last is None:
        return not found
    if len(found) != 1 or len(found[0]) != 3:
        return False
    name, kind, shape = found[0]
    if (name, kind) != last[:2] or not isinstance(shape, tuple) or len(shape) != last[2]:
        return False
    return all(type(side) is int and side > 0 for side in shape) and math.prod(shape) < 1 << 30
