"""A search whose perturbation still decodes after the stego was saved as JPEG, at any of several qualities.

    perturbation, whole grey levels  --cover + it, real JPEG file, - cover-->  what the receiver decodes

Every step saves and loads real files; gradients pass straight through them. That suits decoders of `sparse` numbers,
which look at what JPEG keeps: their gradients have no part in what it drops, the fine colours above all. Rounding to
whole levels is little beside what JPEG does, so it takes part from the first step on.

Reference: Cs-FNNS (Li et al., ACM MM 2024), Sect. 4.4: one quality, 90, in every step, identity as its gradient. There
the decoder looks at all three colours at full resolution, and what is gained at one quality is lost at another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from stegcli import progress
from stegcli.methods.cs_fnns.search import BOUND, HEADROOM, Found, Goal, Marked, Nesterov, Penalty, deviation
from stegcli.pictures import image
from stegcli.pictures.image import Picture

RATE, LAST_RATE = 0.6, 0.02
"""Change per step at first, as a share of the perturbation's standard deviation; grey levels in the last."""
DECAY = 0.9
"""Of Adam's mean square: the loss falls a hundredfold in the first steps, which 0.99 is too slow to follow."""
ALL = 0.3
"""Share of the steps, the last, that see every quality and may give the result; the others see one each, drawn."""
MARGIN = 12.0
"""Of the descriptor's sums, in grey levels; JPEG 75 moves them by 4 or 5."""


def search_robust(
    goals: Sequence[Goal], marked: Sequence[Marked], cover: Tensor, psnr: float, steps: int,
    random: np.random.Generator, qualities: Sequence[int], penalty: Penalty | None = None, enough: float = 0.0,
) -> Found | None:  # fmt: skip
    """As `search`, but the loss noted is the worst after real JPEG files of these qualities.

    Descriptors are right after each of them, and in the stego as it is. psnr: of the stego before JPEG. None if no
    such perturbation was found.
    """
    with torch.no_grad():
        return _Search(goals, marked, cover, psnr, steps, random, qualities, penalty).run(enough)


class _Search:
    def __init__(
        self, goals: Sequence[Goal], marked: Sequence[Marked], cover: Tensor, psnr: float, steps: int,
        random: np.random.Generator, qualities: Sequence[int], penalty: Penalty | None,
    ):  # fmt: skip
        self.goals, self.marked, self.cover, self.steps, self.penalty = goals, marked, cover, steps, penalty
        self.random, self.qualities = random, qualities
        self.target = deviation(psnr + HEADROOM)
        self.low, self.high = (-cover).clamp(min=-BOUND), (255 - cover).clamp(max=BOUND)
        self.at = torch.from_numpy(random.standard_normal(tuple(cover.shape), np.float32)) * self.target
        self.all_from = min(steps, round(steps * (1 - ALL)))
        self.nesterov = Nesterov(cover, DECAY)
        self.best: Found | None = None

    def run(self, enough: float) -> Found | None:
        received: list[Tensor] = []
        for step in progress.steps(range(self.steps + 1)):
            self._keep(received)
            whole = self.at.round()
            received = [after_jpeg(self.cover, whole, q) for q in self._seen(step)]
            gradient, loss = self._judged(whole, received, step)
            received.append(whole)
            if step >= self.all_from:
                self._note(whole, received, loss, step)
            if step == self.steps or (self.best and self.best.loss <= enough):
                break
            self._step(gradient, step)
        return self.best

    def _keep(self, received: Sequence[Tensor]) -> None:
        """Hold the descriptors' margins, in what was received last; the norm; the box."""
        change = torch.zeros_like(self.at)
        for each in received:
            for one in self.marked:
                change = change + one.marks.nudge(each + change, one.bits, MARGIN)
        self.at = self.at + change
        self.at = self.at * (self.target / self.at.round().square().mean().sqrt().clamp(min=1e-6))
        self.at = self.at.clamp(self.low, self.high)

    def _seen(self, step: int) -> Sequence[int]:
        return self.qualities if step >= self.all_from else [int(self.random.choice(self.qualities))]

    def _judged(self, whole: Tensor, received: Sequence[Tensor], step: int) -> tuple[Tensor, float]:
        """-> the gradient, in which a quality counts by its loss, and the worst loss."""
        tried = whole.clone().requires_grad_(True)
        with torch.enable_grad():
            through = [tried + (each - whole) for each in received]
            losses = torch.stack([torch.stack([g.loss(each) for g in self.goals]).sum() for each in through])
            total, worst = losses.square().mean().sqrt(), losses.detach().max()
            if self.penalty is not None and step >= self.steps // 2:
                extra = self.penalty(self.cover + tried)
                total, worst = total + extra, worst + extra.detach()
        return torch.autograd.grad(total, tried)[0], float(worst)

    def _note(self, whole: Tensor, received: Sequence[Tensor], loss: float, step: int) -> None:
        kept = float(whole.square().mean().sqrt()) <= self.target * (1 + HEADROOM / 8.7)
        better = self.best is None or loss < self.best.loss
        if kept and better and all(m.right(each) for m in self.marked for each in received):
            self.best = Found(whole, loss, step)

    def _step(self, gradient: Tensor, step: int) -> None:
        cosine = 0.5 * (1 + math.cos(math.pi * step / (self.steps + 1)))
        self.at = self.at - self.nesterov(gradient).mul_(RATE * self.target * cosine + LAST_RATE)


def after_jpeg(cover: Tensor, perturbation: Tensor, quality: int) -> Tensor:
    """Cover and perturbation in whole grey levels (1, 3, h, w) -> what a receiver takes for the perturbation, once the
    stego was saved as JPEG of that quality."""
    pixels = (cover + perturbation)[0].permute(1, 2, 0).to(torch.uint8).contiguous().numpy()
    loaded = image.decode(image.encode(Picture(pixels), "JPEG", quality)).pixels
    return torch.from_numpy(loaded.copy()).permute(2, 0, 1)[None].to(cover) - cover
