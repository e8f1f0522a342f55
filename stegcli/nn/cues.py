"""What coarse content says of the details that it lacks, in numbers that a small network would find hard to make.

Two things carry over from one scale of a picture to the next, whatever it shows: how busy it is at a place and in which
direction, and how its colours follow its luminance. Both are averages of products over windows. As ready numbers they
hold for surfaces never trained on, where what a network has learnt of products does not.

References: energies of coarse coefficients as the scale of fine ones: Scale mixtures of Gaussians and the statistics of
natural images (Wainwright, Simoncelli, 2000). Colours from luminance: Predicting chroma from luma in AV1 (Trudeau,
Egge, Barr, 2018), where the encoder tells the factor; here it is estimated from the coarser scale.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOWS = (5, 15)
"""Sides of the neighbourhoods, in positions of the coarse content."""
FLOOR = 1e-3
"""Added to energies: the square of two grey levels of luminance. Below it, content is rounding and a mild JPEG."""
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
    """Luminance and two colours (b, 3, h, w), of order 1 -> cues (b, CUES, h, w), and by how much details of the
    colours change with those of luminance in each window: (b, windows, 2, h, w)."""
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
    """(b, c, n, h, w) -> means over the window, at the border over the part of it inside."""
    half = window // 2
    rows = F.avg_pool2d(x.flatten(1, 2), (window, 1), 1, (half, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, window), 1, (0, half), count_include_pad=False).view_as(x)


def _logarithm(energy: Tensor) -> Tensor:
    """Of order 1, as contexts are."""
    return (torch.log(energy + FLOOR) + 4) / 2
