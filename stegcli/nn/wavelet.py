"""The wavelet flow: a picture's bands, coarse to fine, each a conditional Glow given the coarser ones alone.

    x (b, 3, h, w) in [0, 1]  ->  YCbCr  ->  Haar, `levels` times  ->  per level: Y details given the low band,
    colour details given the low band and the Y details; at the top the base by itself  ->  z (b, 3, h, w)

A coarse latent depends on coarse content alone, so that what JPEG does to fine content does not reach it.

Reference: Wavelet Flow: Fast Training of High Resolution Normalizing Flows (Yu, Derpanis, Brubaker, 2020). There
one flow per level has all nine detail channels, and the colours stay RGB. Here luminance comes first, and it is JPEG's
own luminance: an orthonormal one mixes in what the subsampling of colours destroys.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.nn.flow import ActNorm, AffineCoupling, Chain, ContextAffine, Flow, Rotation

YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""RGB -> Y, Cb, Cr (JFIF 1.02, without the offset of 128)."""
BASE_CHANNELS = 12
FEATURES = 16
Y_SPREAD, C_SPREAD, GROWTH = 0.05, 0.01, 1.7
"""Where the scales of the bands start: spread of the finest luminance and colour details, and its growth per level."""


@dataclass(frozen=True)
class Band:
    """A stretch of the flattened z: `channels` planes of `height` x `width`. Level 1 is the finest."""

    name: str
    level: int
    channels: int
    height: int
    width: int
    start: int

    @property
    def size(self) -> int:
        return self.channels * self.height * self.width

    @property
    def stretch(self) -> slice:
        return slice(self.start, self.start + self.size)

    def of(self, z: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, channels, height, width)."""
        return z.flatten(1)[:, self.stretch].reshape(-1, self.channels, self.height, self.width)


def bands(height: int, width: int, levels: int) -> list[Band]:
    """The bands of a picture, in the order of z: y1, c1, y2, c2, ..., base."""
    found: list[Band] = []
    start = 0
    for level in range(1, levels + 1):
        for name, channels in (("y", 3), ("c", 6)):
            band = Band(f"{name}{level}", level, channels, height >> level, width >> level, start)
            start += band.size
            found.append(band)
    top = levels + 1
    return [*found, Band("base", top, BASE_CHANNELS, height >> top, width >> top, start)]


def haar(x: Tensor) -> tuple[Tensor, Tensor]:
    """(b, c, h, w) -> low (b, c, h/2, w/2) and details (b, 3c, h/2, w/2), channel by channel. Orthonormal."""
    a, b = x[..., ::2, ::2], x[..., ::2, 1::2]
    c, d = x[..., 1::2, ::2], x[..., 1::2, 1::2]
    details = torch.stack([a - b + c - d, a + b - c - d, a - b - c + d], dim=2).flatten(1, 2)
    return (a + b + c + d) / 2, details / 2


def unhaar(low: Tensor, details: Tensor) -> Tensor:
    """The inverse of `haar`."""
    batch, channels, height, width = details.shape
    h, v, d = details.view(batch, channels // 3, 3, height, width).unbind(2)
    top = torch.stack([low + h + v + d, low - h + v - d], dim=-1).flatten(-2)
    bottom = torch.stack([low + h - v - d, low - h - v + d], dim=-1).flatten(-2)
    return torch.stack([top, bottom], dim=-2).flatten(-3, -2) / 2


def squeeze(x: Tensor) -> Tensor:
    """(b, c, h, w) -> (b, 4c, h/2, w/2)."""
    return F.pixel_unshuffle(x, 2)


def _conv(inputs: int, outputs: int, zero: bool = False) -> nn.Conv2d:
    """3x3 with the border repeated: the border of a picture looks like its inside, where zeros would not."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate")
    return _zeroed(conv) if zero else conv


