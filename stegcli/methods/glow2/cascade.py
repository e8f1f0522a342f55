"""A secret picture's latents under G1 <-> latents of the stego: the paper's cascade, with a pad that leaks nothing.

    Z1 (3 s s,)  --copies, sturdiest places first-->  pad on the torus  -->  latents of the stego

What matters most of the secret, its coarse bands, takes the latents that outlive most; when each number has its place,
those left take second copies in the same order, and so on. Every copy has a pad of its own. The receiver weighs all
copies of a number by their likelihood and takes the mean given them, which is 0 where nothing arrived.

Reference: Eq. 7, 8 and 13 of the paper. There copies are equal, the pad is added and the weighing is learnt: the
stego's latents then stay correlated with the secret's, and are not independent of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from stegcli.keys.key import Key
from stegcli.methods.glow2 import torus
from stegcli.methods.glow2.layout import Share, Table
from stegcli.nn.wavelet import Band

CHUNK = 2**12
"""Places that are read at a time: each has a likelihood for every candidate number, and all these fit into a cache."""

Permute = Callable[[int, int], np.ndarray]
"""Index of a band in its order, and how many of its places are free -> a permutation of these."""


def importance(bands: Sequence[Band]) -> np.ndarray:
    """Places of the secret's latents, those that matter most first."""
    order = sorted(bands, key=lambda b: -b.spread)
    return np.concatenate([np.arange(b.start, b.start + b.size) for b in order])


def places(bands: Sequence[Band], table: Table, share: Share, taken: np.ndarray, key: Key, nonce: int) -> np.ndarray:
    """Places of the stego's latents, the sturdiest first; within a band the key decides."""
    return arranged(bands, table, share, taken, lambda i, n: key.stream(f"copies {i}", nonce).permutation(n))


def arranged(bands: Sequence[Band], table: Table, share: Share, taken: np.ndarray, permute: Permute) -> np.ndarray:
    """`places`, by any permutation: training needs no key."""
    found = []
    for index, band in enumerate(table.sturdiest_first(bands)):
        free = np.setdiff1d(share.of_band(band), taken, assume_unique=True)
        found.append(free[permute(index, len(free))])
    return np.concatenate(found)


def pad(key: Key, nonce: int, n: int) -> np.ndarray:
    """The key's uniform numbers, one for each place that is used."""
    return key.stream("pad", nonce).uniform(n)


def numbers(z1: np.ndarray, ranks: np.ndarray, n: int) -> np.ndarray:
    """Latents of the secret -> what n places carry: those of `ranks`, in turn, again and again."""
    carried: np.ndarray = z1[ranks[np.arange(n) % len(ranks)]]
    return carried


def read(
    z: np.ndarray, r: np.ndarray, used: np.ndarray, ranks: np.ndarray, pads: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Latents of the stego that arrived, and the places used -> mean and deviation of the secret's, float32 each."""
    together = torch.zeros(len(ranks), torus.GRID)
    for part in np.array_split(np.arange(len(used)), max(1, len(used) // CHUNK)):
        fit = torus.number_fit(z[used[part]], r[used[part]], pads[part])
        together.index_add_(0, torch.from_numpy(part) % len(ranks), fit)
    z1, deviation = np.zeros(len(ranks), np.float32), np.ones(len(ranks), np.float32)
    z1[ranks], deviation[ranks] = torus.read_numbers(together)
    return z1, deviation


# -- several receivers of one stego


def token(z: np.ndarray, used: np.ndarray, carried: np.ndarray, filler: np.ndarray) -> np.ndarray:
    """The stego's latents, the places used and what they are to carry -> a pad that makes it so, as large as z.

    The stego is drawn first, for no secret at all. z is as random as can be, and so each token is uniform whatever it
    brings; those of others tell nothing of it. Places not used get `filler`, uniform numbers.
    Reference: in place of the paper's Eq. 17, by which one of two receivers finds the other's secret.
    """
    pads = filler.astype(np.float32)
    pads[used] = (torus.from_normal(z[used]) - torus.on_circle(carried)) % 1.0
    return np.where(pads < 1, pads, 0).astype(np.float32)  # rounding may have closed the circle
