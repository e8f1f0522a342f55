"""The paper's own search, to be measured against: norms in the loss, a tanh for the box, rounding at the end.

Reference: Cs-FNNS (Li et al., 2024), Eq. 3 to 6, 10 and section 4.1: Adam, 1,500 steps at 10^-1.25, halved every 500;
epsilon 0.2. The weights of the loss's terms, 1 and 0.5, are those of the authors' code. Steganalysis networks take no
part. Where z starts is not told: here at normal noise of 0.1, for at 0 the instance norms have nothing to norm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from stegcli.methods.cs_fnns.search import MARGIN, Found, Goal, Marked

RATE, HALVED_EVERY = 10**-1.25, 500
EPSILON = 0.2
BETA = 0.5
START = 0.1


def search_paper(
    goals: Sequence[Goal], marked: Sequence[Marked], cover: Tensor, steps: int, random: np.random.Generator
) -> Found | None:
    """As `search.search`, but for the stego's PSNR, which is what comes out of Eq. 6: about 42 dB."""
    low = (-cover / 255).clamp(min=-EPSILON)
    high = (1 - cover / 255).clamp(max=EPSILON)
    start = torch.from_numpy(random.standard_normal(tuple(cover.shape), np.float32)) * START
    with torch.enable_grad():
        z = start.requires_grad_(True)
        adam = torch.optim.Adam([z], lr=RATE)
        rates = torch.optim.lr_scheduler.StepLR(adam, HALVED_EVERY, gamma=0.5)
        for _ in range(steps):
            adam.zero_grad()
            delta = _boxed(z, low, high)
            errors = torch.stack([g.loss(255 * delta) for g in goals]).sum()
            (delta.square().mean() + BETA * errors).backward()  # type: ignore[no-untyped-call]
            adam.step()
            rates.step()
    return _rounded(255 * _boxed(z.detach(), low, high), goals, marked, cover, steps)


def _boxed(z: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Eq. 5."""
    return low + (high - low) * (torch.tanh(z) + 1) / 2


def _rounded(delta: Tensor, goals: Sequence[Goal], marked: Sequence[Marked], cover: Tensor, steps: int) -> Found | None:
    for one in marked:
        delta = delta + one.marks.nudge(delta, one.bits, MARGIN)
    whole = torch.minimum(torch.maximum(delta.round(), -cover), 255 - cover)
    if not all(m.right(whole) for m in marked):
        return None
    return Found(whole, float(torch.stack([g.loss(whole) for g in goals]).sum()), steps)
