"""Boxes of AVIF and HEIC files: brands, colour information, and bits per sample.

Reference: ISO/IEC 14496-12 (boxes), 23008-12 (items and properties); AV1 Image File Format (AOMedia), section 2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_PROPERTIES = ((b"meta", 4), (b"iprp", 0), (b"ipco", 0))  # path to the properties, and bytes before each box's children


@dataclass(frozen=True)
class Facts:
    """The facts about the samples that the properties contain.

    cicp: primaries, transfer, matrix and full range by ITU-T H.273, or None. depth: bits. grey: one channel.
    """

    cicp: tuple[int, int, int, int] | None = None
    depth: int = 8
    grey: bool = False


def brands(data: bytes) -> list[bytes]:
    """The first bytes of a file -> its brands, the major one first; none if it has no boxes."""
    if data[4:8] != b"ftyp":
        return []
    (size,) = struct.unpack_from(">I", data)
    listed = data[16 : min(size, 1024)]
    return [data[8:12], *(listed[i : i + 4] for i in range(0, len(listed) - 3, 4))]


def facts(data: bytes) -> Facts:
    """The bytes of an AVIF or HEIC file -> facts from its properties. Damaged properties are ignored."""
    inside = data
    for name, skipped in _PROPERTIES:
        inside = next((content[skipped:] for found, content in _boxes(inside) if found == name), b"")
    cicp, depth, grey = None, 8, False
    for name, content in _boxes(inside):
        if name == b"colr" and content[:4] == b"nclx" and len(content) >= 11 and cicp is None:
            primaries, transfer, matrix, flags = struct.unpack_from(">HHHB", content, 4)
            cicp = (primaries, transfer, matrix, flags >> 7)
        if name == b"av1C" and len(content) >= 3:
            deep, deeper = content[2] & 0x40, content[2] & 0x20
            depth, grey = max(depth, 12 if deep and deeper else 10 if deep else 8), bool(content[2] & 0x10)
        if name == b"pixi" and len(content) > 5:
            depth = max(depth, *content[5 : 5 + content[4]])
    return Facts(cicp, depth, grey)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Bytes -> name and content of each box in them."""
    place = 0
    while place + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        header = 8
        if size == 1 and place + 16 <= len(data):
            (size,), header = struct.unpack_from(">Q", data, place + 8), 16
        if size == 0:
            size = len(data) - place
        if size < header:
            return
        yield name, data[place + header : place + size]
        place += size
