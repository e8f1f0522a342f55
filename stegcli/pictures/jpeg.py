"""JPEG files <-> quantised coefficients, without decoding to pixels. Unchanged parts stay the same, bit for bit.

libjpeg-turbo does the entropy coding, through the package pyjpegio. This module works around three of its problems:

- The cover's Huffman tables may lack a code that changed coefficients need, and the written file is then silently
  corrupt. If the tables are those of libjpeg's optimisation, they are optimised again; otherwise they are kept. Every
  written file is read again and compared.
- It rewrites the segments before the scan and the headers of scans. Here they are copied from the cover's bytes.
- It reads truncated files and only prints a warning to standard error. Here they are refused.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from PIL import Image as Pillow

from stegcli.errors import FileError
from stegcli.pictures import c_library, segments
from stegcli.pictures.segments import DHT, DQT, PROGRESSIVE, Scan, Segment, Structure

LARGEST = 1023
"""The largest absolute value of an AC coefficient in 8-bit JPEG. DC coefficients are kept within it too, for safety."""
ZIGZAG = np.array(
    [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
     28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
     47, 55, 62, 63]
)  # fmt: skip
"""Place in a block, row by row, of each coefficient in the file's order. Reference: T.81, Figure A.6."""

_WARNINGS = ("Corrupt JPEG data", "Premature end", "Invalid SOS", "Inconsistent progression", "Unsupported marker",
             "Application transferred", "Warning: unknown JFIF", "Unknown Adobe")  # fmt: skip
_HARMLESS = ("extraneous bytes before marker", "unknown JFIF", "Unknown Adobe")


class MissingLibraryError(FileError):
    """pyjpegio is not installed, or does not exist for this machine."""


@dataclass(frozen=True)
class Component:
    """One colour component. blocks: quantised coefficients, int16 (rows, columns, 8, 8), vertical frequency first.

    steps: quantisation steps, int32 (8, 8). across, down: its sampling factors.
    """

    blocks: np.ndarray
    steps: np.ndarray
    across: int
    down: int


