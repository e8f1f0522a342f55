"""How the blind networks are trained.

Loss = softplus(-log-odds of the right bit) + weight * mean squared change in grey levels, both from the rounded stego.
(The paper sums squared errors of message and picture, 10 to 1, before rounding.) The weight of the change starts low:
pressed from the first step, the network never learns to write at all. And the rate is low once the weight is high: a
network that reads single grey levels is easily thrown off.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli.method import Method
from stegcli.methods.lossless_inn import recipe_density
from stegcli.methods.lossless_inn.network import NetworkCoder
from stegcli.nn.tensors import quantise
from stegcli.pictures.metrics import psnr_of_mse
from stegcli.recipe import Noise, Recipe, Stage, Step


def hide_loss(method: Method, images: Tensor, step: Step, weight: tuple[float, float]) -> dict[str, Tensor]:
    """Images (b, 3, h, w) -> the terms `bits` and `change`, and for the log the share of wrong bits and the PSNR."""
    net = cast(NetworkCoder, method).net
    message = step.noise.bits(net.message, *images.shape[2:], device=images.device)
    stego = quantise(net.embed(images * 255, message)[0] / 255)
    log_odds = net.read(stego * 255) * message
    squared = ((stego - images) * 255).square().mean()
    first, last = weight
    rise = min(1.0, max(0.0, step.progress - 0.1) / 0.5)
    return {
        "bits": F.softplus(-log_odds).mean(),
        "change": (first + (last - first) * rise) * squared,
        "_wrong": (log_odds <= 0).float().mean(),
        "_mse": squared.detach(),
    }


def validate(method: Method, images: Tensor) -> dict[str, float]:
    """Unseen crops -> share of wrong bits before mending and code, and PSNR of the rounded stego."""
    net = cast(NetworkCoder, method).net
    noise = Noise.of(1, 0, range(len(images)))
    wrong, squared = [], []
    for i in range(len(images)):
        levels = images[i : i + 1] * 255
        message = Noise((noise.generators[i],)).bits(net.message, *levels.shape[2:], device=levels.device)
        stego = net.embed(levels, message)[0].round().clamp(0, 255)
        wrong.append((net.read(stego) * message <= 0).float().mean().item())
        squared.append((stego - levels).square().mean().item())
    psnr = float(np.mean([psnr_of_mse(s) for s in squared]))
    return {"wrong_bits": float(np.mean(wrong)), "worst_wrong_bits": max(wrong), "psnr": psnr}


def sample(method: Method, images: Tensor) -> Tensor:
    """Covers -> rows of cover, stego and residual x10."""
    net = cast(NetworkCoder, method).net
    covers = images[:4]
    message = Noise.of(1, 0, range(len(covers))).bits(net.message, *covers.shape[2:], device=covers.device)
    stegos = net.embed(covers * 255, message)[0].round().clamp(0, 255) / 255
    residual = ((stegos - covers) * 10 + 0.5).clamp(0, 1)
    return torch.stack([covers, stegos, residual], dim=1).flatten(0, 1)


def _stage(name: str, steps: int, lr: float, clip: float, weight: tuple[float, float]) -> Stage:
    """weight: of the change, at the start and from three fifths on."""

    def loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
        return hide_loss(method, images, step, weight)

    return Stage(name, loss, steps, lr, batch=4, crop=64, clip=clip)


def _recipe(message: int, growth: int, weakest_code: int, headroom: int, stages: tuple[Stage, ...]) -> Recipe:
    config: dict[str, object] = {
        "coder": "network", "message": message, "weakest_code": weakest_code, "headroom": headroom,
        "blocks": 4, "growth": growth, "depth": 5, "periods": [4, 8, 16],
    }  # fmt: skip
    return Recipe(config, stages, validate, sample)


RECIPES = {
    "1bpp": _recipe(
        message=1,
        growth=12,
        weakest_code=3,
        headroom=0,
        stages=(
            _stage("write", 2_000, lr=1e-3, clip=10.0, weight=(0.005, 0.05)),
            _stage("refine", 6_000, lr=2e-4, clip=1.0, weight=(0.05, 0.12)),
        ),
    ),
    "3bpp": _recipe(
        message=3,
        growth=16,
        weakest_code=4,
        headroom=4,
        stages=(_stage("write", 8_000, lr=1e-3, clip=10.0, weight=(0.0005, 0.01)),),
    ),
    "density": recipe_density.RECIPE,
}

TINY: list[dict[str, Any]] = [
    {"coder": "network", "message": 1, "blocks": 1, "growth": 4, "depth": 2, "periods": [4, 8]},
    {"coder": "network", "message": 3, "blocks": 1, "growth": 4, "depth": 2, "periods": [4, 8]},
    {"coder": "coset"},
    {"coder": "coset", "costs": "density", "width": 2, "side": 3},
]
"""Configurations that build and run in milliseconds, for the contract tests."""
