"""Train a flow of glow2 by likelihood and, at the same time, against critics that tell its draws from real pictures.

    python training/critic_glow2.py WEIGHTS -o OUT.safetensors --data TEXTURES --val TEXTURES-VAL --minutes M
        [--likelihood 0.3] [--pull 0.3] [--batch 64] [--device cuda]

Likelihood hardly notices how well blocks join, for few numbers lie at their borders; a network sees it at once. After
the first part of the time (`--likelihood`), which is likelihood alone, two critics learn to tell draws, at the
temperature and heat at which they are hidden in, from real pictures; the flow learns from their slopes too. These are
scaled to `--pull` times the norm of the likelihood's. Writes averaged weights every minute in half precision, with all
other parts of WEIGHTS as they were.

References: Flow-GAN (Grover, Dhar, Ermon, 2018), for both losses on one flow. Critics: logistic loss as in Generative
adversarial nets (Goodfellow et al., 2014), and a penalty on slopes at real pictures (Which training methods for GANs do
actually converge?, Mescheder, Geiger, Nowozin, 2018).
"""

from __future__ import annotations

import argparse
import copy
import itertools
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli import weights
from stegcli.data import Pictures
from stegcli.methods.glow2 import recipe_flow
from stegcli.methods.glow2.method import Glow2
from stegcli.nn.wavelet import Pyramid

RATE, AGAINST_RATE, CRITIC_RATE = 2e-3, 6e-4, 4e-4
"""Of the flow by likelihood alone, of the flow against critics, both falling with the time spent; of the critics."""
WARM_UP = 60
"""Steps that the critics learn before the flow follows them: what they say first is chance."""
AVERAGED, CLIP = 0.998, 50.0
PENALTY, PENALTY_EVERY = 1.0, 8
BEYOND = 20.0
"""Weight of what lies beyond black and white, which the draw's rule refuses."""
BORDER = 8
SAVE_SECONDS = 60.0


