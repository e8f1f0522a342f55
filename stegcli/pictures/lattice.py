"""Detects whether a picture was decoded from a JPEG, by the lattice of colours that JPEG decoders can produce.

A decoder computes R, G and B from integers Y, Cb and Cr, and only 25.4 % of all RGB triples can result. All pixels of a
decoded JPEG lie on this lattice. About three in four pixels of a picture that was never compressed are off it. If
samples of a decoded JPEG are changed, three in four of the changed pixels leave the lattice. An attacker can see that
without the original, a model or the JPEG's tables. Cropping keeps a picture on the lattice; resizing does not.

Reference: Steganalysis based on JPEG compatibility (Fridrich, Goljan, Du, 2001), which looks at the quantised blocks.
Difference: we use only the colours, since that needs no tables and finds single pixels.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

History = Literal["jpeg", "mixed", "never", "unknown"]

NEVER = 0.2
"""From this share of coloured pixels off the lattice on, a picture counts as not decoded from a JPEG at this size.
Photos that were never compressed have 0.68 to 0.85. Reduced JPEG photos have 0.22 to 0.74 (306 photos): where colour
hardly varies, resizing leaves the pixels on the lattice. If only a part of a picture was a JPEG, see `clean_tiles`."""
TILE = 16  # pixels a side
LEAST_COLOURS = 32
"""Number of different colours that a decision needs: if they were unrelated to JPEG, all would lie on the lattice with
probability 0.25^32."""
LOOKED_AT = 65_536  # coloured pixels among which different colours are counted
STRIP = 1 << 20  # pixels processed at a time
FILE = Path(__file__).with_name("lattice.xz")
CBS = 16  # values of Cb processed at a time: few long operations, so that other threads run beside them


@dataclass(frozen=True)
class Colours:
    """The result of the lattice test.

    off: share of pixels off the lattice. off_coloured: the same among pixels that are not grey (all grey pixels lie on
    the lattice). history: "jpeg" if all colours lie on the lattice; "never" if so many do not that the picture was not
    decoded from a JPEG at this size; "mixed" for shares in between; "unknown" if it has too few colours.
    """

    off: float
    off_coloured: float
    history: History


def examine(pixels: np.ndarray) -> Colours:
    """uint8 (h, w, 3) -> the result of the lattice test."""
    off = coloured = 0
    for strip in _strips(pixels):
        off += int(np.count_nonzero(off_lattice(strip)))
        coloured += int(np.count_nonzero(_coloured(strip)))
    share = off / max(1, coloured)
    return Colours(off / max(1, pixels.size // 3), share, _history(off, share, pixels))


def _history(off: int, share: float, pixels: np.ndarray) -> History:
    if share >= NEVER:
        return "never"
    if off:
        return "mixed"
    return "jpeg" if _has_colours(pixels) else "unknown"


def _has_colours(pixels: np.ndarray) -> bool:
    """Whether there are at least LEAST_COLOURS different colours that are not grey."""
    flat = pixels.reshape(-1, 3)
    flat = flat[_coloured(flat)]
    return bool(np.unique(_index(flat[:: 1 + len(flat) // LOOKED_AT])).size >= LEAST_COLOURS)


def count_coloured(pixels: np.ndarray) -> int:
    """uint8 (h, w, 3) -> the number of different colours that are not grey."""
    seen = np.zeros(1 << 24, bool)
    for strip in _strips(pixels):
        seen[_index(strip)] = True
    return int(np.count_nonzero(seen)) - int(np.count_nonzero(seen[::0x010101]))


def off_lattice(pixels: np.ndarray) -> np.ndarray:
    """uint8 (..., 3) -> bool (...): the pixels whose colour no JPEG decoder can produce."""
    index = _index(pixels)
    off: np.ndarray = (_table()[index >> 3] >> (index & 7).astype(np.uint8) & 1) == 0
    return off


def clean_tiles(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> bool (h, w): tiles of TILE x TILE pixels with colour, and without a pixel off the lattice.

    A change in such a tile would put its first pixel off the lattice, which shows if this part came from a JPEG.
    """
    height, width = pixels.shape[:2]
    off, coloured = (_any_of_tile(flags) for flags in (off_lattice(pixels), _coloured(pixels)))
    clean: np.ndarray = (coloured & ~off).repeat(TILE, axis=0).repeat(TILE, axis=1)[:height, :width]
    return clean


def _any_of_tile(flags: np.ndarray) -> np.ndarray:
    """bool (h, w) -> bool (rows, columns): whether any pixel of a tile is set. The last tiles may be smaller."""
    rows, columns = (np.arange(0, side, TILE) for side in flags.shape)
    found: np.ndarray = np.logical_or.reduceat(np.logical_or.reduceat(flags, rows, axis=0), columns, axis=1)
    return found


def _strips(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """Yields some rows at a time, so that temporary arrays stay small."""
    rows = max(1, STRIP // max(1, pixels.shape[1]))
    for top in range(0, len(pixels), rows):
        yield pixels[top : top + rows]


def _coloured(pixels: np.ndarray) -> np.ndarray:
    red, green, blue = (pixels[..., channel] for channel in range(3))
    coloured: np.ndarray = (red != green) | (green != blue)
    return coloured


def _index(pixels: np.ndarray) -> np.ndarray:
    """uint8 (..., 3) -> int32 (...), R the most significant byte."""
    red, green, blue = (pixels[..., channel].astype(np.int32) for channel in range(3))
    index: np.ndarray = red << 16 | green << 8 | blue
    return index


@cache
def _table() -> np.ndarray:
    """The lattice as uint8 (2^21,): bit i & 7 of byte i >> 3 says whether colour i lies on it."""
    return np.frombuffer(lzma.decompress(FILE.read_bytes()), np.uint8)


def computed() -> np.ndarray:
    """What FILE holds, from the definition; this takes 0.3 s, which every hide would wait for.

    To write FILE: python -c "import lzma; from stegcli.pictures.lattice import FILE, computed;
    FILE.write_bytes(lzma.compress(computed()))"
    """
    luminance = np.arange(256, dtype=np.int32)
    to_red, to_green, to_blue = _offsets()
    makes = np.zeros(1 << 24, bool)
    red = (luminance + to_red[:, None]).clip(0, 255) << 16  # (Cr, Y)
    for first in range(0, 256, CBS):
        some = slice(first, first + CBS)
        green = (luminance + to_green[some, :, None]).clip(0, 255) << 8  # (Cb, Cr, Y)
        blue = (luminance + to_blue[some, None]).clip(0, 255)  # (Cb, Y)
        makes[red | green | blue[:, None]] = True
    packed: np.ndarray = np.packbits(makes, bitorder="little")
    return packed


def _offsets() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The amounts that Cr adds to R, (256,), Cb and Cr add to G, (Cb, Cr), and Cb adds to B, (256,).

    Reference: libjpeg's jdcolor.c, build_ycc_rgb_table: 16 fractional bits, and the constants with five digits. Its
    vector code and libjpeg-turbo's give the same integers.
    """
    centred = np.arange(256, dtype=np.int32) - 128
    half = 1 << 15
    red = (_fixed(1.40200) * centred + half) >> 16
    blue = (_fixed(1.77200) * centred + half) >> 16
    green = (half - _fixed(0.34414) * centred[:, None] - _fixed(0.71414) * centred) >> 16
    return red, green, blue


def _fixed(value: float) -> int:
    return int(value * 65536 + 0.5)
