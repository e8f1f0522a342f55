"""A secret picture's latents under G1 <-> latents of the stego: the paper's cascade, with a pad that leaks nothing.

    Z1 (3 s s,)  --copies, most robust places first-->  pad on the torus  -->  latents of the stego

The most important latents of the secret, its coarse bands, take the most robust latents of the stego. When each number
has a place, the places left take second copies in the same order, and so on. Every copy has its own pad. The receiver
combines all copies of a number by their likelihood and takes the posterior mean, which is 0 if nothing was received.

Reference: Eq. 7, 8 and 13 of the paper. There copies are equal, the pad is added and the combination is learnt: the
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
"""Places that are read at a time, so that the likelihoods of all candidate numbers fit into the processor's cache."""

Permute = Callable[[int, int], np.ndarray]
"""Index of a band in its order, and how many of its places are free -> a permutation of these."""


def importance(bands: Sequence[Band]) -> np.ndarray:
    """Places of the secret's latents, the most important first."""
    order = sorted(bands, key=lambda b: -b.spread)
    return np.concatenate([np.arange(b.start, b.start + b.size) for b in order])


def places(bands: Sequence[Band], table: Table, share: Share, taken: np.ndarray, key: Key, nonce: int) -> np.ndarray:
    """Places of the stego's latents, the most robust band first; within a band in the key's order."""
    return arranged(bands, table, share, taken, lambda i, n: key.stream(f"copies {i}", nonce).permutation(n))


def arranged(bands: Sequence[Band], table: Table, share: Share, taken: np.ndarray, permute: Permute) -> np.ndarray:
    """`places` with any permutation, since training has no key."""
    found = []
    for index, band in enumerate(table.sturdiest_first(bands)):
        free = np.setdiff1d(share.of_band(band), taken, assume_unique=True)
        found.append(free[permute(index, len(free))])
    return np.concatenate(found)


def pad(key: Key, nonce: int, n: int) -> np.ndarray:
    """The key's uniform numbers, one for each place that is used."""
    return key.stream("pad", nonce).uniform(n)


def numbers(z1: np.ndarray, ranks: np.ndarray, n: int) -> np.ndarray:
    """Latents of the secret -> the numbers for n places: those of `ranks`, in turn and repeated."""
    carried: np.ndarray = z1[ranks[np.arange(n) % len(ranks)]]
    return carried


def read(
    z: np.ndarray, r: np.ndarray, used: np.ndarray, ranks: np.ndarray, pads: np.ndarray, signs: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Received latents of the stego, and the places used -> mean and deviation of the secret's, float32 each.

    signs: those that the numbers were multiplied by, +1 and -1.
    """
    together = torch.zeros(len(ranks), torus.GRID)
    for part in np.array_split(np.arange(len(used)), max(1, len(used) // CHUNK)):
        fit = torus.number_fit(z[used[part]], r[used[part]], pads[part])
        if signs is not None:
            fit = torch.where(torch.from_numpy(signs[part] < 0)[:, None], fit.flip(1), fit)
        together.index_add_(0, torch.from_numpy(part) % len(ranks), fit)
    z1, deviation = np.zeros(len(ranks), np.float32), np.ones(len(ranks), np.float32)
    z1[ranks], deviation[ranks] = torus.read_numbers(together)
    return z1, deviation


# -- several receivers of one stego


def token(z: np.ndarray, used: np.ndarray, carried: np.ndarray, filler: np.ndarray) -> np.ndarray:
    """The stego's latents, the places used and the numbers they must carry -> the pad that does this, as large as z.

    The stego is drawn first, without any secret. z is random, so each token is uniform whatever it carries, and tokens
    of other receivers reveal nothing about it. Unused places get `filler`, uniform numbers.
    Reference: replaces the paper's Eq. 17, with which one of two receivers can find the other's secret.
    """
    pads = filler.astype(np.float32)
    pads[used] = (torus.from_normal(z[used]) - torus.on_circle(carried)) % 1.0
    return np.where(pads < 1, pads, 0).astype(np.float32)  # rounding may give 1, which is 0 on the circle
