"""What a flow is, and the coupling that the INN methods share."""

from __future__ import annotations

import abc

import torch
from torch import Tensor, nn


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
        return self.clamp * torch.tanh(rho / self.clamp), eta