class Critic(nn.Module):
    """Pictures (b, 3, h, w) in [0, 1] -> log-odds of being drawn, at some places (b, k).

    Sees the picture and two high-pass versions. strided: convolutions of stride 2, which know where blocks begin;
    else means after each convolution, which see finer.
    """

    filters: Tensor

    def __init__(self, width: int, strided: bool):
        super().__init__()
        edges = [[0, -1, 0], [-1, 4, -1], [0, -1, 0]], [[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]
        self.register_buffer("filters", torch.tensor(edges).float()[:, None] / 4, persistent=False)
        self.strided = strided
        widths = [9, width, 2 * width, 2 * width, 3 * width, 3 * width]
        side, stride = (4, 2) if strided else (3, 1)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, side, stride, 1) for a, b in itertools.pairwise(widths))
        self.norms = nn.ModuleList(nn.GroupNorm(8, b) for b in widths[1:])
        self.last = nn.Conv2d(widths[-1], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        planes = F.pad(x.reshape(-1, 1, height, width), (1, 1, 1, 1), mode="replicate")
        high = F.conv2d(planes, self.filters).view(batch, 6, height, width)
        x = torch.cat([x - 0.5, 8 * high], dim=1)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.silu(norm(conv(x)))
            x = x if self.strided else F.avg_pool2d(x, 2)
        whole = self.last(x.mean((2, 3), keepdim=True))
        found: Tensor = torch.cat([self.last(x).flatten(1), whole.flatten(1)], dim=1)
        return found


class Run:
    """One training: the flow and its averaged copy, the critics, and their optimisers."""

    def __init__(self, o: argparse.Namespace):
        self.o, self.device = o, torch.device(o.device)
        torch.manual_seed(o.seed)
        method = weights.load("glow2", o.weights)
        assert isinstance(method, Glow2)
        assert method.g2 is not None
        self.method, self.temperature, side = method, method.temperature, method.side
        self.flow: Pyramid = method.g2.to(self.device).requires_grad_(True)
        self.average = copy.deepcopy(self.flow).requires_grad_(False)
        self.critics = nn.ModuleList(Critic(o.width, strided) for strided in (False, True)).to(self.device)
        self.optimizer = torch.optim.Adam(self.flow.parameters(), lr=RATE, betas=(0.9, 0.99))
        self.critics_optimizer = torch.optim.Adam(self.critics.parameters(), lr=CRITIC_RATE, betas=(0.5, 0.99))
        self.real = (Pictures(o.data).centres(10_000, side) * 255).round().to(torch.uint8).to(self.device)
        self.val = Pictures(o.val).centres(100, side).to(self.device)
        self.side, self.step, self.taught, self.norms = side, 0, 0, [1.0, 1.0]

    def pictures(self, count: int) -> Tensor:
        """Real pictures, turned and flipped at random, with uniform noise below a level: (count, 3, h, w) in [0, 1)."""
        chosen = self.real[torch.randint(len(self.real), (count,), device=self.device)].float() / 255
        turned = chosen.rot90(int(torch.randint(4, ())), (2, 3))
        turned = turned.flip(3) if int(torch.randint(2, ())) else turned
        return recipe_flow.dequantise(turned, torch.rand_like(turned))

    def draws(self, count: int) -> Tensor:
        z = torch.randn(count, 3, self.side, self.side, device=self.device)
        return self.flow.inverse(self.temperature * z)

    def go(self) -> None:
        started = saved = time.monotonic()
        length = 60 * self.o.minutes
        while (done := (time.monotonic() - started) / length) < 1:
            against = done >= self.o.likelihood
            rate = AGAINST_RATE if against else RATE
            for group in self.optimizer.param_groups:
                group["lr"] = rate * min(1.0, (self.step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * done))
            told = self.learn(self.o.batch, against)
            self.step += 1
            if self.step in (1, 20) or time.monotonic() - saved > SAVE_SECONDS:
                saved = time.monotonic()
                self.report(time.monotonic() - started, told)
        self.report(time.monotonic() - started, told)

    def learn(self, batch: int, against: bool) -> dict[str, float]:
        """One step of the flow and, if `against`, of the critics."""
        told = {}
        losses = recipe_flow.nll(self.flow, self.pictures(batch))
        slopes = self._slopes(torch.stack(list(losses.values())).sum(), 0)
        if against:
            drawn = self.draws(batch)
            told = self._teach(drawn.detach())
            lost = torch.stack([F.softplus(c(drawn.clamp(-0.1, 1.1))).mean() for c in self.critics]).sum()
            lost = lost + BEYOND * (drawn - drawn.clamp(0, 1)).abs().mean()
            pulls = self._slopes(lost, 1)
            self.taught += 1
            factor = self.o.pull * self.norms[0] / self.norms[1] if self.taught > WARM_UP else 0.0
            slopes = [a + factor * b for a, b in zip(slopes, pulls, strict=True)]
        for parameter, slope in zip(self.flow.parameters(), slopes, strict=True):
            parameter.grad = slope
        norm = nn.utils.clip_grad_norm_(self.flow.parameters(), CLIP)
        if torch.isfinite(norm):
            self.optimizer.step()
            self._update_average()
        return told

    def _slopes(self, loss: Tensor, which: int) -> list[Tensor]:
        """Derivatives by the flow's parameters, clipped; notes a running mean of their norm."""
        found = torch.autograd.grad(loss, list(self.flow.parameters()), allow_unused=True)
        given = [torch.zeros_like(p) if g is None else g for p, g in zip(self.flow.parameters(), found, strict=True)]
        norm = float(torch.linalg.vector_norm(torch.stack([g.norm() for g in given])))
        if not math.isfinite(norm):
            return [torch.zeros_like(g) for g in given]
        before = self.norms[which]
        self.norms[which] = norm if before == 1.0 else min(0.95 * before + 0.05 * norm, 2 * before)
        return [g * min(1.0, 2 * self.norms[which] / max(norm, 1e-9)) for g in given]

    def _teach(self, drawn: Tensor) -> dict[str, float]:
        """One step of the critics -> share of pictures that each tells rightly."""
        real = self.pictures(len(drawn))
        penalise = self.step % PENALTY_EVERY == 0
        real.requires_grad_(penalise)
        losses, told = [], {}
        for name, critic in zip(("pooled", "strided"), self.critics, strict=True):
            of_drawn, of_real = critic(drawn.clamp(-0.1, 1.1)), critic(real)
            losses.append(F.softplus(-of_drawn).mean() + F.softplus(of_real).mean())
            if penalise:
                (slope,) = torch.autograd.grad(of_real.mean(1).sum(), real, create_graph=True)
                losses.append(PENALTY * PENALTY_EVERY / 2 * slope.square().flatten(1).sum(1).mean())
            right = (of_drawn[:, -1] > 0).float().mean() + (of_real[:, -1] <= 0).float().mean()
            told[name] = float(right / 2)
        self.critics_optimizer.zero_grad(set_to_none=True)
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.critics.parameters(), 10.0)
        self.critics_optimizer.step()
        return told

    def _update_average(self) -> None:
        with torch.no_grad():
            for average, value in zip(self.average.parameters(), self.flow.parameters(), strict=True):
                average.lerp_(value, 1 - min(AVERAGED, (1 + self.step) / (10 + self.step)))
            for kept, now in zip(self.average.buffers(), self.flow.buffers(), strict=True):
                kept.copy_(now)

    @torch.no_grad()
    def report(self, seconds: float, told: dict[str, float]) -> None:
        """Print where the averaged weights stand, and write them."""
        noise = torch.rand(self.val.shape, generator=torch.Generator().manual_seed(1)).to(self.device)
        losses = recipe_flow.nll(self.average, recipe_flow.dequantise(self.val, noise))
        bits = recipe_flow.bits_per_dimension(self.average, losses, self.side, self.side)
        z = torch.randn(64, 3, self.side, self.side, generator=torch.Generator().manual_seed(2)).to(self.device)
        drawn = self.average.inverse(self.temperature * z)
        beyond = ((drawn < 0) | (drawn >= 1)).float().mean((1, 2, 3))
        right = ", ".join(f"{n} {t:.2f}" for n, t in told.items())
        room = " / ".join(f"{recipe_flow.carried(self.average, self.side, q):.0f}" for q in (None, 90, 80, 40))
        print(f"{self.step} steps, {seconds:.0f} s: {bits:.4f} bits per dimension, {room} bytes, "
              f"borders {borders(drawn):.3f} (real {borders(self.val):.3f}), "
              f"clipped {beyond.mean():.4f}, over 2 % {int((beyond > 0.02).sum())} of 64, "
              f"norms {self.norms[0]:.2g} {self.norms[1]:.2g}, {right}", flush=True)  # fmt: skip
        self.write()

    def write(self) -> None:
        method = weights.load("glow2", self.o.weights)
        state = {n: t.detach().cpu() for n, t in method.networks.state_dict().items()}  # type: ignore[union-attr]
        state |= {f"g2.{n}": t.detach().cpu().contiguous() for n, t in self.average.state_dict().items()}
        state = {n: t.half() if t.is_floating_point() else t for n, t in state.items()}
        facts = {"part": "g2", "steps": self.step, "seed": self.o.seed, "torch": torch.__version__}
        self.o.output.write_bytes(weights.pack("glow2", method.config, state, facts))


def borders(x: Tensor) -> float:
    """Pictures (b, 3, h, w) -> mean size of the differences across borders of blocks, over that of those inside."""
    luminance = torch.einsum("c,bchw->bhw", x.new_tensor([0.299, 0.587, 0.114]), x)
    sums = x.new_zeros(2)
    for lines in (luminance.diff(dim=2), luminance.diff(dim=1).transpose(1, 2)):
        sizes = lines.abs().mean((0, 1))
        across = torch.arange(len(sizes), device=x.device) % BORDER == BORDER - 1
        sums += torch.stack([sizes[across].mean(), sizes[~across].mean()])
    return float(sums[0] / sums[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--likelihood", type=float, default=0.3)
    parser.add_argument("--pull", type=float, default=0.3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--width", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda")
    Run(parser.parse_args()).go()


if __name__ == "__main__":
    main()
