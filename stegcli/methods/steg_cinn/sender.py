"""Message and cover -> stegos to try.

The sender draws once without a message to learn what the cover carries, picks the least that has to be redrawn, draws
again with the message, and knows from the cells how much of it came across before anyone decodes it.
"""

from __future__ import annotations

import functools
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stegcli.keys.key import Key
from stegcli.keys.stream import Stream
from stegcli.methods.steg_cinn import message, places, space, still, symbols
from stegcli.methods.steg_cinn.codec import EVERYTHING, Cells, Codec, Drawing, stays
from stegcli.methods.steg_cinn.covers import Cover
from stegcli.methods.steg_cinn.message import GAP_STEPS, HEADER_NUMBERS, SHARES, TAG_BYTES, TEMPERATURE_STEPS, Header
from stegcli.methods.steg_cinn.receiver import likeliest

TOPS = (1, 2, 3)
MARGIN = {1: 0.92, 2: 0.92, 3: 0.83}
"""By m: the share of what comes across that is promised; the code brings 0.96 of it for m up to 2, and 0.9 for 3."""
ENOUGH = {1: 1.03, 2: 1.03, 3: 1.09}
"""Bits that must come across for each of the message, for a stego to be worth decoding."""
HEADER_RATE = 0.25
"""Bits that a number must bring across for the header to come across: twice the rate of its code and copies."""
COMFORT = 1.25
"""The same, aimed at where there is room: decoding is faster then."""
EASILY = 1.06
"""The least of it that is worth decoding there."""
MORE_TRIES = 4
"""Of the most that may be redrawn, where nothing else is left. In covers of few colours what comes across differs by
several percent from draw to draw."""
MEASURED_PIXELS, MOST_DRAWN = 2**16, 4
"""Small covers are measured by several drawings, up to so many pixels together; the least counts."""
SAMPLED_SIDE, SAMPLES = 128, 24
"""Larger covers are measured in so many squares."""
WHOLLY = 768 * 768
"""Pixels up to which a cover is measured wholly."""
SEED = hashlib.sha256(b"stegcli/steg-cinn/measuring a cover").digest()
JUDGED = 96
"""Pixels a side by which a cover's grain is judged: 14,000 numbers."""
TEMPERATURE = 0.8
"""Of the coarse levels, by default. At 1 most photos come out in colours that nobody would believe; at 0.6 some come
out nearly grey, and grey areas hold little."""


@dataclass(frozen=True)
class Rates:
    """What the numbers that a cover may change bring across, in bits per number.

    header: of level 1 at one bit each, for the header. first, above: of level 1 and of all above, at m bits each.
    """

    header: float
    first: float
    above: float
    m: int

    def bits(self, numbers: tuple[int, int]) -> float:
        """Bits that a body may bring across. numbers: that may change, of level 1 and of all above."""
        return max(0, numbers[0] - HEADER_NUMBERS) * self.first + numbers[1] * self.above

    def room(self, numbers: tuple[int, int]) -> int:
        """The bytes of data that are promised; negative if not even an empty file fits."""
        return int(self.bits(numbers) * MARGIN[self.m]) // 8 - TAG_BYTES


class Known:
    """What was measured of a cover, for its next message: covers are asked about several times in a row, hardly ever
    two in turn, so one is remembered.

    grain: the likeliest one, once it is known. rates: by what was wished.
    """

    def __init__(self) -> None:
        self._cover = b""
        self.forget(b"")

    def of(self, cover: Cover) -> Known:
        """The same, with nothing in it if it was of another cover."""
        digest = hashlib.sha256(repr(cover.size).encode() + cover.pixels.tobytes()).digest()
        if digest != self._cover:
            self.forget(digest)
        return self

    def forget(self, cover: bytes) -> None:
        self._cover = cover
        self.grain: float | None = None
        self.rates: dict[tuple[object, ...], Rates] = {}


@dataclass(frozen=True)
class Made:
    """A stego not yet verified.

    information: bits that come across. coded: bits that carry the message. wrong: the share of these that a receiver
    guesses wrongly before the code, in pixels that are drawn.
    """

    pixels: np.ndarray
    top: int
    grain: float
    information: float
    coded: int
    wrong: float


