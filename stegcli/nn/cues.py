"""Cues: statistics of coarse content that predict the missing finer details, and that small networks learn badly.

Two properties carry over from one scale of a picture to the next: the local energy in each direction, and the relation
of colours to luminance. Both are averages of products over windows. Computed explicitly, they also hold for surfaces
outside the training data, where products that a network has learnt to approximate do not.

References: energies of coarse coefficients as the scale of fine ones: Scale mixtures of Gaussians and the statistics of
natural images (Wainwright, Simoncelli, 2000). Colours from luminance: Predicting chroma from luma in AV1 (Trudeau,
Egge, Barr, 2018), where the encoder sends the factor; here it is estimated from the coarser scale.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOWS = (5, 15)
"""Sides of the neighbourhoods, in positions of the coarse content."""
FLOOR = 1e-3
"""Added to energies: the square of two grey levels of luminance. Smaller energies come from rounding and mild JPEG."""
MOST = 6.0
"""Factors lie in (-MOST, MOST)."""
SLOPES = (
    ((0, 0, 0), (-2, 0, 2), (0, 0, 0)),
    ((0, -2, 0), (0, 0, 0), (0, 2, 0)),
    ((1, 0, -1), (0, 0, 0), (-1, 0, 1)),
)
CURVES = (
    ((0, 0, 0), (-2, 4, -2), (0, 0, 0)),
    ((0, -2, 0), (0, 4, 0), (0, -2, 0)),
    ((1, -2, 1), (-2, 4, -2), (1, -2, 1)),
)
"""Differences along rows, along columns and across both, times four."""
CUES = 9 + 7 * len(WINDOWS)
PREDICTED = 6 * len(WINDOWS)


def cues(seen: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and two colours (b, 3, h, w), of order 1 -> cues (b, CUES, h, w), and the factors from details of
    luminance to details of each colour in each window, (b, windows, 2, h, w)."""
    curves = _differences(seen, CURVES)
    luminance, colours = curves[:, :1], curves[:, 1:]
    told, factors = [_differences(seen, SLOPES).flatten(1, 2)], []
    for window in WINDOWS:
        energy = _average(luminance.square(), window)
        common = _average((luminance * colours).mean(2, keepdim=True), window)
        factor = MOST * torch.tanh(common / (energy.mean(2, keepdim=True) + FLOOR) / MOST)
        rest = _average((colours - factor * luminance).square().mean(2, keepdim=True), window)
        told += [_logarithm(energy), _logarithm(rest), factor / 2]
        factors.append(factor[:, :, 0])
    return torch.cat([told[0], *(t.flatten(1, 2) for t in told[1:])], dim=1), torch.stack(factors, dim=1)


def predicted(luminance: Tensor, factors: Tensor) -> Tensor:
    """Details of luminance (b, 3, h, w) and factors as `cues` gives them -> the details of both colours as each window
    predicts them, (b, PREDICTED, h, w)."""
    return (factors[:, :, :, None] * luminance[:, None, None]).flatten(1, 3)


def _differences(x: Tensor, kernels: tuple[tuple[tuple[int, ...], ...], ...]) -> Tensor:
    """(b, c, h, w) -> (b, c, kernels, h, w)."""
    batch, channels, height, width = x.shape
    weight = x.new_tensor(kernels)[:, None] / 4
    planes = F.pad(x.reshape(-1, 1, height, width), (1, 1, 1, 1), mode="replicate")
    return F.conv2d(planes, weight).view(batch, channels, len(kernels), height, width)


def _average(x: Tensor, window: int) -> Tensor:
    """(b, c, n, h, w) -> means over the window; at the border, over its part inside the picture."""
    half = window // 2
    rows = F.avg_pool2d(x.flatten(1, 2), (window, 1), 1, (half, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, window), 1, (0, half), count_include_pad=False).view_as(x)


def _logarithm(energy: Tensor) -> Tensor:
    """Logarithm of an energy, scaled to order 1 as contexts are."""
    return (torch.log(energy + FLOOR) + 4) / 2
