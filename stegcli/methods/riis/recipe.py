"""How the network is trained: the linear optima, then the couplings, then the receiver's couplings apart (2DT).

Pictures of a batch are hidden in one another, rounded as the sender rounds, sent through the real channel, and
revealed; gradients pass all that as if it were nothing (straight-through). Loss = weight |stego - host|^2
+ |revealed - secret|^2 + a little for the distribution of z, per sample. The paper's Eq. 8 adds the same error in the
Fourier domain, which is the same number again (Parseval), and its CEM loss is left out: CEM learns what reveals best.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from stegcli.method import Method
from stegcli.methods.riis.net import blocks
from stegcli.methods.riis.net.model import Network
from stegcli.methods.riis.net.sender import made, sent, shrunk, written
from stegcli.pictures.channel import Channel
from stegcli.pictures.metrics import psnr_of_mse
from stegcli.recipe import Recipe, Stage, Step

CHANNELS = {"png": 1.5, "jpeg:90": 4.0, "jpeg:80": 4.0, "jpeg:40": 4.0, "noise:10": 4.0}
"""Channels of the shipped network, and the weight of the host's squared error in each."""
Z_WEIGHT = 0.01
PLAIN = 2
"""Shares of the steps for the first channel, the file as it is, beyond the one that every channel has."""


def linear_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
    """Photos (b, 3, h, w) -> the log of the expected cost of each channel's linear optimum."""
    network = network_of(method)
    network.seen.update(blocks.forward(images * 255))
    covariance, found = network.seen.covariance(), {}
    for channel in network.channels:
        parts = network.mixing(channel).cost(covariance)
        found[str(channel)] = torch.stack(list(parts.values())).sum().log()
    return found


def hide_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
    """Photos (b, 3, h, w) -> errors of host and secrets in one channel, drawn anew for each step."""
    network = network_of(method)
    chosen, rng = network.channels, step.noise.generators[0]
    pick = rng.integers(len(chosen) + PLAIN)
    channel = chosen[0 if pick >= len(chosen) else pick]

    def passed(y: Tensor) -> tuple[Tensor, Tensor]:
        levels = written(y, channel, network.mixing(channel))
        return blocks.forward(levels), sent(levels, channel, rng)

    return terms_of(network, images, channel, passed)


