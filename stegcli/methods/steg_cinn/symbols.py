"""Bits <-> numbers on a circle, and what a cell tells of them.

    u = (s / M + k) mod 1        s one of M = 2^m symbols, Gray-mapped to m bits; k uniform, from the key

Whatever the message, u is uniform, so Phi^-1(u) is exactly normal. Who knows the cell of u knows which symbols were
possible: those whose points lie inside. A bit is known, or it is erased; it is never wrong. m = 1 is the paper's
mapping, a bit for the sign of a latent, turned by k.

With a gap, as in the paper, points stay away from u = 1/2 (m = 1 only): u = k (1/2 - g) for one sign, 1 - k (1/2 - g)
for the other, g = Phi(gap) - 1/2. The gap shows to whoever has the networks.

Reference: Hiding data in colors (Ren, Liu, Zhai, Wang, 2022), Algorithms 1 and 2.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from stegcli.coding import gray

EDGE = 3e-5
"""Cells are taken to be so much wider: another machine's last bits move their edges by about 1e-5."""
OUTSIDE = 1e-5
"""Likelihood of a symbol whose point lies outside its cell, beside 1."""
CHUNK = 2**18


def points(dither: np.ndarray, m: int, gap: float = 0.0) -> np.ndarray:
    """The key's uniform numbers (n,) -> where each symbol would put u, float64 (n, 2^m), in the order of the circle."""
    if gap:
        side = dither * (0.5 - (ndtr(gap) - 0.5))
        return np.stack([side, 1 - side], axis=1)
    found: np.ndarray = (dither[:, None] + np.arange(2**m) / 2**m) % 1.0
    return found


def write(bits: np.ndarray, dither: np.ndarray, m: int, gap: float = 0.0) -> np.ndarray:
    """Bits uint8 (n, m) and the key's uniform numbers (n,) -> u, float64 (n,)."""
    symbol = gray.positions(bits)
    if gap:
        at = points(dither, m, gap)
        return np.where(symbol == 1, at[:, 1], at[:, 0])
    found: np.ndarray = (dither + symbol / 2**m) % 1.0
    return found


def log_odds(low: np.ndarray, high: np.ndarray, dither: np.ndarray, m: int, gap: float = 0.0) -> np.ndarray:
    """Cells (n,) and the key's uniform numbers (n,) -> ln P(1)/P(0) of each bit, float32 (n, m)."""
    ones = _ones(m)
    found = np.empty((len(low), m), np.float32)
    for start in range(0, len(low), CHUNK):
        part = slice(start, start + CHUNK)
        at = points(dither[part], m, gap)
        inside = (at >= low[part, None] - EDGE) & (at < high[part, None] + EDGE)
        likely = np.where(inside, 1.0, OUTSIDE)
        found[part] = np.log((likely @ ones) / (likely @ (1 - ones)))
    return found


def _ones(m: int) -> np.ndarray:
    """Which positions have a one in each bit, float64 (2^m, m), the highest bit first."""
    return np.ascontiguousarray(gray.ones(m).T, np.float64)


def information(odds: np.ndarray, bits: np.ndarray) -> float:
    """Log-odds and the bits that were sent -> how many bits came across, as a code can at best use them."""
    total, flat, sent = 0.0, odds.reshape(-1), bits.reshape(-1)
    for start in range(0, flat.size, CHUNK):
        part = slice(start, start + CHUNK)
        signed = flat[part] * (2.0 * sent[part] - 1.0)
        total += float((1 - np.logaddexp(0, -signed) / np.log(2)).sum())
    return total


def expected_information(low: np.ndarray, high: np.ndarray, m: int, u: np.ndarray, gap: float = 0.0) -> np.ndarray:
    """Cells and the numbers in them -> bits that each would bring across, (n,), averaged over the symbols sent.

    Given the cell and u, the points of the other symbols lie at u + j / M: which of them are inside does not depend on
    the symbol, which bits they differ in does. With a gap there is one other point, at 1 - u.
    """
    if gap:
        return 1 - _inside(low, high, 1 - u)
    size = 2**m
    ones = _ones(m)
    inside = np.stack([_inside(low, high, (u + j / size) % 1.0) for j in range(size)], axis=1)
    total = np.zeros(len(low))
    for symbol in range(size):
        likely = inside[:, (np.arange(size) - symbol) % size]
        right = np.where(ones[symbol] == 1, likely @ ones, likely @ (1 - ones))
        total += (1 + np.log2(right / likely.sum(1, keepdims=True))).sum(1) / size
    return total


def _inside(low: np.ndarray, high: np.ndarray, at: np.ndarray) -> np.ndarray:
    return ((at >= low - EDGE) & (at < high + EDGE)).astype(np.float64)
