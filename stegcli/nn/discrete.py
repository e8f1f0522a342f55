"""Mixtures of logistic distributions over whole numbers, cut to an interval.

    F(c) = share of the mass of [low - 1/2, high + 1/2] that lies at or below c + 1/2,   c = low, ..., high

A small share of the uniform distribution keeps every number possible. Means are clipped into the interval, so that the
mass inside it is never close to zero.

References: PixelCNN++ (Salimans, Karpathy, Chen, Kingma, 2017), section 2.1, for discretised logistic mixtures. There
the outermost numbers take all mass beyond them; here it is cut, since each number has its own interval and no mass
gathers at its ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

TOUCH = 1e-6
"""Weight of the uniform distribution; the mixture's mass is at most 1."""
LEAST_WIDTH = 1e-4
"""Least width of a cell, in units of the scale, that is used for its likelihood."""


@dataclass(frozen=True)
class DiscreteMixture:
    """log_weights, means, log_scales: (k, ...) each; low, high: whole numbers (...), low <= high.

    Numbers far from 0 lose the last digits of float32: give all numbers relative to a number near them.
    """

    log_weights: Tensor
    means: Tensor
    log_scales: Tensor
    low: Tensor
    high: Tensor

    def log_likelihood(self, x: Tensor) -> Tensor:
        """Whole numbers (...) in [low, high] -> nats (...). For training: without the uniform share."""
        means = self._inside(self.means)
        inverse = (-self.log_scales).exp()
        above, below = (x + 0.5 - means) * inverse, (x - 0.5 - means) * inverse
        width = (above - below).clamp(min=LEAST_WIDTH)
        cell = F.logsigmoid(above) + F.logsigmoid(-below) + torch.log1p(-torch.exp(-width))
        ends = torch.sigmoid((self.high + 0.5 - means) * inverse) - torch.sigmoid((self.low - 0.5 - means) * inverse)
        mass = (self.log_weights.exp() * ends).sum(0).clamp(min=TOUCH)
        return torch.logsumexp(self.log_weights + cell, 0) - mass.log()

    def double(self) -> DiscreteMixture:
        """The same in float64."""
        parts = (self.log_weights, self.means, self.log_scales, self.low, self.high)
        return DiscreteMixture(*(p.double() for p in parts))

    def cells(self, x: Tensor, before: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Whole numbers (...) -> the cell [F(x - 1), F(x)) of each. before: replaces x - 1."""
        share = self._shares()
        before = x - 1 if before is None else before
        return torch.where(before < self.low, torch.zeros_like(x), share(before)), share(x)

    def quantile(self, u: Tensor) -> Tensor:
        """Numbers u in [0, 1) -> the whole number x with u in [F(x - 1), F(x)), by halving the interval."""
        share = self._shares()
        low, high = self.low.clone(), self.high.clone()
        for _ in range(int((high - low).max().item() + 1).bit_length()):
            middle = torch.floor((low + high) / 2)
            enough = share(middle) > u
            low, high = torch.where(enough, low, torch.minimum(middle + 1, high)), torch.where(enough, middle, high)
        return low

    def _inside(self, means: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(means, self.low), self.high)

    def _shares(self) -> _Shares:
        means, inverse, weights = self._inside(self.means), (-self.log_scales).exp(), self.log_weights.exp()
        return _Shares(weights, means, inverse, self.low, self.high)


class _Shares:
    """Whole numbers -> F. Terms that do not depend on the numbers are computed once."""

    def __init__(self, weights: Tensor, means: Tensor, inverse: Tensor, low: Tensor, high: Tensor):
        self.weights, self.means, self.inverse, self.low = weights, means, inverse, low
        self.start = self._mass(low - 0.5)
        self.whole = self._mass(high + 0.5) - self.start + TOUCH
        self.touch = TOUCH / (high - low + 1)

    def __call__(self, x: Tensor) -> Tensor:
        found = (self._mass(x + 0.5) - self.start + self.touch * (x - self.low + 1)) / self.whole
        return found.clamp(0, 1)

    def _mass(self, x: Tensor) -> Tensor:
        return (self.weights * torch.sigmoid((x - self.means) * self.inverse)).sum(0)
