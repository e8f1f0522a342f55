"""Convolutional networks for couplings, and their input features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DenseBlock(nn.Module):
    """(b, inputs, h, w) -> (b, outputs, h, w): 3x3 convolutions, each with the input and all earlier outputs as input.

    The last layer starts at zero, so that a coupling around it starts as the identity.

    Reference: ESRGAN (Wang et al., 2018), section 3.1; used by HiNet, RIIS and the lossless INN.
    """

    def __init__(self, inputs: int, outputs: int, growth: int, depth: int = 5):
        super().__init__()
        widths = [growth] * (depth - 1) + [outputs]
        self.layers = nn.ModuleList(
            nn.Conv2d(inputs + i * growth, width, 3, padding=1) for i, width in enumerate(widths)
        )
        last = self.layers[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    @property
    def reach(self) -> int:
        """How many pixels to each side an output depends on."""
        return len(self.layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = torch.cat([x, F.leaky_relu(layer(x), 0.2)], dim=1)
        return cast(Tensor, self.layers[-1](x))


def periodic_features(levels: Tensor, periods: Sequence[float]) -> Tensor:
    """Picture in grey levels (b, c, h, w) -> (b, c (1 + 2 len(periods)), h, w): itself, and its phase in each period.

    cos and sin of 2 pi x / P + pi/4. They show single grey levels to a network, which would otherwise need many
    piecewise linear layers for that. The offset pi/4 keeps the gradients nonzero at the integers.

    Reference: Fourier features let networks learn high frequency functions (Tancik et al., 2020).
    """
    parts = [levels / 64 - 2]
    for period in periods:
        angle = levels * (2 * math.pi / period) + math.pi / 4
        parts += [torch.cos(angle), torch.sin(angle)]
    return torch.cat(parts, dim=1)


def conv3(inputs: int, outputs: int, zero: bool = False) -> nn.Conv2d:
    """A 3x3 convolution with replicate padding, which resembles the picture more than zeros do.

    zero: whether weights and bias are 0 at the start, as in a coupling's last layer.
    """
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate")
    return zeroed(conv) if zero else conv


def zeroed(conv: nn.Conv2d) -> nn.Conv2d:
    """Set weights and bias of a convolution to 0, and return it."""
    nn.init.zeros_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
