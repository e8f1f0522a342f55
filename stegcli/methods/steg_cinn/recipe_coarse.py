"""How the networks of levels 4 and up are trained: by the likelihood of the colours of whole photos, and of parts."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from stegcli.method import Method
from stegcli.methods.steg_cinn import coarse, space
from stegcli.methods.steg_cinn.coarse import FIRST_LEVEL, LAST_LEVEL, STEM, Coarse
from stegcli.methods.steg_cinn.nets import Scene, statistics, whole_picture
from stegcli.pictures import image
from stegcli.recipe import Noise, Recipe, Stage, Step

SIDE = 128
WHOLE_SHARE = 0.75
"""Of whole photos, among parts of them."""
LIT_SHARE, LIT = 0.3, 0.08
"""Of photos made lighter or darker, and by what factor (standard deviation of its logarithm)."""


def likelihood_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
    """Photos (b, 3, 2 SIDE, 2 SIDE) -> nats per colour of a place, of each level and of the base."""
    return _terms(_coarse(method), images, step.noise, WHOLE_SHARE)


def validate(method: Method, images: Tensor) -> dict[str, float]:
    """Unseen whole photos -> bits per colour of a place."""
    terms = _terms(_coarse(method), images, Noise.of(1, 0, range(len(images))), 1.0)
    found = {n: t.item() * len(terms) / math.log(2) for n, t in terms.items()}
    return found | {"mean": float(np.mean(list(found.values())))}


def sample(method: Method, images: Tensor) -> Tensor:
    """Photos -> themselves, made small."""
    return _prepared(images[:8], Noise.of(1, 0, range(len(images[:8]))), 1.0)[0].float() / 255


def _terms(net: Coarse, images: Tensor, noise: Noise, whole_share: float) -> dict[str, Tensor]:
    pixels, position = _prepared(images, noise, whole_share)
    grey, colours = space.split(pixels.permute(0, 2, 3, 1).cpu().numpy())
    light = torch.from_numpy(grey[:, None]).to(images.device).float()
    planes = torch.from_numpy(colours.swapaxes(0, 1).copy()).to(images.device).float()
    return terms_of(net, light, planes, position.to(images.device))


def terms_of(net: Coarse, light: Tensor, planes: Tensor, position: Tensor) -> dict[str, Tensor]:
    """Luminance (b, 1, SIDE, SIDE), differences (b, 2, SIDE, SIDE) and where the U-Net's places lie, (b, 2, h, w) ->
    nats per colour of a place, of each level and of the base, each divided by their number."""
    context = net.context(light, position)
    scene = Scene(planes, light, statistics(light), whole_picture(planes, 1), light.new_zeros(len(light)))
    found = {"base": _base_nats(net, context, scene)}
    for number in range(FIRST_LEVEL, LAST_LEVEL + 1):
        level = net.level(number)
        told = replace(scene, whole=whole_picture(planes, number))
        parts = [level.nats(replace(told, context=context.at(g, SIDE, SIDE)), g).mean() for g in level.groups]
        found[f"level{number}"] = torch.stack(parts).mean()
    return {n: t / len(found) for n, t in found.items()}


def _base_nats(net: Coarse, context: coarse.Context, scene: Scene) -> Tensor:
    grey, q, p = (t[..., :1, :1] for t in (scene.grey, scene.colours[:, :1], scene.colours[:, 1:]))
    h = net.base.features(context.base(), grey)
    likely = net.base.mixture_q(h, grey).log_likelihood(q) + net.base.mixture_p(h, grey, q).log_likelihood(p)
    return -likely.mean() / 2


def _prepared(images: Tensor, noise: Noise, whole_share: float) -> tuple[Tensor, Tensor]:
    """-> uint8 (b, 3, SIDE, SIDE), and where in the photo each place of the U-Net lies."""
    full = images.permute(0, 2, 3, 1).mul(255).round().to(torch.uint8).cpu().numpy()
    parts, places = [], []
    for pixels, generator in zip(full, noise.generators, strict=True):
        whole = coarse.positions(SIDE // STEM, SIDE // STEM)
        if generator.random() < whole_share:
            part = image.resized(pixels, SIDE, SIDE)
        else:
            top, left = generator.integers(0, SIDE + 1, 2)
            part = pixels[top : top + SIDE, left : left + SIDE]
            corner = torch.tensor([top, left]).view(1, 2, 1, 1) / SIDE
            whole = whole / 2 + corner - 0.5
        if generator.random() < LIT_SHARE * (whole_share < 1):
            part = np.clip(part * math.exp(generator.normal(0, LIT)), 0, 255).astype(np.uint8)
        parts.append(part)
        places.append(whole)
    return torch.from_numpy(np.stack(parts)).permute(0, 3, 1, 2), torch.cat(places)


def _coarse(method: Method) -> Coarse:
    return cast(Coarse, cast(nn.ModuleDict, method.networks)["coarse"])


RECIPE = Recipe(
    config={"coarse": {"width": 48, "features": 32}},
    stages=(
        Stage("likelihood", likelihood_loss, steps=8_000, lr=2e-3, batch=24, crop=2 * SIDE, clip=5.0, trains="coarse"),
    ),
    validate=validate,
    sample=sample,
    ema=0.997,
    pictures=85,
    side=2 * SIDE,
)
