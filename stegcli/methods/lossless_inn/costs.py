"""Where a change hides: what it costs to touch each sample. Only the sender needs the costs: no format depends on them.

hill: a sample whose surroundings a small high-pass filter cannot predict is cheap, one in smooth sky is dear, and the
spread of both over their neighbourhoods keeps changes in clusters of texture.

of_density: a change costs what it takes from the likelihood of the sample, so that the way to likelier levels is
cheap and the way back is dear.

Reference: A new cost function for spatial image steganography (Li, Wang, Huang, Li, ICIP 2014), Eq. 4: HILL, with its
3x3 high-pass filter and its averages over 3x3 and 15x15. Differences: reflected borders, and each colour by itself.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli.methods.lossless_inn.density import Density, log_likelihood
from stegcli.methods.lossless_inn.net import COLOURS, run_tiled

HIGH_PASS = ((-1.0, 2.0, -1.0), (2.0, -4.0, 2.0), (-1.0, 2.0, -1.0))
FLOOR = 1.0
"""Added to the filter's answer, which is 0 on flat ground: keeps the dearest sample within reach of the cheapest."""

LEAST = 0.5
"""Nats that any change costs, also one to a likelier level: else a few samples would carry all, and the picture would
become smoother than photos are. Others were tried, see docs/research/queue.md."""
TILE = 256


def hill(levels: Tensor) -> np.ndarray:
    """Picture (1, 3, h, w) in grey levels -> cost of each sample, float32 (3 h w,), mean 1."""
    costs = torch.cat([_plane(levels[:, c : c + 1]) for c in range(levels.shape[1])], dim=1)
    return (costs / costs.mean()).reshape(-1).numpy()


def _plane(levels: Tensor) -> Tensor:
    kernel = torch.tensor(HIGH_PASS).view(1, 1, 3, 3)
    residual = F.conv2d(F.pad(levels, (1, 1, 1, 1), mode="reflect"), kernel).abs()
    return _average(1 / (_average(residual, 3) + FLOOR), 15)


def _average(plane: Tensor, side: int) -> Tensor:
    half = side // 2
    return F.avg_pool2d(F.pad(plane, (half, half, half, half), mode="reflect"), side, stride=1)


def of_density(net: Density, levels: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Density and a picture (1, 3, h, w) in grey levels -> cost of one level up and of one down, float32 (3 h w,)."""
    device = net.see.device
    both = run_tiled(lambda tile: _losses(net, tile.to(device)), (levels,), 2 * COLOURS, net.reach, TILE)
    up, down = both.view(2, -1).numpy()
    return up, down


def _losses(net: Density, levels: Tensor) -> Tensor:
    """(1, 3, h, w) -> nats lost by a level up and by one down, (1, 6, h, w)."""
    mean, scale = net(levels)
    here, above, below = (log_likelihood(levels + step, mean, scale) for step in (0, 1, -1))
    return torch.cat([here - above, here - below], dim=1).clamp(min=LEAST)
