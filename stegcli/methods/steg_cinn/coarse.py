"""Colours at every 8th pixel and coarser, from luminance alone: what a whole photo's colours may be.

    luminance made small  --U-Net-->  features at four strides  -->  the networks of levels 4 and up, and of the base

The base is the pixel in the corner; the levels from `top` to 4 refine it. Photos were made small for training: of a
larger one the U-Net sees a smaller copy, so that things are as large as it knows them.

Reference for the U-Net: Convolutional networks for biomedical image segmentation (Ronneberger, Fischer, Brox, 2015).
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.methods.steg_cinn import groups
from stegcli.methods.steg_cinn.groups import Group
from stegcli.methods.steg_cinn.nets import COMPONENTS, OFFSETS, LevelNet, compress, constant, gamut_limits
from stegcli.nn.discrete import DiscreteMixture

FIRST_LEVEL, LAST_LEVEL = 4, 7
"""Levels that have networks of their own; coarser ones share the last."""
STRIDES = (8, 16, 32, 64)
"""Of the U-Net's results, in pixels of a photo of the size that it was trained on."""
STEM = 4
WIDTHS = (24, 48, 64, 96, 128)
BASE_UNIT = 22.0


@dataclass(frozen=True)
class Context:
    """Features (b, n, h, w) for each of STRIDES, of a picture that was made 2^shift times smaller."""

    maps: tuple[Tensor, ...]
    shift: int

    def at(self, group: Group, height: int, width: int) -> Tensor:
        """Features of each place of a group in a picture of that size, (b, n, rows, columns)."""
        stride = min(max(group.step >> self.shift, STRIDES[0]), STRIDES[-1])
        found = self.maps[STRIDES.index(stride)]
        y, x = _lines(group, group.shape(height, width), stride << self.shift, found.device)
        return found.index_select(2, y).index_select(3, x)

    def base(self) -> Tensor:
        """Features of the pixel in the corner, (b, n, 1, 1)."""
        return self.maps[-1][..., :1, :1]


