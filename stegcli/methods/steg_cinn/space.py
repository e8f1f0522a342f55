"""RGB pixels <-> luminance and two colour differences, in integers alone.

    g   grey level of the same CIE luminance, 0 to 255
    q = B - G,  p = R - G, each -255 to 255

Any (g, q, p) that some RGB pixel has comes back bit for bit from the pixel that `join` makes of it: one with a green
level whose luminance class is g. In Lab or YCbCr the receiver's luminance is not the sender's after rounding to 8 bits;
here it always is. CIE L* of two pixels of one g differs by 0.5 at most.

Luminance is a sum of three table entries in units of 2^-30; classes are bounded midway between grey levels, in sRGB
values. No entry of a table lies near a rounding boundary, so all machines build the same tables.

Reference for the coefficients: IEC 61966-2-1 (sRGB), CIE 1931 luminance.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

SCALE = 2.0**30
COEFFICIENTS = (0.2126729, 0.7151522, 0.0721750)
SPAN = 255
"""Differences lie in [-SPAN, SPAN]; tables are indexed by difference + SPAN."""
PIECE = 2**18
"""Pixels that are split or joined at a time, so that large pictures take little memory."""
DARKEST_WITHOUT_HOLES = 27
"""From this grey level on, every p between the least and the most that (g, q) allow exists."""


@dataclass(frozen=True)
class Gamut:
    """The differences that RGB pixels of a grey level have, int16.

    q_low, q_high: (256,), by g. p_low, p_high: (256, 511), by g and q + SPAN; low > high where no pixel has that q.
    """

    q_low: np.ndarray
    q_high: np.ndarray
    p_low: np.ndarray
    p_high: np.ndarray


def split(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (..., 3) -> g uint8 (...) and differences int16 (2, ...), q before p."""
    weights, bounds, _ = _tables()
    flat = pixels.reshape(-1, 3)
    grey, colours = np.empty(len(flat), np.uint8), np.empty((2, len(flat)), np.int16)
    for start in range(0, len(flat), PIECE):
        part = slice(start, start + PIECE)
        luminance = sum(weights[i][flat[part, i]] for i in range(3))
        grey[part] = np.searchsorted(bounds[1:-1], luminance, side="right")
        red, green, blue = (flat[part, i].astype(np.int16) for i in range(3))
        colours[:, part] = blue - green, red - green
    return grey.reshape(pixels.shape[:-1]), colours.reshape(2, *pixels.shape[:-1])


def join(grey: np.ndarray, colours: np.ndarray, choice: np.ndarray | None = None) -> np.ndarray:
    """The inverse of `split`: g (...) and differences (2, ...) -> uint8 (..., 3).

    choice: uniform numbers in [0, 1) (...). One pixel in sixty has two possible green levels, and real pictures have
    both; the number says which is taken. None takes the lowest. Raises ValueError if a triple does not exist.
    """
    flat, pairs = grey.reshape(-1), colours.reshape(2, -1)
    found = np.empty((flat.size, 3), np.uint8)
    for start in range(0, flat.size, PIECE):
        part = slice(start, start + PIECE)
        green, count = greens(flat[part], pairs[:, part])
        if (count == 0).any():
            raise ValueError("no RGB pixel has these differences at that luminance")
        if choice is not None:
            green = green + (choice.reshape(-1)[part] * count).astype(np.int64)
        q, p = pairs[:, part].astype(np.int64)
        found[part] = np.stack([green + p, green, green + q], axis=-1)
    return found.reshape(*grey.shape, 3)


