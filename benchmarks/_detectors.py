"""What benchmarks of detection share besides `stegcli.detectors`: LDA as scikit-learn has it, histograms, and a CNN."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor, nn

from stegcli.detectors.network import BATCH, log_odds


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


def best_accuracy(network: nn.Module, a: Tensor, b: Tensor) -> float:
    """The same if the threshold, and on which side of it stegos are, were set best for these very pictures."""
    found_a, found_b = log_odds(network, a), log_odds(network, b)
    right = [float(((found_a > t).mean() + (found_b <= t).mean()) / 2) for t in np.concatenate([found_a, found_b])]
    return max(*right, *(1 - r for r in right))