def terms_of(
    network: Network, images: Tensor, channel: Channel, passed: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> dict[str, Tensor]:
    """Photos (b, 3, h, w) -> errors of host and secrets. passed: coefficients of a stego -> those of the stego in whole
    samples, and of what arrives."""
    host, secrets = _pairs(images, network.secrets)
    mixing = network.mixing(channel)
    y, u = network.hide(blocks.forward(shrunk(images * 255, channel)), secrets, channel)
    with torch.no_grad():
        stego, arrived = passed(y)
    revealed, _ = network.reveal(y + (arrived - y).detach(), channel)
    host_error = (y + (stego - y).detach() - host).square().mean()
    secret_error = (revealed - secrets).square().mean()
    scale = mixing.weight * host_error.detach() + secret_error.detach()
    terms = {"host": mixing.weight * host_error / scale, "secret": secret_error / scale}
    if network.has_projection:  # without it z would be u, and its size would drown all else
        z, ladj = network.z(u, y, channel)
        terms["z"] = Z_WEIGHT * (z.square().mean() / 2 - ladj.mean() / z[0].numel())
    return terms | {f"_host_{channel}": host_error.detach(), f"_secret_{channel}": secret_error.detach()}


def _pairs(images: Tensor, secrets: int) -> tuple[Tensor, Tensor]:
    """Photos -> coefficients of each as host, and of those that follow it in the batch as its secrets."""
    host = blocks.forward(images * 255)
    return host, torch.cat([host.roll(-i - 1, 0) for i in range(secrets)], dim=1)


def validate(method: Method, images: Tensor) -> dict[str, float]:
    """Unseen photos, each hidden in the one before -> dB of stego and secret, mean and worst, for each channel."""
    network = network_of(method)
    found: dict[str, float] = {}
    for channel in network.channels:
        stegos, revealed = [], []
        for i in range(0, len(images), 4):
            stego, secret = qualities(network, images[i : i + 4], channel)
            stegos += stego
            revealed += secret
        found |= {f"{channel} stego": float(np.mean(stegos)), f"{channel} secret": float(np.mean(revealed))}
        found[f"{channel} worst"] = min(revealed)
    return found


def qualities(network: Network, images: Tensor, channel: Channel) -> tuple[list[float], list[float]]:
    """Photos, each hidden in the one before -> dB of stego and secret for each, through the real channel."""
    host, secrets = _pairs(images, network.secrets)
    levels = made(network, images * 255, secrets, channel, steps=0)
    back, _ = network.reveal(sent(levels, channel, np.random.default_rng(0)), channel)
    stego = (blocks.forward(levels) - host).square().flatten(1).mean(1)
    count = blocks.COEFFICIENTS
    pixels = [blocks.inverse(back[:, i : i + count]).round().clamp(0, 255) for i in range(0, back.shape[1], count)]
    truth = [blocks.inverse(secrets[:, i : i + count]) for i in range(0, back.shape[1], count)]
    errors = (torch.cat(pixels, 1) - torch.cat(truth, 1)).square().flatten(1).mean(1)
    return [psnr_of_mse(float(e)) for e in stego], [psnr_of_mse(float(e)) for e in errors]


def sample(method: Method, images: Tensor) -> Tensor:
    """Photos -> rows of cover, stego and what it reveals."""
    network, channel = network_of(method), network_of(method).channels[0]
    images = images[:4]
    _, secrets = _pairs(images, network.secrets)
    levels = made(network, images * 255, secrets, channel, steps=0)
    back, _ = network.reveal(blocks.forward(levels), channel)
    revealed = blocks.inverse(back[:, : blocks.COEFFICIENTS]).clamp(0, 255)
    return torch.stack([images, levels / 255, revealed / 255], dim=1).flatten(0, 1)


def network_of(method: Method) -> Network:
    return cast(Network, cast(nn.ModuleDict, method.networks)["network"])


LINEAR = Stage("linear", linear_loss, 800, lr=0.02, batch=4, crop=128, clip=math.inf, trains="network.linear")
"""C has no use for a clipped gradient: its loss is a logarithm."""
PAIR = replace(LINEAR, steps=1_000, lr=0.003)
"""At the rate of one secret the C of two is thrown far off at first, and does not come back."""
COUPLINGS = Stage("couplings", hide_loss, 3_000, lr=1e-3, batch=8, crop=128, trains="network.flow")
APART = Stage("apart", hide_loss, 1_500, lr=5e-4, batch=8, crop=128, trains="network.apart")


ALONE: dict[str, Any] = {"depth": 0, "canp": False, "cem": False, "modulated": False, "decoupled": False}
"""The linear optima without any network."""


def _recipe(*stages: Stage, **network: Any) -> Recipe:
    config: dict[str, object] = {"form": "network", "network": {"channels": CHANNELS} | network}
    return Recipe(config, stages, validate, sample, ema=0.995, pictures=8, side=128)


RECIPES = {
    "network": _recipe(LINEAR, COUPLINGS, APART),
    "network/linear": _recipe(LINEAR),
    "network/flow": _recipe(COUPLINGS, APART),
    "network/pair": _recipe(PAIR, secrets=2, **ALONE),
}
SMALL: dict[str, Any] = {"depth": 1, "width": 4, "growth": 4, "layers": 1}
TINY: list[dict[str, Any]] = [
    {"form": "network", "network": {"channels": {"png": 1.5, "jpeg:90": 3.0}, **SMALL}},
    {
        "form": "network",
        "network": {
            "channels": {"png": 1.5, "noise:10": 3.0}, "secrets": 2, "canp": False, "cem": False, "modulated": False,
            "decoupled": False, **SMALL,
        },
    },
]  # fmt: skip
"""Configurations that build and run in milliseconds, for the contract tests."""
