"""The invertible network of the lossless INN, and how it is run over pictures of any size.

Reference: Lossless Image Steganography Based on Invertible Neural Networks (Liu, Tang, Zheng, Entropy 2022), section
3.2. Differences, each measured in docs/research/queue.md:
  - the receiver has no z: it sets z = 0, and the network is trained so;
  - rho and eta see the phase of each sample in a few short periods beside its value (`periodic_features`);
  - rho and eta share one dense block; growth and number of blocks are smaller;
  - bits are +1 and -1 (paper: 0 and 1/2 with a flip when ones are the majority): sealed bits are fair, so
    the flip would gain nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from stegcli.methods.lossless_inn.tiles import tiles
from stegcli.nn.flow import PairCoupling
from stegcli.nn.nets import DenseBlock, periodic_features

COLOURS = 3
SHARPNESS = 4.0
"""Log-odds per unit of revealed message: the training loss is softplus(-SHARPNESS * message * revealed)."""


class FromLevels(nn.Module):
    """Cover in grey levels -> rho and eta, stacked."""

    def __init__(self, message: int, growth: int, depth: int, periods: Sequence[float]):
        super().__init__()
        self.periods = tuple(periods)
        self.block = DenseBlock(COLOURS * (1 + 2 * len(periods)), 2 * message, growth, depth)

    def forward(self, levels: Tensor) -> Tensor:
        return cast(Tensor, self.block(periodic_features(levels, self.periods)))


class BlindNet(nn.Module):
    """(cover, message) <-> (stego, z), in grey levels (b, 3, h, w) and bits +-1 (b, message, h, w)."""

    def __init__(
        self, message: int = 1, blocks: int = 4, growth: int = 12, depth: int = 5, periods: Sequence[float] = (4, 8, 16)
    ):
        super().__init__()
        self.message = message
        self.couplings = nn.ModuleList(
            PairCoupling(
                DenseBlock(message, COLOURS, growth, depth), FromLevels(message, growth, depth, periods), COLOURS
            )
            for _ in range(blocks)
        )
        self.reach = 2 * depth * blocks
        """How many pixels to each side the stego or the revealed message depends on."""

    def embed(self, cover: Tensor, message: Tensor) -> tuple[Tensor, Tensor]:
        """Cover and message -> stego (not rounded) and z."""
        x = torch.cat([cover, message], dim=1)
        for coupling in self.couplings:
            x, _ = coupling(x)
        return x[:, :COLOURS], x[:, COLOURS:]

    def read(self, stego: Tensor, z: Tensor | None = None) -> Tensor:
        """Stego -> log-odds of each message bit, (b, message, h, w). Without z it is taken as 0."""
        if z is None:
            z = stego.new_zeros(stego.shape[0], self.message, *stego.shape[2:])
        x = torch.cat([stego, z], dim=1)
        for coupling in reversed(self.couplings):
            x = cast(PairCoupling, coupling).inverse(x)
        return SHARPNESS * x[:, COLOURS:]


def run_tiled(run: Callable[..., Tensor], inputs: Sequence[Tensor], channels: int, reach: int, side: int) -> Tensor:
    """Apply `run` to pictures (1, c, h, w) tile by tile -> (1, channels, h, w), on the CPU."""
    height, width = inputs[0].shape[2:]
    result = torch.empty(1, channels, height, width)
    for tile in tiles(height, width, reach, side):
        result[..., tile.inner[0], tile.inner[1]] = tile.trim(run(*(tile.cut(i) for i in inputs))).cpu()
    return result
