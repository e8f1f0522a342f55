"""Numbers on a circle <-> normal latents, so that a latent is exactly N(0, 1) whatever it carries.

A latent z has u = Phi(z), uniform in (0, 1). With k uniform from the key's stream,

    bits       u = (s / M + k) mod 1      s one of M symbols, Gray-mapped to log2 M bits
    a number   u = (p + k) mod 1          p = g + (1 - 2 g) Phi(x / tau)

Since k is uniform and secret, u is uniform and independent of s or p. So shaping costs no capacity, and nothing can be
learnt without the key. The guard band g keeps the ends of the range apart on the circle; it costs no secrecy.

The receiver knows k, and so the exact latent z for every candidate. The received latent is z' = r z + sqrt(1 - r^2) n,
with r known for each latent. n is modelled by Student's t, since some errors are larger than those of neighbours.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import ndtr
from torch import Tensor

from stegcli.coding import gray
from stegcli.keys.stream import inverse_normal

GUARD, TAU, MOST = 0.02, 1.6, 4.0
"""Guard band g, spread tau and clip of the map from numbers to the circle."""
TAILS = 10.0  # degrees of freedom of the noise
GRID = 97  # candidates for a number, evenly spaced in [-MOST, MOST]
EDGE = 2.0**-53


def to_normal(u: np.ndarray) -> np.ndarray:
    """Points of the circle [0, 1) -> latents, float64, the same on every machine."""
    return inverse_normal(np.clip(u % 1.0, EDGE, 1 - EDGE))


def from_normal(z: np.ndarray) -> np.ndarray:
    """The inverse of `to_normal`, not to the last bit."""
    found: np.ndarray = ndtr(z)
    return found


# -- bits


def write_bits(bits: np.ndarray, dither: np.ndarray) -> np.ndarray:
    """Bits (n, m) and the key's uniform numbers (n,) -> latents (n,)."""
    return to_normal(gray.positions(bits) / 2 ** bits.shape[1] + dither)


def read_bits(z: np.ndarray, r: np.ndarray, dither: np.ndarray, m: int) -> np.ndarray:
    """Received latents (n,), their correlation with those sent, the dither -> log-odds ln P(1)/P(0), (n, m)."""
    points = (torch.arange(2**m) / 2**m + torch.from_numpy(dither)[:, None]) % 1.0
    fit = _log_likelihood(z, r, points)
    ones = torch.from_numpy(gray.ones(m))
    odds = [torch.logsumexp(fit[:, o], 1) - torch.logsumexp(fit[:, ~o], 1) for o in ones]
    found: np.ndarray = torch.stack(odds, dim=1).numpy()
    return found


def _log_likelihood(z: np.ndarray, r: np.ndarray, points: Tensor) -> Tensor:
    """Log-likelihood of each candidate point (n, c), up to a constant: float32 (n, c)."""
    latents = torch.special.ndtri(points.clamp(1e-7, 1 - 1e-7).float())
    known = torch.from_numpy(r)[:, None].float()
    distance = (torch.from_numpy(z)[:, None].float() - known * latents).square() / (1 - known.square())
    return -(TAILS + 1) / 2 * torch.log1p(distance / TAILS)


def log_kernel(error: np.ndarray) -> np.ndarray:
    """Errors as multiples of their spread -> log-likelihood up to a constant: that of `_log_likelihood`, in float64."""
    found: np.ndarray = -(TAILS + 1) / 2 * np.log1p(error**2 / TAILS)
    return found


# -- numbers


def write_numbers(x: np.ndarray, dither: np.ndarray) -> np.ndarray:
    """Numbers (n,), clipped to +-MOST, and the key's uniform numbers -> latents (n,)."""
    return to_normal(on_circle(x) + dither)


def number_fit(z: np.ndarray, r: np.ndarray, dither: np.ndarray) -> Tensor:
    """Received latents (n,) -> log-likelihood of each candidate number, (n, GRID). Those of copies add up."""
    points = (torch.from_numpy(on_circle(grid().numpy())) + torch.from_numpy(dither)[:, None]) % 1.0
    return _log_likelihood(z, r, points)


def read_numbers(fit: Tensor, rounds: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihoods (n, GRID), summed over copies -> posterior mean and standard deviation of the numbers, float32
    (n,) each. The deviation is 1 where nothing was received.

    The prior is N(0, 1); after each of the `rounds`, nine tenths of it are what was found for all numbers together.
    """
    normal = torch.softmax(-0.5 * grid().float().square(), dim=0)
    weight = torch.softmax(fit + normal.log(), dim=1)
    for _ in range(rounds):
        weight = torch.softmax(fit + (0.1 * normal + 0.9 * weight.mean(0)).log(), dim=1)
    mean = weight @ grid().float()
    variance = (weight @ grid().float().square() - mean.square()).clamp(min=0)
    return mean.numpy(), variance.sqrt().numpy()


def grid() -> Tensor:
    return torch.linspace(-MOST, MOST, GRID, dtype=torch.float64)


def on_circle(x: np.ndarray) -> np.ndarray:
    """Numbers, clipped to +-MOST -> points in [GUARD, 1 - GUARD]."""
    found: np.ndarray = GUARD + (1 - 2 * GUARD) * ndtr(np.clip(x, -MOST, MOST) / TAU)
    return found
