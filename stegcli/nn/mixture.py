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
HALVINGS = {torch.float32: 30, torch.float64: 60}


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
        """z (...) -> x (...), by bisection."""
        log_p, log_q = torch.special.log_ndtr(z), torch.special.log_ndtr(-z)
        # x for each component alone; the x of the mixture lies between the outermost two.
        alone = self.means + self.log_scales.exp() * (log_p - log_q)
        low, high = alone.amin(0), alone.amax(0)
        weights, inverse_scales = self.log_weights.exp(), (-self.log_scales).exp()
        p, q = log_p.exp(), log_q.exp()
        for _ in range(HALVINGS[z.dtype]):
            middle = (low + high) / 2
            a = (middle - self.means) * inverse_scales
            below, above = (weights * torch.sigmoid(a)).sum(0), (weights * torch.sigmoid(-a)).sum(0)
            beyond = below * q > above * p  # uses both tails: near 1, p alone would lose precision
            low, high = torch.where(beyond, low, middle), torch.where(beyond, middle, high)
        found: Tensor = (low + high) / 2
        return found


def _normal(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Logarithms of p and 1 - p -> the p-quantile of N(0, 1), precise in both tails."""
    p = log_p.clamp(min=-FURTHEST).exp()
    q = log_q.clamp(min=-FURTHEST).exp()
    lower = torch.special.ndtri(torch.minimum(p, torch.full_like(p, 0.5)))
    upper = -torch.special.ndtri(torch.minimum(q, torch.full_like(q, 0.5)))
    return torch.where(log_p < log_q, lower, upper)
