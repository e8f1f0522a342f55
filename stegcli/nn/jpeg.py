"""What a JPEG file reveals about the original picture: every DCT coefficient lies in a known quantisation cell.

Reference: JPEG (ITU-T T.81), Annex A.3; cells with a Laplacian prior: Reininger and Gibson, "Distributions of the
two-dimensional DCT coefficients for images" (1983).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 8


def dct_matrix(side: int = BLOCK) -> Tensor:
    """Orthonormal DCT-II, (side, side) float64: coefficients = D block D^T. T.81, A.3.3."""
    k = torch.arange(side, dtype=torch.float64)
    matrix = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / (2 * side)) * math.sqrt(2 / side)
    matrix[0] /= math.sqrt(2)
    return matrix


def _blocks(plane: Tensor) -> Tensor:
    """(b, h, w) -> (b, h/8, w/8, 8, 8); h and w are multiples of 8."""
    batch, height, width = plane.shape
    return plane.reshape(batch, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(2, 3)


def _plane(blocks: Tensor) -> Tensor:
    """The inverse of `_blocks`."""
    return blocks.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def dct(plane: Tensor) -> Tensor:
    """(b, h, w) -> coefficients of its 8x8 blocks, (b, h/8, w/8, 8, 8)."""
    d = dct_matrix().to(plane)
    return d @ _blocks(plane) @ d.T


def idct(coefficients: Tensor) -> Tensor:
    """The inverse of `dct`."""
    d = dct_matrix().to(coefficients)
    return _plane(d.T @ coefficients @ d)


def cell_offsets(plane: Tensor, steps: Tensor, u: Tensor) -> Tensor:
    """A decoded plane (b, h, w) in grey levels and uniform numbers (b, h/8, w/8, 8, 8) -> a possible difference of the
    original, (b, h, w): each coefficient is drawn from its cell by the Laplacian of its frequency."""
    steps = steps.to(plane)
    index = (dct(plane) / steps).round()
    zero = (index == 0).to(plane).mean(dim=(1, 2), keepdim=True)
    rate = -torch.log1p(-zero.clamp(0.02, 0.999)) * 2  # 1/b in units of a step: P(0) = 1 - exp(-step / 2b)
    low = torch.where(index == 0, -0.5, index.abs() - 0.5)
    inside = _truncated(rate.expand_as(low), torch.where(index == 0, (2 * u - 1).abs(), u), index == 0)
    magnitude = torch.where(index == 0, inside * torch.sign(2 * u - 1), low + inside)
    drawn = torch.where(index == 0, magnitude, magnitude * index.sign())
    return idct((drawn - index) * steps)


def _truncated(rate: Tensor, u: Tensor, half: Tensor) -> Tensor:
    """The quantile u of an exponential distribution with this rate, cut at 1 (at 1/2 where `half`)."""
    length = torch.where(half, 0.5, 1.0)
    return -torch.log1p(-u * -torch.expm1(-rate * length)) / rate


def halve(plane: Tensor) -> Tensor:
    """(b, h, w) -> means of 2x2 samples."""
    return F.avg_pool2d(plane[:, None], 2)[:, 0]


def double(plane: Tensor) -> Tensor:
    """(b, h, w) -> each sample four times."""
    return F.interpolate(plane[:, None], scale_factor=2, mode="nearest")[:, 0]
