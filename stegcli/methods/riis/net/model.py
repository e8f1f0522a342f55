"""Network: (host, secrets) <-> (stego, z) for every channel that it was made for.

    hide     couplings, then the linear optimum of the channel -> stego y (real numbers) and u, what y lacks
    reveal   CEM -> y;  z = 0 through CANP -> u;  the linear optimum and the couplings backwards -> secrets and host

Each of the paper's parts can be switched off: canp, cem, modulated (DGM), decoupled (2DT).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from stegcli.errors import UsageError
from stegcli.methods.riis.net import blocks
from stegcli.methods.riis.net.enhance import Enhancement
from stegcli.methods.riis.net.flow import Coupling, Projection
from stegcli.methods.riis.net.mixing import Mixing
from stegcli.methods.riis.net.surface import told
from stegcli.pictures import channel as channels
from stegcli.pictures.channel import Channel

PRIOR, MEMORY = 5, 500
"""Batches that the start of the running covariance counts as, and that it remembers at most."""


class Network(nn.Module):
    """channels: name of each channel that it is made for, and the weight of the host's squared error in it.

    secrets: pictures in one stego. depth: how many couplings. width, growth, layers: of their dense nets.
    """

    def __init__(
        self, channels: Mapping[str, float], secrets: int = 1, depth: int = 2, width: int = 32, growth: int = 16,
        layers: int = 2, canp: bool = True, cem: bool = True, modulated: bool = True, decoupled: bool = True,
    ):  # fmt: skip
        super().__init__()
        self.secrets = secrets
        self.seen = Seen()
        self.linear = nn.ModuleDict({_slot(n): Mixing(_parsed(n), w, secrets) for n, w in channels.items()})
        shape = (secrets, width, growth, layers, modulated)
        self.flow = nn.ModuleDict({"couplings": nn.ModuleList(Coupling(*shape) for _ in range(depth))})
        if canp:
            self.flow["canp"] = Projection(*shape)
        if cem:
            self.flow["cem"] = Enhancement(growth, 4, modulated)
        if decoupled:
            # What the receiver's couplings differ by from the sender's: zero until the second stage of training.
            self.apart = nn.ParameterList(torch.zeros_like(p) for p in self._couplings.parameters())

    @property
    def is_linear(self) -> bool:
        """Whether nothing but the linear optima is in it."""
        return not len(self._couplings) and len(self.flow) == 1

    @property
    def has_projection(self) -> bool:
        """Whether it has CANP."""
        return "canp" in self.flow

    @property
    def channels(self) -> list[Channel]:
        """The channels that it is made for."""
        return [_parsed(name.replace("_", ":")) for name in self.linear]

    def nearest(self, channel: Channel) -> Channel:
        """The channel that it is made for and that is used for `channel`: the mildest that is as harsh or harsher.

        Raises UsageError if there is none.
        """
        harsher = [c for c in self.channels if c.kind == channel.kind and c.harshness >= channel.harshness]
        if not harsher:
            known = ", ".join(map(str, self.channels))
            raise UsageError(f"these weights of the network are not made for {channel}", f"they are for {known}")
        return min(harsher, key=lambda c: c.harshness)

    def mixing(self, channel: Channel) -> Mixing:
        return cast(Mixing, self.linear[_slot(str(self.nearest(channel)))])

    def hide(self, host: Tensor, secrets: Tensor, channel: Channel) -> tuple[Tensor, Tensor]:
        """Coefficients (b, 192, h, w), (b, 192 secrets, h, w) -> y (b, 192, h, w) and u (b, 192 secrets, h, w)."""
        condition = told(channel, host.dtype, host.device)
        for coupling in self._couplings:
            secrets, host = coupling(secrets, host, condition)
        u, y = self.mixing(channel)(secrets, host)
        return y, u

    def reveal(self, y: Tensor, channel: Channel) -> tuple[Tensor, Tensor]:
        """What arrived, coefficients (b, 192, h, w) -> secrets (b, 192 secrets, h, w) and host."""
        condition = told(channel, y.dtype, y.device)
        if "cem" in self.flow:
            y = self.flow["cem"](y, condition)
        u = y.new_zeros(len(y), self.secrets * y.shape[1], *y.shape[2:])
        if self.has_projection:
            u = cast(Projection, self.flow["canp"]).inverse(u, y, self.mixing(channel).read(y), condition)
        secrets, host = self.mixing(channel).inverse(u, y)
        return self._backwards(secrets, host, condition)

    def z(self, u: Tensor, y: Tensor, channel: Channel) -> tuple[Tensor, Tensor]:
        """u and y -> z and log|det dz/du| per item. Without CANP z is u."""
        if not self.has_projection:
            return u, u.new_zeros(len(u))
        z, ladj = self.flow["canp"](u, y, self.mixing(channel).read(y), told(channel, y.dtype, y.device))
        return z, ladj

    @property
    def _couplings(self) -> nn.ModuleList:
        return cast(nn.ModuleList, self.flow["couplings"])

    def _backwards(self, secrets: Tensor, host: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        both = (secrets, host)
        apart = list(getattr(self, "apart", []))
        for coupling in reversed(self._couplings):
            own = dict(coupling.named_parameters())
            if apart:
                mine, apart = apart[-len(own) :], apart[: -len(own)]
                own = {n: p + d for (n, p), d in zip(own.items(), mine, strict=True)}
            both = functional_call(_Inverse(coupling), {f"of.{n}": p for n, p in own.items()}, (*both, condition))
        return both


class Seen(nn.Module):
    """The covariance of the coefficients of photos, as training has seen it so far, for the linear optima."""

    share: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        # In units of the spreads, so that numbers are near 1; before any photo, independent coefficients.
        self.register_buffer("share", torch.eye(blocks.COEFFICIENTS))
        self.register_buffer("count", torch.tensor(float(PRIOR)))

    def update(self, coefficients: Tensor) -> None:
        """Take another batch (b, 192, h, w) into the running mean, which forgets batches older than MEMORY."""
        rows = blocks.rows(coefficients.detach()) / blocks.spreads().to(coefficients)
        self.count.add_(1).clamp_(max=MEMORY)
        self.share.lerp_(rows.T @ rows / len(rows), 1 / float(self.count))

    def covariance(self) -> Tensor:
        """float64 (192, 192), grey levels squared."""
        spreads = blocks.spreads().to(self.share.device)
        return self.share.double() * spreads[:, None] * spreads


class _Inverse(nn.Module):
    """A coupling's inverse as a forward pass, so that it can run under other parameters."""

    def __init__(self, of: nn.Module):
        super().__init__()
        self.of = of

    def forward(self, secrets: Tensor, host: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        return cast(Coupling, self.of).inverse(secrets, host, condition)


def _slot(name: str) -> str:
    """The name of a channel -> its name among the parameters, which may hold no dot or colon."""
    return name.replace(":", "_")


def _parsed(name: str) -> Channel:
    return channels.parse(name)
