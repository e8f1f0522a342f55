"""JPEG files <-> their quantised coefficients, without decoding: what is not changed stays as it was, bit for bit.

The entropy coding is done by libjpeg-turbo through the package pyjpegio. It has traps that are dealt with here:

- The cover's Huffman tables may lack a code that changed coefficients need, and the file is then silently corrupt. If
  the tables are what libjpeg's optimisation gives, they are optimised again; else they are kept. Everything is read
  again after writing, and compared.
- Segments before the scan are put back from the cover's own bytes; so are the scans' headers.
- It reads truncated files with a warning on standard error. They are refused here.
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
"""The largest absolute value of an AC coefficient of 8-bit JPEG. DC coefficients stay within it for safety."""
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
    """pyjpegio is not installed, or there is none for this machine."""


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
    """A JPEG file, taken apart. notes: what is odd about it."""

    file: bytes
    structure: Structure
    components: tuple[Component, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def nonzero_ac(self) -> int:
        """Coefficients that are not zero, DC coefficients aside: what rates in steganography are measured by."""
        return sum(int(np.count_nonzero(c.blocks) - np.count_nonzero(c.blocks[:, :, 0, 0])) for c in self.components)


@dataclass(frozen=True)
class Written:
    """The bytes of a JPEG file, and what of the cover's segments does not travel, in words."""

    file: bytes
    notes: tuple[str, ...]


def read(data: bytes, what: str = "image") -> Jpeg:
    """The bytes of a JPEG file -> its coefficients. Raises FileError: no JPEG, damaged, or of a kind not read."""
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
    """Cover, and for each component its blocks as they shall be -> a file that is otherwise as the cover.

    Tables, sampling, restart intervals, progressive coding and the order of the segments stay. Of the metadata see
    `segments.travelling`. Raises FileError if what was written does not read as it should.
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
    """Segments but the Huffman tables."""
    return [s for s in before if s.marker != DHT]


# -- the library


def _load(data: bytes, what: str) -> tuple[Any, list[str]]:
    """-> pyjpegio's object, and the library's warnings."""
    jpegio = _library()
    with c_library.scratch(data) as path, c_library.quiet(_WARNINGS) as warned:
        try:
            loaded = jpegio.read(str(path))
        except RuntimeError as error:
            raise FileError(f"{what} is damaged or cut short") from error
    return loaded, warned


def _code(cover: bytes, blocks: Sequence[np.ndarray], optimise: bool) -> bytes:
    """The library's own file of the cover with these coefficients."""
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
            "pip install pyjpegio (there is none for Linux on ARM), or take a PNG that was never a JPEG",
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
    """Number of each table of quantisation steps -> int32 (8, 8)."""
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
    """Class and number of each Huffman table, as the file gives them in a byte -> lengths and symbols."""
    return {table[0]: table[1:] for s in before if s.marker == DHT for table in _tables_of(s)}


def _tables_of(segment: Segment) -> list[bytes]:
    """A segment of Huffman tables -> one after the other."""
    body, found = segment.body, []
    while body:
        length = 17 + sum(body[1:17])
        found.append(body[:length])
        body = body[length:]
    return found


@cache
def _standard_codes() -> frozenset[bytes]:
    """The tables of T.81, Annex K.3, as Pillow's plainest file has them."""
    buffer = io.BytesIO()
    Pillow.new("RGB", (8, 8)).save(buffer, "JPEG")
    return frozenset(_codes(segments.parse(buffer.getvalue()).before).values())


def _uses_optimised_tables(cover: Jpeg) -> bool:
    """Whether the cover's Huffman tables are those that libjpeg finds for it."""
    structure = cover.structure
    if structure.frame.marker == PROGRESSIVE:
        return True
    codes = _codes(structure.before)
    if _standard_codes().issuperset(codes.values()):
        return False
    own = _code(cover.file, [c.blocks for c in cover.components], True)
    return _codes(segments.parse(own).before) == codes


# -- putting it together


def _joined(cover: Structure, kept: Sequence[Segment], coded: Structure) -> Structure:
    """The cover's segments, the library's scans and Huffman tables.

    If the scans are those of the cover, they are headed, and their tables grouped and numbered, as in the cover.
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
    """Segments with other Huffman tables: in the same places if they are as many as before, else last."""
    if _codes(own).keys() != codes.keys():
        added = [Segment(DHT, bytes([number]) + table) for number, table in codes.items()]
        return (*(s for s in own if s.marker != DHT), *added)
    return tuple(
        Segment(DHT, b"".join(t[:1] + codes[t[0]] for t in _tables_of(s))) if s.marker == DHT else s for s in own
    )


def _extent(scan: Scan) -> tuple[bytes, bytes]:
    """What a scan codes: its components, and the band and the bits of their coefficients."""
    count = scan.header[0]
    return scan.header[1 : 1 + 2 * count : 2], scan.header[1 + 2 * count :]


def _renumbered(codes: dict[int, bytes], theirs: bytes, ours: bytes) -> dict[int, bytes]:
    """Huffman tables by their numbers in one scan's header -> by those in another header of the same scan."""
    count = theirs[0]
    start, end, bits = theirs[1 + 2 * count :]
    numbers: dict[int, int] = {}
    for old, new in zip(theirs[2 : 2 + 2 * count : 2], ours[2 : 2 + 2 * count : 2], strict=True):
        if start == 0 and bits >> 4 == 0:
            numbers[old >> 4] = new >> 4
        if end > 0:
            numbers[0x10 | old & 15] = 0x10 | new & 15
    return {numbers.get(number, number): table for number, table in codes.items()}
