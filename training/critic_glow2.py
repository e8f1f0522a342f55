"""Train a flow of glow2 by likelihood and, at the same time, against what tells its draws from real pictures.

    python training/critic_glow2.py WEIGHTS -o OUT.safetensors --data TEXTURES --val TEXTURES-VAL --minutes M
        [--bands y1 y2 ...] [--pull 1] [--batch 8] [--crop 64] [--warm 1000] [--device cpu]

Likelihood hardly notices how well blocks join, for few numbers lie at their borders; a network sees it at once. Two
critics learn to tell draws, at the temperature and heat at which glow2 hides, from real pictures: first from a stock of
draws alone (`--warm` steps), then together with the flow. The flow learns from their slopes, from its likelihood, and
from how its differences between neighbours depend on where in a block they lie (`profile`). All slopes but those of the
likelihood are scaled to `--pull` times its norm. Writes averaged weights every five minutes in half precision, with all
other parts of WEIGHTS as they were. With `--warm 0 --minutes 0` it only says where WEIGHTS stand.

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
from stegcli.nn.wavelet import YCBCR, Pyramid

RATE, CRITIC_RATE = 5e-4, 4e-4
AVERAGED, CLIP = 0.995, 50.0
PENALTY, PENALTY_EVERY = 1.0, 8
BEYOND, PROFILE = 20.0, 3.0
"""Weights of what lies beyond black and white, which the rule of draws refuses, and of the profile."""
STOCK = 256
"""Number of draws that the critics learn from at first, and of the latest that they keep learning from."""
BLOCK = 8
SAVE_SECONDS = 300.0


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
        self.flow: Pyramid = method.g2.to(self.device).requires_grad_(False)
        self.average = copy.deepcopy(self.flow)
        self.trained = [
            p.requires_grad_(True) for n, p in self.flow.flows.named_parameters() if _is_trained(n, o.bands)
        ]
        self.critics = nn.ModuleList(Critic(o.width, strided) for strided in (False, True)).to(self.device)
        self.optimizer = torch.optim.Adam(self.trained, lr=RATE, betas=(0.9, 0.99))
        self.critics_optimizer = torch.optim.Adam(self.critics.parameters(), lr=CRITIC_RATE, betas=(0.5, 0.99))
        self.real = (Pictures(o.data).centres(10_000, side) * 255).round().to(torch.uint8).to(self.device)
        self.val = Pictures(o.val).centres(100, side).to(self.device)
        self.profile = profile(self.real.float() / 255)
        self.side, self.step, self.norms = side, 0, [1.0, 1.0]
        self.stock = torch.empty(0, 3, o.crop, o.crop, device=self.device)

    def pictures(self, count: int) -> Tensor:
        """Crops of real pictures on the grid of blocks, turned and flipped at random, with uniform noise below a level:
        (count, 3, crop, crop) in [0, 1)."""
        crop, places = self.o.crop, (self.side - self.o.crop) // BLOCK + 1
        found = []
        for i in torch.randint(len(self.real), (count,)).tolist():
            top, left = (BLOCK * int(p) for p in torch.randint(places, (2,)))
            cut = self.real[i, :, top : top + crop, left : left + crop].rot90(int(torch.randint(4, ())), (1, 2))
            found.append(cut.flip(2) if int(torch.randint(2, ())) else cut)
        images = torch.stack(found).float() / 255
        return recipe_flow.dequantise(images, torch.rand_like(images))

    def draws(self, count: int) -> Tensor:
        z = torch.randn(count, 3, self.o.crop, self.o.crop, device=self.device)
        return self.flow.inverse(self.temperature * z)

    def go(self) -> None:
        if self.o.warm:
            self.warm_up()
        started = saved = time.monotonic()
        length, told = 60 * self.o.minutes, {"pooled": 0.5}
        while (elapsed := time.monotonic() - started) < length:
            done = elapsed / length
            for group in self.optimizer.param_groups:
                group["lr"] = RATE * min(1.0, (self.step + 1) / 20) * (0.5 + 0.5 * math.cos(math.pi * done))
            told = self.learn(self.o.batch)
            self.step += 1
            if self.step == 1 or time.monotonic() - saved > SAVE_SECONDS:
                saved = time.monotonic()
                self.report(time.monotonic() - started, told)
        self.report(time.monotonic() - started, told)

    def warm_up(self) -> None:
        """Teach the critics alone, from a stock of draws."""
        with torch.no_grad():
            while len(self.stock) < STOCK:
                self._keep(self.draws(16))
        rights = []
        for step in range(self.o.warm):
            chosen = torch.randint(len(self.stock), (2 * self.o.batch,), device=self.device)
            rights.append(self._teach(self.stock[chosen], penalise=step % PENALTY_EVERY == 0))
            if (step + 1) % 250 == 0:
                means = {n: sum(r[n] for r in rights[-100:]) / 100 for n in rights[-1]}
                print(f"critics alone, {step + 1} steps: {means}", flush=True)

    def _keep(self, drawn: Tensor) -> None:
        self.stock = torch.cat([self.stock, drawn[torch.isfinite(drawn).all(3).all(2).all(1)]])[-STOCK:]

    def learn(self, batch: int) -> dict[str, float]:
        """One step of the critics and of the flow."""
        losses = recipe_flow.nll(self.flow, self.pictures(max(1, batch // 2)))
        slopes = self._slopes(torch.stack(list(losses.values())).sum(), 0)
        drawn = self.draws(batch)
        self._keep(drawn.detach())
        latest = torch.cat([drawn.detach(), self.stock[torch.randint(len(self.stock), (batch,), device=self.device)]])
        told = self._teach(latest, penalise=self.step % PENALTY_EVERY == 0)
        pulls = self._slopes(self._shown(drawn), 1)
        factor = self.o.pull * self.norms[0] / self.norms[1]
        for parameter, a, b in zip(self.trained, slopes, pulls, strict=True):
            parameter.grad = a + factor * b
        norm = nn.utils.clip_grad_norm_(self.trained, CLIP)
        if torch.isfinite(norm):
            self.optimizer.step()
            self._update_average()
        return told

    def _shown(self, drawn: Tensor) -> Tensor:
        """What tells draws from real pictures: critics' losses, profile, and what lies beyond black and white."""
        inside = drawn.clamp(0, 1)
        critics = torch.stack([F.softplus(c(drawn.clamp(-0.1, 1.1))).mean() for c in self.critics]).sum()
        off = (profile(inside) - self.profile).square().sum((2, 3)).mean()
        return critics + PROFILE * off + BEYOND * (drawn - inside).abs().mean()

    def _slopes(self, loss: Tensor, which: int) -> list[Tensor]:
        """Derivatives by the flow's parameters, clipped; notes a running mean of their norm."""
        found = torch.autograd.grad(loss, self.trained, allow_unused=True)
        given = [torch.zeros_like(p) if g is None else g for p, g in zip(self.trained, found, strict=True)]
        norm = float(torch.linalg.vector_norm(torch.stack([g.norm() for g in given])))
        if not math.isfinite(norm):
            return [torch.zeros_like(g) for g in given]
        before = self.norms[which]
        self.norms[which] = norm if before == 1.0 else min(0.95 * before + 0.05 * norm, 2 * before)
        return [g * min(1.0, 2 * self.norms[which] / max(norm, 1e-9)) for g in given]

    def _teach(self, drawn: Tensor, penalise: bool) -> dict[str, float]:
        """One step of the critics -> share of pictures that each tells rightly."""
        real = self.pictures(len(drawn)).requires_grad_(penalise)
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
        val = recipe_flow.dequantise(self.val, noise)
        bits = recipe_flow.bits_per_dimension(self.average, recipe_flow.nll(self.average, val), val)
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


