"""What the tests of riis's network share: small networks, nobody trained, and photos."""

from __future__ import annotations

from typing import Any

import torch
from riis_helpers import photo
from torch import Tensor, nn

from stegcli.methods.riis.net import blocks
from stegcli.methods.riis.net.model import Network
from stegcli.nn.tensors import to_levels

CHANNELS = {"png": 1.5, "jpeg:80": 4.0, "jpeg:60": 4.0, "noise:4": 4.0}
SMALL: dict[str, Any] = {"depth": 2, "width": 4, "growth": 4, "layers": 1}


def stirred(module: nn.Module, by: float = 0.05) -> nn.Module:
    """Every weight moved a little, so that everything that a net sees matters."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(by * torch.randn(parameter.shape, generator=generator))
    return module.requires_grad_(False).eval()


def network(**config: Any) -> Network:
    """The start of training: couplings do nothing, the linear part is the analytic start."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        built = Network(**({"channels": CHANNELS} | SMALL | config))
    return built.requires_grad_(False).eval()


def coefficients(name: str = "coffee", side: int = 64) -> Tensor:
    return blocks.forward(to_levels(photo(side, name)))
