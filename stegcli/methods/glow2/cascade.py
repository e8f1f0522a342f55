"""A secret picture's latents under G1 <-> latents of the stego: the paper's cascade, in a form that leaks nothing.

    Z1  --blocks of numbers, in the order of the channel's table-->  rotated under the key  -->  latents of the stego

The receiver knows how reliable each latent is, joins all copies of a block, and takes the posterior mean of its
numbers, which is 0 if nothing was received.

Reference: Eq. 7, 8 and 13 of the paper. There copies are equal, the key is added and the combination is learnt: the
stego's latents then stay correlated with the secret's, and are not independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from stegcli.keys.key import Key
from stegcli.keys.stream import Stream
from stegcli.methods.glow2 import authentic, rotation, torus
from stegcli.methods.glow2.carriers import Carriers

CHUNK = 256
"""Blocks of the secret that are worked on at a time, to save memory."""
READ = 2**12
"""Places on the torus that are read at a time, so that the likelihoods of all candidates fit into the cache."""
ROUNDS = 4
"""How often the lengths of blocks are read, each time with what was found as the prior: flat pictures have short ones,
glaring ones long ones."""
Latents = tuple[np.ndarray, np.ndarray]
"""Latents of a received picture, and the correlation of each with the one that was sent."""
Rotations = Iterator[tuple[slice, slice, np.ndarray]]
"""Which of the secret's blocks, which blocks of places carry these, and the rotations of the latter."""


class Keyed:
    """What the key gives one picture: pads and signs of the lengths of all blocks, pads of the pilots, rotations."""

    def __init__(self, at: Carriers, key: Key, nonce: int):
        self.block, self._key, self._nonce = at.block, key, nonce
        pads = key.stream("pad", nonce).uniform(len(at.used) + len(at.pilots))
        self.pads, self.pilot_pads = pads[: len(at.used)], pads[len(at.used) :]
        self.signs = authentic.signs(key, nonce, len(at.used))

    def stream(self) -> Stream:
        """Where the rotations come from."""
        return self._key.stream("rotations", self._nonce)

    def rotations(self) -> Rotations:
        """A few of the secret's blocks at a time."""
        block, stream = self.block, self.stream()
        last = int(block[-1]) + 1 if len(block) else 0
        for start in range(0, last, CHUNK):
            some = slice(start, min(start + CHUNK, last))
            rows = slice(*np.searchsorted(block, [some.start, some.stop]).tolist())
            yield some, rows, rotation.rotations(stream, rows.stop - rows.start)


def write(z: np.ndarray, z1: np.ndarray, at: Carriers, keyed: Keyed) -> None:
    """The secret's latents -> the stego's, in place."""
    x = z1[at.numbers].astype(np.float64)
    radial = torus.write_numbers(rotation.sizes(x)[at.block] * keyed.signs, keyed.pads)
    for _, rows, turned in keyed.rotations():
        z[at.used[rows]] = rotation.write(x[at.block[rows]], turned, radial[rows])
    z[at.pilots] = torus.write_numbers(np.zeros(len(at.pilots)), keyed.pilot_pads)


def read(heard: Latents, at: Carriers, keyed: Keyed, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Received latents of the stego -> mean and deviation of the secret's, float32 (count,) each."""
    blocks = rotation.Heard(*(part[at.used].astype(np.float64) for part in heard))
    z, r = blocks.lengths()
    size, _ = read_numbers((z, r), keyed.pads, at.block, len(at.numbers), keyed.signs, ROUNDS)
    length = rotation.length_of(size.astype(np.float64))
    known = rotation.lengths(r * z)
    z1, deviation = np.zeros(count, np.float32), np.ones(count, np.float32)
    for found, rows, turned in keyed.rotations():
        some = rotation.Heard(blocks.z[rows], blocks.r[rows])
        mean, spread = rotation.read(some, turned, at.block[rows] - found.start, known[rows], length[found])
        z1[at.numbers[found]], deviation[at.numbers[found]] = mean, spread
    return z1, deviation


def is_authentic(heard: Latents, at: Carriers, keyed: Keyed) -> bool:
    """Whether the pilots are there, and nobody made all blocks longer or shorter."""
    z, r = heard
    lengths = rotation.Heard(*(part[at.used].astype(np.float64) for part in heard)).lengths()
    return authentic.is_authentic((z[at.pilots], r[at.pilots], keyed.pilot_pads), (*lengths, keyed.pads))


# -- several receivers of one stego


def token(z: np.ndarray, at: Carriers, z1: np.ndarray, signs: np.ndarray, filler: np.ndarray) -> np.ndarray:
    """The stego's latents, and the secret's -> the pads that make the places used carry the numbers, as large as z.

    The stego is drawn first, without any secret. z is random, so each token is uniform whatever it carries, and tokens
    of other receivers reveal nothing about it. Unused places get `filler`, uniform numbers.
    Reference: replaces the paper's Eq. 17, with which one of two receivers can find the other's secret.
    """
    pads, carried = filler.astype(np.float32), z1[at.ranks] * signs
    numbers = np.concatenate([carried, np.zeros(len(at.pilots))])
    pads[at.places] = (torus.from_normal(z[at.places]) - torus.on_circle(numbers)) % 1.0
    return np.where(pads < 1, pads, 0).astype(np.float32)  # rounding may give 1, which is 0 on the circle


def read_numbers(
    heard: Latents, pads: np.ndarray, ranks: np.ndarray, count: int, signs: np.ndarray, rounds: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Received latents that carry numbers on the torus -> mean and deviation of each number, float32 (count,) each.

    ranks: which of the numbers each carries; copies are joined by their likelihoods. signs: those that the numbers were
    multiplied by, +1 and -1. rounds: see `torus.read_numbers`.
    """
    z, r = heard
    together = torch.zeros(count, torus.GRID)
    for part in np.array_split(np.arange(len(z)), max(1, len(z) // READ)):
        fit = torus.number_fit(z[part], r[part], pads[part])
        fit = torch.where(torch.from_numpy(signs[part] < 0)[:, None], fit.flip(1), fit)
        together.index_add_(0, torch.from_numpy(ranks[part]), fit)
    return torus.read_numbers(together, rounds)
