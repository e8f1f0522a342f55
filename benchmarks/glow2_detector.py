"""Can a network tell glow2's stegos from fresh samples of its generator? And its samples from real pictures?

    python benchmarks/glow2_detector.py [--train 2000] [--test 500] [--epochs 6] [--threads 1]
    python benchmarks/glow2_detector.py --real DIR     draws against real pictures of the same size

A small CNN (fixed high-pass filters, five convolutions) learns on as many stegos as samples; its accuracy on others,
never seen, is printed with the standard error that chance alone has. Stegos carry random files at full capacity under
one key, as in use.
"""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli import key as keys
from stegcli import weights
from stegcli.channel import parse
from stegcli.data import Pictures
from stegcli.method import Secret, Wish
from stegcli.methods.glow2 import noise
from stegcli.methods.glow2.method import Glow2

BATCH = 32


class Detector(nn.Module):
    """(b, 3, h, w) in [0, 1] -> log-odds of being a stego, (b,)."""

    def __init__(self, width: int = 24):
        super().__init__()
        edges = (
            torch.tensor([[0, -1, 0], [-1, 4, -1], [0, -1, 0]]),
            torch.tensor([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]),
        )
        self.register_buffer("filters", torch.stack(edges).float()[:, None] / 4)
        widths = [9, width, 2 * width, 2 * width, 3 * width, 3 * width]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
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


@torch.no_grad()
def stegos(method: Glow2, count: int, survive: str) -> Tensor:
    """Pictures uint8 (count, 3, h, w) that carry random files of full size under one key."""
    key = keys.generate("glow2", "detector")
    wish = Wish(survive=parse(survive))
    room = method.room(wish)
    drafts = (next(method.drafts([Secret(secrets.token_bytes(room))], [key], wish)) for _ in range(count))
    return torch.stack([torch.from_numpy(d.pixels).permute(2, 0, 1) for d in drafts])


@torch.no_grad()
def samples(method: Glow2, count: int, rng: np.random.Generator) -> Tensor:
    """Fresh draws of the generator, uint8 (count, 3, h, w)."""
    drawn = (method.sample(rng.standard_normal, method.side, method.side) for _ in range(count))
    return torch.stack([torch.from_numpy(noise.to_pixels(d)).permute(2, 0, 1) for d in drawn])


def real(folder: Path, count: int, side: int) -> Tensor:
    crops = Pictures(folder).centres(count, side)
    return (crops * 255).round().to(torch.uint8)


def batches(a: Tensor, b: Tensor, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Half of each batch from either side, flipped and turned at random alike."""
    order_a, order_b = rng.permutation(len(a)), rng.permutation(len(b))
    half = BATCH // 2
    for i in range(0, min(len(a), len(b)) - half + 1, half):
        x = torch.cat([a[order_a[i : i + half]], b[order_b[i : i + half]]]).float() / 255
        turned = torch.stack([p.rot90(int(rng.integers(4)), (1, 2)) for p in x])
        yield turned, torch.cat([torch.ones(half), torch.zeros(half)])


def train(a: Tensor, b: Tensor, epochs: int, rng: np.random.Generator) -> Detector:
    detector = Detector()
    optimizer = torch.optim.Adam(detector.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(epochs):
        losses = []
        for x, label in batches(a, b, rng):
            loss = F.binary_cross_entropy_with_logits(detector(x), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        schedule.step()
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f} (chance 0.6931)", flush=True)
    return detector.eval()


@torch.no_grad()
def accuracy(detector: Detector, a: Tensor, b: Tensor) -> float:
    def share(pictures: Tensor, positive: bool) -> float:
        odds = torch.cat([detector(p.float() / 255) for p in pictures.split(BATCH)])
        return ((odds > 0) == positive).float().mean().item()

    return (share(a, True) + share(b, False)) / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--survive", default="jpeg:80")
    parser.add_argument("--real", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    method = weights.load("glow2", options.weights)
    assert isinstance(method, Glow2)
    rng = np.random.default_rng(0)
    count = options.train + options.test
    first = real(options.real, count, method.side) if options.real else stegos(method, count, options.survive)
    count = len(first)
    learn = min(options.train, int(count * options.train / (options.train + options.test)))
    second = samples(method, count, rng)
    first, second = first[torch.from_numpy(rng.permutation(count))], second
    detector = train(first[:learn], second[:learn], options.epochs, rng)
    found = accuracy(detector, first[learn:], second[learn:])
    tested = 2 * (count - learn)
    print(f"accuracy {100 * found:.1f} % on {tested} pictures, trained on {2 * learn}; "
          f"chance 50 +- {50 / tested**0.5:.1f} %")  # fmt: skip


if __name__ == "__main__":
    main()
