"""A detector of hiding in JPEG coefficients: a small CNN on decoded planes that are not rounded.

Reference: Deep convolutional neural network to detect J-UNIWARD (Xu, 2017): fixed 4x4 cosines, their absolute values
cut off at 8. Differences: 5 layers in place of 20, and steps of two in place of residual blocks, so that it can be
taught on few pictures by one core; places keep their phase in the grid of 8x8 blocks.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE, MOST = 4, 8.0  # of the cosines, and of their answers
CROP = 128
BATCH = 16
RATE = 3e-3


class Detector(nn.Module):
    """Planes (b, 1, h, w), levels around 0 -> log-odds of being a stego, (b,)."""

    def __init__(self, width: int = 16):
        super().__init__()
        self.register_buffer("cosines", _cosines())
        widths, steps = [SIDE**2, width, width, 2 * width, 4 * width, 4 * width], [1, 2, 2, 2, 1]
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=s, padding=1, bias=False)
            for (a, b), s in zip(itertools.pairwise(widths), steps, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for b in widths[1:])
        self.last = nn.Linear(widths[-1], 1)

    def forward(self, planes: Tensor) -> Tensor:
        cosines: Tensor = self.cosines  # type: ignore[assignment]
        x = F.conv2d(planes, cosines, padding=2)[..., :-1, :-1].abs().clamp(max=MOST)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(x)))
        return self.last(x.mean(dim=(2, 3)))[:, 0]  # type: ignore[no-any-return]


def _cosines() -> Tensor:
    """(16, 1, 4, 4): the basis of the DCT of 4x4."""
    k, n = np.ogrid[:SIDE, :SIDE]
    basis = np.cos(np.pi * k * (2 * n + 1) / (2 * SIDE)) * np.where(k == 0, 0.5, 0.5**0.5)
    both = np.einsum("ai,bj->abij", basis, basis).reshape(SIDE**2, 1, SIDE, SIDE)
    return torch.from_numpy(both).float()


def teach(
    detector: Detector, covers: np.ndarray, stegos: np.ndarray, epochs: int, rng: np.random.Generator,
    after_epoch: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Planes of covers and of their stegos, float32 (n, h, w); a pair is cut and turned alike. In place."""
    if not epochs:
        return
    optimizer = torch.optim.AdamW(detector.parameters(), lr=RATE, weight_decay=1e-2)
    half = min(BATCH // 2, len(covers))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * (len(covers) // half))
    label = torch.cat([torch.ones(half), torch.zeros(half)])
    detector.train()
    for _ in range(epochs):
        order = rng.permutation(len(covers))
        for first in range(0, len(order) - half + 1, half):
            pairs = [_cut(np.stack([stegos[i], covers[i]]), rng) for i in order[first : first + half]]
            loss = F.binary_cross_entropy_with_logits(
                detector(torch.stack(pairs, dim=1).reshape(2 * half, 1, *pairs[0].shape[1:])), label
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        after_epoch()
    detector.eval()


def _cut(pair: np.ndarray, rng: np.random.Generator) -> Tensor:
    """(2, h, w) -> whole blocks of it, turned at random."""
    side = min(CROP, *(s // 8 * 8 for s in pair.shape[1:]))
    top, left = (8 * int(rng.integers((s - side) // 8 + 1)) for s in pair.shape[1:])
    turned = np.rot90(pair[:, top : top + side, left : left + side], int(rng.integers(4)), (1, 2))
    return torch.from_numpy(np.ascontiguousarray(turned if rng.integers(2) else turned[..., ::-1]))


@torch.inference_mode()
def log_odds(detector: Detector, planes: np.ndarray) -> np.ndarray:
    """Planes, float32 (n, h, w) -> (n,), above 0 for what it takes for a stego."""
    found: np.ndarray = torch.cat([detector(torch.from_numpy(plane)[None, None]) for plane in planes]).numpy()
    return found


def accuracy(detector: Detector, covers: np.ndarray, stegos: np.ndarray) -> float:
    """Planes that it was not taught -> the share told rightly."""
    right = (log_odds(detector, covers) <= 0).sum() + (log_odds(detector, stegos) > 0).sum()
    return float(right) / (len(covers) + len(stegos))