def exists(grey: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Whether some RGB pixel has these differences at that luminance: bool (...)."""
    found: np.ndarray = greens(grey, colours)[1] > 0
    return found


def greens(grey: np.ndarray, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """g (...) and differences (2, ...) -> the least green level in class g, and how many there are in a row.

    Luminance grows with green while the differences stay, so both are found by halving.
    """
    weights, bounds, _ = _tables()
    g, (q, p) = grey.astype(np.int64), colours.astype(np.int64)
    low = np.maximum(0, np.maximum(-p, -q))
    high = np.minimum(SPAN, np.minimum(SPAN - p, SPAN - q))
    possible = low <= high
    top = np.where(possible, high, low)

    def first(bound: np.ndarray) -> np.ndarray:
        """The least level whose luminance is not below the bound; one above `top` if there is none."""
        a: np.ndarray = low
        b: np.ndarray = top + 1
        for _ in range(9):
            middle = np.minimum((a + b) // 2, top)
            reached = _luminance(weights, middle, q, p) >= bound
            a, b = np.where(reached | (a >= b), a, middle + 1), np.where(reached & (a < b), middle, b)
        return b

    start = first(bounds[g])
    count = np.where(possible, first(bounds[g + 1]) - start, 0)
    return start, np.maximum(count, 0)


def _luminance(weights: np.ndarray, green: np.ndarray, q: np.ndarray, p: np.ndarray) -> np.ndarray:
    inside = [np.clip(green + d, 0, SPAN) for d in (p, 0, q)]
    found: np.ndarray = weights[0][inside[0]] + weights[1][inside[1]] + weights[2][inside[2]]
    return found


@functools.lru_cache(maxsize=1)
def gamut() -> Gamut:
    """The tables of differences that exist, found in about a tenth of a second."""
    weights, bounds, _ = _tables()
    g = np.repeat(np.arange(256)[:, None], 2 * SPAN + 1, axis=1)
    q = np.repeat(np.arange(-SPAN, SPAN + 1)[None], 256, axis=0)
    p_high, p_low = (_outermost(g, q, weights, bounds, most) for most in (True, False))
    some = p_low <= p_high
    q_low = np.where(some, q, SPAN + 1).min(axis=1)
    q_high = np.where(some, q, -SPAN - 1).max(axis=1)
    return Gamut(*(a.astype(np.int16) for a in (q_low, q_high, p_low, p_high)))


def _outermost(g: np.ndarray, q: np.ndarray, weights: np.ndarray, bounds: np.ndarray, most: bool) -> np.ndarray:
    """The most (or least) p of each (g, q): at the least (most) green level for which some red one is in class g.

    A higher green level leaves less luminance to red, so p falls as green rises.
    """
    lowest, highest = np.maximum(0, -q), np.minimum(SPAN, SPAN - q)
    green = _first_green(g, q, weights, bounds, lowest, highest, most)
    found = np.full(g.shape, -SPAN - 1 if most else SPAN + 1)
    searching = (green >= lowest) & (green <= highest)
    while searching.any():  # hardly ever more than twice: only dark classes have gaps
        at = green[searching]
        rest = weights[1][at] + weights[2][at + q[searching]]
        below, above = bounds[g[searching]] - rest, bounds[g[searching] + 1] - rest
        first = np.searchsorted(weights[0], below, side="left")
        last = np.searchsorted(weights[0], above, side="left") - 1
        here = first <= last
        indices = np.flatnonzero(searching)
        found.flat[indices[here]] = ((last if most else first) - at)[here]
        green = green + (1 if most else -1)
        searching.flat[indices[here | (last < 0) | (first > SPAN)]] = False
        searching &= (green >= lowest) & (green <= highest)
    return found


def _first_green(
    g: np.ndarray, q: np.ndarray, weights: np.ndarray, bounds: np.ndarray, lowest: np.ndarray, highest: np.ndarray,
    most: bool,
) -> np.ndarray:  # fmt: skip
    """The least green level at which the brightest red is not below class g; or the most at which the darkest is not
    above it. Found by halving; one beyond the range if there is none."""
    bound = bounds[g] - weights[0][SPAN] if most else bounds[g + 1]
    a, b = lowest, highest + 1
    for _ in range(9):
        middle = np.minimum((a + b) // 2, highest)
        reached = weights[1][middle] + weights[2][middle + q] >= bound
        a, b = np.where(reached | (a >= b), a, middle + 1), np.where(reached & (a < b), middle, b)
    return b if most else b - 1


@functools.lru_cache(maxsize=1)
def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Luminance of each level of R, G, B, int64 (3, 256); bounds of the classes, int64 (257,); linear light, (256,)."""
    light = linear(np.arange(256))
    whole = sum(COEFFICIENTS)
    weights = np.stack([np.round(c / whole * light * SCALE) for c in COEFFICIENTS]).astype(np.int64)
    between = np.round(linear(np.arange(1, 256) - 0.5) * SCALE).astype(np.int64)
    return weights, np.concatenate([[-1], between, [4 * int(SCALE)]]), light


def linear(levels: np.ndarray) -> np.ndarray:
    """sRGB levels 0 to 255 -> linear light 0 to 1."""
    v = np.asarray(levels, np.float64) / 255
    found: np.ndarray = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    return found
