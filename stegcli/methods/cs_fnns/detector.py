"""A detector: a small network that says of a picture whether it holds something.

    opponent colours  ->  high-pass filters  ->  tanh  ->  convolution, abs, tanh  ->  convolution, tanh
    ->  convolutions, ReLU, each but the last halving the picture by its mean  ->  mean over all places  ->  log-odds

Searches may be told to mislead it (`evade`), and it measures how well a stego hides.

Reference: Structural Design of Convolutional Neural Networks for Steganalysis (Xu, Wu, Shi, 2016), Fig. 1: groups of
convolutions, abs after the first, tanh where values are still residuals, ReLU thereafter, mean over all places. There
one high-pass filter on grey pictures, batch norm in each group and 1x1 convolutions from the third on. That pooling
must not come before noise was seen, and that 3x3 convolutions suffice, is from Deep Residual Network for Steganalysis
of Digital Images (Boroumand, Chen, Fridrich, 2018). Here there are six filters, and on opponent colours, since
perturbations differ between the colours and textures hardly do; and no batch norm: pictures are judged one by one in a
search, where statistics of a batch would be others than in training.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.methods.cs_fnns.spectrum import COLOURS

SPAN = 5
"""Sides of a high-pass filter."""
KERNELS = (
    ((0, 0, 0), (1, -2, 1), (0, 0, 0)),
    ((0, 1, 0), (0, -2, 0), (0, 1, 0)),
    ((1, 0, 0), (0, -2, 0), (0, 0, 1)),
    ((0, 0, 1), (0, -2, 0), (1, 0, 0)),
    ((-1, 2, -1), (2, -4, 2), (-1, 2, -1)),
    ((-1, 2, -2, 2, -1), (2, -6, 8, -6, 2), (-2, 8, -12, 8, -2), (2, -6, 8, -6, 2), (-1, 2, -2, 2, -1)),
)
"""Second differences along four directions, and the two squares of the rich model (Fridrich, Kodovsky, 2012)."""
CUT = 4.0
"""Grey levels where residuals saturate."""
LEAST_SIDE = 64


class Detector(nn.Module):
    """Pictures (b, 3, h, w) in grey levels, sides at least 64 -> log-odds of holding something, (b,).

    width: channels of the first convolution; the others have 2, 3, 4, 4 times as many.
    """

    filters: Tensor

    def __init__(self, width: int = 16):
        super().__init__()
        self.register_buffer("filters", _filters(), persistent=False)
        widths = [len(self.filters), *(width * k for k in (1, 2, 3, 4, 4))]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
        self.last = nn.Linear(widths[-1], 1)
        for conv in self.convs:
            nn.init.kaiming_normal_(cast(Tensor, conv.weight), nonlinearity="relu")
            nn.init.zeros_(cast(Tensor, conv.bias))

    def forward(self, pictures: Tensor) -> Tensor:
        if min(pictures.shape[2:]) < LEAST_SIDE:
            raise ValueError(f"pictures of {tuple(pictures.shape[2:])} are smaller than {LEAST_SIDE}")
        x = torch.tanh(F.conv2d(pictures - 127.5, self.filters) / CUT)
        for index, conv in enumerate(self.convs):
            x = _activated(conv(x), index)
            if index + 1 < len(self.convs):
                x = F.avg_pool2d(x, 2)
        return cast(Tensor, self.last(x.mean(dim=(2, 3))))[:, 0]


def _activated(x: Tensor, index: int) -> Tensor:
    if index == 0:
        return x.abs().tanh()
    return x.tanh() if index == 1 else x.relu()


def _filters() -> Tensor:
    """-> (3 * kernels, 3, 5, 5): each kernel on each opponent colour, of length 1, so that white noise keeps its
    standard deviation."""
    high = torch.stack([_kernel(k) for k in KERNELS])
    colours = torch.tensor(COLOURS)
    lengths: Tensor = colours.norm(dim=1, keepdim=True)
    return ((colours / lengths)[:, None, :, None, None] * high[None, :, None]).flatten(0, 1)


def _kernel(rows: tuple[tuple[int, ...], ...]) -> Tensor:
    kernel = torch.tensor(rows, dtype=torch.float32)
    margin = (SPAN - len(rows)) // 2
    return F.pad(kernel / kernel.norm(), (margin,) * 4)
