"""The other super-resolution network: attention in shifted windows, to be measured against EDSR of `sr`.

    picture --conv--> features --groups of blocks, conv, skip--> features --conv, pixel shuffle--> picture
    block: x + norm(attention within windows), then x + norm(MLP); every second block shifts its windows by half

References: Swin2SR: SwinV2 Transformer for Compressed Image Super-Resolution and Restoration (Conde et al., 2022), its
lightweight model; Swin Transformer V2 (Liu et al., 2022), section 3, for the block; SwinIR (Liang et al., 2021) for
the groups (RSTB) and the up-sampler of one step. There are 4 groups of 6 blocks there; here fewer, for one CPU core.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.methods.glow2.sr import bicubic
from stegcli.nn.nets import conv3

WINDOW = 8
SHIFT = WINDOW // 2
PLACES = WINDOW * WINDOW
SHARPEST = math.log(100)
"""Largest logarithm of the factor on cosines: SwinV2 keeps its temperature above 0.01."""
HIDDEN = 64
"""Width of the network behind the position bias; SwinV2 has 512, of which 225 offsets need few."""


def to_windows(x: Tensor) -> Tensor:
    """(b, h, w, c), sides multiples of WINDOW -> (b, windows, PLACES, c), both in reading order."""
    b, h, w, c = x.shape
    tiles = x.view(b, h // WINDOW, WINDOW, w // WINDOW, WINDOW, c).transpose(2, 3)
    return tiles.reshape(b, -1, PLACES, c)


def from_windows(x: Tensor, height: int, width: int) -> Tensor:
    """The inverse of `to_windows`: (b, windows, PLACES, c) -> (b, height, width, c)."""
    b, c = x.shape[0], x.shape[3]
    tiles = x.view(b, height // WINDOW, width // WINDOW, WINDOW, WINDOW, c).transpose(2, 3)
    return tiles.reshape(b, height, width, c)


def shift_mask(height: int, width: int) -> Tensor:
    """Sides of a picture rolled by SHIFT -> (windows, 1, PLACES, PLACES): 0, or -inf between what the roll joined.

    The last SHIFT rows of the rolled picture were its first: they share windows with rows that are not their
    neighbours. So it is with columns.
    """
    low = torch.arange(height) >= height - SHIFT
    right = torch.arange(width) >= width - SHIFT
    regions = to_windows((2 * low[:, None] + right).view(1, height, width, 1))[0]
    apart = regions != regions.transpose(1, 2)
    return torch.zeros(apart.shape).masked_fill(apart, -math.inf)[:, None]


def _offsets() -> Tensor:
    """-> (2 WINDOW - 1)^2 offsets within a window, (225, 2) in [-1, 1], log-spaced: SwinV2, Eq. 4, over log WINDOW."""
    steps = torch.arange(1 - WINDOW, WINDOW).float()
    spaced = steps.sign() * steps.abs().log1p() / math.log(WINDOW)
    return torch.cartesian_prod(spaced, spaced)


def _offset_of_pairs() -> Tensor:
    """-> (PLACES, PLACES), the row in `_offsets` of each pair of places."""
    rows, columns = torch.arange(PLACES) // WINDOW, torch.arange(PLACES) % WINDOW
    down, across = (i[:, None] - i + WINDOW - 1 for i in (rows, columns))
    return (2 * WINDOW - 1) * down + across


class WindowAttention(nn.Module):
    """(b, windows, PLACES, width) -> the same shape; each place attends to those of its window.

    Scores are cosines, times a learnt factor for each head, plus a bias by the offset alone, which a small network
    gives (SwinV2, Eq. 2 and 3). Its code, not its text, also squeezes the bias by a sigmoid and gives keys no bias
    term; here the bias is as in the text, and no projection but the last has a bias term.
    """

    offsets: Tensor
    offset_of_pairs: Tensor

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.join = nn.Linear(width, width)
        self.log_factor = nn.Parameter(torch.full((heads, 1, 1), math.log(10)))
        # A bias term at its end would add one number to all scores, which softmax ignores.
        self.position = nn.Sequential(nn.Linear(2, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, heads, bias=False))
        self.register_buffer("offsets", _offsets(), persistent=False)
        self.register_buffer("offset_of_pairs", _offset_of_pairs(), persistent=False)

    def bias(self) -> Tensor:
        """-> (heads, PLACES, PLACES), added to the scores."""
        return cast(Tensor, self.position(self.offsets))[self.offset_of_pairs].permute(2, 0, 1)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        split = cast(Tensor, self.project(x)).view(*x.shape[:3], 3, self.heads, -1)
        split = split.permute(3, 0, 1, 4, 2, 5).contiguous()  # (q k v, b, windows, heads, PLACES, width of a head)
        q, k = F.normalize(split[:2], dim=5)
        v = split[2]
        factor = self.log_factor.clamp(max=SHARPEST).exp()
        bias = self.bias() if mask is None else self.bias() + mask
        scores = (factor * q) @ k.transpose(3, 4) + bias
        return cast(Tensor, self.join((scores.softmax(4) @ v).transpose(2, 3).flatten(3)))


class Block(nn.Module):
    """(b, h, w, width), sides multiples of WINDOW -> the same shape. mask: of these sides, if windows are shifted.

    Each branch is normalised at its end (res-post-norm; SwinV2, Fig. 1). As in SwinV2's code, these norms start at
    zero, and a block as the identity.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.attention, self.attention_norm = WindowAttention(width, heads), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.mlp_norm = nn.LayerNorm(width)
        nn.init.zeros_(self.attention_norm.weight)
        nn.init.zeros_(self.mlp_norm.weight)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x + self.attention_norm(self._attend(x, mask))
        return x + cast(Tensor, self.mlp_norm(self.mlp(x)))

    def _attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        shift = 0 if mask is None else SHIFT
        rolled = x.roll((-shift, -shift), (1, 2)) if shift else x
        attended = from_windows(self.attention(to_windows(rolled), mask), *x.shape[1:3])
        return attended.roll((shift, shift), (1, 2)) if shift else attended


