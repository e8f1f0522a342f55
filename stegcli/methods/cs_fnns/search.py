"""Steganographic perturbation search (SPS): a perturbation of whole grey levels that makes decoders emit secrets.

Gradient steps on a perturbation of a set norm. Rounding is what spoils a perturbation that was found first and rounded
then, so it is rounded during the search: from FREE of the steps on, a growing random share of the samples is fixed at
whole levels, and those still free make up for what that does. In the last steps all are whole, and gradients pass
straight through the rounding.

Reference: Cs-FNNS (Li et al., 2024), Eq. 2 to 6, 10. There the norm is a term of the loss (Eq. 3), the box a tanh
(Eq. 5) and rounding comes at the end, which costs 10 dB and more; here the norm is set, and the box is a clamp.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from stegcli import progress
from stegcli.methods.cs_fnns.descriptor import Marks

RATE, LAST_RATE, POLISH_RATE = 0.6, 0.01, 0.1
"""Of the perturbation's norm per step: at first, when nothing is free any more, and in the last steps."""
MOMENTUM, DECAY = 0.9, 0.99
FREE, POLISH = 0.36, 0.1
"""Shares of the steps: before anything is fixed, and after everything is."""
CONTROL = 20
"""Share of the steps' inverse by which the norm returns to what it should be, once samples are being fixed."""
FIRM = 0.1
"""The same in the last steps. More would swing about the norm, and spoil the rounding."""
MARGIN = 2.5
"""Of the descriptor's sums, in grey levels; rounding moves them by 0.3."""
BOUND = 51
"""Largest change of a sample: the paper's epsilon, 0.2."""
HEADROOM = 0.001
"""dB by which the search aims above the stego's PSNR that is asked for."""


class Goal(Protocol):
    """What one receiver is to decode."""

    def loss(self, perturbation: Tensor) -> Tensor:
        """Perturbation (1, 3, h, w) in grey levels -> how far it is from that, a scalar."""


@dataclass(frozen=True)
class Marked:
    """One receiver's descriptor: its directions and its bits, +1 and -1."""

    marks: Marks
    bits: Tensor

    def right(self, perturbation: Tensor) -> bool:
        return bool((self.marks.read(perturbation) * self.bits > 0).all())


@dataclass(frozen=True)
class Found:
    """A perturbation in whole grey levels (1, 3, h, w), the loss that is left, and the steps it took."""

    perturbation: Tensor
    loss: float
    steps: int


Penalty = Callable[[Tensor], Tensor]
"""Stego (1, 3, h, w) in grey levels -> what is to be small besides: how far detectors take it for a stego."""


def search(
    goals: Sequence[Goal], marked: Sequence[Marked], cover: Tensor, psnr: float, steps: int,
    random: np.random.Generator, penalty: Penalty | None = None, enough: float = 0.0,
) -> Found | None:  # fmt: skip
    """Goals and descriptors of all receivers, cover in grey levels (1, 3, h, w) -> the best perturbation found.

    Its norm keeps the stego at `psnr` or better. None if none was found whose descriptors are all right. Stops early
    in the last steps once the loss is at most `enough`.
    """
    return _Search(goals, marked, cover, psnr, steps, random, penalty).run(enough)


class Nesterov:
    """Adam with Nesterov's momentum (Dozat, 2016): gradients -> steps of about 1 for each sample.

    decay: of the mean square.
    """

    def __init__(self, like: Tensor, decay: float):
        self.mean, self.square = torch.zeros_like(like), torch.zeros_like(like)
        self.decay, self.steps = decay, 0

    def __call__(self, gradient: Tensor) -> Tensor:
        self.steps += 1
        self.mean.mul_(MOMENTUM).add_(gradient, alpha=1 - MOMENTUM)
        self.square.mul_(self.decay).addcmul_(gradient, gradient, value=1 - self.decay)
        ahead = self.mean * MOMENTUM + gradient * (1 - MOMENTUM)
        spread = (self.square / (1 - self.decay**self.steps)).sqrt_().add_(1e-20)
        return ahead.div_(spread).div_(1 - MOMENTUM**self.steps)