def _zeroed(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(cast(Tensor, conv.bias))
    return conv


def _coupling_net(inputs: int, outputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        _conv(inputs, width), nn.SiLU(), nn.Conv2d(width, width, 1), nn.SiLU(), _conv(width, outputs, zero=True)
    )


def _context_net(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        _conv(inputs, width), nn.SiLU(), _conv(width, width), nn.SiLU(), nn.Conv2d(width, FEATURES, 1), nn.SiLU()
    )


def _steps(channels: int, features: int, width: int, steps: int, log_scale: float) -> Chain:
    flows: list[Flow] = [ActNorm(channels, log_scale)]
    if features:
        flows.append(ContextAffine(_zeroed(nn.Conv2d(features, 2 * channels, 1))))
    for _ in range(steps):
        changed = channels - channels // 2
        net = _coupling_net(channels // 2 + features, 2 * changed, width)
        flows += [Rotation(channels), AffineCoupling(channels, net), ActNorm(channels)]
    return Chain(flows)


class ConditionalGlow(Flow):
    """A band's details <-> z, given the pictures that its context net sees (already of order 1)."""

    def __init__(self, channels: int, seen: int, width: int, steps: int, log_scale: float):
        super().__init__()
        self.context = _context_net(seen, min(width, 32))
        self.chain = _steps(channels, FEATURES, width, steps, log_scale)

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return cast(tuple[Tensor, Tensor], self.chain(x, self.context(c)))

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return self.chain.inverse(z, self.context(c))


class WaveletFlow(Flow):
    """Pictures (b, 3, h, w) in [0, 1] <-> z of the same shape, which holds the bands one after the other.

    widths, steps: of the coupling nets, one for each level from the finest, and the base's last.
    Height and width must be multiples of `side`.
    """

    colour: Tensor
    uncolour: Tensor

    def __init__(self, widths: Sequence[int], steps: Sequence[int]):
        super().__init__()
        self.levels = len(widths) - 1
        self.side: int = 2 ** (self.levels + 1)
        matrix = torch.tensor(YCBCR, dtype=torch.float64)
        self.register_buffer("colour", matrix, persistent=False)
        self.register_buffer("uncolour", torch.linalg.inv(matrix), persistent=False)
        self.ladj_of_colour = float(torch.linalg.slogdet(matrix).logabsdet)
        flows: dict[str, Flow] = {}
        for level in range(1, self.levels + 1):
            size = widths[level - 1], steps[level - 1]
            growth = GROWTH ** (level - 1)
            flows[f"y{level}"] = ConditionalGlow(3, 3, *size, log_scale=math.log(Y_SPREAD * growth))
            flows[f"c{level}"] = ConditionalGlow(6, 6, *size, log_scale=math.log(C_SPREAD * growth))
        spread = math.log(0.1 * 2**self.levels)
        flows["base"] = _steps(BASE_CHANNELS, 0, widths[-1], steps[-1], spread)
        self.flows = nn.ModuleDict(flows)

    def bands(self, height: int, width: int) -> list[Band]:
        return bands(height, width, self.levels)

    def flow(self, name: str) -> Flow:
        """The flow of the band of that name."""
        return cast(Flow, self.flows[name])

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        parts = []
        ladj = x.new_full((x.shape[0],), self.ladj_of_colour * x.shape[2] * x.shape[3])
        for name, content, context in self.analyse(x):
            z, step = self.flow(name)(content, context)
            parts.append(z.flatten(1))
            ladj = ladj + step
        return torch.cat(parts, dim=1).view_as(x), ladj

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        parts = {b.name: b.of(z) for b in self.bands(z.shape[2], z.shape[3])}
        low = F.pixel_shuffle(self.flow("base").inverse(parts["base"]), 2)
        for level in range(self.levels, 0, -1):
            seen = self._seen(low, level)
            y = self.flow(f"y{level}").inverse(parts[f"y{level}"], seen)
            context = torch.cat([seen, self._normal(y, level)], dim=1)
            colours = self.flow(f"c{level}").inverse(parts[f"c{level}"], context)
            low = unhaar(low, torch.cat([y, colours], dim=1))
        return self._mix(low, self.uncolour) + 0.5

    def analyse(self, x: Tensor) -> list[tuple[str, Tensor, Tensor | None]]:
        """Pictures -> for each band its name, its content and what its flow is conditioned on."""
        low = self._mix(x - 0.5, self.colour)
        found: list[tuple[str, Tensor, Tensor | None]] = []
        for level in range(1, self.levels + 1):
            low, details = haar(low)
            y, colours = details[:, :3], details[:, 3:]
            seen = self._seen(low, level)
            found.append((f"y{level}", y, seen))
            found.append((f"c{level}", colours, torch.cat([seen, self._normal(y, level)], dim=1)))
        return [*found, ("base", squeeze(low), None)]

    def _seen(self, low: Tensor, level: int) -> Tensor:
        """The low band as a context: of order 1, luminance and colours alike."""
        weights = low.new_tensor([4.0, 12.0, 12.0]).view(3, 1, 1)
        return low * weights / 2.0**level

    def _normal(self, y: Tensor, level: int) -> Tensor:
        return y / (Y_SPREAD * GROWTH ** (level - 1))

    def _mix(self, x: Tensor, matrix: Tensor) -> Tensor:
        return torch.einsum("ij,bjhw->bihw", matrix.to(x.dtype), x)