class Group(nn.Module):
    """(b, width, h, w), sides multiples of WINDOW -> the same shape: blocks, a conv and a skip (RSTB)."""

    def __init__(self, blocks: int, width: int, heads: int):
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.last = conv3(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = x.permute(0, 2, 3, 1)
        for index, block in enumerate(self.blocks):
            y = block(y, mask if index % 2 else None)
        return x + cast(Tensor, self.last(y.permute(0, 3, 1, 2)))


class Swin2SR(nn.Module):
    """Pictures (b, 3, h, w) in [0, 1] -> (b, 3, 2h, 2w), about [0, 1] but not clipped, as `Upscaler` does it.

    Sides are filled up to multiples of WINDOW by repeating the border, and cut again. The network adds to the bicubic
    enlargement, and its last layer starts at zero: it starts as bicubic. In the paper it makes the whole picture, and
    normalises the features before the last skip, which here slowed the start: 27.5 dB after 125 steps, 27.7 without.
    """

    def __init__(self, groups: int = 4, blocks: int = 2, width: int = 64, heads: int = 4):
        super().__init__()
        self.head = conv3(3, width)
        self.groups = nn.ModuleList(Group(blocks, width, heads) for _ in range(groups))
        self.body = conv3(width, width)
        self.last = conv3(width, 4 * 3)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(cast(Tensor, self.last.bias))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        filled = F.pad(x, (0, -width % WINDOW, 0, -height % WINDOW), mode="replicate")
        added = F.pixel_shuffle(self.last(self._features(filled)), 2)
        return bicubic(x) + added[..., : 2 * height, : 2 * width]

    def _features(self, x: Tensor) -> Tensor:
        """(b, 3, h, w), sides multiples of WINDOW -> (b, width, h, w)."""
        mask = shift_mask(*x.shape[2:]).to(x.device, x.dtype)
        first = y = cast(Tensor, self.head(x - 0.5))
        for group in self.groups:
            y = group(y, mask)
        return first + cast(Tensor, self.body(y))
