"""Bits per dimension of a trained flow, by uniform dequantisation and by a variational one that is trained for it.

    python training/dequantise_glow2.py WEIGHTS --data TEXTURES --val TEXTURES-VAL [--minutes 10] [--part g2]

A picture of whole grey levels has no density: noise u in [0, 1) is added to it. With uniform u the flow must spread
its density evenly over every cell, which it cannot where pictures vary by less than a level, as colours do. A second,
small flow draws u given the picture instead; log p(x + u) - log q(u | x) stays a bound, and the flow itself does not
change. So this measures the flow better, and nothing of it is shipped. Minutes are those of one core's work.

Reference: Flow++ (Ho, Chen, Srinivas, Duan, Abbeel, 2019), section 3.1. Here q starts as the uniform one: Gaussian
noise through the Gaussian's distribution function.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli import weights
from stegcli.data import Pictures
from stegcli.methods.glow2 import recipe_flow
from stegcli.nn.flow import Chain
from stegcli.nn.wavelet import FEATURES, Pyramid, _context_net, _couplings, squeeze
from stegcli.recipe import Noise

MOST = 5.0  # of a normal number: beyond it 1 - u is lost in float32
AROUND = (3, 7)


class Dequantiser(nn.Module):
    """Pictures (b, 3, h, w) of whole levels in [0, 1], normal noise of their shape -> u in (0, 1), and log q (b,)."""

    def __init__(self, width: int = 32, steps: int = 4):
        super().__init__()
        self.context = _context_net(4 * (3 * (1 + len(AROUND)) + 2), width, depth=2)
        self.chain = Chain(_couplings(12, FEATURES, width, steps))

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        y, ladj = self.chain(squeeze(noise), self.context(squeeze(within_levels(images))))
        y = MOST * torch.tanh(F.pixel_shuffle(y, 2) / MOST)
        bend = torch.log1p(-(y / MOST).square() + 1e-7)
        log_q = (0.5 * (y.square() - noise.square()) - bend).flatten(1).sum(1) - ladj
        return torch.special.ndtr(y), log_q


def within_levels(images: Tensor) -> Tensor:
    """What tells where in its cell a sample was: how far it lies, in levels, from its surroundings and its fellows."""
    levels = images * 255
    told = [images - 0.5]
    for side in AROUND:
        mean = F.avg_pool2d(levels, side, 1, side // 2, count_include_pad=False)
        told.append((mean - levels).clamp(-2, 2))
    told.append((levels[:, [0, 2]] - levels[:, 1:2]).clamp(-4, 4) / 2)
    return torch.cat(told, dim=1)


def bound(flow: Pyramid, images: Tensor, u: Tensor, log_q: Tensor | float) -> Tensor:
    """-> bits per dimension."""
    x = (images * 255 + u) / recipe_flow.LEVELS
    losses = recipe_flow.nll(flow, x)
    height, width = images.shape[2:]
    nats = torch.stack([losses[b.name] * b.size for b in flow.bands(height, width)]).sum()
    nats = nats - flow.ladj_of_picture(x).mean() + (log_q.mean() if isinstance(log_q, Tensor) else log_q)
    return nats / (3 * height * width) / math.log(2) + math.log2(recipe_flow.LEVELS)


def train(flow: Pyramid, data: Path, side: int, minutes: float, batch: int = 6, rate: float = 3e-3) -> Dequantiser:
    torch.manual_seed(0)
    made, pictures = Dequantiser(), Pictures(data)
    optimizer = torch.optim.Adam(made.parameters(), lr=rate, betas=(0.9, 0.99))
    spent, step = 0.0, 0
    while (progress := spent / (60 * minutes)) < 1:
        started = time.process_time()
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, 0.01 + 50 * progress) * (0.5 + 0.5 * math.cos(math.pi * progress))
        noise = Noise.of(5, step, range(batch))
        images = recipe_flow.turn(pictures.batch(noise, side), noise)
        loss = bound(flow, images, *made(images, noise.normal(*images.shape[1:])))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(made.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        spent += time.process_time() - started
        if step % 200 == 0:
            print(f"{step} steps, {spent:.0f} s: {loss.item():.3f}", flush=True)
    return made.requires_grad_(False).eval()


@torch.no_grad()
def measure(flow: Pyramid, made: Dequantiser | None, val: Path, side: int) -> float:
    """-> bits per dimension over all pictures of the folder; without a dequantiser, by the uniform one."""
    pictures = Pictures(val).centres(10_000, side)
    total = 0.0
    for i in range(len(pictures)):
        image, noise = pictures[i : i + 1], Noise.of(1, 0, range(i, i + 1))
        if made is None:
            total += bound(flow, image, noise.uniform(3, side, side), 0.0).item()
        else:
            total += bound(flow, image, *made(image, noise.normal(3, side, side))).item()
    return total / len(pictures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--part", default="g2")
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--minutes", type=float, default=10)
    o = parser.parse_args()
    torch.set_num_threads(1)
    flow: Pyramid = getattr(weights.load("glow2", o.weights), o.part).requires_grad_(False)
    print(f"uniform: {measure(flow, None, o.val, o.side):.4f} bits per dimension", flush=True)
    if o.minutes > 0:
        made = train(flow, o.data, 64, o.minutes)
        print(f"variational: {measure(flow, made, o.val, o.side):.4f} bits per dimension", flush=True)


if __name__ == "__main__":
    main()
