"""Affine couplings of secret and host, and the content-aware noise projection (CANP).

Reference: RIIS, Eq. 1 and 4. Coefficients differ in size by a factor of a thousand. So nets see each divided by its
spread, a log-scale is divided by the spread, so that its unit moves a coefficient by about one grey level, and the unit
of a shift is the channel's (`surface.condition`): what can be mended grows with what a channel spoils.
"""

from __future__ import annotations

import functools
from typing import cast

import torch
from torch import Tensor, nn

from stegcli.methods.riis.net import blocks
from stegcli.methods.riis.net.modulation import DenseNet
from stegcli.nn.flow import bounded

SIGNAL = 2.0
"""Grey levels that a hidden secret moves a coefficient by; the spreads of a stego are at least this."""


def host_spreads(like: Tensor) -> Tensor:
    return _spreads(0, like.dtype, like.device)


def secret_spreads(like: Tensor, secrets: int) -> Tensor:
    return _spreads(secrets, like.dtype, like.device)


@functools.lru_cache(maxsize=16)
def _spreads(secrets: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Of so many secrets, or of the host if there is none; kept on the device."""
    with torch.inference_mode(False):
        own = blocks.spreads()
        found = own.clamp(min=1.0).repeat(secrets) if secrets else own.square().add(SIGNAL**2).sqrt()
        return found.to(device, dtype)[:, None, None]


def unit_of(condition: Tensor) -> Tensor:
    return condition[-1].exp()


class Coupling(nn.Module):
    """(secret, host) <-> (secret', host'), coefficients (b, 192 secrets, h, w) and (b, 192, h, w).

    secret' = exp(phi_sc(host)) secret + phi_bi(host)
    host'   = exp(psi_sc(secret')) host + psi_bi(secret')
    """

    def __init__(self, secrets: int, width: int, growth: int, depth: int, modulated: bool):
        super().__init__()
        self.secrets, count = secrets, blocks.COEFFICIENTS
        self.phi = DenseNet(count, 2 * count * secrets, width, growth, depth, modulated)
        self.psi = DenseNet(count * secrets, 2 * count, width, growth, depth, modulated)

    def forward(self, secret: Tensor, host: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        scale, shift = self._for_secret(host, condition)
        secret = secret * scale.exp() + shift
        scale, shift = self._for_host(secret, condition)
        return secret, host * scale.exp() + shift

    def inverse(self, secret: Tensor, host: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        scale, shift = self._for_host(secret, condition)
        host = (host - shift) * (-scale).exp()
        scale, shift = self._for_secret(host, condition)
        return (secret - shift) * (-scale).exp(), host

    def _for_secret(self, host: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = self.phi(host / host_spreads(host), condition).chunk(2, dim=1)
        return bounded(raw) / secret_spreads(raw, self.secrets), shift * unit_of(condition)

    def _for_host(self, secret: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = self.psi(secret / secret_spreads(secret, self.secrets), condition).chunk(2, dim=1)
        return bounded(raw) / host_spreads(raw), shift * unit_of(condition)


class Projection(nn.Module):
    """CANP: u <-> z given the stego, for u (b, 192 secrets, h, w) what the stego lacks of the secret.

    Two conditional couplings of the halves of u, Eq. 4. G is a 1x1 convolution of the stego and of what is read of it:
    the linear optimum sees single blocks, and here a block's neighbours are seen. The receiver takes z = 0, the mean,
    and not a sample: a sample would add its own error.
    """

    def __init__(self, secrets: int, width: int, growth: int, depth: int, modulated: bool):
        super().__init__()
        self.secrets, self.part = secrets, blocks.COEFFICIENTS * secrets // 2
        self.features = nn.Conv2d(blocks.COEFFICIENTS * (1 + secrets), width, 1)
        self.phi = DenseNet(self.part + width, 2 * self.part, width, growth, depth, modulated)
        self.psi = DenseNet(self.part + width, 2 * self.part, width, growth, depth, modulated)

    def forward(self, u: Tensor, stego: Tensor, read: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """u, the stego (b, 192, h, w) and what is read of it (b, 192 secrets, h, w) -> z in units of its spread, and
        log|det dz/du| per item."""
        spread, seen = secret_spreads(u, self.secrets), self._content(stego, read)
        a, b = (u / spread).chunk(2, dim=1)
        units_a, units_b = spread.chunk(2)
        s, t = self._pair(self.phi, b, seen, condition, units_a)
        a = a * s.exp() + t
        v, w = self._pair(self.psi, a, seen, condition, units_b)
        return torch.cat([a, b * v.exp() + w], dim=1), s.flatten(1).sum(1) + v.flatten(1).sum(1)

    def inverse(self, z: Tensor, stego: Tensor, read: Tensor, condition: Tensor) -> Tensor:
        spread, seen = secret_spreads(z, self.secrets), self._content(stego, read)
        a, b = z.chunk(2, dim=1)
        units_a, units_b = spread.chunk(2)
        v, w = self._pair(self.psi, a, seen, condition, units_b)
        b = (b - w) * (-v).exp()
        s, t = self._pair(self.phi, b, seen, condition, units_a)
        return torch.cat([(a - t) * (-s).exp(), b], dim=1) * spread

    def _content(self, stego: Tensor, read: Tensor) -> Tensor:
        parts = [stego / host_spreads(stego), read / secret_spreads(read, self.secrets)]
        return cast(Tensor, self.features(torch.cat(parts, dim=1)))

    def _pair(self, net: DenseNet, x: Tensor, seen: Tensor, condition: Tensor, units: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = net(torch.cat([x, seen], dim=1), condition).chunk(2, dim=1)
        return bounded(raw), shift * unit_of(condition) / units
