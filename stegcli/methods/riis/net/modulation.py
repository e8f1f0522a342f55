"""Distortion-guided modulation (DGM): nets whose features are weighted by what the channel is.

Reference: RIIS, section 3.6; the condition network is that of CResMD (He, Dong, Qiao, ECCV 2020). A few fully connected
layers map the channel to one factor for each feature.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.methods.riis.net.surface import CONDITIONS
from stegcli.nn.nets import conv3, zeroed

HIDDEN = 16


class Modulation(nn.Module):
    """(CONDITIONS,) -> factors (features, 1, 1), all 1 at the start."""

    def __init__(self, features: int):
        super().__init__()
        self.first, self.last = nn.Linear(CONDITIONS, HIDDEN), nn.Linear(HIDDEN, features)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, condition: Tensor) -> Tensor:
        return 1 + cast(Tensor, self.last(F.relu(self.first(condition))))[:, None, None]


class DenseNet(nn.Module):
    """(b, inputs, h, w) and a channel's condition -> (b, outputs, h, w); zero at the start.

    1x1 convolution to `width` features, `depth` 3x3 convolutions that each see all features before them and add
    `growth`, 1x1 convolution to the outputs. With 3x3 throughout, as in the paper, 192 channels would cost ten times
    as much. modulated: whether features are weighted by the channel.
    """

    def __init__(self, inputs: int, outputs: int, width: int, growth: int, depth: int, modulated: bool):
        super().__init__()
        self.into = nn.Conv2d(inputs, width, 1)
        self.layers = nn.ModuleList(conv3(width + i * growth, growth) for i in range(depth))
        features = width + depth * growth
        self.modulation = Modulation(features) if modulated else None
        self.out = zeroed(nn.Conv2d(features, outputs, 1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        x = F.leaky_relu(self.into(x), 0.2)
        for layer in self.layers:
            x = torch.cat([x, F.leaky_relu(layer(x), 0.2)], dim=1)
        if self.modulation is not None:
            x = x * self.modulation(condition)
        return cast(Tensor, self.out(x))
