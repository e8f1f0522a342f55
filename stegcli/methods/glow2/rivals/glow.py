"""The plain multi-scale Glow: every level sees all channels, and half of them leave as latents at each.

    x (b, 3, h, w) in [0, 1]  ->  per level: squeeze, `steps` steps of flow, split  ->  z (b, 3, h, w)

Reference: Glow: Generative Flow with Invertible 1x1 Convolutions (Kingma, Dhariwal, 2018), sections 3 and 3.1 to 3.3.
There the 1x1 convolutions are any invertible matrices; here they are rotations, which invert exactly. ReLU is SiLU.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.nn.flow import ActNorm, AffineCoupling, Chain, Flow, Rotation, bounded
from stegcli.nn.nets import conv3
from stegcli.nn.wavelet import Band, squeeze

SPREAD = 0.25
"""Where the scale of the first step starts: about the standard deviation of pictures."""


def _coupling(channels: int, width: int) -> AffineCoupling:
    changed = channels - channels // 2
    net = nn.Sequential(
        conv3(channels // 2, width), nn.SiLU(),
        nn.Conv2d(width, width, 1), nn.SiLU(), conv3(width, 2 * changed, zero=True),
    )  # fmt: skip
    return AffineCoupling(channels, net)


def _level(channels: int, steps: int, width: int, log_scale: float) -> Chain:
    flows: list[Flow] = [ActNorm(channels, log_scale)]
    for _ in range(steps):
        flows += [Rotation(channels), _coupling(channels, width), ActNorm(channels)]
    return Chain(flows)


class Split(nn.Module):
    """(b, c, h, w) <-> the kept half, and of the other half epsilon = (z - mu) / sigma; also its log-determinant.

    mu and log sigma, bounded, are what the kept half says of the other. Epsilon is standard normal whatever the kept
    half is, so that all of z is. Reference: section 3.3, and the code published with it.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.prior = conv3(channels // 2, channels, zero=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        kept, leaving = x.chunk(2, dim=1)
        mean, log_scale = self._mean_and_log_scale(kept)
        return kept, (leaving - mean) * (-log_scale).exp(), -log_scale.flatten(1).sum(1)

    def inverse(self, kept: Tensor, epsilon: Tensor) -> Tensor:
        mean, log_scale = self._mean_and_log_scale(kept)
        return torch.cat([kept, epsilon * log_scale.exp() + mean], dim=1)

    def _mean_and_log_scale(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = self.prior(kept).chunk(2, dim=1)
        return mean, bounded(raw)


class Glow(Flow):
    """Pictures (b, 3, h, w) in [0, 1] <-> z of the same shape, which holds the levels one after the other.

    Height and width must be multiples of `side`. width: of the coupling nets.
    """

    def __init__(self, levels: int, steps: int, width: int):
        super().__init__()
        self.levels, self.side = levels, 2**levels
        channels = [12 * 2**i for i in range(levels)]
        scales = [math.log(SPREAD)] + [0.0] * (levels - 1)
        self.flows = nn.ModuleList(_level(c, steps, width, s) for c, s in zip(channels, scales, strict=True))
        self.splits = nn.ModuleList(Split(c) for c in channels[:-1])

    def bands(self, height: int, width: int) -> list[Band]:
        """The bands of a picture, in the order of z: level1, the finest, to the last, which has no split."""
        found: list[Band] = []
        start = 0
        for level in range(1, self.levels + 1):
            channels = 3 * 2**level * (2 if level == self.levels else 1)
            found.append(Band(f"level{level}", level, channels, height >> level, width >> level, start, level))
            start += found[-1].size
        return found

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        kept, parts = x - 0.5, []
        ladj = x.new_zeros(x.shape[0])
        for index, flow in enumerate(self.flows):
            kept, step = flow(squeeze(kept))
            ladj = ladj + step
            if index < len(self.splits):
                kept, epsilon, step = self.splits[index](kept)
                parts.append(epsilon)
                ladj = ladj + step
        return torch.cat([p.flatten(1) for p in [*parts, kept]], dim=1).view_as(x), ladj

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        parts = [b.of(z) for b in self.bands(z.shape[2], z.shape[3])]
        kept = parts[-1]
        for index in reversed(range(len(parts))):
            if index < len(self.splits):
                kept = cast(Split, self.splits[index]).inverse(kept, parts[index])
            kept = F.pixel_shuffle(cast(Flow, self.flows[index]).inverse(kept), 2)
        return kept + 0.5
