"""Colour spaces of pixels: ICC profiles, and the colour signals of PNG, AVIF and HEIC files.

The colours of pixels never change silently. Pixels with a profile or a signal keep their values, and the output file
gets the same profile or signal. Samples that must be converted (CMYK, Lab) become sRGB, with a note for the user. If
the output format cannot hold the description, the user gets a note too (`image.lost_in`). Pixels without any
description are sRGB.

Signals of all formats are held as PNG chunks: cICP, iCCP, sRGB, gAMA and cHRM, in this order of precedence. Formats
without such chunks get an equivalent ICC profile. HDR signals (PQ, HLG) have no equivalent profile.

Reference: ITU-T H.273 (2024), Tables 2 and 3; ICC.1:2010 (profile version 4.3), sections 7 to 10; PNG, Third Edition,
section 4.3.
"""

from __future__ import annotations

import functools
import io
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow
from PIL import ImageCms

from stegcli.pictures.png import Chunks

SIGNALS = (b"cICP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI")
HDR = {16: "PQ", 18: "HLG"}
D50 = (0.9642, 1.0, 0.8249)
D65 = (0.3127, 0.3290)
SRGB_PRIMARIES = (D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
# H.273, Table 2: white, red, green, blue.
PRIMARIES = {
    1: SRGB_PRIMARIES,
    2: SRGB_PRIMARIES,  # unspecified
    4: ((0.310, 0.316), (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: (D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: (D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: (D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: (D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: (D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: (D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
NAMES = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
Chromaticities = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""g, a, b, c, d of the ICC's parametric curve of type 3: (a x + b)^g from d on, c x below."""
# H.273, Table 3. Viewers treat BT.709's curve as sRGB, since it is a common default, and so do we.
CURVES: dict[int, tuple[float, ...]] = {
    **dict.fromkeys((1, 2, 6, 13, 14, 15), SRGB_CURVE), 4: (2.2,), 5: (2.8,), 8: (1.0,),
}  # fmt: skip
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True)
class Meaning:
    """The meaning of signals: primaries with white point, and curve; hdr: name of a curve that no profile can hold."""

    primaries: Chromaticities = SRGB_PRIMARIES
    curve: tuple[float, ...] = SRGB_CURVE
    hdr: str | None = None

    @property
    def is_srgb(self) -> bool:
        near = np.allclose(self.primaries, SRGB_PRIMARIES, atol=0.001)
        return self.hdr is None and near and (self.curve == SRGB_CURVE or abs(self.curve[0] - 2.2) < 0.01)


def meaning(chunks: Chunks) -> Meaning | None:
    """PNG chunks -> the colours they describe; None if they have unknown values.

    gAMA of 1/2.2 with sRGB's primaries counts as sRGB, as in browsers.
    """
    found = dict(chunks)
    if len(cicp := found.get(b"cICP", b"")) == 4:
        primaries, transfer = PRIMARIES.get(cicp[0]), CURVES.get(cicp[1])
        if cicp[1] in HDR:
            return Meaning(primaries or SRGB_PRIMARIES, SRGB_CURVE, HDR[cicp[1]])
        return Meaning(primaries, transfer) if primaries and transfer else None
    if b"sRGB" in found:
        return Meaning()
    curve: tuple[float, ...] = SRGB_CURVE
    primaries = SRGB_PRIMARIES
    if len(gamma := found.get(b"gAMA", b"")) == 4:
        (value,) = struct.unpack(">I", gamma)
        if not 1000 <= value <= 1_000_000:
            return None
        curve = (100_000 / value,)
    if len(chrm := found.get(b"cHRM", b"")) == 32:
        values = np.array(struct.unpack(">8I", chrm)).reshape(4, 2) / 100_000
        if not _possible(values):
            return None
        white, red, green, blue = ((float(x), float(y)) for x, y in values)
        primaries = (white, red, green, blue)
    return Meaning(primaries, curve)


def _possible(primaries: np.ndarray) -> bool:
    """Whether four chromaticities, white first, span a colour space."""
    if (primaries[:, 1] < 0.001).any() or (primaries > 2).any():
        return False
    xyz = np.stack([primaries[:, 0], primaries[:, 1], 1 - primaries.sum(axis=1)])
    return bool(abs(np.linalg.det(xyz[:, 1:])) > 1e-4)


def profile_of(chunks: Chunks) -> bytes | None:
    """PNG chunks -> an equivalent ICC profile; None for sRGB, and if no profile is equivalent."""
    found = meaning(chunks)
    return None if found is None or found.hdr or found.is_srgb else _profile(found.primaries, found.curve)


def signal(cicp: tuple[int, int, int, int] | None) -> Chunks:
    """Primaries, transfer, matrix and range of an AVIF or HEIC file -> the equivalent chunk for its RGB pixels."""
    if cicp is None:
        return ()
    content = bytes([min(cicp[0], 255), min(cicp[1], 255), 0, 1])  # 255 is reserved: it stands for unknown values
    found = meaning(((b"cICP", content),))
    return () if found and found.is_srgb else ((b"cICP", content),)


def is_profile(profile: bytes) -> bool:
    """Whether bytes are an ICC profile, by its header (section 7.2)."""
    whole = len(profile) >= 132 and int.from_bytes(profile[:4], "big") <= len(profile)
    return whole and profile[36:40] == b"acsp" and opened(profile) is not None


def space(profile: bytes) -> str:
    """The colour space of the samples that a profile describes: RGB, GRAY, CMYK, Lab."""
    return profile[16:20].decode("ascii", "replace").strip()


def name(profile: bytes) -> str:
    """The description in a profile."""
    found = opened(profile)
    try:
        said = str(ImageCms.getProfileDescription(found)) if found else ""
    except ImageCms.PyCMSError:
        return ""
    return " ".join(said.split())[:60]


def opened(profile: bytes) -> ImageCms.ImageCmsProfile | None:
    """Bytes -> a profile that LittleCMS accepts, or None."""
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError):
        return None


def to_srgb(image: Pillow.Image, profile: bytes | ImageCms.ImageCmsProfile) -> Pillow.Image | None:
    """A picture in the profile's space -> the picture in sRGB, by perceptual intent; None for an unusable profile."""
    source = opened(profile) if isinstance(profile, bytes) else profile
    if source is None:
        return None
    try:
        return ImageCms.profileToProfile(image, source, _srgb(), outputMode="RGB")
    except (ImageCms.PyCMSError, ValueError, TypeError):
        return None


@functools.lru_cache(maxsize=8)
def says_srgb(profile: bytes) -> bool:
    """Whether an RGB profile equals sRGB to within one grey level, whatever its name is."""
    ticks = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(ticks, ticks, ticks), axis=-1).reshape(27, 27, 3)
    converted = to_srgb(Pillow.fromarray(grid), profile)
    return converted is not None and int(np.abs(np.asarray(converted).astype(int) - grid).max()) <= 1


@functools.lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _profile(primaries: Chromaticities, curve: tuple[float, ...]) -> bytes:
    """White, red, green, blue and a curve -> an ICC profile of version 4 with these."""
    columns, adaptation = _matrix(primaries)
    tone = struct.pack(">4sIHH", b"para", 0, 0 if len(curve) == 1 else 3, 0) + _fixed(curve)
    xyz = [struct.pack(">4sI", b"XYZ ", 0) + _fixed(c) for c in (D50, *columns.T)]
    adapted = struct.pack(">4sI", b"sf32", 0) + _fixed(adaptation.reshape(-1))
    tags = [(b"desc", _text(_called(primaries))), (b"cprt", _text("CC0")), (b"wtpt", xyz[0]), (b"chad", adapted),
            *zip((b"rXYZ", b"gXYZ", b"bXYZ"), xyz[1:], strict=True),
            *((n, tone) for n in (b"rTRC", b"gTRC", b"bTRC"))]  # fmt: skip
    table, body, places, start = b"", b"", {}, 128 + 4 + 12 * len(tags)
    for tag, content in tags:
        if content not in places:
            places[content] = start + len(body)
            body += content + bytes(-len(content) % 4)
        table += struct.pack(">4sII", tag, places[content], len(content))
    head = struct.pack(">I4s4s4s4s4s", start + len(body), b"", b"\x04\x30\0\0", b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s", 2025, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + _fixed(D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _called(primaries: Chromaticities) -> str:
    known = (NAMES[code] for code in NAMES if np.allclose(PRIMARIES[code], primaries, atol=0.001))
    return next(known, "custom RGB")


def _matrix(primaries: Chromaticities) -> tuple[np.ndarray, np.ndarray]:
    """-> XYZ of red, green and blue as columns, adapted to D50 after Bradford, (3, 3); and the adaptation, (3, 3)."""
    x, y = np.array(primaries).T
    xyz = np.stack([x / y, np.ones(4), (1 - x - y) / y])
    white = xyz[:, 0]
    columns = xyz[:, 1:] * np.linalg.solve(xyz[:, 1:], white)
    gain = (BRADFORD @ D50) / (BRADFORD @ white)
    adaptation = np.linalg.inv(BRADFORD) @ np.diag(gain) @ BRADFORD
    return adaptation @ columns, adaptation


def _fixed(values: tuple[float, ...] | np.ndarray) -> bytes:
    """s15Fixed16Number, section 4.6."""
    return b"".join(struct.pack(">i", round(float(v) * 65536)) for v in values)


def _text(text: str) -> bytes:
    """multiLocalizedUnicodeType with one record, section 10.13."""
    content = text.encode("utf-16-be")
    return struct.pack(">4sIII2s2sII", b"mluc", 0, 1, 12, b"en", b"US", len(content), 28) + content
