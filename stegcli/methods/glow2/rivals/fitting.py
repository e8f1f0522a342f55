"""Rotations and pads with which a stego that was drawn without any secret carries one: for simulations.

Reference: a reflection takes any direction to any other.
"""

from __future__ import annotations

import numpy as np

from stegcli.keys.stream import Stream
from stegcli.methods.glow2 import cascade, rotation, torus
from stegcli.methods.glow2.carriers import Carriers


class Fitting(cascade.Keyed):
    """at: the places; z1: the secret's latents; z: the stego's latents, all of them; seed: 32 bytes."""

    def __init__(self, at: Carriers, z1: np.ndarray, z: np.ndarray, seed: bytes):
        self.block, self.signs, self.pilot_pads = at.block, np.ones(len(at.used)), np.empty(0)
        self._x, self._z, self._seed = z1[at.numbers].astype(np.float64), z[at.used].astype(np.float64), seed
        radial = rotation.radial(np.square(self._z).sum(1))
        self.pads = (torus.from_normal(radial) - torus.on_circle(rotation.sizes(self._x)[at.block])) % 1.0

    def stream(self) -> Stream:
        return Stream(self._seed)

    def rotations(self) -> cascade.Rotations:
        for some, rows, turned in super().rotations():
            yield some, rows, fitting(self._x[self.block[rows]], self._z[rows], turned)


def fitting(x: np.ndarray, z: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """Blocks of numbers, latents (n, M), and any rotations -> as random ones that take the direction of the numbers to
    that of the latents."""
    found = np.einsum("bij,bj->bi", turned, x)
    axis = found / np.linalg.norm(found, axis=1, keepdims=True) - z / np.linalg.norm(z, axis=1, keepdims=True)
    reach = np.einsum("bi,bij->bj", axis, turned) * (2 / np.square(axis).sum(1, keepdims=True))
    fit: np.ndarray = turned - axis[:, :, None] * reach[:, None]
    return fit
