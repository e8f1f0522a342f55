"""Training of the plain Glow: by likelihood, on the same pictures as the wavelet flow. It is the paper's generator, and
the baseline against which the wavelet flow is measured."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from stegcli.method import Method
from stegcli.methods.glow2 import recipe_flow
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.noise import LEVELS
from stegcli.methods.glow2.rivals.glow import Glow
from stegcli.recipe import Noise, Recipe, Stage, Step

SIDE = 64
DRAWS = 9


def nll(flow: Glow, x: Tensor) -> Tensor:
    """Pictures with a density (b, 3, h, w) -> nats per dimension, the mean over pictures. The paper's Eq. 1."""
    z, ladj = flow(x)
    density: Tensor = -0.5 * z.square().flatten(1).sum(1) + ladj
    return 0.5 * math.log(2 * math.pi) - density.mean() / x[0].numel()


def glow_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
    """Images (b, 3, h, w) on the 8-bit grid -> nats per dimension."""
    noise = step.noise.uniform(*images.shape[1:], device=images.device)
    return {"nats": nll(cast(Glow, cast(Glow2, method).glow), recipe_flow.dequantise(images, noise))}


@torch.no_grad()
def validate(method: Method, images: Tensor) -> dict[str, float]:
    """Unseen pictures -> bits per dimension, as of 8-bit pictures."""
    noise = Noise.of(5, 0, range(len(images))).uniform(*images.shape[1:], device=images.device)
    nats = nll(cast(Glow, cast(Glow2, method).glow), recipe_flow.dequantise(images, noise)).item()
    return {"bpd": nats / math.log(2) + math.log2(LEVELS)}


@torch.no_grad()
def sample(method: Method, images: Tensor) -> Tensor:
    """Pictures drawn at the method's temperature. Only the size of the images is used."""
    z = Noise.of(5, 0, range(DRAWS)).normal(*images.shape[1:], device=images.device)
    return cast(Glow, cast(Glow2, method).glow).inverse(recipe_flow.TEMPERATURE * z).clamp(0, 1)


RECIPE = Recipe(
    config={"glow": {"levels": 3, "steps": 8, "width": 64}},
    stages=(Stage("likelihood", glow_loss, 20_000, lr=1e-3, batch=16, crop=SIDE, clip=50.0, trains="glow"),),
    validate=validate,
    sample=sample,
    ema=0.998,
    side=SIDE,
)