class _Search:
    def __init__(
        self, goals: Sequence[Goal], marked: Sequence[Marked], cover: Tensor, psnr: float, steps: int,
        random: np.random.Generator, penalty: Penalty | None,
    ):  # fmt: skip
        self.goals, self.marked, self.cover, self.steps, self.penalty = goals, marked, cover, steps, penalty
        self.target = deviation(psnr + HEADROOM)
        self.low, self.high = (-cover).clamp(min=-BOUND), (255 - cover).clamp(max=BOUND)
        self.at = _drawn(random, cover.shape) * self.target
        self.turn = torch.from_numpy(random.random(cover.shape, np.float32))
        self.whole_from = max(1, round(steps * (1 - POLISH)))
        self.nesterov = Nesterov(cover, DECAY)
        self.control = min(1.0, CONTROL / steps)
        self.best: Found | None = None

    def run(self, enough: float) -> Found | None:
        for step in progress.steps(range(self.steps + 1)):
            fixed = self._share_fixed(step)
            self._keep(fixed)
            tried = self._rounded(fixed).requires_grad_(True)
            with torch.enable_grad():
                loss = self._loss(tried, step)
            if fixed == 1:
                self._note(tried.detach(), float(loss.detach()), step)
            if step == self.steps or (self.best and self.best.loss <= enough):
                break
            (gradient,) = torch.autograd.grad(loss, tried)
            self._step(gradient, step, fixed)
        return self.best

    def _share_fixed(self, step: int) -> float:
        """The share of samples that are fixed at whole levels."""
        share = step / self.whole_from
        return 0.0 if share < FREE else min(1.0, (share - FREE) / (1 - FREE))

    def _keep(self, fixed: float) -> None:
        """Hold the norm, the box and the descriptors' margins: of what is still free."""
        excess = float(self.at.round().square().mean().sqrt()) / self.target - 1
        if fixed == 0:
            free = self.at / max(1e-6, 1 + excess)
        else:  # towards zero or from it by as much for all: scaling would leave the smallest where they are
            free = self.at - self.at.sign() * (self.target * excess * (FIRM if fixed == 1 else self.control))
        for one in self.marked:
            free = free + one.marks.nudge(free, one.bits, MARGIN)
        free = free.clamp(self.low, self.high)
        self.at = torch.where(self.turn < fixed, self.at, free) if fixed < 1 else free

    def _rounded(self, fixed: float) -> Tensor:
        whole = self.at.round()
        if fixed == 1:
            return self._trimmed(whole)
        return whole if fixed == 0 else torch.where(self.turn < fixed, whole, self.at)

    def _trimmed(self, whole: Tensor) -> Tensor:
        """Without what the norm has too much: samples that hardly reached their level go one towards zero."""
        excess = whole.square().sum() - self.target**2 * whole.numel()
        if excess <= 0:
            return whole
        reached = torch.where(whole == 0, torch.inf, self.at.abs() - whole.abs()).flatten()
        order = reached.topk(min(len(reached), int(excess) + 1), largest=False).indices  # each brings 1 or more
        less = (2 * whole.abs() - 1).flatten()[order].cumsum(0)
        moved = order[: int(torch.searchsorted(less, excess)) + 1]
        trimmed = whole.flatten().clone()
        trimmed[moved] -= trimmed[moved].sign()
        return trimmed.view(whole.shape)

    def _loss(self, tried: Tensor, step: int) -> Tensor:
        loss = torch.stack([g.loss(tried) for g in self.goals]).sum()
        if self.penalty is not None and step >= self.steps // 2:
            loss = loss + self.penalty(self.cover + tried)
        return loss

    def _note(self, tried: Tensor, loss: float, step: int) -> None:
        if (self.best is None or loss < self.best.loss) and all(m.right(tried) for m in self.marked):
            self.best = Found(tried, loss, step)

    def _step(self, gradient: Tensor, step: int, fixed: float) -> None:
        change = self.nesterov(gradient).mul_(self._rate(step))
        if 0 < fixed < 1:
            change[self.turn < fixed] = 0
        self.at = self.at - change

    def _rate(self, step: int) -> float:
        if step >= self.whole_from:
            left = 1 - (step - self.whole_from) / (self.steps - self.whole_from + 1)
            return self.target * POLISH_RATE * left
        return self.target * (RATE * 0.5 * (1 + math.cos(math.pi * step / self.whole_from)) + LAST_RATE)


def deviation(psnr: float) -> float:
    """dB -> root mean square error in grey levels."""
    return 255 * 10 ** (-psnr / 20)


def _drawn(random: np.random.Generator, shape: torch.Size) -> Tensor:
    return torch.from_numpy(random.standard_normal(tuple(shape), np.float32))
