"""Blocks of numbers <-> normal latents, by random rotations under the key.

    x (M,)  -->  direction Q x / |x|, uniform on the sphere, since Q is random (Haar)
            -->  length of the latents, chi with M degrees of freedom: `radial`, a normal latent that carries |x| on the
                 torus
    z = length * direction, exactly M independent N(0, 1) for whoever does not know Q, whatever x is

The latents are linear in x but for their length, so that copies and noise add up as in any linear channel: at a
correlation r a number comes back with the variance 1 - r^2. On the torus a number wraps round in noise, which costs
three quarters of that signal-to-noise ratio.

Reference: a random orthogonal matrix, the distribution of eigenvectors (Stewart, 1980), as a product of reflections.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammainc, gammaincinv, ndtri

from stegcli.keys.stream import Stream
from stegcli.methods.glow2 import torus

BLOCK = 48
"""M, the numbers of a block. It divides the bands of all secrets whose sides are multiples of 64."""
NORMALS = BLOCK * (BLOCK + 1) // 2
MIDDLE = np.sqrt(BLOCK - 0.5)
"""Usual length of a block."""
BEND, NARROW = 1.5, 1.2
"""Lengths further than BEND deviations from the usual are told more and more coarsely, so that those of flat and of
glaring pictures fit; NARROW / BEND makes room on the torus."""
LEAST = 1e-6
"""Length below which a block has no direction."""
LEAST_NOISE = 1e-4
"""Variance of the channel's noise that is always reckoned with."""
FEWEST = 1e-12
"""Least chance of a length that is told from a shorter or longer one."""


def rotations(stream: Stream, blocks: int) -> np.ndarray:
    """A stream -> random orthogonal matrices (blocks, M, M), float64.

    Last bits may differ between machines: they count as little as any noise. So a fast quantile function will do.
    """
    normals = ndtri(stream.uniform(blocks * NORMALS)).reshape(blocks, NORMALS)
    turned = np.zeros((blocks, BLOCK, BLOCK))
    turned[:, -1, -1] = np.sign(normals[:, 0])
    start = 1
    for size in range(2, BLOCK + 1):
        axis = normals[:, start : start + size].copy()
        start += size
        axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        axis[:, 0] -= 1  # the reflection that takes the first unit vector to a uniform one
        inner = turned[:, -size:, -size:]
        inner[:, 0, 0] = 1
        reach = np.einsum("bi,bij->bj", axis, inner) * (2 / np.square(axis).sum(1, keepdims=True))
        inner -= axis[:, :, None] * reach[:, None]
    return turned


def write(x: np.ndarray, turned: np.ndarray, radial: np.ndarray) -> np.ndarray:
    """Blocks of numbers (n, M), their rotations, and radial latents (n,) -> latents (n, M)."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    direction = np.where(length < LEAST, BLOCK**-0.5, x / np.maximum(length, LEAST))
    z: np.ndarray = np.einsum("bij,bj->bi", turned, direction) * lengths(radial)[:, None]
    return z


def sizes(x: np.ndarray) -> np.ndarray:
    """Blocks (n, M) -> |x| as numbers for the torus: about N(0, 0.7^2) if x is N(0, 1), and within its range for
    pictures of a quarter and of four times that contrast."""
    length = np.maximum(np.linalg.norm(x, axis=1), LEAST)
    found: np.ndarray = NARROW * np.arcsinh(np.sqrt(2 * BLOCK) * np.log(length / MIDDLE) / BEND)
    return found


def length_of(size: np.ndarray) -> np.ndarray:
    """The inverse of `sizes`."""
    found: np.ndarray = MIDDLE * np.exp(BEND * np.sinh(size / NARROW) / np.sqrt(2 * BLOCK))
    return found


def lengths(radial: np.ndarray) -> np.ndarray:
    """Normal numbers -> lengths of blocks of normal latents: the quantiles of chi."""
    found: np.ndarray = np.sqrt(2 * gammaincinv(BLOCK / 2, np.clip(torus.from_normal(radial), torus.EDGE, 1 - 1e-16)))
    return found


@dataclass(frozen=True)
class Heard:
    """What arrived of blocks of latents: z (n, M), their correlation r with those sent."""

    z: np.ndarray
    r: np.ndarray

    def lengths(self) -> tuple[np.ndarray, np.ndarray]:
        """-> radial latents (n,), and their correlation with those sent, as if they had been sent like any other.

        The squared length of z is that of r * (latents sent) and of noise, which is taken off.
        """
        noise, signal = 1 - self.r**2, np.maximum(np.square(self.r).mean(1), LEAST_NOISE)
        square = np.maximum((np.square(self.z) - noise).sum(1) / signal, BLOCK / 16)
        uneven = 2 * np.square(self.r**2 - signal[:, None]).sum(1)
        power = np.square(self.r * self.z)
        variance = (2 * noise**2 + 4 * noise * power).sum(1) + uneven
        spread = variance / (2 * square * signal**2)  # of sqrt(2) times the length
        r = 1 / np.sqrt(1 + spread)
        return r * radial(square), r


def read(
    heard: Heard, turned: np.ndarray, block: np.ndarray, known: np.ndarray, length: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Heard latents, their rotations, the secret's block of each, the estimated lengths of their latents (n,) and of
    the secret's blocks (b,) -> mean and deviation of the secret's blocks, (b, M) each.

    Of a block of length l all directions are alike beforehand: its numbers have the variance l^2 / M.
    """
    forth = (known / length[block])[:, None] * heard.r
    told = forth / np.maximum(1 - heard.r**2, LEAST_NOISE)
    precision = np.eye(BLOCK) * (BLOCK / np.square(length))[:, None, None]
    np.add.at(precision, block, turned.transpose(0, 2, 1) @ (turned * (forth * told)[:, :, None]))
    towards = np.zeros((len(length), BLOCK))
    np.add.at(towards, block, np.einsum("bij,bi->bj", turned, told * heard.z))
    covariance = np.linalg.inv(precision)
    mean = np.einsum("bij,bj->bi", covariance, towards)
    return mean, np.sqrt(np.einsum("bii->bi", covariance))


def radial(square: np.ndarray) -> np.ndarray:
    """Squared lengths -> normal numbers: the inverse of `lengths`."""
    found: np.ndarray = ndtri(np.clip(gammainc(BLOCK / 2, square / 2), FEWEST, 1 - FEWEST))
    return found
