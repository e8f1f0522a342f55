"""Gray's code: bits <-> positions, where neighbours differ in one bit."""

from __future__ import annotations

import numpy as np


def positions(bits: np.ndarray) -> np.ndarray:
    """Bits (n, m), the first one the highest, -> positions in [0, 2^m), int64 (n,). The circle is closed too."""
    position = np.zeros(len(bits), np.int64)
    previous = np.zeros(len(bits), np.int64)
    for column in bits.T.astype(np.int64):
        previous = previous ^ column
        position = 2 * position + previous
    return position


def ones(m: int) -> np.ndarray:
    """Which positions have a one in each bit, bool (m, 2^m): the inverse of `positions`, as masks."""
    found = np.arange(2**m)
    code = found ^ (found >> 1)
    return np.stack([(code >> (m - 1 - j)) & 1 for j in range(m)]).astype(bool)
