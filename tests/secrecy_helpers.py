"""Attacks on many stegos of one key, which several layouts are tested against."""

from __future__ import annotations

import numpy as np


def constant_relations(stegos: np.ndarray) -> list[tuple[int, int, int]]:
    """Triples of slots whose sum modulo 2 is the same in all stegos, among all triples of slots.

    Pairs of slots are looked up among single slots by 64 stegos, up to complement; the others confirm.
    """
    signature = np.packbits(stegos[:64], axis=0, bitorder="little").T.copy().view("<u8").reshape(-1).astype(np.uint64)

    def canonical(x: np.ndarray) -> np.ndarray:
        return np.where(x & np.uint64(1), ~x, x)

    order = np.argsort(canonical(signature))
    ordered = canonical(signature)[order]
    found = []
    for a in range(len(signature)):
        sums = canonical(signature[a] ^ signature[a + 1 :])
        at = np.searchsorted(ordered, sums).clip(max=len(ordered) - 1)
        for i in np.flatnonzero(ordered[at] == sums):
            b, c = a + 1 + int(i), int(order[at[i]])
            total = stegos[:, a] ^ stegos[:, b] ^ stegos[:, c]
            if c > b and (total == total[0]).all():
                found.append((a, b, c))
    return found


def unevenness(changed: np.ndarray) -> float:
    """How much more the slots' numbers of changes spread than if every change fell on any slot: 1 for chance.

    Its standard deviation under chance is sqrt(2 / slots).
    """
    counts, rate = changed.sum(0), changed.mean()
    return float(counts.var() / (len(changed) * rate * (1 - rate)))
