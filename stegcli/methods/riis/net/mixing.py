"""The linear optimum for a channel as an invertible 1x1 convolution.

Of a block the receiver reads r = V y (`surface`), and takes C r for the secret. A sender who knows host h and secret s
then writes the y with the least  weight |y - h|^2 + |s - C V y|^2. That is a bijection of (h, s), two lifting steps:

    u = s - C V h           what the receiver lacks
    y = h + V+ K u          K = H^-1 C^T,  H = weight power I + C^T C

whose inverse with u = 0 is h = y, s = C V y. C alone is learnt, by the expected cost in closed form (`cost`), from the
covariances of photos: no gradient of a network is needed, and it takes minutes.

The paper starts its 1x1 convolutions at random. Rounding decides how good C can be: see `rounding`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from stegcli.methods.riis.net import blocks, rounding
from stegcli.methods.riis.net.surface import Surface, surface
from stegcli.pictures.channel import Channel

START = 96
"""Strongest coefficients of the secret that the start places into the weakest of the host."""
AMPLITUDE = 3.0
"""Standard deviation, in lattice steps, of what is read of the secret at the start. It grows with the root of steps and
noise: the host's error grows with its square."""


class Mixing(nn.Module):
    """(u, y) of one channel. secrets: how many pictures s holds. weight: of the host's squared error."""

    def __init__(self, channel: Channel, weight: float, secrets: int):
        super().__init__()
        self.surface, self.weight, self.secrets = surface(channel), weight, secrets
        self.gain = nn.Parameter(_start(self.surface, secrets))

    def matrix(self) -> Tensor:
        """C, float64 (192 secrets, m)."""
        return blocks.spreads().repeat(self.secrets)[:, None].to(self.gain.device) * self.gain.double()

    def form(self) -> Tensor:
        """H, float64 (m, m): the cost of an error in what is read."""
        c = self.matrix()
        return c.T @ c + self.weight * self.surface.power * torch.eye(c.shape[1], dtype=c.dtype, device=c.device)

    def forward(self, secret: Tensor, host: Tensor) -> tuple[Tensor, Tensor]:
        """(b, 192 secrets, h, w), (b, 192, h, w) -> u and y of the same shapes."""
        c, back = self._matrices()
        u = secret - blocks.apply(c, host)
        return u, host + blocks.apply(back, u)

    def inverse(self, u: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """-> secret and host."""
        c, back = self._matrices()
        host = y - blocks.apply(back, u)
        return u + blocks.apply(c, host), host

    def read(self, y: Tensor) -> Tensor:
        """C V y: what a receiver takes for the secret if nothing else is known."""
        return blocks.apply(self._matrices()[0], y)

    def _matrices(self) -> tuple[Tensor, Tensor]:
        """C V and V+ K."""
        c, device = self.matrix(), self.gain.device
        k = torch.linalg.solve(self.form(), c.T)
        return c @ self.surface.view.to(device), self.surface.lift.to(device) @ k

    def cost(self, covariance: Tensor) -> dict[str, Tensor]:
        """Covariance of the coefficients of photos, float64 (192, 192), -> expected cost per sample of the host.

        fit: of the best real y. lattice: what rounding adds. noise: what the channel adds.
        """
        c, form, found = self.matrix(), self.form(), self.surface
        view, lattice = found.view.to(c.device), found.lattice.to(c.device)
        secret = torch.kron(torch.eye(self.secrets).to(covariance), covariance)
        u = secret + c @ (view @ covariance @ view.T) @ c.T
        saved = torch.linalg.solve(form, c.T @ u @ c).trace()
        corners = rounding.triangle(lattice.T @ form @ lattice).diagonal()
        parts = {
            "fit": u.trace() - saved,
            "lattice": corners.square().sum() / 12,
            "noise": found.noise * c.square().sum(),
        }
        return {n: p / blocks.COEFFICIENTS for n, p in parts.items()}


def _start(found: Surface, secrets: int) -> Tensor:
    """The secret's strongest coefficients, turned at random into the host's weakest. float32 (192 secrets, m)."""
    host = (found.view @ torch.diag(blocks.spreads().square()) @ found.view.T).diagonal()
    strength = blocks.spreads().repeat(secrets)
    count = min(START, found.size * 3 // 4)
    weakest, strongest = host.argsort()[:count], strength.argsort(descending=True)[:count]
    turned = torch.linalg.qr(torch.randn(count, count, dtype=torch.float64))[0]
    gain = 1e-3 * torch.randn(len(strength), found.size, dtype=torch.float64)
    gain[strongest[:, None], weakest[None]] += turned / (AMPLITUDE * math.sqrt(found.grain))
    return gain.float()