class Sender:
    """One cover and the wishes of its sender. known: what was measured before."""

    def __init__(
        self, codec: Codec, cover: Cover, *, tops: tuple[int, ...], grain: float | None, m: int, gap: float,
        temperature: float, known: Known | None = None,
    ):  # fmt: skip
        self.codec, self.cover, self.tops, self.m = codec, cover, tops, m
        self.gap, self.temperature = round(gap * GAP_STEPS), round(temperature * TEMPERATURE_STEPS)
        self._known = (known or Known()).of(cover)
        self.grain = self._grain() if grain is None else grain
        self._counts: dict[int, tuple[int, int]] = {}

    @property
    def rates(self) -> Rates:
        """Measured once, by innocent drawings that are the same every time."""
        wishes, rates = (self.tops, self.m, self.grain, self.gap, self.temperature), self._known.rates
        if wishes not in rates:
            rates[wishes] = self._measured()
        return rates[wishes]

    def capacity(self) -> int:
        """The most bytes that are promised; negative if not even an empty file fits."""
        return max(self._room(top) for top in self.tops)

    @functools.cached_property
    def _fixed(self) -> np.ndarray:
        """The pixels that never carry the header."""
        return still.still(self.cover.grey)

    def _room(self, top: int) -> int:
        header = places.free(self.codec.order(*self.cover.size, 1), self._fixed).sum()
        if header < HEADER_NUMBERS or self.rates.header < HEADER_RATE:
            return -1
        return self.rates.room(self._numbers(top))

    def _numbers(self, top: int) -> tuple[int, int]:
        """How many numbers may change: of level 1, and of all above."""
        if top not in self._counts:
            found = self._usable(top)
            start = len(found) - self.codec.order(*self.cover.size, 1)[-1].stop
            self._counts[top] = int(found[start:].sum()), int(found[:start].sum())
        return self._counts[top]

    def _usable(self, top: int) -> np.ndarray:
        """Which numbers may change, bool."""
        fixed = stays(self.cover.grey, top) if top == EVERYTHING else self._fixed
        return places.free(self.codec.order(*self.cover.size, top), fixed)

    def stegos(self, data: bytes, key: Key) -> Iterator[Made]:
        """Data that is within the capacity -> stegos, those that keep the most of the cover first."""
        fit = [t for t in self.tops if self._room(t) >= len(data)]
        for top in fit:
            for comfort in (COMFORT, np.inf, *(np.inf,) * (MORE_TRIES if top == fit[-1] else 0)):
                made = self._made(data, key, top, comfort)
                # If the room was thought larger than it is, all of it is worth more than a code that hardly decodes.
                enough = ENOUGH[self.m] if comfort == np.inf else EASILY
                if made is not None and made.information >= enough * 8 * (len(data) + TAG_BYTES):
                    yield made

    def innocent(self, stream: Stream, top: int) -> np.ndarray:
        """A colouring without a message, uint8 (h, w, 3)."""
        count = self.codec.order(*self.cover.size, top)[-1].stop
        return self._painted(stream.uniform(count), top, stream)[0]

    # -- one stego

    def _made(self, data: bytes, key: Key, top: int, comfort: float) -> Made | None:
        """None if the header has no room where this key puts it."""
        cover, fresh = self.cover, Stream(secrets.token_bytes(32))
        picture = message.picture_number(cover.grey)
        count, first = (self.codec.order(*cover.size, t)[-1].stop for t in (top, 1))
        squares = places.squares(self._fixed, key, picture)
        inside = places.numbers([p for s in squares for p in places.parts(self.codec, *cover.size, s)], self._fixed)
        if len(inside) < HEADER_NUMBERS:
            return None
        chosen, dither = message.header_places(key, picture, len(inside))
        head = inside[chosen] + count - first
        usable = self._usable(top)
        usable[head] = False
        free = np.flatnonzero(usable)
        header = self._header(len(data), top, comfort, len(free))
        u = self._noise(fresh, count)
        u[head] = symbols.write(message.seal_header(header, key, picture)[:, None], dither, 1)
        own = header.key(key, picture)
        chosen, dither = message.body_places(own, header, len(free))
        body, gap = free[chosen], header.gap / GAP_STEPS
        bits = message.seal_body(data, header, own, len(free)).reshape(-1, self.m)
        u[body] = symbols.write(bits, dither, self.m, gap)
        pixels, cells = self._painted(u, top, fresh)
        odds = symbols.log_odds(cells.low[body], cells.high[body], dither, self.m, gap)
        drawn = cells.high[body] - cells.low[body] < 1  # pixels amid one colour were not
        wrong = float((_guessed(odds) != bits)[drawn].mean()) if drawn.any() else 0.0
        return Made(pixels, top, self.grain, symbols.information(odds, bits), bits.size, wrong)

    def _noise(self, fresh: Stream, count: int) -> np.ndarray:
        """What numbers hold that carry nothing: uniform, with the gap if there is one."""
        if not self.gap:
            return fresh.uniform(count)
        return symbols.write(fresh.bits(count)[:, None], fresh.uniform(count), 1, self.gap / GAP_STEPS)

    def _header(self, length: int, top: int, comfort: float, free: int) -> Header:
        """With so large a share of the room that the message comes across in comfort, if it may."""
        bits = 8 * (length + TAG_BYTES)
        each = self.rates.bits(self._numbers(top)) / max(1, free)
        needed = max(comfort * bits / max(each, 1e-9), 1.05 * bits / self.m + 1)
        share = int(min(SHARES, np.ceil(SHARES * min(1.0, needed / max(1, free)))))
        temperature = self.temperature if top == EVERYTHING else TEMPERATURE_STEPS
        return Header(message.fresh_nonce(), length, top, self.m, share, temperature, self.gap)

    def _drawing(self, top: int) -> Drawing:
        warm = self.temperature / TEMPERATURE_STEPS if top == EVERYTHING else 1.0
        return Drawing(top, self.grain, warm)

    def _painted(self, u: np.ndarray, top: int, fresh: Stream) -> tuple[np.ndarray, Cells]:
        """-> the picture, and the cells."""
        cover = self.cover
        sheet = self.codec.sheet(cover.grey, cover.colours)
        cells = self.codec.draw(sheet, self._drawing(top), u)
        colours = sheet.colours[0].cpu().numpy().astype(np.int16)
        pixels = space.join(cover.grey, colours, fresh.uniform(cover.grey.size).reshape(cover.size))
        if top != EVERYTHING:
            pixels[sheet.still] = cover.pixels[sheet.still]
        if top != EVERYTHING and not cover.filled:
            kept = slice(None, None, 2**top)
            pixels[kept, kept] = cover.pixels[kept, kept]
        return pixels, cells

    # -- what a cover is like

    def _grain(self) -> float:
        """The likeliest one for the colours that the cover has."""
        if self.cover.colourless:
            return 0.0
        if self._known.grain is None:
            sheet = self.codec.sheet(self.cover.grey, self.cover.colours)
            self._known.grain = likeliest(self.codec, sheet, (0, 0, max(self.cover.size)), JUDGED)[0]
        return self._known.grain

    def _measured(self) -> Rates:
        stream, pixels = Stream(SEED), self.cover.size[0] * self.cover.size[1]
        drawn = [self._drawn(stream) for _ in range(max(1, min(MOST_DRAWN, MEASURED_PIXELS // pixels)))]
        header, first, above = (min(means) for means in zip(*drawn, strict=True))
        return Rates(header, first, above, self.m)

    def _drawn(self, stream: Stream) -> tuple[float, float, float]:
        """One innocent drawing -> the bits per number that `Rates` holds."""
        highest = EVERYTHING if EVERYTHING in self.tops else max(self.tops)
        found: tuple[list[np.ndarray], ...] = ([], [], [])
        for part in self._parts():
            sheet = self.codec.sheet(part.grey, part.colours)
            order = self.codec.order(*part.size, highest)
            u = self._noise(stream, order[-1].stop)
            cells = self.codec.draw(sheet, self._drawing(highest), u)
            bits = symbols.expected_information(cells.low, cells.high, self.m, u, self.gap / GAP_STEPS)
            one = symbols.expected_information(cells.low, cells.high, 1, u)
            free, start = places.free(order, sheet.still), next(e.start for e in order if e.level == 1)
            found[0].append(one[start:][free[start:]])
            found[1].append(bits[start:][free[start:]])
            found[2].append(bits[:start][free[:start]])
        header, first, above = (float(np.concatenate(v).mean()) if sum(map(len, v)) else 0.0 for v in found)
        return header, first, above

    def _parts(self) -> Iterator[Cover]:
        height, width = self.cover.size
        if height * width <= WHOLLY:
            yield self.cover
            return
        side = (min(SAMPLED_SIDE, height), min(SAMPLED_SIDE, width))
        # Evenly over the picture, in rows and columns that are not those of its own pattern.
        for i in range(SAMPLES):
            top = int((height - side[0]) * ((i + 0.5) / SAMPLES))
            left = int((width - side[1]) * ((i * 0.6180339887 + 0.5) % 1))
            yield self.cover.part(top // 8 * 8, left // 8 * 8, *side)


def _guessed(odds: np.ndarray) -> np.ndarray:
    """Log-odds -> bits; what is not known counts as 0."""
    return (odds > 0).astype(np.uint8)
