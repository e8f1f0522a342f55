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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

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


@dataclass(frozen=True)
class Tile:
    """A rectangle of a picture, and the larger one around it that decides what comes out there."""

    inner: tuple[slice, slice]
    outer: tuple[slice, slice]

    def cut(self, image: Tensor) -> Tensor:
        return image[..., self.outer[0], self.outer[1]]

    def trim(self, result: Tensor) -> Tensor:
        """What the network made of `outer` -> the part for `inner`."""
        top = self.inner[0].start - self.outer[0].start
        left = self.inner[1].start - self.outer[1].start
        height = self.inner[0].stop - self.inner[0].start
        width = self.inner[1].stop - self.inner[1].start
        return result[..., top : top + height, left : left + width]


def tiles(height: int, width: int, reach: int, side: int) -> Iterator[Tile]:
    """The grid of tiles of a picture. With a margin of the network's reach, each gives what the whole picture would."""
    for top in range(0, height, side):
        for left in range(0, width, side):
            rows, columns = _span(top, side, height, reach), _span(left, side, width, reach)
            yield Tile((rows[0], columns[0]), (rows[1], columns[1]))


def _span(start: int, side: int, size: int, reach: int) -> tuple[slice, slice]:
    stop = min(start + side, size)
    return slice(start, stop), slice(max(0, start - reach), min(size, stop + reach))


def run_tiled(run: Callable[..., Tensor], inputs: Sequence[Tensor], channels: int, reach: int, side: int) -> Tensor:
    """Apply `run` to pictures (1, c, h, w) tile by tile -> (1, channels, h, w), on the CPU."""
    height, width = inputs[0].shape[2:]
    result = torch.empty(1, channels, height, width)
    for tile in tiles(height, width, reach, side):
        result[..., tile.inner[0], tile.inner[1]] = tile.trim(run(*(tile.cut(i) for i in inputs))).cpu()
    return result