@dataclass(frozen=True)
class Jpeg:
    """A parsed JPEG file. notes: oddities of the file."""

    file: bytes
    structure: Structure
    components: tuple[Component, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def nonzero_ac(self) -> int:
        """The number of nonzero AC coefficients. Rates in JPEG steganography are bits per nonzero AC coefficient."""
        return sum(int(np.count_nonzero(c.blocks) - np.count_nonzero(c.blocks[:, :, 0, 0])) for c in self.components)


@dataclass(frozen=True)
class Written:
    """The bytes of a JPEG file, and notes on segments of the cover that were left out."""

    file: bytes
    notes: tuple[str, ...]


def read(data: bytes, what: str = "image") -> Jpeg:
    """The bytes of a JPEG file -> its coefficients. Raises FileError if it is not a JPEG, damaged, or not supported."""
    structure = segments.parse(data, what)
    steps, frame = _steps(structure.before), structure.frame
    loaded, warned = _load(data, what)
    if any(not any(h in w for h in _HARMLESS) for w in warned):
        raise FileError(f"{what} is damaged or cut short")
    arrays = [_to_blocks(a) for a in loaded.coef_arrays]
    if len(arrays) != len(frame.tables) or any(t not in steps for t in frame.tables):
        raise FileError(f"{what} is damaged or cut short")
    if any(np.abs(a).max(initial=0) > 2047 for a in arrays):
        raise FileError(f"{what} has coefficients out of range")
    components = tuple(
        Component(blocks, steps[table], *factors)
        for blocks, table, factors in zip(arrays, frame.tables, frame.sampling, strict=True)
    )
    return Jpeg(data, structure, components)


def write(cover: Jpeg, blocks: Sequence[np.ndarray], keep_metadata: bool = False) -> Written:
    """Cover, and the new blocks of each component -> a file that is otherwise equal to the cover.

    Tables, sampling, restart intervals, progressive coding and the order of the segments stay. For metadata see
    `segments.travelling`. Raises FileError if the written file does not contain the new blocks when it is read again.
    """
    kept = segments.travelling(cover.structure, keep_metadata)
    optimise = _uses_optimised_tables(cover)
    for attempt in (optimise, True):
        coded = segments.parse(_code(cover.file, blocks, attempt), "output")
        file = _joined(cover.structure, kept.segments, coded).to_bytes()
        if _reads_as(file, cover, blocks, kept.segments):
            return Written(file, kept.notes)
    raise FileError("this JPEG cannot be written back without loss", "save it as ordinary JPEG first")


def _reads_as(file: bytes, cover: Jpeg, blocks: Sequence[np.ndarray], kept: Sequence[Segment]) -> bool:
    """Whether a written file holds these coefficients and segments, and the cover's tables."""
    try:
        found = read(file, "output")
    except FileError:
        return False
    same = all(np.array_equal(c.blocks, b) for c, b in zip(found.components, blocks, strict=True))
    steps = all(np.array_equal(a.steps, b.steps) for a, b in zip(found.components, cover.components, strict=True))
    return same and steps and _but_codes(found.structure.before) == _but_codes(kept)


def _but_codes(before: Iterable[Segment]) -> list[Segment]:
    """All segments except the Huffman tables."""
    return [s for s in before if s.marker != DHT]


# -- the library


def _load(data: bytes, what: str) -> tuple[Any, list[str]]:
    """JPEG file -> pyjpegio's object, and the library's warnings."""
    jpegio = _library()
    with c_library.scratch(data) as path, c_library.quiet(_WARNINGS) as warned:
        try:
            loaded = jpegio.read(str(path))
        except RuntimeError as error:
            raise FileError(f"{what} is damaged or cut short") from error
    return loaded, warned


def _code(cover: bytes, blocks: Sequence[np.ndarray], optimise: bool) -> bytes:
    """The cover with these coefficients, as the library writes it."""
    jpegio = _library()
    loaded, _ = _load(cover, "cover")
    for array, wanted in zip(loaded.coef_arrays, blocks, strict=True):
        rows, columns = wanted.shape[:2]
        array.reshape(rows, 8, columns, 8)[...] = wanted.swapaxes(1, 2)
    loaded.optimize_coding = int(optimise)
    with c_library.scratch() as path, c_library.quiet(_WARNINGS):
        try:
            jpegio.write(loaded, str(path))
        except RuntimeError as error:
            raise FileError("the JPEG library cannot write this picture") from error
        return path.read_bytes()


def _library() -> Any:
    try:
        import jpegio
    except ImportError as error:
        raise MissingLibraryError(
            "JPEG covers need the package pyjpegio, which is not installed",
            "pip install pyjpegio (not available for Linux on ARM), or use a PNG that was never a JPEG",
        ) from error
    return jpegio


def _to_blocks(plane: np.ndarray) -> np.ndarray:
    """(8 rows, 8 columns) -> int16 (rows, columns, 8, 8)."""
    height, width = plane.shape
    return np.ascontiguousarray(plane.astype(np.int16).reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2))


# -- tables


def steps_of(structure: Structure) -> list[np.ndarray]:
    """The quantisation steps of each component, int32 (8, 8); none if a table is missing."""
    found, wanted = _steps(structure.before), structure.frame.tables
    return [found[t] for t in wanted] if all(t in found for t in wanted) else []


def _steps(before: Iterable[Segment]) -> dict[int, np.ndarray]:
    """Number of a quantisation table -> its steps, int32 (8, 8)."""
    found: dict[int, np.ndarray] = {}
    for segment in before:
        body = segment.body if segment.marker == DQT else b""
        while body:
            size = 2 if body[0] >> 4 else 1
            values = np.frombuffer(body[1 : 1 + 64 * size].ljust(64 * size, b"\1"), ">u2" if size == 2 else "u1")
            table = np.empty(64, np.int32)
            table[ZIGZAG] = values
            found[body[0] & 15] = table.reshape(8, 8)
            body = body[1 + 64 * size :]
    return found


