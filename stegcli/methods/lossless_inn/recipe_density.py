"""How the density that gives the coset coder its costs is trained: by the likelihood of whole grey levels.

Photos differ in how sharp they are: each crop counts twice, a quarter of it as it is and all of it at half the size.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli.method import Method
from stegcli.methods.lossless_inn.coset import CosetCoder
from stegcli.methods.lossless_inn.density import Density, log_likelihood
from stegcli.recipe import Recipe, Stage, Step


def likelihood_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
    """Images (b, 3, h, w) -> the terms `whole` and `halved`, each in nats per sample."""
    net, (height, width) = _net(method), images.shape[2:]
    return {
        "whole": _nats(net, _levels(images[..., : height // 2, : width // 2])),
        "halved": _nats(net, _halved(images)),
    }


def validate(method: Method, images: Tensor) -> dict[str, float]:
    """Unseen crops -> nats per sample, of the crops as they are and at half the size."""
    net = _net(method)
    return {"nats": _nats(net, _levels(images)).item(), "nats_halved": _nats(net, _halved(images)).item()}


def sample(method: Method, images: Tensor) -> Tensor:
    """Crops -> rows of the crop, the mean of its density, and the scale (black 0, white 4 grey levels)."""
    crops = images[:4]
    mean, scale = _net(method)(_levels(crops))
    return torch.stack([crops, (mean / 255).clamp(0, 1), (scale / 4).clamp(0, 1)], dim=1).flatten(0, 1)


def _net(method: Method) -> Density:
    return cast(CosetCoder, method).density


def _nats(net: Density, levels: Tensor) -> Tensor:
    return -log_likelihood(levels, *net(levels)).mean()


def _levels(images: Tensor) -> Tensor:
    return (images * 255).round()


def _halved(images: Tensor) -> Tensor:
    return _levels(F.interpolate(images, scale_factor=0.5, mode="bicubic", antialias=True).clamp(0, 1))


RECIPE = Recipe(
    config={"coder": "coset", "costs": "density", "width": 32, "side": 7},
    stages=(Stage("likelihood", likelihood_loss, steps=6_000, lr=3e-3, batch=3, crop=128, clip=1.0),),
    validate=validate,
    sample=sample,
)
