"""The segments of a JPEG file before its scans, and which of them go into a stego.

    SOI  segments (metadata, tables, frame)  SOS scan  [tables SOS scan ...]  EOI  [bytes outside the picture]

Reference: ITU-T T.81, Annex B; JFIF 1.02; Exif 2.32; CIPA DC-007 (multi-picture format, MPF); C2PA 2.1.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stegcli.errors import FileError

SOI, EOI, SOS, DQT, DHT, DNL, DRI, COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDC, 0xDD, 0xFE
APP0, APP1, APP2, APP11, APP13, APP14 = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE
FRAMES = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, 0xCC}
READ = {0xC0, 0xC1, 0xC2}
PROGRESSIVE = 0xC2
REFUSED = {0xC3: "lossless", 0xC5: "hierarchical", 0xC6: "hierarchical", 0xC7: "hierarchical"}

_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_EXIF_HEAD = b"Exif\0\0"
_ORIENTATION_TAG = 0x0112


@dataclass(frozen=True)
class Segment:
    """marker: its second byte. body: the bytes after the length."""

    marker: int
    body: bytes

    def to_bytes(self) -> bytes:
        return struct.pack(">BBH", 0xFF, self.marker, len(self.body) + 2) + self.body

    @property
    def kind(self) -> str:
        """Its content: tables, frame, jfif, jfxx, exif, xmp, icc, mpf, c2pa, photoshop, adobe, comment or app."""
        if self.marker in (DQT, DHT, DRI):
            return "tables"
        if self.marker in FRAMES:
            return "frame"
        if self.marker == COM:
            return "comment"
        heads = (kind for marker, head, kind in _KINDS if marker == self.marker and self.body.startswith(head))
        return next(heads, "app")


_KINDS = (
    (APP0, b"JFIF\0", "jfif"),
    (APP0, b"JFXX\0", "jfxx"),
    (APP1, _EXIF_HEAD, "exif"),
    (APP1, b"http://ns.adobe.com/", "xmp"),
    (APP2, b"ICC_PROFILE\0", "icc"),
    (APP2, b"MPF\0", "mpf"),
    (APP11, b"JP", "c2pa"),
    (APP13, b"Photoshop ", "photoshop"),
    (APP14, b"Adobe", "adobe"),
)


@dataclass(frozen=True)
class Scan:
    """tables: the segments just before it, empty for the first scan. header: the body of SOS. data: coded, with RST."""

    tables: tuple[Segment, ...]
    header: bytes
    data: bytes


@dataclass(frozen=True)
class Frame:
    """marker: names the kind of coding. For each component: identity, sampling factors across and down, and number of
    its quantisation table."""

    marker: int
    precision: int
    height: int
    width: int
    identities: tuple[int, ...]
    sampling: tuple[tuple[int, int], ...]
    tables: tuple[int, ...]


@dataclass(frozen=True)
class Structure:
    """A parsed JPEG file. before: all segments before the first scan. after: bytes that follow EOI."""

    before: tuple[Segment, ...]
    scans: tuple[Scan, ...]
    after: bytes

    @property
    def frame(self) -> Frame:
        found = next(s for s in self.before if s.marker in FRAMES)
        precision, height, width, count = struct.unpack_from(">BHHB", found.body)
        rows = [found.body[6 + 3 * i : 9 + 3 * i] for i in range(count)]
        return Frame(
            found.marker, precision, height, width,
            tuple(row[0] for row in rows), tuple((row[1] >> 4, row[1] & 15) for row in rows),
            tuple(row[2] for row in rows),
        )  # fmt: skip

    def to_bytes(self) -> bytes:
        """The file, without the bytes after EOI."""
        parts = [b"\xff\xd8", *(s.to_bytes() for s in self.before)]
        for scan in self.scans:
            parts += [*(s.to_bytes() for s in scan.tables), Segment(SOS, scan.header).to_bytes(), scan.data]
        return b"".join([*parts, b"\xff\xd9"])


def parse(data: bytes, what: str = "image") -> Structure:
    """JPEG file -> its structure. Raises FileError if it is not a JPEG, damaged, cut short, or not supported."""
    if not data.startswith(b"\xff\xd8"):
        raise FileError(f"{what} is not a JPEG file")
    try:
        found = _walk(data)
        _check(found, what)
    except (IndexError, struct.error, StopIteration) as error:
        raise FileError(f"{what} is damaged or cut short") from error
    return found


def _walk(data: bytes) -> Structure:
    """Raises IndexError or struct.error if the file ends too early or is not a JPEG."""
    waiting: list[Segment] = []
    before: tuple[Segment, ...] | None = None
    scans: list[Scan] = []
    at = 2
    while True:
        marker, at = _next_marker(data, at)
        if marker == EOI:
            return Structure(before if before is not None else tuple(waiting), tuple(scans), data[at:])
        (length,) = struct.unpack_from(">H", data, at)
        body = data[at + 2 : at + length]
        if length < 2 or len(body) != length - 2:
            raise IndexError
        at += length
        if marker != SOS:
            waiting.append(Segment(marker, body))
            continue
        end = _SCAN_END.search(data, at)
        if end is None:
            raise IndexError
        tables, waiting = tuple(waiting), []
        if before is None:
            before, tables = tables, ()
        scans.append(Scan(tuple(s for s in tables if s.kind == "tables"), body, _trimmed(data[at : end.start()])))
        at = end.start()


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    """Returns the marker at this offset and the offset after it; fill bytes are skipped."""
    if data[at] != 0xFF:
        raise IndexError
    while data[at] == 0xFF:
        at += 1
    return data[at], at + 1


def _trimmed(scan: bytes) -> bytes:
    """A scan without the fill bytes that may stand before the next marker."""
    return scan.rstrip(b"\xff")


def _check(found: Structure, what: str) -> None:
    frame = found.frame
    if frame.marker not in READ:
        kind = REFUSED.get(frame.marker, "arithmetic-coded")
        raise FileError(f"{what} is {kind} JPEG, which stego does not read", "save it as ordinary JPEG")
    if frame.precision != 8:
        raise FileError(f"{what} has {frame.precision} bits a sample", "save it as ordinary JPEG of 8 bits")
    if not found.scans or 0 in (frame.height, frame.width) or len(frame.identities) not in (1, 3, 4):
        raise IndexError
    if any(not 1 <= factor <= 4 for pair in frame.sampling for factor in pair):
        raise IndexError


# -- segments that go into the stego


@dataclass(frozen=True)
class Kept:
    """Segments that go into a stego, and notes on those left out."""

    segments: tuple[Segment, ...]
    notes: tuple[str, ...]


def travelling(found: Structure, keep_metadata: bool = False) -> Kept:
    """The cover's segments before the scan -> those that go into the stego.

    By default tables, frame, colour profile, and the orientation from EXIF. With `keep_metadata` all except a C2PA
    claim, which would no longer be valid, and the index of further pictures in the file, which are left out.
    """
    notes = list(_always_lost(found))
    if keep_metadata:
        kept = [s for s in found.before if s.kind not in ("c2pa", "mpf")]
        if _has_position(kept):
            notes.append("the GPS position of the photo stays in the stego")
        return Kept(tuple(kept), tuple(notes))
    kept = list(_plain(found.before))
    lost = {s.kind for s in found.before if s.kind not in ("tables", "frame", "jfif", "icc", "adobe", "c2pa", "mpf")}
    if lost:
        notes.append(f"metadata left out: {', '.join(_NAMES[kind] for kind in _NAMES if kind in lost)}")
    return Kept(tuple(kept), tuple(notes))


_NAMES = {
    "exif": "EXIF", "xmp": "XMP", "photoshop": "IPTC", "jfxx": "thumbnail", "comment": "comment", "app": "other",
}  # fmt: skip


def _always_lost(found: Structure) -> Iterator[str]:
    kinds = {s.kind for s in found.before}
    if "c2pa" in kinds:
        yield "the C2PA claim of origin was left out: it is not valid for a changed file"
    if "mpf" in kinds:
        yield "only the first picture of a multi-picture file is kept"
    elif found.after.strip(b"\0\xff"):
        yield f"{len(found.after)} bytes after the picture were left out"


def _plain(before: Iterable[Segment]) -> Iterator[Segment]:
    for segment in before:
        kind = segment.kind
        if kind in ("tables", "frame", "icc", "adobe"):
            yield segment
        elif kind == "jfif":
            yield Segment(APP0, segment.body[:12] + b"\0\0")  # without its thumbnail
        elif kind == "exif" and (turned := orientation(segment)) != 1:
            yield _oriented(turned)


def orientation(exif: Segment) -> int:
    """EXIF segment -> its orientation, 1 to 8; 1 if it has none or is damaged."""
    return next((value for tag, value in _first_directory(exif.body) if tag == _ORIENTATION_TAG and value <= 8), 1) or 1


def _has_position(segments: Iterable[Segment]) -> bool:
    exif = [s for s in segments if s.kind == "exif"]
    return any(tag == 0x8825 for s in exif for tag, _ in _first_directory(s.body))


def _first_directory(body: bytes) -> Iterator[tuple[int, int]]:
    """EXIF body -> tag and value, as a short number, of each entry of its first directory."""
    tiff = body[len(_EXIF_HEAD) :]
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        for i in range(count):
            yield struct.unpack_from(order + "H6xH", tiff, start + 2 + 12 * i)
    except struct.error:
        return


def _oriented(value: int) -> Segment:
    """Orientation -> an EXIF segment with only that, byte for byte as Pillow writes it."""
    entry = struct.pack(">HHIHxx", _ORIENTATION_TAG, 3, 1, value)
    return Segment(APP1, _EXIF_HEAD + b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4))
