"""The container enhancement module (CEM): what arrived -> nearer to what was sent.

Reference: RIIS, section 3.4, a DnCNN (Zhang et al., 2017) without batch normalisation. Here it sees 2x2 samples as 12
channels, as FFDNet does (Zhang et al., 2018), for a quarter of the work.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.methods.riis.net import blocks
from stegcli.methods.riis.net.modulation import Modulation
from stegcli.nn.nets import conv3

STEP = 2


class Enhancement(nn.Module):
    """Coefficients (b, 192, h, w) and a channel's condition -> coefficients; the identity at the start."""

    def __init__(self, width: int, depth: int, modulated: bool):
        super().__init__()
        samples = 3 * STEP**2
        widths = [samples, *[width] * (depth - 1)]
        self.layers = nn.ModuleList(conv3(i, width) for i in widths[:-1])
        self.modulation = Modulation(width) if modulated else None
        self.last = conv3(width, samples, zero=True)

    def forward(self, coefficients: Tensor, condition: Tensor) -> Tensor:
        x = F.pixel_unshuffle((blocks.inverse(coefficients) - blocks.MIDDLE) / 64, STEP)
        for layer in self.layers:
            x = F.relu(layer(x))
        if self.modulation is not None:
            x = x * self.modulation(condition)
        return coefficients + blocks.forward(F.pixel_shuffle(self.last(x), STEP) + blocks.MIDDLE)
