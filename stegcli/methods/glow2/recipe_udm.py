"""Training of the paper's UDM: on normal latents, with errors as large as those from PNG to JPEG 40.

Reference: the paper, Algorithm 2 and Eq. 14. There Z2 goes through G2, a JPEG file and G2's inverse, and the error is
absolute. Here white noise of a random size replaces all three: a step takes a hundredth of the time, and the module
needs no picture to learn the size of errors. The error is squared, as Gaussian latents suggest.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from stegcli.method import Method
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.rivals.udm import CHANNELS, MIXED, PaperUDM
from stegcli.recipe import Noise, Recipe, Stage, Step

LEAST, MOST = 0.02, 0.7
"""Standard deviation of the error of a received latent: after PNG, and of fine latents after JPEG 40."""
VALIDATED = (0.05, 0.2, 0.7)


def through(udm: PaperUDM, noise: Noise, side: int, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Side of Z2 and the error's size for each item (b,) -> Z1 as drawn and as recovered, (b, 3, side/2, side/2)."""
    half, device = side // 2, sigma.device
    z1 = noise.normal(CHANNELS, half, half, device=device)
    nb = noise.normal(MIXED, half, half, device=device)
    key_noise = noise.normal(CHANNELS, side, side, device=device)
    error = sigma.view(-1, 1, 1, 1) * noise.normal(CHANNELS, side, side, device=device)
    return z1, udm.down(udm.up(z1, key_noise, nb) + error, key_noise)


def udm_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
    """Mean squared error of Z1. Only the size of the images is used."""
    share = step.noise.uniform(device=images.device)
    sigma = torch.exp(math.log(LEAST) + share * math.log(MOST / LEAST))
    z1, found = through(cast(PaperUDM, cast(Glow2, method).udm), step.noise, images.shape[-1], sigma)
    return {"error": (found - z1).square().mean()}


@torch.no_grad()
def validate(method: Method, images: Tensor) -> dict[str, float]:
    """Root mean squared error of Z1 for errors of Z2 of three sizes; 1 means that nothing is recovered."""
    figures = {}
    for size in VALIDATED:
        noise, sigma = Noise.of(4, 0, range(len(images))), images.new_full((len(images),), size)
        z1, found = through(cast(PaperUDM, cast(Glow2, method).udm), noise, images.shape[-1], sigma)
        figures[f"rms_{size:g}"] = (found - z1).square().mean().sqrt().item()
    return figures


@torch.no_grad()
def sample(method: Method, images: Tensor) -> Tensor:
    """Rows of Z1 as drawn, Z1 as recovered, and their difference; grey is 0, black and white are 3 away."""
    noise, count = Noise.of(4, 0, range(len(VALIDATED))), len(VALIDATED)
    sigma = images.new_tensor(VALIDATED)
    z1, found = through(cast(PaperUDM, cast(Glow2, method).udm), noise, images.shape[-1], sigma)
    rows = torch.stack([z1, found, found - z1], dim=1).view(3 * count, *z1.shape[1:])
    return (rows / 6 + 0.5).clamp(0, 1)


RECIPE = Recipe(
    config={"udm": {"width": 64, "spread": 0.25}},
    stages=(Stage("errors", udm_loss, 6_000, lr=2e-3, batch=16, crop=64, trains="udm"),),
    validate=validate,
    sample=sample,
    pictures=8,
)
