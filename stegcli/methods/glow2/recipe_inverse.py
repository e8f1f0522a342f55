"""Training of the robust inverse: on G2's own pictures, after real JPEG files.

Reference: the paper, Algorithm 1, lines 3 to 8, and Eq. 6. There an absolute error over all latents; here the capacity
that their correlation leaves, for that is what is wanted, and it asks nothing of bands that the file has lost.
"""

from __future__ import annotations

import functools
from typing import cast

import numpy as np
import torch
from torch import Tensor

from stegcli.method import Method
from stegcli.methods.glow2.inverse import RobustInverse
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.noise import from_pixels, to_pixels
from stegcli.methods.glow2.recipe_flow import TEMPERATURE, TEXTURES, bits, capacity, through
from stegcli.nn.drawing import acceptable
from stegcli.nn.wavelet import Band, Pyramid
from stegcli.pictures.channel import Channel
from stegcli.recipe import Noise, Recipe, Stage, Step

QUALITIES = (95, 90, 85, 80, 75, 70, 60, 50, 40)
VALIDATED = (90, 80, 40)
BANDS = ("y1", "y2", "y3", "y4", "y5", "y6")
"""Where JPEG files leave much, and not all."""
UNIT = 0.02
"""Weight of how far the variance of each band's latents is from 1, which correlation does not see."""
STOCK = 512
"""Pictures of G2 that are drawn once and used again: to draw one takes as long as to read it."""
DRAWS = 4
"""Number of pictures drawn for validation."""


class Stock:
    """Draws of a G2 by number: latents float32 (3, h, w) and the sender's picture uint8 (h, w, 3)."""

    def __init__(self, g2: Pyramid, height: int, width: int):
        self.g2, self.shape = g2, (3, height, width)
        self._drawn: dict[int, tuple[Tensor, np.ndarray]] = {}

    def __getitem__(self, number: int) -> tuple[Tensor, np.ndarray]:
        if number not in self._drawn:
            self._drawn[number] = self._draw(np.random.default_rng([17, number]))
        return self._drawn[number]

    @torch.no_grad()
    def _draw(self, rng: np.random.Generator) -> tuple[Tensor, np.ndarray]:
        while True:
            z = torch.from_numpy(rng.standard_normal((1, *self.shape), np.float32))
            x = generate(self.g2, z.to(self.g2.colour.device))
            if acceptable(x):
                return z[0], to_pixels(x)


@functools.lru_cache(maxsize=1)
def stock(g2: Pyramid, height: int, width: int) -> Stock:
    """The stock of this G2, which is not trained meanwhile, and size; the last one is kept."""
    return Stock(g2, height, width)


@torch.no_grad()
def generate(g2: Pyramid, z: Tensor) -> Tensor:
    """Latents (b, 3, h, w) -> the sender's pictures, neither rounded nor clipped."""
    return g2.inverse(TEMPERATURE * z)


def inverse_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
    """Minus the bits of each band that come through the file, per latent of all bands, and how far variances are off.
    Only the size of the images is used."""
    g2, inverse = _parts(method)
    drawn = stock(g2, *images.shape[2:])
    chosen = [drawn[int(g.integers(STOCK))] for g in step.noise.generators]
    z = torch.stack([z for z, _ in chosen]).to(images.device)
    received = torch.cat([_arrived(pixels, g) for (_, pixels), g in zip(chosen, step.noise.generators, strict=True)])
    found = inverse.reader(g2)(received.to(images.device))[0] / TEMPERATURE
    bands = [b for b in g2.bands(*images.shape[2:]) if b.name in inverse.flows]
    every = sum(b.size for b in bands)
    terms = {b.name: -bits(b, z, found).mean() / every for b in bands}
    return terms | {"variance": UNIT * torch.stack([_off(b, found) for b in bands]).mean()}


def _parts(method: Method) -> tuple[Pyramid, RobustInverse]:
    glow2 = cast(Glow2, method)
    return cast(Pyramid, glow2.g2), cast(RobustInverse, glow2.inverse)


def _arrived(pixels: np.ndarray, rng: np.random.Generator) -> Tensor:
    """A picture after a real file of some quality, (1, 3, h, w)."""
    return from_pixels(Channel("jpeg", int(rng.choice(QUALITIES)))(pixels, rng))


def _off(band: Band, found: Tensor) -> Tensor:
    return band.of(found).flatten(1).var(dim=1).log().square().mean()


@torch.no_grad()
def validate(method: Method, images: Tensor) -> dict[str, float]:
    """Capacity in bytes at each QF for the plain inverse and the robust one, always for the same few pictures, which
    are not among those learnt from."""
    g2, inverse = _parts(method)
    noise = Noise.of(3, 0, range(DRAWS))
    z = noise.normal(*images.shape[1:], device=images.device)
    stego, bands = generate(g2, z), g2.bands(*z.shape[2:])
    figures = {}
    for quality in VALIDATED:
        received = through(stego, [quality] * DRAWS, noise)
        for name, reader in (("plain", g2), ("robust", inverse.reader(g2))):
            figures[f"{name}_q{quality}"] = capacity(bands, z, reader(received)[0])
    return figures


@torch.no_grad()
def sample(method: Method, images: Tensor) -> Tensor:
    """Rows of a stego, the stego after JPEG 40, and what G2 draws from the latents that the plain inverse and the
    robust one read of it."""
    g2, inverse = _parts(method)
    noise = Noise.of(3, 0, range(DRAWS))
    z = noise.normal(*images.shape[1:], device=images.device)
    stego = generate(g2, z).clamp(0, 1)
    received = through(stego, [40] * DRAWS, noise)
    reads = [reader(received)[0] for reader in (g2, inverse.reader(g2))]
    return torch.stack([stego, received, *(g2.inverse(r).clamp(0, 1) for r in reads)], dim=1).flatten(0, 1)


RECIPE = Recipe(
    config={"g2": TEXTURES, "inverse": {"flow": TEXTURES, "bands": list(BANDS)}},
    stages=(Stage("latents", inverse_loss, 1_000, lr=3e-4, batch=4, crop=128, clip=5.0, trains="inverse"),),
    validate=validate,
    sample=sample,
    ema=0.98,
    pictures=1,
)
"""Training starts from weights with a trained G2, which is not changed."""
