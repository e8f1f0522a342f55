"""The learned refiner of the cascade: latents that are known in part -> a better picture than G1 makes of their means.

    means and deviations of latents  --G1, means moved to and fro-->  pictures that fit what arrived
    their trimmed average, where they differ, and of which bands  -->  residual network at half resolution  -->  picture

The cascade reads each latent as the mean given what arrived. The picture of these means is not the mean of the
pictures, for G1 is no linear map. So every latent is moved by its deviation, with random signs, one way and then the
other: the average of the pictures is right to second order, and their spread tells each sample's error. The network
corrects that average in units of this spread, and so is of one scale from PNG to JPEG 40.

Reference: after DOWN the paper has five convolutions, on latents, that are told nothing of the channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.methods.glow2 import pictures
from stegcli.methods.glow2.sr import ResidualBlock
from stegcli.nn.nets import conv3
from stegcli.nn.wavelet import Pyramid, bands

PAIRS = 4
"""How often all latents are moved to and fro."""
WINDOW = 5
"""The square of a few differences is a poor estimate of a variance: it is averaged with its neighbours'."""
LEAST = 1 / 512
"""Spread below which a sample is known: half a grey level."""


@dataclass(frozen=True)
class Guess:
    """What may have been sent, each (b, 3, h, w): the picture of the latents' means, the average of those that fit,
    their spread, all in [0, 1]; and the latents' deviations, in the order of z."""

    middle: Tensor
    average: Tensor
    spread: Tensor
    deviation: Tensor


def guess(g1: Pyramid, z: Tensor, deviation: Tensor, signs: Tensor) -> Guess:
    """Means and deviations of latents (b, 3, h, w), signs (b, PAIRS, 3, h, w) -> pictures that fit them.

    With signs every deviation counts in full in every pair, where normal numbers would add noise of their own.
    """
    known = deviation.nan_to_num(1.0)
    middles, squares = [], []
    for moved in (signs * known[:, None]).unbind(1):
        one, other = pictures.inverse(g1, z + moved), pictures.inverse(g1, z - moved)
        middles.append((one + other) / 2)
        squares.append(((one - other) / 2).square())
    around = F.avg_pool2d(_central(squares), WINDOW, 1, WINDOW // 2, count_include_pad=False)
    return Guess(pictures.inverse(g1, z), _central(middles), around.sqrt().clamp(min=LEAST), known)


def _central(values: list[Tensor]) -> Tensor:
    """The mean without the least and the greatest: now and then a flow makes of moved latents what no picture has."""
    stacked = torch.stack(values)
    kept = len(values) - 2
    return (stacked.sum(0) - stacked.amin(0) - stacked.amax(0)) / kept


def fixed_signs(z: Tensor) -> Tensor:
    """Latents (1, 3, h, w) -> the signs that every receiver uses."""
    drawn = np.random.default_rng(0).integers(0, 2, (1, PAIRS, *z.shape[1:]), np.int8)
    return torch.from_numpy(drawn).to(z) * 2 - 1


class Refiner(nn.Module):
    """A guess -> a picture (b, 3, h, w), about [0, 1] but not clipped.

    levels: of G1; h and w must be multiples of 2^(levels + 1). The last layer starts at zero: it starts as the average.
    """

    def __init__(self, levels: int = 4, blocks: int = 5, width: int = 64):
        super().__init__()
        self.levels = levels
        self.head = conv3(3 * 4 * 3 + 2 * levels + 1, width)
        self.body = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)), conv3(width, width))
        self.last = conv3(width, 4 * 3)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(cast(Tensor, self.last.bias))

    def forward(self, g: Guess) -> Tensor:
        seen = torch.cat([g.average - 0.5, (g.average - g.middle) / g.spread, g.spread.log() / 4 + 1], dim=1)
        features = self.head(torch.cat([F.pixel_unshuffle(seen, 2), self.maps(g.deviation)], dim=1))
        features = features + self.body(features)
        return g.average + g.spread * F.pixel_shuffle(cast(Tensor, self.last(features)), 2)

    def maps(self, deviation: Tensor) -> Tensor:
        """-> for each band of G1 the mean deviation of its channels, (b, 2 levels + 1, h/2, w/2)."""
        height, width = deviation.shape[2:]
        found = [b.of(deviation).mean(1, keepdim=True) for b in bands(height, width, self.levels)]
        return torch.cat([F.interpolate(m, size=(height // 2, width // 2)) for m in found], dim=1)

    def restore(self, g1: Pyramid, z: Tensor, deviation: Tensor) -> Tensor:
        """Means and deviations of latents (1, 3, h, w) -> the picture in [0, 1], the same at every receiver."""
        return cast(Tensor, self(guess(g1, z, deviation, fixed_signs(z)))).clamp(0, 1)
