"""Teach the network behind the costs of the coset coder by what detectors see.

    python training/against_detectors.py --photos SMALLER --start DENSITY.safetensors --minutes 5 -o OUT.safetensors

SMALLER holds pictures that were never a JPEG at their size (`training/smaller_photos.py`), none of which the detectors
of `benchmarks/detectors.py` see. `--start` names weights with a density, or a file of them.

Each step hides in a batch, simulated at the bound, with the costs balanced as the sender does it. Costs of changes that
raise the detectors' answers rise, at equal payload. A change's part in a detector's answer is, to first order, the
answer's gradient there times the change. The detectors, networks of `stegcli.detectors.network`, then learn from the
same batch: they must not fall behind.

Reference: An automatic cost learning framework for image steganography using deep reinforcement learning (Tang, Li,
Barni, Li, Huang, IEEE TIFS 2021): rewards of single pixels from the detector's gradient. Differences: the costs are
those that `stegcli.methods.lossless_inn.costs` makes of a density, both ways apart, and what is learnt are the
parameters of that density; the rate moves along with the costs, so that the payload stays.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli import weights
from stegcli.data import list_pictures
from stegcli.detectors.network import Residuals
from stegcli.methods.lossless_inn import balance, cooccurrences
from stegcli.methods.lossless_inn.coset import CosetCoder
from stegcli.methods.lossless_inn.costs import NATS, OWN
from stegcli.pictures import image

SIDE = 128
USUAL, MOST_BPP = 0.4, 1.0
"""Bits per pixel: of most batches, and the most of the others."""
DEAREST, NEVER = 200.0, 1e4
WIDTHS = (16, 24)
"""Of the networks among the detectors. Against one alone, costs learn its own blind spots."""
DETECTOR_RATE = 1e-3
AVERAGE = 0.002
ROUNDS = 18
REPORT = 250


class Crops:
    """All pictures of a folder, on the device."""

    def __init__(self, folder: Path, device: str):
        by_size = defaultdict(list)
        for path in list_pictures(folder):
            pixels = image.load(path).pixels
            if min(pixels.shape[:2]) >= SIDE:
                by_size[pixels.shape[:2]].append(pixels)
        self._sets = [
            torch.from_numpy(np.stack(p)).permute(0, 3, 1, 2).contiguous().to(device) for p in by_size.values()
        ]
        sizes = np.array([len(s) for s in self._sets])
        self._chances = sizes / sizes.sum()

    def batch(self, count: int, rng: np.random.Generator) -> Tensor:
        """-> crops of pictures of one size, turned alike: grey levels, float32 (count, 3, SIDE, SIDE)."""
        chosen = self._sets[rng.choice(len(self._sets), p=self._chances)]
        index = torch.from_numpy(rng.integers(len(chosen), size=count)).to(chosen.device)
        top, left = (int(rng.integers(s - SIDE + 1)) for s in chosen.shape[2:])
        crops = chosen[index, :, top : top + SIDE, left : left + SIDE].float().rot90(int(rng.integers(4)), (2, 3))
        return crops.flip(3) if rng.integers(2) else crops


def costs(levels: Tensor, mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Grey levels and their density -> cost of a level up and of a level down."""
    half, own = 0.5 / scale, OWN / scale
    here, up, down = (_denominator((levels + step - mean) / scale, half) for step in (0, 1, -1))
    ends = (levels == 0) | (levels == 255)
    found = [(own + NATS * (way - here).clamp(min=0)).clamp(max=DEAREST).masked_fill(ends, NEVER) for way in (up, down)]
    return found[0], found[1]


def _denominator(away: Tensor, half: Tensor) -> Tensor:
    """As in `stegcli.methods.lossless_inn.fitted`."""
    away = away.abs()
    most = torch.maximum(away, half)
    terms = torch.exp(away - most) + torch.exp(half - most) + torch.exp(-away - most) + torch.exp(-half - most)
    return most + terms.log()


