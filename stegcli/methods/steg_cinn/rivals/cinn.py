"""The paper's conditional flow: the colours a and b of Lab <-> latents, given the luminance L. Small.

    ab (b, 2, h, w)  ->  3 times: Haar, 10 affine couplings that see features of L, details leave  ->  z (b, 2, h, w)

It is here to be compared with, and never hides a file. Nothing in it knows of whole numbers: its pixels are rounded
afterwards, so latents come back near what they were, and signs of some turn.

References: Hiding data in colors (Ren, Liu, Zhai, Wang, 2022), Fig. 2 and section 4.1: 30 affine couplings. Guided
image generation with conditional invertible neural networks (Ardizzone et al., 2019), for Haar between the levels. The
paper's features are those of a VGG net trained to name things; here a small net learns with the flow.
"""

from __future__ import annotations

import itertools
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.nn.flow import ActNorm, AffineCoupling, Chain, Flow
from stegcli.nn.nets import conv3
from stegcli.nn.wavelet import haar, unhaar

LEVELS, COUPLINGS = 3, 10
CHANNELS, LEAVING = 8, 6
"""Of a level: what Haar makes of two colours, and the details among them."""
LOG_SCALES = (2.0, 2.5, 3.0)
"""Where the scales of the levels start: about the standard deviations of the details of photos' a and b."""
SIDE = 2**LEVELS
BOUND = 0.5
"""Of a coupling's log-scale. With 1.5 draws exploded after 150 steps of training: each coupling sees what the one
before made too large."""


class Compressed(nn.Module):
    """x -> asinh(x), so that what a coupling does grows slowly where a draw is far from all photos."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.asinh(x)


class Reverse(Flow):
    """The channels in reverse order, so that the next coupling changes the others."""

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return x.flip(1), x.new_zeros(len(x))

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return z.flip(1)


class Features(nn.Module):
    """L (b, 1, h, w), 0 to 100 -> features (b, width, h/2, w/2), and at h/4 and h/8, where the whole is seen too."""

    def __init__(self, width: int):
        super().__init__()
        inputs = [4] + [width] * (LEVELS - 1)
        self.enter = nn.ModuleList(conv3(n, width) for n in inputs)
        self.stay = nn.ModuleList(conv3(width, width) for _ in inputs)
        self.shrink = nn.ModuleList(nn.Conv2d(width, width, 2, stride=2) for _ in inputs[1:])
        self.everywhere = nn.Linear(width, width)

    def forward(self, lightness: Tensor) -> list[Tensor]:
        x = F.pixel_unshuffle(lightness / 25 - 2, 2)
        found: list[Tensor] = []
        for level in range(LEVELS):
            x = self.shrink[level - 1](found[-1]) if level else x
            x = F.silu(self.enter[level](x))
            found.append(x + F.silu(self.stay[level](x)))
        found[-1] = found[-1] + self.everywhere(found[-1].mean((2, 3)))[:, :, None, None]
        return found


class ColourFlow(Flow):
    """a and b (b, 2, h, w) <-> z of the same shape, given L (b, 1, h, w). h and w are multiples of SIDE.

    z holds what left first first: the finest details, then the next, then all of the last level.
    """

    def __init__(self, width: int):
        super().__init__()
        self.features = Features(width)
        self.flows = nn.ModuleList(_level(width, scale) for scale in LOG_SCALES)

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        told, parts, ladj = self.features(c), [], x.new_zeros(len(x))
        for flow, seen in zip(self.flows, told, strict=True):
            y, step = flow(torch.cat(haar(x)[::-1], dim=1), seen)
            ladj = ladj + step
            leaving, x = y[:, :LEAVING], y[:, LEAVING:]
            parts.append(leaving.flatten(1))
        return torch.cat([*parts, x.flatten(1)], dim=1).view(len(x), 2, *cast(Tensor, c).shape[2:]), ladj

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        told, flat = self.features(c), z.flatten(1)
        ends = list(itertools.accumulate(LEAVING * t.shape[2] * t.shape[3] for t in told))
        x: Tensor = flat[:, ends[-1] :].view(len(z), CHANNELS - LEAVING, *told[-1].shape[2:])
        for flow, seen, end in zip(reversed(self.flows), reversed(told), reversed(ends), strict=True):
            leaving = flat[:, end - LEAVING * seen.shape[2] * seen.shape[3] : end].view(
                len(z), LEAVING, *seen.shape[2:]
            )
            y = cast(Flow, flow).inverse(torch.cat([leaving, x], dim=1), seen)
            x = unhaar(y[:, LEAVING:], y[:, :LEAVING])
        return x


def _level(width: int, log_scale: float) -> Chain:
    flows: list[Flow] = [ActNorm(CHANNELS, log_scale)]
    for _ in range(COUPLINGS):
        kept = CHANNELS // 2
        net = nn.Sequential(
            Compressed(), conv3(kept + width, width), nn.SiLU(), nn.Conv2d(width, width, 1), nn.SiLU(),
            conv3(width, 2 * (CHANNELS - kept), zero=True),
        )  # fmt: skip
        flows += [AffineCoupling(CHANNELS, net, BOUND), Reverse()]
    return Chain(flows)
