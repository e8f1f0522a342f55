"""Numbers <-> normal numbers, by the distribution function of a mixture of logistic distributions for each number.

    z = Phi^-1(F(x)),   F(x) = sum_k w_k sigmoid((x - m_k) / s_k)

The distribution of a coefficient given its surroundings often has a narrow peak and wide tails, unlike any normal
distribution. log|dz/dx| = log F'(x) - log phi(z).

Reference: Flow++ (Ho, Chen, Srinivas, Duan, Abbeel, 2019), section 3.2, whose couplings also apply an affine map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

FURTHEST = 80.0
"""Natural logarithms of probabilities are clipped at minus this; float32 ends a little beyond."""
TURNS = {torch.float32: (1e-5, 30), torch.float64: (1e-13, 60)}
"""Precision -> the relative change of x at which the inverse ends, and the most turns it takes. 8 to 22 are usual."""


@dataclass(frozen=True)
class Mixture:
    """log_weights, means, log_scales: (k, ...) each; the weights of a number's components add up to 1."""

    log_weights: Tensor
    means: Tensor
    log_scales: Tensor

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (...) -> z (...) and log|dz/dx| (...)."""
        a = (x - self.means) * (-self.log_scales).exp()
        below, above = F.logsigmoid(a), F.logsigmoid(-a)
        density = torch.logsumexp(self.log_weights + below + above - self.log_scales, 0)
        z = _normal(torch.logsumexp(self.log_weights + below, 0), torch.logsumexp(self.log_weights + above, 0))
        return z, density + 0.5 * z.square() + 0.5 * math.log(2 * math.pi)

    def inverse(self, z: Tensor) -> Tensor:
        """z (...) -> x (...). Derivatives are those of the exact inverse: dx = (dz - dF) / F' at the x found."""
        with torch.no_grad():
            x = self._search(z)
        if not torch.is_grad_enabled():
            return x
        found, ladj = self.forward(x)
        return x - (found - z) * (-ladj).exp().detach()

    def _search(self, z: Tensor) -> Tensor:
        """The inverse by Newton's steps for the logit of F, and by halves wherever these gain too little."""
        tiny, most = TURNS[z.dtype]
        wanted = torch.special.log_ndtr(z) - torch.special.log_ndtr(-z)
        # x for each component alone; the x of the mixture lies between the outermost two.
        alone = self.means + self.log_scales.exp() * wanted
        low, high = alone.amin(0), alone.amax(0)
        weights, inverse_scales = self.log_weights.exp(), (-self.log_scales).exp()
        x: Tensor = (low + high) / 2
        missed_before = torch.full_like(z, torch.inf)
        for _ in range(most):
            a = (x - self.means) * inverse_scales
            below, above = torch.sigmoid(a), torch.sigmoid(-a)  # both tails: near 1, F alone would lose precision
            p, q = (weights * below).sum(0), (weights * above).sum(0)
            off = (p / q).log() - wanted
            low, high = torch.where(off < 0, x, low), torch.where(off < 0, high, x)
            step = x - off * p * q / (weights * inverse_scales * below * above).sum(0)
            missed = off.abs()
            good = (step >= low) & (step <= high) & ((missed < missed_before / 2) | (missed < tiny))
            before, x, missed_before = x, torch.where(good, step, (low + high) / 2), missed
            if ((x - before).abs() <= tiny * (1 + x.abs())).all():
                break
        return x


def _normal(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Logarithms of p and 1 - p -> the p-quantile of N(0, 1), precise in both tails."""
    p = log_p.clamp(min=-FURTHEST).exp()
    q = log_q.clamp(min=-FURTHEST).exp()
    lower = torch.special.ndtri(torch.minimum(p, torch.full_like(p, 0.5)))
    upper = -torch.special.ndtri(torch.minimum(q, torch.full_like(q, 0.5)))
    return torch.where(log_p < log_q, lower, upper)
