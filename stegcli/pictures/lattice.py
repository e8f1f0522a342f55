"""Whether a picture came out of a JPEG decoder: the lattice of colours that one can make.

A decoder computes R, G and B from integers Y, Cb and Cr, and only 25.4 % of all RGB triples can result. A decoded JPEG
therefore has no pixel off this lattice, while about three in four pixels of a picture that was never compressed are off
it. Change a few samples of a decoded JPEG, and three in four of the changed pixels leave the lattice: nobody needs the
original, a model or the JPEG's tables to see that. Cropping keeps a picture on the lattice; resizing takes it off.

Reference: Steganalysis based on JPEG compatibility (Fridrich, Goljan, Du, 2001), which looks at the quantised blocks.
Difference: we look at the colours alone, since that needs no tables and finds single pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

History = Literal["jpeg", "mixed", "never", "unknown"]

NEVER = 0.2
"""Share of coloured pixels off the lattice from which a picture counts as not decoded from a JPEG at this size. Photos
never compressed have 0.68 to 0.85. JPEG photos made smaller have 0.22 to 0.74 (306 photos): where their colour hardly
varies, resizing leaves the pixels on the lattice. See `clean_tiles` for pictures only a part of which was a JPEG."""
TILE = 16  # pixels a side
LEAST_COLOURS = 32
"""Colours that an opinion needs: of so many chosen without regard to JPEG, all lie on the lattice by a chance of
0.25^32."""
LOOKED_AT = 65_536  # coloured pixels among which different colours are counted
STRIP = 1 << 20  # pixels looked up at a time


@dataclass(frozen=True)
class Colours:
    """What the lattice tells of a picture.

    off: share of its pixels that no JPEG decoder makes. off_coloured: share of those that are not grey (grey ones lie
    on the lattice whatever they come from). history: "jpeg" if all its colours lie on the lattice; "mixed" if some do
    not, but too few for a picture that was not decoded from a JPEG at this size; "never" for one that was not;
    "unknown" if it has too few colours.
    """

    off: float
    off_coloured: float
    history: History


def examine(pixels: np.ndarray) -> Colours:
    """uint8 (h, w, 3) -> what its colours tell of its past."""
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
    """Whether there are LEAST_COLOURS different ones that are not grey."""
    flat = pixels.reshape(-1, 3)
    flat = flat[_coloured(flat)]
    return bool(np.unique(_index(flat[:: 1 + len(flat) // LOOKED_AT])).size >= LEAST_COLOURS)


def count_coloured(pixels: np.ndarray) -> int:
    """uint8 (h, w, 3) -> how many different colours it has, grey ones aside."""
    seen = np.zeros(1 << 24, bool)
    for strip in _strips(pixels):
        seen[_index(strip)] = True
    return int(np.count_nonzero(seen)) - int(np.count_nonzero(seen[::0x010101]))


def off_lattice(pixels: np.ndarray) -> np.ndarray:
    """uint8 (..., 3) -> bool (...): the pixels whose colour no JPEG decoder makes."""
    index = _index(pixels)
    off: np.ndarray = (_table()[index >> 3] >> (index & 7).astype(np.uint8) & 1) == 0
    return off


def clean_tiles(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> bool (h, w): tiles of TILE x TILE pixels with colour, and without a pixel off the lattice.

    A change there would be the first of its tile: it shows if that part of the picture came from a JPEG.
    """
    height, width = pixels.shape[:2]
    off, coloured = (_any_of_tile(flags) for flags in (off_lattice(pixels), _coloured(pixels)))
    clean: np.ndarray = (coloured & ~off).repeat(TILE, axis=0).repeat(TILE, axis=1)[:height, :width]
    return clean


def _any_of_tile(flags: np.ndarray) -> np.ndarray:
    """bool (h, w) -> bool (rows, columns) of tiles, the last ones perhaps smaller."""
    rows, columns = (np.arange(0, side, TILE) for side in flags.shape)
    found: np.ndarray = np.logical_or.reduceat(np.logical_or.reduceat(flags, rows, axis=0), columns, axis=1)
    return found


def _strips(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """The pixels, some rows at a time: no temporary arrays as large as a large photo."""
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
    """-> uint8 (2^21,): bit i & 7 of byte i >> 3 says whether a decoder makes the colour of index i. Takes 0.3 s."""
    luminance = np.arange(256, dtype=np.int32)
    to_red, to_green, to_blue = _offsets()
    makes = np.zeros(1 << 24, bool)
    red = (luminance + to_red[:, None]).clip(0, 255) << 16  # (Cr, Y)
    for cb in range(256):
        green = (luminance + to_green[cb][:, None]).clip(0, 255) << 8
        blue = (luminance + to_blue[cb]).clip(0, 255)
        makes[red | green | blue] = True
    packed: np.ndarray = np.packbits(makes, bitorder="little")
    return packed


def _offsets() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What Cr adds to R, (256,), what Cb and Cr add to G, (Cb, Cr), and what Cb adds to B, (256,).

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
