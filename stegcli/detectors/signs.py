"""Signs that need no training: a file -> how much of each it shows. Stegos should show as much as their covers.

lone       samples one off eight equal neighbours
clipped    those of them beside pure black or white
frames     rows and columns of one value
gaps       levels that a histogram lacks between two that it has
coloured   pixels of grey pictures whose channels differ
lattice    pixels off the colours that JPEG decoders make, in a picture that is nearly all on them
borders    pictures whose steps across the borders of 8x8 blocks are larger than those inside
"""

from __future__ import annotations

import io
import zlib

import numpy as np
from PIL import Image as Pillow

from stegcli.pictures import lattice, png

LARGER = 1.05  # steps at borders, by those inside
PIXELS = ("lone", "clipped", "frames", "gaps", "coloured", "lattice", "borders")
FILE = "file"
"""Pairs whose files differ in more than their pixels."""


def of_pixels(pixels: np.ndarray, one_channel: bool = False) -> dict[str, int]:
    """uint8 (h, w, 3) -> how often each of PIXELS is found. one_channel: the file has but one."""
    planes = pixels[..., :1] if one_channel else pixels
    lone, ground = _lone(planes)
    rows, columns = ((planes == first).all(axis=axis).sum() for first, axis in ((planes[:, :1], 1), (planes[:1], 0)))
    return {
        "lone": int(lone.sum()),
        "clipped": int((lone & ((ground == 0) | (ground == 255))).sum()),
        "frames": int(rows + columns),
        "gaps": sum(_gaps(planes[..., c]) for c in range(planes.shape[2])),
        "coloured": int((pixels != pixels[..., :1]).any(axis=2).sum()) if _grey(pixels) else 0,
        "lattice": _off_lattice(pixels),
        "borders": int(_borders(pixels) > LARGER),
    }


def make_of(file: bytes) -> tuple[object, ...]:
    """A PNG file -> what its encoder shows: header, chunks in order with their content but the pixels', zlib's header,
    sizes of all IDAT chunks but the last, filters."""
    parts = [(name, content) for name, content, _ in png.chunks(file)]
    sizes = [len(content) for name, content in parts if name == b"IDAT"]
    stream = b"".join(content for name, content in parts if name == b"IDAT")
    others = [part for i, part in enumerate(parts) if part[0] != b"IDAT" or parts[i - 1][0] != b"IDAT"]
    told = tuple((name, b"" if name == b"IDAT" else bytes(content)) for name, content in others)
    with Pillow.open(io.BytesIO(file)) as opened:
        height = opened.height
    rows = np.frombuffer(zlib.decompress(stream), np.uint8).reshape(height, -1)[:, 0]
    filters = "adaptive" if len(set(rows)) > 1 else int(rows[0])
    return told, stream[:2], frozenset(sizes[:-1]), filters


def _lone(planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-> whether each inner sample is one off its eight neighbours, which are equal; and their value."""
    x, (height, width) = planes.astype(np.int16), (planes.shape[0] - 2, planes.shape[1] - 2)
    around = np.stack([x[i : i + height, j : j + width] for i in range(3) for j in range(3) if (i, j) != (1, 1)])
    even = around.max(axis=0) == around.min(axis=0)
    return even & (np.abs(x[1:-1, 1:-1] - around[0]) == 1), around[0]


def _gaps(channel: np.ndarray) -> int:
    counts = np.bincount(channel.reshape(-1), minlength=256) > 0
    first, last = np.flatnonzero(counts)[[0, -1]]
    return int((~counts[first : last + 1]).sum())


def _grey(pixels: np.ndarray) -> bool:
    """Whether a picture is grey, or was before something small was done to it."""
    return int(np.abs(pixels.astype(int) - pixels[..., :1]).max()) <= 2


def _off_lattice(pixels: np.ndarray) -> int:
    found = lattice.examine(pixels)
    return round(found.off * pixels.shape[0] * pixels.shape[1]) if found.history in ("jpeg", "mixed") else 0


def _borders(pixels: np.ndarray) -> float:
    """Mean step across the borders of blocks by the mean step elsewhere, along rows and columns."""
    levels = pixels.astype(np.int16)
    ratios = []
    for x in (levels, levels.swapaxes(0, 1)):
        steps = np.abs(np.diff(x, axis=0)).mean(axis=(1, 2))
        at = np.arange(len(steps)) % 8 == 7
        ratios.append(steps[at].mean() / max(float(steps[~at].mean()), 1e-9) if at.any() else 1.0)
    return float(np.mean(ratios))
