"""How the detector is trained: on pairs of a cover and the stego that has it as its cover, made on the fly.

Each picture of the folder stands for a texture. It gets grain or none, as covers may; its twin the same grain, or the
weaker one that the method gives to covers of stegos, and a perturbation. That is white Gaussian noise, rounded: what a
search finds can hardly be told from it (kurtosis 2.3 to 3.8, neighbours correlated by 0.02 at most), and takes a
second to find.

Reference: Cs-FNNS (Li et al., 2024), 4.3, where detectors are trained on pairs, as is usual.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli.method import Method
from stegcli.methods.cs_fnns.cover import GRAIN, strength, within
from stegcli.methods.cs_fnns.detector import Detector
from stegcli.methods.cs_fnns.method import CsFnns
from stegcli.methods.cs_fnns.search import deviation
from stegcli.recipe import Noise, Recipe, Stage, Step

PSNRS = (40.0, 50.0)
"""Range of the stegos' PSNR in training, in dB."""
GRAINLESS, ALIKE = 0.5, 0.8
"""Share of the pairs without grain; and up to this share both have the same grain, beyond it stegos have less."""
LEAST_GRAIN = 3.0
"""Of covers that have any. Weaker grain is what a perturbation looks like: nobody could tell one from the other."""
DOUBT = 0.02
"""Share by which the truth is smoothed, so that log-odds stay near +-4: far beyond, searches would find no slope."""
VALIDATED = (42.0, 46.0)
ROWS = 4
ROUNDING = 1 / 12
"""Variance that rounding to whole levels adds."""


def pairs(images: Tensor, noise: Noise, psnrs: Tensor, covers: Tensor, stegos: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (b, 3, h, w) in [0, 1] -> covers and stegos in whole grey levels.

    psnrs: of the stegos, in dB. covers, stegos: standard deviations of their grain in grey levels. All (b,).
    """
    grain = noise.normal(*images.shape[1:], device=images.device)
    change = noise.normal(*images.shape[1:], device=images.device)
    wanted = torch.tensor([math.sqrt(max(0.0, deviation(p) ** 2 - ROUNDING)) for p in psnrs.tolist()])
    stego = _grainy(images, grain, stegos) + (change * _each(wanted, images)).round()
    return _grainy(images, grain, covers), stego.clamp(0, 255)


def _grainy(images: Tensor, grain: Tensor, strengths: Tensor) -> Tensor:
    textures: Tensor = within(images * 255)
    return (textures + grain * _each(strengths, images)).clamp(0, 255).round()


def _each(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like).view(-1, 1, 1, 1)


def random_pairs(images: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
    """Pictures in [0, 1] -> covers and stegos of random strengths."""
    kind, share, height = noise.uniform(3).unbind(1)
    psnrs = PSNRS[0] + (PSNRS[1] - PSNRS[0]) * height
    covers = torch.where(kind < GRAINLESS, 0.0, LEAST_GRAIN + (GRAIN - LEAST_GRAIN) * share)
    less = torch.tensor([strength(g, p) for g, p in zip(covers.tolist(), psnrs.tolist(), strict=True)])
    return pairs(images, noise, psnrs, covers, torch.where(kind < ALIKE, covers, less.float()))


def detector_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
    """-> cross-entropy of the detector to the smoothed truth, in nats; the share that it judges rightly is logged."""
    covers, stegos = random_pairs(images, step.noise)
    told = cast(Detector, cast(CsFnns, method).detector)(torch.cat([covers, stegos]))
    truth = torch.cat([torch.full((len(covers),), DOUBT), torch.full((len(stegos),), 1 - DOUBT)]).to(told)
    right = ((told > 0) == (truth > 0.5)).float().mean()
    return {"bce": F.binary_cross_entropy_with_logits(told, truth), "_right": right}


@torch.no_grad()
def validate(method: Method, images: Tensor) -> dict[str, float]:
    """Unseen pictures -> share judged rightly of covers and stegos, without grain and with the method's."""
    figures = {}
    for psnr in VALIDATED:
        figures[f"right_{psnr:g}"] = _accuracy(method, images, psnr, 0.0)
        figures[f"right_{psnr:g}_grain"] = _accuracy(method, images, psnr, GRAIN)
    return figures


def _accuracy(method: Method, images: Tensor, psnr: float, grain: float) -> float:
    detector = cast(Detector, cast(CsFnns, method).detector)
    sides = _fixed_pairs(images, psnr, grain)
    right = [((detector(p) > 0) == bool(truth)).float().mean().item() for truth, p in enumerate(sides)]
    return float(np.mean(right))


def _fixed_pairs(images: Tensor, psnr: float, grain: float) -> tuple[Tensor, Tensor]:
    left = strength(grain, psnr) if grain else 0.0
    values = (torch.full((len(images),), v) for v in (psnr, grain, left))
    return pairs(images, Noise.of(4, 0, range(len(images))), *values)


def sample(method: Method, images: Tensor) -> Tensor:
    """-> one sheet (1, 3, rows * h, 4 w): in each row a cover, its stego, the perturbation and what the detector looks
    at, the log-odds' gradient; the last two magnified."""
    covers, stegos = _fixed_pairs(images[:ROWS], VALIDATED[-1], 0.0)
    with torch.enable_grad():
        looked = stegos.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(cast(Detector, cast(CsFnns, method).detector)(looked).sum(), looked)
    change = 127.5 + 16 * (stegos - covers)
    seen = 127.5 + 64 * gradient / gradient.flatten(1).std(1).clamp(min=1e-12).view(-1, 1, 1, 1)
    rows = (torch.cat([covers, stegos, change, seen], dim=3) / 255).clamp(0, 1)
    return torch.cat(list(rows), dim=1)[None]


RECIPE = Recipe(
    config={"detector": {"width": 16}},
    stages=(Stage("pairs", detector_loss, 6_000, lr=2e-3, batch=16, crop=64, trains="detector"),),
    validate=validate,
    sample=sample,
    pictures=60,
)
