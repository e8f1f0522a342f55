"""The interface of flows, and the steps that they are built from."""

from __future__ import annotations

import abc
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

BOUND = 1.5
"""Log-scales of couplings lie in (-BOUND, BOUND), so that a flow stays finite on inputs unlike its training data."""


def bounded(raw: Tensor, bound: float = BOUND) -> Tensor:
    """Any real number -> (-bound, bound), the identity near 0."""
    return bound * torch.tanh(raw / bound)


def _pair(both: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Stacked output of a net -> its halves, in the precision of `like`: nets may be trained in lower precision."""
    first, second = both.to(like.dtype).chunk(2, dim=1)
    return first, second


class Flow(nn.Module, abc.ABC):
    """A bijection x <-> z given c.

    `forward` maps x to z and returns log|det dz/dx| per item; `inverse` maps z back to x.
    """

    @abc.abstractmethod
    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]: ...

    @abc.abstractmethod
    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor: ...


class PairCoupling(Flow):
    """(a, m) <-> (a', m'): a' = a + phi(m), m' = m exp(rho(a')) + eta(a').

    `inputs` channels of a and the message channels m travel as one tensor, a first. `net_a` maps m to phi; `net_m`
    maps a' to rho and eta, stacked. rho is bounded to (-clamp, clamp) by clamp * tanh(rho / clamp).

    Reference: HiNet (Jing et al., 2021), Eq. 1; lossless INN (Liu, Tang, Zheng, 2022), Eq. 1 to 4. There rho and
    eta are two networks; here they share one, which saves a third of the time.
    """

    def __init__(self, net_a: nn.Module, net_m: nn.Module, inputs: int, clamp: float = 1.5):
        super().__init__()
        self.net_a, self.net_m, self.inputs, self.clamp = net_a, net_m, inputs, clamp

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        a, m = x[:, : self.inputs], x[:, self.inputs :]
        a = a + self.net_a(m)
        rho, eta = self._scale_and_shift(a)
        return torch.cat([a, m * rho.exp() + eta], dim=1), rho.flatten(1).sum(1)

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        a, m = z[:, : self.inputs], z[:, self.inputs :]
        rho, eta = self._scale_and_shift(a)
        m = (m - eta) * (-rho).exp()
        return torch.cat([a - self.net_a(m), m], dim=1)

    def _scale_and_shift(self, a: Tensor) -> tuple[Tensor, Tensor]:
        rho, eta = self.net_m(a).chunk(2, dim=1)
        return bounded(rho, self.clamp), eta


class Chain(Flow):
    """Flows one after the other, all given the same c."""

    def __init__(self, flows: Iterable[Flow]):
        super().__init__()
        self.flows = nn.ModuleList(flows)

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        ladj = x.new_zeros(x.shape[0])
        for flow in self.flows:
            x, step = flow(x, c)
            ladj = ladj + step
        return x, ladj

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        for flow in reversed(self.flows):
            z = cast(Flow, flow).inverse(z, c)
        return z


class ActNorm(Flow):
    """x -> (x - shift) exp(-log_scale), one shift and scale per channel.

    Reference: Glow (Kingma, Dhariwal, 2018), section 3.1. There the first batch sets both; here they start at a given
    scale and are learnt, so that all training processes start with the same values.
    """

    def __init__(self, channels: int, log_scale: float = 0.0):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.log_scale = nn.Parameter(torch.full((channels, 1, 1), log_scale))

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        ladj = -self.log_scale.sum() * (x.shape[2] * x.shape[3])
        return (x - self.shift) * (-self.log_scale).exp(), ladj.expand(x.shape[0])

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return z * self.log_scale.exp() + self.shift


class Rotation(Flow):
    """x -> W x at each position, W = exp(A - A^T) orthogonal: its inverse is its transpose, its log-determinant 0.

    Reference: Glow, section 3.2, whose W is any invertible matrix.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.generator = nn.Parameter(torch.randn(channels, channels))

    def _matrix(self) -> Tensor:
        return cast(Tensor, torch.linalg.matrix_exp(self.generator - self.generator.T))

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            return torch.einsum("ij,bjhw->bihw", self._matrix(), x), x.new_zeros(x.shape[0])

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return torch.einsum("ji,bjhw->bihw", self._matrix(), z)


class AffineCoupling(Flow):
    """(a, b) -> (a, b exp(s) + t), where `net` maps (a, c) to s and t, stacked; s lies in (-bound, bound).

    a is the smaller half of the channels. Reference: Real NVP (Dinh et al., 2017), Eq. 7 and 8.
    """

    def __init__(self, channels: int, net: nn.Module, bound: float = BOUND):
        super().__init__()
        self.kept, self.net, self.bound = channels // 2, net, bound

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        a, b = x[:, : self.kept], x[:, self.kept :]
        log_scale, shift = self._scale_and_shift(a, c)
        return torch.cat([a, b * log_scale.exp() + shift], dim=1), log_scale.flatten(1).sum(1)

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        a, b = z[:, : self.kept], z[:, self.kept :]
        log_scale, shift = self._scale_and_shift(a, c)
        return torch.cat([a, (b - shift) * (-log_scale).exp()], dim=1)

    def _scale_and_shift(self, a: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        raw, shift = _pair(self.net(a if c is None else torch.cat([a, c], dim=1)), a)
        return bounded(raw, self.bound), shift


class ContextAffine(Flow):
    """x -> x exp(s) + t, where `net` computes s and t from c alone."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        raw, shift = _pair(self.net(c), x)
        log_scale = bounded(raw)
        return x * log_scale.exp() + shift, log_scale.flatten(1).sum(1)

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        raw, shift = self.net(c).chunk(2, dim=1)
        return cast(Tensor, (z - shift) * (-bounded(raw)).exp())


class ContextNorm(Flow):
    """x -> (x - t) exp(-s), where `net` maps c to the bounded log-spread s and the mean t, stacked."""

    def __init__(self, net: nn.Module, bound: float = 3.0):
        super().__init__()
        self.net, self.bound = net, bound

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        log_spread, mean = self._moments(c, x)
        return (x - mean) * (-log_spread).exp(), -log_spread.flatten(1).sum(1)

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        log_spread, mean = self._moments(c, z)
        return z * log_spread.exp() + mean

    def _moments(self, c: Tensor | None, like: Tensor) -> tuple[Tensor, Tensor]:
        raw, mean = _pair(self.net(c), like)
        return bounded(raw, self.bound), mean