def _codes(before: Iterable[Segment]) -> dict[int, bytes]:
    """Class and number of a Huffman table, in one byte as in the file -> lengths and symbols."""
    return {table[0]: table[1:] for s in before if s.marker == DHT for table in _tables_of(s)}


def _tables_of(segment: Segment) -> list[bytes]:
    """A segment of Huffman tables -> the single tables."""
    body, found = segment.body, []
    while body:
        length = 17 + sum(body[1:17])
        found.append(body[:length])
        body = body[length:]
    return found


@cache
def _standard_codes() -> frozenset[bytes]:
    """The standard tables of T.81, Annex K.3, taken from a file that Pillow writes."""
    buffer = io.BytesIO()
    Pillow.new("RGB", (8, 8)).save(buffer, "JPEG")
    return frozenset(_codes(segments.parse(buffer.getvalue()).before).values())


def _uses_optimised_tables(cover: Jpeg) -> bool:
    """Whether the cover's Huffman tables are those of libjpeg's optimisation."""
    structure = cover.structure
    if structure.frame.marker == PROGRESSIVE:
        return True
    codes = _codes(structure.before)
    if _standard_codes().issuperset(codes.values()):
        return False
    own = _code(cover.file, [c.blocks for c in cover.components], True)
    return _codes(segments.parse(own).before) == codes


# -- assembling the file


def _joined(cover: Structure, kept: Sequence[Segment], coded: Structure) -> Structure:
    """Join the cover's segments with the library's scans and Huffman tables.

    If both have the same scans, the headers of the scans and the grouping and numbers of tables follow the cover.
    """
    if [_extent(s) for s in cover.scans] != [_extent(s) for s in coded.scans]:
        return Structure(_with_codes(kept, _codes(coded.before)), coded.scans, b"")
    scans: list[Scan] = []
    before = tuple(kept)
    for ours, theirs in zip(cover.scans, coded.scans, strict=True):
        first = not scans
        codes = _renumbered(_codes(coded.before if first else theirs.tables), theirs.header, ours.header)
        if first:
            before = _with_codes(kept, codes)
        scans.append(Scan(() if first else _with_codes(ours.tables, codes), ours.header, theirs.data))
    return Structure(before, tuple(scans), b"")


def _with_codes(own: Sequence[Segment], codes: dict[int, bytes]) -> tuple[Segment, ...]:
    """Replace Huffman tables in segments: in the same places if the number is the same, else at the end."""
    if _codes(own).keys() != codes.keys():
        added = [Segment(DHT, bytes([number]) + table) for number, table in codes.items()]
        return (*(s for s in own if s.marker != DHT), *added)
    return tuple(
        Segment(DHT, b"".join(t[:1] + codes[t[0]] for t in _tables_of(s))) if s.marker == DHT else s for s in own
    )


def _extent(scan: Scan) -> tuple[bytes, bytes]:
    """The content of a scan: its components, and the range and bits of their coefficients."""
    count = scan.header[0]
    return scan.header[1 : 1 + 2 * count : 2], scan.header[1 + 2 * count :]


def _renumbered(codes: dict[int, bytes], theirs: bytes, ours: bytes) -> dict[int, bytes]:
    """Huffman tables numbered as in one header of a scan -> numbered as in another header of the same scan."""
    count = theirs[0]
    start, end, bits = theirs[1 + 2 * count :]
    numbers: dict[int, int] = {}
    for old, new in zip(theirs[2 : 2 + 2 * count : 2], ours[2 : 2 + 2 * count : 2], strict=True):
        if start == 0 and bits >> 4 == 0:
            numbers[old >> 4] = new >> 4
        if end > 0:
            numbers[0x10 | old & 15] = 0x10 | new & 15
    return {numbers.get(number, number): table for number, table in codes.items()}
