"""What benchmarks of detection share: features for LDA, a CNN, and how both are trained and tested.

References: Steganalysis by subtractive pixel adjacency matrix (Pevny, Bas, Fridrich, 2010). Rich models for
steganalysis of digital images (Fridrich, Kodovsky, 2012): the fixed filters of `Residuals`. Deep learning hierarchical
representations for image steganalysis (Ye, Ni, Yi, 2017): their truncated answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numba
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor, nn

DIRECTIONS = (((0, 1), (1, 0), (0, -1), (-1, 0)), ((1, 1), (1, -1), (-1, 1), (-1, -1)))
T = 3
BATCH = 32


def spam(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> 686 transition probabilities of neighbouring differences, clipped to [-T, T]."""
    return np.mean(_spam_of_planes(pixels.astype(np.int16)), axis=0)


def spam_by_channel(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> the 686 numbers of red, of green and of blue, (2058,)."""
    return np.concatenate(_spam_of_planes(pixels.astype(np.int16)))


def spam_of_differences(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> the 686 numbers of red minus green, and of blue minus green, (1372,)."""
    levels = pixels.astype(np.int16)
    return np.concatenate(_spam_of_planes(levels[..., ::2] - levels[..., 1:2]))


def _spam_of_planes(planes: np.ndarray) -> list[np.ndarray]:
    return [_spam_of_plane(planes[..., c]) for c in range(planes.shape[2])]


def _spam_of_plane(x: np.ndarray) -> np.ndarray:
    plane = np.ascontiguousarray(x)
    return np.concatenate([np.mean([_transitions(plane, *d) for d in group], axis=0) for group in DIRECTIONS])


def _transitions(x: np.ndarray, dy: int, dx: int) -> np.ndarray:
    counts = _counted(x, dy, dx).reshape(49, 7).astype(float)
    return (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).reshape(-1)


@numba.njit(cache=True)
def _counted(x: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """How often three differences in a row, all within +-T, are what they are, (343,). Faster than on arrays."""
    counts = np.zeros(343, np.int64)
    for i in range(3, x.shape[0] - 3):
        for j in range(3, x.shape[1] - 3):
            code = 0
            for k in range(3):
                step = x[i + k * dy, j + k * dx] - x[i + (k + 1) * dy, j + (k + 1) * dx]
                if abs(step) > T:
                    code = -1
                    break
                code = code * 7 + step + T
            if code >= 0:
                counts[code] += 1
    return counts


def histogram(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> 256 logarithms of how many samples have each value. Sees what SPAM does not: a value that only
    stegos have."""
    return np.log1p(np.bincount(pixels.reshape(-1), minlength=256))


def lda_accuracy(covers: np.ndarray, stegos: np.ndarray, split: int) -> float:
    """Features (n, k) of each -> the share told rightly, learnt on the first `split` of both, tested on the others."""
    features, labels = ([np.concatenate([a[p], b[p]]) for p in (slice(split), slice(split, None))] for a, b in (
        (covers, stegos), (np.zeros(len(covers)), np.ones(len(stegos)))
    ))  # fmt: skip
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(features[0], labels[0])
    return float(model.score(features[1], labels[1]))


class Network(nn.Module):
    """(b, 3, h, w) in [0, 1] -> log-odds of being a stego, (b,)."""

    def __init__(self, width: int = 24):
        super().__init__()
        edges = (
            torch.tensor([[0, -1, 0], [-1, 4, -1], [0, -1, 0]]),
            torch.tensor([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]),
        )
        self.register_buffer("filters", torch.stack(edges).float()[:, None] / 4)
        widths = [9, width, 2 * width, 2 * width, 3 * width, 3 * width]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for b in widths[1:])
        self.last = nn.Linear(widths[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        filters: Tensor = self.filters  # type: ignore[assignment]
        high = F.conv2d(x.reshape(-1, 1, height, width), filters, padding=1).view(batch, 6, height, width)
        x = torch.cat([x - 0.5, 8 * high], dim=1)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.avg_pool2d(F.silu(norm(conv(x))), 2)
        return self.last(x.mean(dim=(2, 3)))[:, 0]  # type: ignore[no-any-return]


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
        x = (
            F.conv2d(planes.flatten(0, 1)[:, None], filters, padding=2)
            .clamp(-T, T)
            .unflatten(0, planes.shape[:2])
            .flatten(1, 2)
        )
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
    network: nn.Module, stegos: Tensor, covers: Tensor, epochs: int, rng: np.random.Generator, crop: int, rate: float
) -> nn.Module:
    """Teach a network to tell stegos from their covers, uint8 (n, 3, h, w), on crops: a pair is cut and turned alike.

    The network judges whole pictures as well: it takes the mean over all places.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-2)
    steps = epochs * (2 * len(stegos) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    network.train()
    for _ in range(epochs):
        for x, label in _pairs(stegos, covers, rng, crop):
            loss = F.binary_cross_entropy_with_logits(network(x), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def _pairs(stegos: Tensor, covers: Tensor, rng: np.random.Generator, crop: int) -> Iterator[tuple[Tensor, Tensor]]:
    half, order = BATCH // 2, rng.permutation(len(stegos))
    label = torch.cat([torch.ones(half), torch.zeros(half)])
    for i in range(0, len(order) - half + 1, half):
        pairs = [_cut(torch.stack([stegos[j], covers[j]]), rng, crop) for j in order[i : i + half]]
        yield torch.stack(pairs, dim=1).flatten(0, 1).float() / 255, label


def _cut(pair: Tensor, rng: np.random.Generator, crop: int) -> Tensor:
    top, left = (int(rng.integers(s - crop + 1)) for s in pair.shape[2:])
    turned = pair[..., top : top + crop, left : left + crop].rot90(int(rng.integers(4)), (2, 3))
    return turned.flip(3) if rng.integers(2) else turned


def train(
    network: nn.Module, a: Tensor, b: Tensor, epochs: int, rng: np.random.Generator, paired: bool = False
) -> nn.Module:
    """Teach a network, pictures (b, 3, h, w) in [0, 1] -> log-odds (b,), that pictures `a` count as 1 and `b` as 0.

    a, b: uint8 (n, 3, h, w). paired: those of one index belong together, and stay so in each batch.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(epochs):
        losses = []
        for x, label in _batches(a, b, rng, paired):
            loss = F.binary_cross_entropy_with_logits(network(x), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        schedule.step()
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f} (chance 0.6931)", flush=True)
    return network.eval()


def _batches(a: Tensor, b: Tensor, rng: np.random.Generator, paired: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Half of each batch from either side, flipped and turned at random alike."""
    order_a, order_b = rng.permutation(len(a)), rng.permutation(len(b))
    if paired:
        order_b = order_a
    half = BATCH // 2
    for i in range(0, min(len(a), len(b)) - half + 1, half):
        x = torch.cat([a[order_a[i : i + half]], b[order_b[i : i + half]]]).float() / 255
        turned = torch.stack([p.rot90(int(rng.integers(4)), (1, 2)) for p in x])
        yield turned, torch.cat([torch.ones(half), torch.zeros(half)])


def accuracy(network: nn.Module, a: Tensor, b: Tensor) -> float:
    """uint8 pictures of both sides -> the share told rightly, both sides counting alike."""
    right = [(log_odds(network, a) > 0).mean(), (log_odds(network, b) <= 0).mean()]
    return float(np.mean(right))


def best_accuracy(network: nn.Module, a: Tensor, b: Tensor) -> float:
    """The same if the threshold, and on which side of it stegos are, were set best for these very pictures."""
    found_a, found_b = log_odds(network, a), log_odds(network, b)
    right = [float(((found_a > t).mean() + (found_b <= t).mean()) / 2) for t in np.concatenate([found_a, found_b])]
    return max(*right, *(1 - r for r in right))


@torch.no_grad()
def log_odds(network: nn.Module, pictures: Tensor) -> np.ndarray:
    """uint8 pictures (n, 3, h, w) -> (n,)."""
    return torch.cat([network(p.float() / 255) for p in pictures.split(BATCH)]).numpy()
