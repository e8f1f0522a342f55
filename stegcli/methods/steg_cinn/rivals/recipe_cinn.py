"""How the paper's flow is trained: first by the likelihood of photos' colours, then for rounding, in rounds.

In a round the hiding network draws colours, they are rounded, and the revealing network learns to get the latents back;
then the hiding network becomes what the revealing one is. The paper's rounds have 4,000 steps. Here each step is one:
the network that hides is the one that reveals, without gradients. The likelihood is then that of photos, not of what
was drawn: with the latter, and squared errors, latents got worse (0.15 to 0.75 in 80 steps). Errors are those of
Huber's loss, since colours that RGB lacks come back far from what they were.

Reference: Hiding data in colors (Ren, Liu, Zhai, Wang, 2022), Eq. 1 and 2, Algorithms 1 and 3.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.method import Method
from stegcli.methods.steg_cinn.rivals import lab
from stegcli.methods.steg_cinn.rivals.cinn import ColourFlow
from stegcli.recipe import Noise, Recipe, Stage, Step

SIDE = 64
GAP = 0.1


def likelihood_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
    """Photos (b, 3, 2 SIDE, 2 SIDE) -> nats per latent. Eq. 1."""
    return {"nats": nats(flow_of(method), _spread(images, step.noise)).mean()}


def rounding_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
    """The same, and how far the latents of colours that were drawn and rounded are from those drawn. After Eq. 2."""
    flow = flow_of(method)
    lightness = lab.to_lab(_small(images))[:, :1]
    z = gapped(step.noise.normal(2, *lightness.shape[2:], device=images.device))
    with torch.no_grad():
        pixels = rounded(drawn(flow, z, lightness))
    return likelihood_loss(method, images, step) | {"latents": F.smooth_l1_loss(read(flow, pixels)[0], z)}


@torch.no_grad()
def validate(method: Method, images: Tensor) -> dict[str, float]:
    """Unseen photos -> nats per latent, and the share of signs that are right after the pixels were rounded."""
    flow, noise = flow_of(method), Noise.of(6, 0, range(len(images)))
    lightness = lab.to_lab(_small(images))[:, :1]
    z = gapped(noise.normal(2, *lightness.shape[2:], device=images.device))
    right = ((read(flow, rounded(drawn(flow, z, lightness)))[0] > 0) == (z > 0)).float().mean()
    return {"nats": nats(flow, _spread(images, noise)).mean().item(), "right": right.item()}


@torch.no_grad()
def sample(method: Method, images: Tensor) -> Tensor:
    """Photos coloured anew, beside themselves made small."""
    small = _small(images[:4])
    lightness = lab.to_lab(small)[:, :1]
    z = Noise.of(6, 0, range(len(small))).normal(2, *lightness.shape[2:], device=images.device)
    return torch.cat([small, rounded(drawn(flow_of(method), z, lightness))])


# -- what evaluation needs as well


def flow_of(method: Method) -> ColourFlow:
    return cast(ColourFlow, cast(nn.ModuleDict, method.networks)["cinn"])


def gapped(z: Tensor) -> Tensor:
    """Standard normal numbers -> the same, drawn anew until none lies within GAP of 0: by their distribution."""
    least = torch.special.ndtr(torch.tensor(GAP, dtype=torch.float64)).item()
    share = torch.special.ndtr(z.abs().double()).mul(2).sub(1)
    return torch.copysign(torch.special.ndtri(least + share * (1 - least)).clamp(max=9).to(z.dtype), z)


def drawn(flow: ColourFlow, z: Tensor, lightness: Tensor) -> Tensor:
    """Latents (b, 2, h, w) and L -> RGB, 0 to 1 where RGB has the colour."""
    return lab.from_lab(torch.cat([lightness, flow.inverse(z, lightness)], dim=1))


def rounded(rgb: Tensor) -> Tensor:
    """As a file of whole grey levels has them."""
    return rgb.nan_to_num(0.5).clamp(0, 1).mul(255).round().div(255)


def read(flow: ColourFlow, rgb: Tensor) -> tuple[Tensor, Tensor]:
    """RGB -> latents, and the log-determinant."""
    found = lab.to_lab(rgb)
    z, ladj = flow(found[:, 1:], found[:, :1])
    return z, ladj


def nats(flow: ColourFlow, rgb: Tensor) -> Tensor:
    """How unlikely the colours of pictures are, nats per latent, (b,)."""
    return _nats(*read(flow, rgb))


def _nats(z: Tensor, ladj: Tensor) -> Tensor:
    return 0.5 * math.log(2 * math.pi) + (0.5 * z.square().flatten(1).sum(1) - ladj) / z[0].numel()


def _small(images: Tensor) -> Tensor:
    return rounded(F.avg_pool2d(images, 2))


def _spread(images: Tensor, noise: Noise) -> Tensor:
    """Small photos with noise as wide as a grey level, for a density needs it."""
    small = _small(images)
    return small + (noise.uniform(*small.shape[1:], device=images.device) - 0.5) / 255


RECIPE = Recipe(
    config={"cinn": {"width": 32}},
    stages=(
        Stage("likelihood", likelihood_loss, steps=8_000, lr=1e-3, batch=8, crop=2 * SIDE, clip=20.0, trains="cinn"),
        Stage("rounding", rounding_loss, steps=4_000, lr=1e-4, batch=8, crop=2 * SIDE, clip=20.0, trains="cinn"),
    ),
    validate=validate,
    sample=sample,
    ema=0.998,
    side=2 * SIDE,
)
