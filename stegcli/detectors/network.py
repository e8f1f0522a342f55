"""A convolutional detector that sees single changes by one level, and how it is taught and asked.

References: Rich models for steganalysis of digital images (Fridrich, Kodovsky, 2012): the fixed filters of `Residuals`.
Deep learning hierarchical representations for image steganalysis (Ye, Ni, Yi, 2017): their truncated answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

T = 3
BATCH = 32
CROP, RATE = 64, 2e-3
"""Side of what is cut out of the pictures to learn from, and the highest rate of learning."""


class Residuals(nn.Module):
    """(b, 3, h, w) in [0, 1] -> log-odds of being a stego, (b,). Sees single changes by one level.

    Six high-pass filters, truncated at 3 levels, over the colours and their differences to green: what changes one
    colour by itself shows there most, for the colours of photos move together. The first convolutions do not pool.
    """

    def __init__(self, width: int = 16):
        super().__init__()
        self.register_buffer("filters", _residual_filters())
        widths = [5 * 6, width, width, 2 * width, 3 * width, 4 * width]
        sides = [1, 3, 3, 3, 3]
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, k, padding=k // 2, bias=False)
            for (a, b), k in zip(itertools.pairwise(widths), sides, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for b in widths[1:])
        self.last = nn.Linear(widths[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        red, green, blue = (x * 255).unbind(1)
        planes = torch.stack([red, green, blue, red - green, blue - green], dim=1)
        filters: Tensor = self.filters  # type: ignore[assignment]
        residuals = F.conv2d(planes.flatten(0, 1)[:, None], filters, padding=2).clamp(-T, T)
        x = residuals.view(len(planes), -1, *planes.shape[2:])
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = F.relu(norm(conv(x)))
            if i > 0:
                x = F.avg_pool2d(x, 2)
        return self.last(x.mean(dim=(2, 3)))[:, 0]  # type: ignore[no-any-return]


def _residual_filters() -> Tensor:
    """(6, 1, 5, 5): differences of first and second order along rows and columns, and two squares."""
    row, column = (2, slice(1, 4)), (slice(1, 4), 2)
    filters = torch.zeros(6, 5, 5)
    for i, line in enumerate(((0.0, -1.0, 1.0), (1.0, -2.0, 1.0))):
        filters[(2 * i, *row)] = filters[(2 * i + 1, *column)] = torch.tensor(line)
    small = torch.tensor([-1.0, 2.0, -1.0])
    filters[4, 1:4, 1:4] = -small[:, None] * small / 4
    edge, inner = [-1, 2, -2, 2, -1], [2, -6, 8, -6, 2]
    filters[5] = torch.tensor([edge, inner, [-2, 8, -12, 8, -2], inner, edge]) / 12
    return filters[:, None]


def learn_pairs(
    network: nn.Module, stegos: Tensor, covers: Tensor, epochs: int, rng: np.random.Generator, crop: int = CROP,
    rate: float = RATE, after_epoch: Callable[[], None] = lambda: None,
) -> nn.Module:  # fmt: skip
    """Teach a network to tell stegos from their covers, uint8 (n, 3, h, w), on crops: a pair is cut and turned alike.

    The network judges whole pictures as well: it takes the mean over all places.
    """
    crop, half = min(crop, *stegos.shape[2:]), min(BATCH // 2, len(stegos))
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-2)
    steps = epochs * (len(stegos) // half)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    network.train()
    for _ in range(epochs):
        for x, label in _pairs(stegos, covers, half, rng, crop):
            loss = F.binary_cross_entropy_with_logits(network(x), label)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        after_epoch()
    return network.eval()


def _pairs(
    stegos: Tensor, covers: Tensor, half: int, rng: np.random.Generator, crop: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """half: pairs in a batch."""
    order = rng.permutation(len(stegos))
    label = torch.cat([torch.ones(half), torch.zeros(half)])
    for i in range(0, len(order) - half + 1, half):
        pairs = [_cut(torch.stack([stegos[j], covers[j]]), rng, crop) for j in order[i : i + half]]
        yield torch.stack(pairs, dim=1).flatten(0, 1).float() / 255, label


def _cut(pair: Tensor, rng: np.random.Generator, crop: int) -> Tensor:
    top, left = (int(rng.integers(s - crop + 1)) for s in pair.shape[2:])
    turned = pair[..., top : top + crop, left : left + crop].rot90(int(rng.integers(4)), (2, 3))
    return turned.flip(3) if rng.integers(2) else turned


def accuracy(network: nn.Module, a: Tensor, b: Tensor) -> float:
    """uint8 pictures of both sides -> the share told rightly, both sides counting alike."""
    right = [(log_odds(network, a) > 0).mean(), (log_odds(network, b) <= 0).mean()]
    return float(np.mean(right))


@torch.no_grad()
def log_odds(network: nn.Module, pictures: Tensor) -> np.ndarray:
    """uint8 pictures (n, 3, h, w) -> (n,)."""
    parts = torch.split(pictures, BATCH)
    found: np.ndarray = torch.cat([network(p.float() / 255) for p in parts]).numpy()
    return found