def _is_trained(name: str, bands: list[str]) -> bool:
    """Whether a parameter of `flows` belongs to one of these bands; without bands all do."""
    return not bands or name.split(".")[0] in bands


def borders(x: Tensor) -> float:
    """Pictures (b, 3, h, w) -> mean size of the differences across borders of blocks, over that of those inside."""
    sizes = torch.stack([_by_place(lines)[0] for lines in _lines(x)]).mean(0)  # (planes, 8), borders last
    return float(sizes[0, -1] / sizes[0, :-1].mean())


def profile(x: Tensor) -> Tensor:
    """Pictures (b, 3, h, w) -> how large differences along rows and columns are at each of the 8 places in a block, as
    logarithms of shares of their mean: (directions 2, orders 2, planes 3, places 8), over all pictures."""
    found = torch.stack([torch.stack(_by_place(lines)) for lines in _lines(x)])
    return (found / found.mean(3, keepdim=True)).log()


def _lines(x: Tensor) -> list[Tensor]:
    """Pictures -> luminance and colours, with lines along rows, and along columns: (b, 3, h, w) each."""
    planes = torch.einsum("ij,bjhw->bihw", x.new_tensor(YCBCR), x)
    return [planes, planes.transpose(2, 3)]


def _by_place(lines: Tensor) -> list[Tensor]:
    """Mean size of the first and second differences along lines by place in a block, (3, 8) each; the last place of the
    first ones lies across a border."""
    first = F.pad(lines.diff(dim=3), (0, 1)).abs().mean((0, 2))
    second = F.pad(lines.diff(n=2, dim=3), (1, 1)).abs().mean((0, 2))
    return [_shares(d) for d in (first, second)]


def _shares(sizes: Tensor) -> Tensor:
    """(3, w) -> means by place, (3, 8); the padded ends of lines are left out."""
    whole = sizes[:, BLOCK:-BLOCK]
    return whole.reshape(3, -1, BLOCK).mean(1) + 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument(
        "--bands", nargs="*", default=[], help="names of the bands to train; all others stay as they are"
    )
    parser.add_argument("--pull", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--warm", type=int, default=1000)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    Run(options).go()


if __name__ == "__main__":
    main()