def _logs(rate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """Rate (b, 1), costs (b, n) -> log of the chance of a move up, of one down and of none, (3, b, n)."""
    return torch.stack([-rate * up, -rate * down, torch.zeros_like(up)]).log_softmax(0)


def _entropy(logs: Tensor) -> Tensor:
    """-> nats of each picture (b, 1)."""
    return -(logs.exp() * logs).sum((0, 2))[:, None]


def _nats(cost: Tensor, bpp: float) -> float:
    """What each picture (b, 3, h, w) carries at so many bits per pixel."""
    return bpp * np.log(2) * cost[0, 0].numel()


@torch.no_grad()
def _rate(up: Tensor, down: Tensor, nats: float) -> Tensor:
    """The rate at which a picture's moves have so much entropy, (b, 1)."""
    low, high = (torch.full_like(up[:, :1], v) for v in (-8.0, 6.0))  # of its logarithm
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        more = _entropy(_logs(middle.exp(), up, down)) > nats
        low, high = torch.where(more, middle, low), torch.where(more, high, middle)
    return ((low + high) / 2).exp()


def moved(up: Tensor, down: Tensor, bpp: float) -> tuple[Tensor, Tensor]:
    """Costs (b, 3, h, w) and bits per pixel -> moves that a perfect code would make, -1, 0 and 1, and the logs of the
    chances of a move up, of one down and of none, (3, b, 3, h, w).

    The chances have a gradient. It keeps the payload: the rate follows the costs by a step of Newton's method.
    """
    shape, nats, (up, down) = up.shape, _nats(up, bpp), (c.flatten(1) for c in (up, down))
    rate = _rate(up, down, nats)
    logs = _logs(rate, up, down)
    with torch.no_grad():
        p = logs.exp()
        spread = p[0] * up.square() + p[1] * down.square() - (p[0] * up + p[1] * down).square()
        slope = -rate * spread.sum(1, keepdim=True)
    entropy = _entropy(logs)
    logs = _logs(rate - (entropy - entropy.detach()) / slope, up, down)
    drawn = torch.rand_like(up)
    moves = (drawn < p[0]).float() - ((drawn >= p[0]) & (drawn < p[0] + p[1])).float()
    return moves.view(shape), logs.view(3, *shape)


def balanced(levels: Tensor, up: Tensor, down: Tensor, bpp: float) -> tuple[Tensor, Tensor]:
    """Costs balanced as the sender does it, though over all pictures of the batch together: that takes a third of the
    time. What balances is constant to their gradient."""
    rate = _rate(up.detach().flatten(1), down.detach().flatten(1), _nats(up, bpp))[:, :, None, None]
    whole, sides = _array(levels).astype(np.int16), [_array(rate * cost) for cost in (up, down)]
    tables = balance.multipliers(whole, *sides, cooccurrences.COUNTED)
    found = cooccurrences.moves(whole, tables, cooccurrences.COUNTED)
    added = torch.from_numpy(found).movedim(1, 2).to(up.device) / rate
    ways = [torch.maximum(c + a, balance.LEAST * c).clamp(max=NEVER) for c, a in zip((up, down), added, strict=True)]
    return ways[0], ways[1]


def _array(batch: Tensor) -> np.ndarray:
    """(b, 3, h, w) -> (3, b, h, w)."""
    return batch.detach().movedim(1, 0).cpu().numpy()


class Duel:
    """The costs, and the detectors that they are to evade."""

    def __init__(
        self, start: str, photos: Path, batch: int, rate: float, device: str, widths: Sequence[int] = WIDTHS,
        first: Path | None = None,
    ):  # fmt: skip
        method = weights.load("lossless-inn", start, device)
        self.coder = cast(CosetCoder, method)
        self.net = self.coder.density.to(device).train().requires_grad_()
        self.average = {n: p.detach().clone() for n, p in self.net.state_dict().items()}
        torch.manual_seed(0)
        self.detectors = [Residuals(w).to(device) for w in widths]
        if first is not None:
            self.detectors[0].load_state_dict(torch.load(first, weights_only=True))
        self._learn = [torch.optim.AdamW(d.parameters(), lr=DETECTOR_RATE, weight_decay=1e-2) for d in self.detectors]
        self._optimizer = torch.optim.Adam(self.net.parameters(), lr=rate, betas=(0.5, 0.99))
        self.rng = np.random.default_rng(0)
        self.crops, self.batch, self.rate = Crops(photos, device), batch, rate
        self._right = torch.zeros(len(widths), device=device)
        self._asked = 0

    def told(self) -> str:
        """The share that each detector told rightly before it learnt from it, since the last time."""
        shares = (self._right / max(1, self._asked)).tolist()
        self._right.zero_()
        self._asked = 0
        return ", ".join(f"{100 * s:.1f} %" for s in shares)

    def warm(self, steps: int) -> None:
        """The detectors learn to see LSB matching, then the costs at 1 and at 0.4 bits per pixel."""
        for step in range(steps):
            levels = self.crops.batch(self.batch, self.rng)
            with torch.no_grad():
                if step < steps // 4:
                    ends = (levels == 0) | (levels == 255)
                    moves = (torch.rand_like(levels) < 1 / 6) * (torch.randint_like(levels, 0, 2) * 2 - 1) * ~ends
                else:
                    bpp = MOST_BPP if step < steps // 2 else USUAL
                    moves, _ = moved(*balanced(levels, *costs(levels, *self.net(levels)), bpp), bpp)
            self._teach(levels, levels + moves)

    def step(self, progress: float) -> None:
        """One step of the costs, then one of the detectors. progress: share of the run that is done."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate * (0.5 + 0.5 * np.cos(np.pi * min(1, progress))) + 1e-6
        levels = self.crops.batch(self.batch, self.rng)
        bpp = USUAL if self.rng.random() < 0.6 else float(self.rng.uniform(0.1, MOST_BPP))
        moves, logs = moved(*balanced(levels, *costs(levels, *self.net(levels)), bpp), bpp)
        stegos = levels + moves
        loss = self._rewards(stegos, moves, logs) / len(levels)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self._optimizer.step()
        for name, value in self.net.state_dict().items():
            self.average[name].lerp_(value, AVERAGE)
        self._teach(levels, stegos)

    def _rewards(self, stegos: Tensor, moves: Tensor, logs: Tensor) -> Tensor:
        """What the moves that were made add to the log-odds of being a stego, times the logs of their chances."""
        stegos = stegos.detach().requires_grad_()
        for detector in self.detectors:
            detector.eval()
        odds = torch.stack([d(stegos / 255) for d in self.detectors]).sum()
        (gradient,) = torch.autograd.grad(odds, stegos)
        for detector in self.detectors:
            detector.train()
        made = torch.where(moves > 0, logs[0], logs[1])
        return (gradient * moves * made).sum()

    def _teach(self, covers: Tensor, stegos: Tensor) -> None:
        pictures = torch.cat([stegos, covers]).detach() / 255
        label = torch.cat([torch.ones(len(covers)), torch.zeros(len(covers))]).to(covers.device)
        for i, (detector, optimizer) in enumerate(zip(self.detectors, self._learn, strict=True)):
            odds = detector(pictures)
            optimizer.zero_grad(set_to_none=True)
            F.binary_cross_entropy_with_logits(odds, label).backward()
            optimizer.step()
            self._right[i] += ((odds > 0) == (label > 0)).float().mean().detach()
        self._asked += 1

    def save(self, out: Path, steps: int) -> None:
        held = {f"density.{n}": value.detach().cpu().contiguous() for n, value in self.average.items()}
        draft = out.with_suffix(".draft")
        draft.write_bytes(weights.pack("lossless-inn", self.coder.config, held, {"part": "against", "steps": steps}))
        draft.rename(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--start", default="coset")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--steps", type=int, help="in place of minutes")
    parser.add_argument("--warm", type=int, default=800, help="steps that the detectors learn before")
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS, help="of the networks that detect")
    parser.add_argument("--first", type=Path, help="a network from the cache of benchmarks/detectors.py to start from")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", "-o", type=Path, required=True)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    duel = Duel(asked.start, asked.photos, asked.batch, asked.rate, asked.device, asked.widths, asked.first)
    duel.warm(asked.warm)
    print(f"{asked.output.stem}: warm, told {duel.told()}", flush=True)
    started, steps = time.monotonic(), 0
    while (seconds := time.monotonic() - started) >= 0:
        progress = steps / asked.steps if asked.steps else seconds / 60 / asked.minutes
        if steps % REPORT == 0 or progress >= 1:
            print(f"{asked.output.stem}: {steps} steps, {seconds:.0f} s, told {duel.told()}", flush=True)
            duel.save(asked.output, steps)
        if progress >= 1:
            return
        duel.step(progress)
        steps += 1


if __name__ == "__main__":
    main()
