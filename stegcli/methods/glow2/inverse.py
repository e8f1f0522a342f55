"""The robust inverse: a network that estimates the latents of a picture from its JPEG file.

Reference: the paper, section IV-C, Eq. 6 and Fig. 4 (its G2_(2)^-1). There an INN branch takes the quality factor (QF)
as a condition, as in RIIS, in parallel with a U-Net branch. Here the U-Net restores the picture first, and the flow
then reads it. The flow has G2's shape and starts from its weights. Only the U-Net gets the QF.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.nn import generators
from stegcli.nn.nets import conv3
from stegcli.nn.wavelet import Pyramid, squeeze

CONTRAST = 4.0
"""Factor that scales pictures in [-1/2, 1/2] to order 1."""


class QualityBlock(nn.Module):
    """(b, inputs, h, w) and the normalised QF (b, 1) -> (b, outputs, h, w): 3x3 conv, scaled and shifted by the QF.

    Reference: FiLM: Visual Reasoning with a General Conditioning Layer (Perez et al., 2018), section 2.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = conv3(inputs, outputs)
        self.scale_and_shift = nn.Linear(1, 2 * outputs)

    def forward(self, x: Tensor, quality: Tensor) -> Tensor:
        scale, shift = self.scale_and_shift(quality)[:, :, None, None].chunk(2, dim=1)
        return F.silu(self.conv(x) * (1 + scale) + shift)


class UNet(nn.Module):
    """Pictures (b, 3, h, w) in [0, 1], QF (b,) in [1, 100] -> corrections to add (b, 3, h, w), initially zero.

    widths: channels at 1/2, 1/4, 1/8 ... of the resolution; h and w are multiples of the last. With three of them the
    deepest map has one position for each 8x8 block of a JPEG file.

    Reference: U-Net (Ronneberger, Fischer, Brox, 2015). There pooling halves; here squeezing, which loses no pixel.
    """

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        self.down = nn.ModuleList(QualityBlock(4 * a, b) for a, b in pairwise([3, *widths]))
        self.up = nn.ModuleList(QualityBlock(b + a, a) for a, b in reversed(list(pairwise(widths))))
        self.last = conv3(widths[0], 12, zero=True)

    def forward(self, x: Tensor, qf: Tensor) -> Tensor:
        quality = (qf.to(x) / 50 - 1)[:, None]
        maps = [CONTRAST * (x - 0.5)]
        for block in self.down:
            maps.append(block(squeeze(maps[-1]), quality))
        found = maps.pop()
        for block in self.up:
            coarse = F.interpolate(found, scale_factor=2, mode="nearest")
            found = block(torch.cat([coarse, maps.pop()], dim=1), quality)
        return F.pixel_shuffle(self.last(found), 2)


class RobustInverse(nn.Module):
    """Received pictures (b, 3, h, w) in (0, 1), as the flow's input, QF (b,) in [1, 100] -> latents (b, 3, h, w).

    flow: G2's own configuration, so that its weights fit (`adopt`); features: the widths of the U-Net.
    Before training, its output equals that of G2, bit for bit.
    """

    def __init__(self, flow: Mapping[str, Any], features: Sequence[int] = (24, 32, 48)):
        super().__init__()
        self.flow = generators.build(flow)
        self.restore = UNet(features)

    def adopt(self, g2: Pyramid) -> None:
        """Start as G2's inverse. Algorithm 1, line 3."""
        self.flow.load_state_dict(g2.state_dict())

    def forward(self, received: Tensor, qf: Tensor) -> Tensor:
        return cast(Tensor, self.flow(received + self.restore(received, qf))[0])
