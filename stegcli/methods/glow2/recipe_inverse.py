"""Training of the robust inverse: on G2's own pictures, after real JPEG files.

Reference: the paper, Algorithm 1, lines 3 to 8, and Eq. 6. There the two branches are trained one after the other, by
likelihood, on photos; Eq. 6 is an absolute error over all latents. Here both learn together from the drawn latents,
with squared errors, since these determine the capacity of a Gaussian channel. Colours have low weights, since the file
has lost most of their latents, which would only add noise.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from stegcli.method import Method
from stegcli.methods.glow2.inverse import RobustInverse
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.recipe_flow import TEMPERATURE, TEXTURES, capacity, through
from stegcli.nn.wavelet import Band, Pyramid
from stegcli.recipe import Noise, Recipe, Stage, Step

QUALITIES = (95, 90, 80, 70, 60, 50, 40)
VALIDATED = (90, 80, 40)
COLOUR_WEIGHT = 0.1
DRAWS = 4
"""Number of pictures drawn for validation."""


@torch.no_grad()
def generate(g2: Pyramid, z: Tensor) -> Tensor:
    """Latents (b, 3, h, w) -> the sender's pictures, neither rounded nor clipped."""
    return g2.inverse(TEMPERATURE * z)


def inverse_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
    """The weighted mean squared error of each band's latents. Only the size of the images is used."""
    inverse = cast(RobustInverse, cast(Glow2, method).inverse)
    z = _latents(step.noise, images)
    qualities = [int(g.choice(QUALITIES)) for g in step.noise.generators]
    received = through(generate(cast(Pyramid, cast(Glow2, method).g2), z), qualities, step.noise)
    found = inverse(received, torch.tensor(qualities, device=z.device)) / TEMPERATURE
    bands = inverse.flow.bands(*z.shape[2:])
    return {b.name: _weight(b) * (b.of(found) - b.of(z)).square().mean() for b in bands}


def _latents(noise: Noise, images: Tensor) -> Tensor:
    return noise.normal(*images.shape[1:], device=images.device)


def _weight(band: Band) -> float:
    return COLOUR_WEIGHT if band.name.startswith("c") else 1.0


@torch.no_grad()
def validate(method: Method, images: Tensor) -> dict[str, float]:
    """Capacity in bytes at each QF for the plain inverse and the robust one, always for the same few pictures."""
    g2, inverse = cast(Pyramid, cast(Glow2, method).g2), cast(RobustInverse, cast(Glow2, method).inverse)
    noise = Noise.of(3, 0, range(DRAWS))
    z = _latents(noise, images)
    stego, bands = generate(g2, z), g2.bands(*z.shape[2:])
    figures = {}
    for quality in VALIDATED:
        received = through(stego, [quality] * DRAWS, noise)
        figures[f"plain_q{quality}"] = capacity(bands, z, g2(received)[0])
        figures[f"robust_q{quality}"] = capacity(bands, z, inverse(received, z.new_full((DRAWS,), quality)))
    return figures


@torch.no_grad()
def sample(method: Method, images: Tensor) -> Tensor:
    """Rows of a stego, the stego after JPEG 40, and the U-Net's correction times ten."""
    noise = Noise.of(3, 0, range(DRAWS))
    z = _latents(noise, images)
    stego = generate(cast(Pyramid, cast(Glow2, method).g2), z).clamp(0, 1)
    received = through(stego, [40] * DRAWS, noise)
    added = cast(RobustInverse, cast(Glow2, method).inverse).restore(received, z.new_full((DRAWS,), 40))
    return torch.stack([stego, received, (10 * added + 0.5).clamp(0, 1)], dim=1).flatten(0, 1)


RECIPE = Recipe(
    config={"g2": TEXTURES, "inverse": {"flow": TEXTURES, "features": [24, 32, 48]}},
    stages=(Stage("latents", inverse_loss, 4_000, lr=2e-4, batch=8, crop=128, clip=10.0, trains="inverse"),),
    validate=validate,
    sample=sample,
    pictures=1,
)
"""Training starts from weights with a trained G2, which is not changed."""