@functools.lru_cache(maxsize=256)
def _lines(group: Group, shape: tuple[int, int], stride: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows and columns of a map of that stride at the places of a group; kept on the device, as those of `nets` are."""
    with torch.inference_mode(False):
        y, x = (
            (torch.arange(count) * group.period + first) * group.step // stride
            for count, first in zip(shape, (group.y, group.x), strict=True)
        )
        return y.to(device), x.to(device)


def top_level(height: int, width: int) -> int:
    """Size of a picture -> the coarsest level, above which there is only the pixel in the corner."""
    return max(FIRST_LEVEL, (max(height, width) - 1).bit_length())


def positions(height: int, width: int) -> Tensor:
    """Rows and columns of a map -> where each place lies in the picture, from -1 to 1, float32 (1, 2, h, w)."""
    y, x = ((2 * torch.arange(n) + 1) / n - 1 for n in (height, width))
    return torch.stack(torch.meshgrid(y, x, indexing="ij"))[None]


class UNet(nn.Module):
    """Luminance and positions -> features at STRIDES."""

    def __init__(self, features: int):
        super().__init__()
        self.first = _conv(5, WIDTHS[0])
        steps = list(itertools.pairwise(WIDTHS))
        self.shrink = nn.ModuleList(_conv(a, b, stride=2) for a, b in steps)
        self.down = nn.ModuleList(_conv(b, b) for _, b in steps)
        self.everywhere = nn.Linear(2 * WIDTHS[-1], WIDTHS[-1])
        self.join = nn.ModuleList(nn.Conv2d(a + b, a, 1) for a, b in steps[:0:-1])
        self.up = nn.ModuleList(_conv(a, a) for a, _ in steps[:0:-1])
        self.out = nn.ModuleList(nn.Conv2d(w, features, 1) for w in WIDTHS[:0:-1])

    def forward(self, grey: Tensor, position: Tensor) -> tuple[Tensor, ...]:
        """grey: levels (b, 1, h, w), already pooled by STEM; with it its variance within each place, as channel 2."""
        light, variance = grey[:, :1], grey[:, 1:]
        wide = F.avg_pool2d(F.pad(light, (3,) * 4, mode="replicate"), 7, 1)
        seen = [
            light / 64 - 2,
            torch.log(variance + 1) / 3,
            (light - wide) / 32,
            position.expand(len(grey), -1, -1, -1),
        ]
        h = F.silu(self.first(torch.cat(seen, dim=1)))
        kept = []
        for shrink, down in zip(self.shrink, self.down, strict=True):
            h = F.silu(shrink(h))
            h = h + F.silu(down(h))
            kept.append(h)
        overall = torch.cat([h.mean((2, 3)), h.amax((2, 3))], dim=1)
        h = h + F.silu(self.everywhere(overall))[:, :, None, None]
        found = [self.out[0](h)]
        for join, up, out, finer in zip(self.join, self.up, self.out[1:], kept[-2::-1], strict=True):
            h = F.interpolate(h, size=finer.shape[2:], mode="nearest")
            h = F.silu(join(torch.cat([h, finer], dim=1)))
            h = h + F.silu(up(h))
            found.append(out(h))
        return tuple(reversed(found))


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, padding_mode="replicate")


class Base(nn.Module):
    """What the colour of the pixel in the corner may be."""

    def __init__(self, features: int, width: int):
        super().__init__()
        self.first = nn.Conv2d(features + 1, width, 1)
        self.q = nn.Conv2d(width, 3 * COMPONENTS, 1)
        self.seen_q = nn.Conv2d(width + 2, width, 1)
        self.p = nn.Conv2d(width, 3 * COMPONENTS + 1, 1)
        for layer in (self.q, self.p):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def features(self, context: Tensor, grey: Tensor) -> Tensor:
        return F.silu(self.first(torch.cat([context, grey / 128 - 1], dim=1)))

    def mixture_q(self, h: Tensor, grey: Tensor) -> DiscreteMixture:
        return _wide(self.q(h), 0.0, gamut_limits(grey.device).q(grey))

    def mixture_p(self, h: Tensor, grey: Tensor, q: Tensor) -> DiscreteMixture:
        raw = self.p(F.silu(self.seen_q(torch.cat([h, q / 32, compress(q / 8)], dim=1))))
        return _wide(raw[:, :-1], (raw[:, -1:] + 0.3) * q, gamut_limits(grey.device).p(grey, q))


def _wide(raw: Tensor, shift: Tensor | float, limits: tuple[Tensor, Tensor]) -> DiscreteMixture:
    parts = raw.view(len(raw), 3, COMPONENTS, 1, *raw.shape[2:]).transpose(1, 2)
    weights, means, scales = (parts[:, :, i].transpose(0, 1) for i in range(3))
    offsets = constant(OFFSETS, raw.dtype, raw.device).view(-1, 1, 1, 1, 1)
    log_scales = math.log(BASE_UNIT) - 0.5 + 2.5 * torch.tanh(scales / 2.5)
    return DiscreteMixture(torch.log_softmax(weights, 0), BASE_UNIT * (means + offsets) + shift, log_scales, *limits)


class Coarse(nn.Module):
    """The base and the levels from FIRST_LEVEL up."""

    def __init__(self, width: int = 48, features: int = 32):
        super().__init__()
        self.unet = UNet(features)
        self.base = Base(features, width)
        self.levels = nn.ModuleList(
            LevelNet(level, False, width, features) for level in range(FIRST_LEVEL, LAST_LEVEL + 1)
        )

    def level(self, number: int, shift: int = 0) -> LevelNet:
        """The network of a level of a picture that is 2^shift times as large as those trained on."""
        found = self.levels[min(max(number - shift, FIRST_LEVEL), LAST_LEVEL) - FIRST_LEVEL]
        assert isinstance(found, LevelNet)
        return found

    def context(self, grey: Tensor, position: Tensor | None = None) -> Context:
        """Luminance (b, 1, h, w) of whole pictures -> what the levels are told of them.

        position: as `positions` has them, if the pictures are parts of larger ones.
        """
        shift = max(0, top_level(*grey.shape[2:]) - LAST_LEVEL)
        pool = STEM << shift
        height, width = (groups.grid_size(n, pool) for n in grey.shape[2:])
        more = (0, width * pool - grey.shape[3], 0, height * pool - grey.shape[2])
        padded = F.pad(grey, more, mode="replicate")
        light = F.avg_pool2d(padded, pool)
        # Of the detail that a small copy would show: of blocks of the size that training knew.
        small = F.avg_pool2d(padded, 1 << shift)
        apart = small - light.repeat_interleave(STEM, 2).repeat_interleave(STEM, 3)
        variance = F.avg_pool2d(apart.square(), STEM)
        place = positions(height, width) if position is None else position
        return Context(self.unet(torch.cat([light, variance], dim=1), place.to(grey)), shift)
