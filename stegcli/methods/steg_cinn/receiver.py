"""Stego -> message: the header first, at each grain in turn, then everything that it tells of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stegcli.errors import RevealError
from stegcli.keys.key import Key
from stegcli.methods.steg_cinn import message, places, space, still, symbols
from stegcli.methods.steg_cinn.codec import EVERYTHING, Codec, Drawing, Sheet, stays
from stegcli.methods.steg_cinn.message import Header
from stegcli.methods.steg_cinn.options import GRAINS

JUDGED = 48
"""Pixels a side by which grains are put in order. It need not be the right one: the next is tried as well."""


@dataclass(frozen=True)
class Opened:
    """A header and the drawing that it tells of."""

    header: Header
    drawing: Drawing
    taken: np.ndarray
    """The header's own numbers, counted from the first of level 1."""
    message: Key
    """The message's own key."""


def reveal(codec: Codec, pixels: np.ndarray, key: Key) -> bytes:
    """uint8 (h, w, 3) -> the data. Raises RevealError."""
    sheet = codec.sheet(*space.split(pixels))
    opened = open_header(codec, sheet, key)
    if opened.drawing.top == EVERYTHING and codec.coarse is None:
        raise RevealError  # these weights never made it
    cells = codec.read(sheet, opened.drawing)
    header, count = opened.header, len(cells.low)
    usable = places.free(codec.order(*sheet.size, opened.drawing.top), stays(sheet.grey, opened.drawing.top))
    usable[opened.taken + count - level_1(codec, sheet)] = False
    free = np.flatnonzero(usable)
    if header.coded(len(free)) <= header.bits or not header.m:
        raise RevealError
    chosen, dither = message.body_places(opened.message, header, len(free))
    at = free[chosen]
    odds = symbols.log_odds(cells.low[at], cells.high[at], dither, header.m, header.gap / message.GAP_STEPS)
    return message.open_body(odds.reshape(-1), header, opened.message)


def open_header(codec: Codec, sheet: Sheet, key: Key) -> Opened:
    """Raises RevealError if there is none for this key."""
    picture = message.picture_number(sheet.grey)
    fixed = still.still(sheet.grey)
    squares = places.squares(fixed, key, picture)
    windows = [part for square in squares for part in places.parts(codec, *sheet.size, square)]
    found = places.numbers(windows, fixed)
    if len(found) < message.HEADER_NUMBERS:
        raise RevealError
    chosen, dither = message.header_places(key, picture, len(found))
    at = found[chosen]
    for grain in likeliest(codec, sheet, squares[0], JUDGED):
        cells = codec.read_parts(sheet, Drawing(1, grain), windows)
        odds = symbols.log_odds(cells.low[at], cells.high[at], dither, 1)
        header = message.open_header(odds.reshape(-1), key, picture)
        if header is not None:
            drawing = Drawing(header.top, grain, header.temperature / message.TEMPERATURE_STEPS)
            return Opened(header, drawing, at, header.key(key, picture))
    raise RevealError


def likeliest(codec: Codec, sheet: Sheet, square: tuple[int, int, int], judged: int) -> list[float]:
    """The grains, the one that fits the colours in the middle of a square best first. judged: pixels a side."""
    top, left, side = square
    inner = [
        start + max(0, min(side, size - start) - judged) // 2
        for start, size in zip((top, left), sheet.size, strict=True)
    ]
    nats = codec.nats(sheet, GRAINS, places.parts(codec, *sheet.size, (inner[0], inner[1], judged)))
    return [GRAINS[i] for i in np.argsort(nats, kind="stable")]


def level_1(codec: Codec, sheet: Sheet) -> int:
    """How many numbers level 1 of a picture has; they are the last ones."""
    return codec.order(*sheet.size, 1)[-1].stop
