"""Training of the super-resolution module: on photos halved in size like secrets, half of them with added noise.

A recovered secret contains errors from the channel. A module trained on clean pictures only would sharpen them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.method import Method
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.sr import bicubic
from stegcli.nn.tensors import quantise
from stegcli.pictures.metrics import psnr_of_mse
from stegcli.recipe import Noise, Recipe, Stage, Step

MOST_NOISE = 8.0
"""Largest standard deviation of the noise in training, in grey levels."""
NOISE = 4.0
"""The same in validation."""
ROWS = 4


def lanczos(side: int) -> Tensor:
    """Even side -> matrix (side/2, side), float64, that halves a signal as Pillow's LANCZOS does.

    The kernel, sinc(t) sinc(t/3) for |t| < 3, is stretched to twice its width; beyond the border it is cut off,
    and what is left has sum 1 again.
    """
    centres = 2 * torch.arange(side // 2, dtype=torch.float64) + 1
    t = (torch.arange(side, dtype=torch.float64) + 0.5 - centres[:, None]) / 2
    weights = torch.sinc(t) * torch.sinc(t / 3) * (t.abs() < 3)
    return weights / weights.sum(1, keepdim=True)


def halve(images: Tensor) -> Tensor:
    """Pictures (b, 3, 2h, 2w) in [0, 1] -> (b, 3, h, w) on the 8-bit grid, as Pillow's LANCZOS.

    Rows first, then columns, each rounded to 8 bits: Pillow keeps the picture between its two passes in bytes.
    """
    height, width = (lanczos(side).to(images.device) for side in images.shape[2:])
    narrow = quantise(images.double() @ width.T)
    return quantise(height @ narrow).float()


def add_noise(images: Tensor, sigmas: Tensor, noise: Noise) -> Tensor:
    """Pictures (b, 3, h, w), a standard deviation in grey levels for each (b,) -> noisy pictures in [0, 1]."""
    drawn = np.stack([g.standard_normal(images.shape[1:], np.float32) for g in noise.generators])
    scale = (sigmas / 255).to(images.device).view(-1, 1, 1, 1)
    return (images + scale * torch.from_numpy(drawn).to(images.device)).clamp(0, 1)


def random_sigmas(noise: Noise) -> Tensor:
    """Grey levels for each item (b,): zero for half of them, uniform up to MOST_NOISE for the others."""
    noisy, share = noise.uniform(2).unbind(1)
    return MOST_NOISE * share * (noisy < 0.5)


def sr_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
    """Photos (b, 3, 2h, 2w) -> mean absolute difference to the module's output for the halved, noisy photos."""
    sr = cast(nn.Module, cast(Glow2, method).sr)
    small = add_noise(halve(images), random_sigmas(step.noise), step.noise)
    return {"l1": F.l1_loss(sr(small), images)}


def mean_psnr(made: Tensor, truth: Tensor) -> float:
    """Two batches of pictures -> PSNR in dB, the first rounded to 8 bits; the mean over pictures."""
    errors = ((quantise(made) - truth) * 255).square().flatten(1).mean(1)
    return float(np.mean([psnr_of_mse(e) for e in errors.tolist()]))


def validate(method: Method, images: Tensor) -> dict[str, float]:
    """Unseen photos -> PSNR of the module, of bicubic, and of the module when the input has noise."""
    sr = cast(nn.Module, cast(Glow2, method).sr)
    small = halve(images)
    noisy = add_noise(small, torch.full((len(small),), NOISE), Noise.of(1, 0, range(len(small))))
    return {
        "psnr": mean_psnr(sr(small), images),
        "psnr_bicubic": mean_psnr(bicubic(small), images),
        "psnr_noisy": mean_psnr(sr(noisy), images),
    }


def sample(method: Method, images: Tensor) -> Tensor:
    """Photos -> one sheet (1, 3, rows * h, 4 w): in each row the input, bicubic, the module's picture, the truth."""
    sr = cast(nn.Module, cast(Glow2, method).sr)
    truth = images[:ROWS]
    small = halve(truth)
    columns = [F.interpolate(small, scale_factor=2, mode="nearest"), bicubic(small), sr(small), truth]
    rows = torch.cat(columns, dim=3).clamp(0, 1)
    return torch.cat(list(rows), dim=1)[None]


RECIPE = Recipe(
    config={"sr": {"blocks": 8, "width": 48}},
    stages=(Stage("l1", sr_loss, 20_000, lr=4e-4, batch=8, crop=64, trains="sr"),),
    validate=validate,
    sample=sample,
)
SWIN2SR = replace(
    RECIPE,
    config={"sr": {"kind": "swin2sr", "groups": 4, "blocks": 2, "width": 64, "heads": 4}},
    stages=(Stage("l1", sr_loss, 20_000, lr=1e-3, batch=4, crop=64, trains="sr"),),
)
"""The same with the other network; half the batch and a higher rate, since its steps take three times as long."""
