"""Facts about a picture file: format, whether it was a JPEG, and metadata that would travel with it.

Senders use it to check a file before they send it. Results are plain dicts, ready for JSON.
"""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any

import numpy as np
from PIL import Image as Pillow

from stegcli.errors import FileError
from stegcli.pictures import image, jpeg, lattice, metrics, segments
from stegcli.pictures.image import Picture, Quantisation
from stegcli.pictures.segments import Structure

Facts = dict[str, Any]

PRIVATE = {
    0x010F: "camera maker", 0x0110: "camera model", 0x0131: "software", 0x0132: "time", 0x013B: "artist",
    0x8298: "copyright", 0x9003: "time taken", 0x927C: "maker note", 0x9286: "comment", 0xA430: "owner",
    0xA431: "camera serial number", 0xA435: "lens serial number", 0xC62F: "camera serial number",
}  # fmt: skip
"""EXIF tags that reveal a person or a device."""
_EXIF_SUB, _GPS, _THUMBNAIL = 0x8769, 0x8825, 1
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, RuntimeError, struct.error)

PAST = {
    "jpeg": "all its colours are what a JPEG decoder makes: it was a JPEG at this size",
    "mixed": "nearly all its colours are what a JPEG decoder makes: it is a changed JPEG, or holds parts of one",
    "never": "it was not decoded from a JPEG at this size",
    "unknown": "it has too few colours to tell whether it was a JPEG",
}


def facts(data: bytes, what: str = "image") -> Facts:
    """The bytes of a picture file -> facts about it. Raises FileError if it is not a picture."""
    picture = image.decode(data, what)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Pillow.open(io.BytesIO(data)) as opened:
            found = {
                "format": str(opened.format), "bytes": len(data), "width": picture.width, "height": picture.height,
                "mode": opened.mode, "frames": int(getattr(opened, "n_frames", 1)),
            }  # fmt: skip
            metadata = _metadata(opened)
    structure = _structure(data)
    if structure is not None:
        found["jpeg"] = _jpeg_facts(data, structure)
        metadata |= _segment_facts(structure)
    return found | {"history": _history(picture), "metadata": metadata, "notes": list(picture.notes)}


def _structure(data: bytes) -> Structure | None:
    try:
        return segments.parse(data)
    except FileError:
        return None


def _history(picture: Picture) -> Facts:
    if picture.source is not None:
        return {"kind": "jpeg", "off_lattice": 0.0, "says": "it is a JPEG"}
    found = lattice.examine(picture.pixels)
    return {"kind": found.history, "off_lattice": round(found.off_coloured, 5), "says": PAST[found.history]}


def _metadata(opened: Pillow.Image) -> Facts:
    """The metadata that Pillow finds, in any format."""
    exif = _exif(opened)
    sub, place, small = (_directory(exif, number) for number in (_EXIF_SUB, _GPS, _THUMBNAIL))
    tags = [*exif.keys(), *sub.keys()]
    text = [str(k) for k in getattr(opened, "text", {})]
    return {
        "exif": bool(len(exif)),
        "gps": bool(place),
        "thumbnail": bool(small),
        "orientation": int(exif.get(0x0112, 1) or 1),
        "tells": sorted({PRIVATE[t] for t in tags if t in PRIVATE}),
        "xmp": bool(opened.info.get("xmp")),
        "comment": bool(opened.info.get("comment")),
        "text": text,
        "icc_profile": bool(opened.info.get("icc_profile")),
    }


def _exif(opened: Pillow.Image) -> Pillow.Exif:
    """EXIF data; empty if they are damaged."""
    try:
        return opened.getexif()
    except _DAMAGE:
        return Pillow.Exif()


def _directory(exif: Pillow.Exif, number: int) -> dict[int, Any]:
    try:
        return dict(exif.get_ifd(number))
    except _DAMAGE:
        return {}


def _jpeg_facts(data: bytes, structure: Structure) -> Facts:
    frame, steps = structure.frame, jpeg.steps_of(structure)
    found: Facts = {
        "quality": Quantisation(steps[0], steps[0], False).quality if steps else None,
        "sampling": _sampling(frame.sampling),
        "components": len(frame.identities),
        "progressive": frame.marker == segments.PROGRESSIVE,
        "restart": any(s.marker == segments.DRI and any(s.body) for s in structure.before),
        "nonzero_ac": None,
    }
    try:
        found["nonzero_ac"] = jpeg.read(data).nonzero_ac
    except FileError as error:
        found["why"] = str(error)
    return found


def _sampling(factors: tuple[tuple[int, int], ...]) -> str:
    """(2, 2), (1, 1), (1, 1) -> 4:2:0."""
    if len(factors) == 1:
        return "grey"
    across, down = factors[0][0] / factors[1][0], factors[0][1] / factors[1][1]
    names: dict[tuple[float, float], str] = {
        (1, 1): "4:4:4",
        (2, 1): "4:2:2",
        (2, 2): "4:2:0",
        (1, 2): "4:4:0",
        (4, 1): "4:1:1",
    }
    return names.get((across, down), f"{across:g}x{down:g}")


def _segment_facts(structure: Structure) -> Facts:
    kinds = [s.kind for s in structure.before]
    return {
        "segments": [k for k in kinds if k not in ("tables", "frame")],
        "c2pa": "c2pa" in kinds,
        "multi_picture": "mpf" in kinds,
        "trailing_bytes": len(structure.after),
    }


# -- comparison with the original


def differences(data: bytes, original: bytes) -> Facts:
    """A file and the one it may have been made from -> what differs. Raises FileError if one is not a picture."""
    first, second = image.decode(data, "image"), image.decode(original, "original")
    found: Facts = {"same_bytes": data == original, "bytes": len(data) - len(original)}
    found["same_size"] = first.pixels.shape == second.pixels.shape
    if not found["same_size"]:
        return found
    change = np.abs(first.pixels.astype(np.int16) - second.pixels)
    psnr = metrics.psnr(first.pixels, second.pixels)
    found |= {
        "changed_samples": int(np.count_nonzero(change)),
        "largest_change": int(change.max(initial=0)),
        "psnr": None if np.isinf(psnr) else round(psnr, 3),
    }
    if first.source is not None and second.source is not None:
        found["jpeg"] = _jpeg_differences(first.source, second.source)
    return found


def _jpeg_differences(data: bytes, original: bytes) -> Facts:
    one, two = jpeg.read(data), jpeg.read(original)
    comparable = [c.blocks.shape for c in one.components] == [c.blocks.shape for c in two.components]
    tables = comparable and all(
        np.array_equal(a.steps, b.steps) for a, b in zip(one.components, two.components, strict=True)
    )
    changed = None
    if comparable:
        pairs = zip(one.components, two.components, strict=True)
        changed = sum(int(np.count_nonzero(a.blocks != b.blocks)) for a, b in pairs)
    left, mine = (segments_of(j.structure) for j in (two, one))
    return {
        "same_tables": tables,
        "changed_coefficients": changed,
        "segments_left_out": [k for k in left if k not in mine],
        "segments_added": [k for k in mine if k not in left],
    }


def segments_of(structure: Structure) -> list[str]:
    """The kinds of the metadata segments, in order."""
    return [s.kind for s in structure.before if s.kind not in ("tables", "frame")]
