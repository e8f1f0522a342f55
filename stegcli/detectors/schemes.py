"""Simple ways to hide random bits in pixels, to compare with at equal payload: covers uint8 (h, w, 3) -> stegos.

HILL and S-UNIWARD are simulated at the bound, colour by colour, with one payload over all three.

References: A new cost function for spatial image steganography (Li, Wang, Huang, Li, 2014): HILL. Universal distortion
function for steganography in an arbitrary domain (Holub, Fridrich, Denemark, 2014): S-UNIWARD, Eq. 2 to 5, sigma = 1.
A test compares both with conseal's. Differences at the border alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stegcli.coding import jpeg_costs
from stegcli.detectors.bound import moves
from stegcli.errors import CapacityError

HIGH_PASS = np.array([[-1.0, 2.0, -1.0], [2.0, -4.0, 2.0], [-1.0, 2.0, -1.0]])
SIGMA = 1.0
DEAREST = 1e10  # of HILL, where nothing around a sample answers its filter
Scheme = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
"""Raises CapacityError if the bits do not fit."""


def lsb_replacement(cover: np.ndarray, bits: int, rng: np.random.Generator) -> np.ndarray:
    """The lowest bits at random places are replaced by message bits."""
    stego = cover.reshape(-1).copy()
    places = rng.permutation(len(stego))[:bits]
    stego[places] = (stego[places] & 254) | rng.integers(0, 2, len(places), np.uint8)
    return stego.reshape(cover.shape)


def lsb_matching(cover: np.ndarray, bits: int, rng: np.random.Generator) -> np.ndarray:
    """Random places; where the lowest bit is wrong, one up or down at random."""
    samples = cover.reshape(-1).astype(np.int16)
    message = rng.integers(0, 2, bits)
    places = rng.permutation(len(samples))[:bits]
    chosen = samples[places]
    step = np.where(chosen == 0, 1, np.where(chosen == 255, -1, rng.integers(0, 2, bits) * 2 - 1))
    samples[places] = np.where((chosen & 1) != message, chosen + step, chosen)
    return samples.astype(np.uint8).reshape(cover.shape)


def hill(cover: np.ndarray, bits: int, rng: np.random.Generator) -> np.ndarray:
    return _moved(cover, np.stack([hill_costs(cover[..., c]) for c in range(3)], axis=2), bits, rng)


def suniward(cover: np.ndarray, bits: int, rng: np.random.Generator) -> np.ndarray:
    return _moved(cover, np.stack([suniward_costs(cover[..., c]) for c in range(3)], axis=2), bits, rng)


def hill_costs(channel: np.ndarray) -> np.ndarray:
    """uint8 (h, w) -> the cost of a change by one of each sample, float32 (h, w)."""
    from scipy.ndimage import convolve, uniform_filter

    answer = np.abs(convolve(channel.astype(np.float64), HIGH_PASS, mode="reflect"))
    near = uniform_filter(answer, 3, mode="reflect")
    with np.errstate(divide="ignore"):
        cost = np.minimum(1 / np.maximum(near, 0), DEAREST)
    found: np.ndarray = uniform_filter(cost, 15, mode="reflect").astype(np.float32)
    return found


def suniward_costs(channel: np.ndarray) -> np.ndarray:
    """uint8 (h, w) -> the cost of a change by one of each sample, float32 (h, w)."""
    plane = np.pad(channel.astype(np.float32), jpeg_costs.PAD, mode="symmetric")
    total = np.zeros(channel.shape, np.float32)
    pair = jpeg_costs.LOW_PASS[::-1], jpeg_costs.HIGH_PASS[::-1]  # they convolve
    for down, across in ((pair[0], pair[1]), (pair[1], pair[0]), (pair[1], pair[1])):
        weights = 1 / (np.abs(_filtered(plane, down, across)) + np.float32(SIGMA))
        total += _filtered(weights, np.abs(down)[::-1], np.abs(across)[::-1])
    return total


def _filtered(plane: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    found: np.ndarray = jpeg_costs.along(jpeg_costs.along(plane, down, 0), across, 1)
    return found


def _moved(cover: np.ndarray, costs: np.ndarray, bits: int, rng: np.random.Generator) -> np.ndarray:
    """Past 0 and 255 there is no way."""
    up, down = np.where(cover == 255, np.inf, costs), np.where(cover == 0, np.inf, costs)
    stego: np.ndarray = (cover + moves(up, down, bits, rng)).astype(np.uint8)
    return stego


def _checked(scheme: Scheme) -> Scheme:
    """A scheme of one bit per sample at most."""

    def run(cover: np.ndarray, bits: int, rng: np.random.Generator) -> np.ndarray:
        if bits > cover.size:
            raise CapacityError(cover.size // 8, bits // 8)
        return scheme(cover, bits, rng)

    return run


SCHEMES: dict[str, Scheme] = {
    "LSB replacement": _checked(lsb_replacement),
    "LSB matching": _checked(lsb_matching),
    "HILL": hill,
    "S-UNIWARD": suniward,
}
