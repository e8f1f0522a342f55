"""How the refiner is trained: on secrets as the cascade brings them through real files, stego by stego.

Any secret fits any stego: some rotations make it so. So a few stegos are drawn and attacked once, and every step hides
its pictures in some of these. Rotations, places and files are as they really are; only the header's latents are left to
chance rather than to a key.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from stegcli.method import Method
from stegcli.methods.glow2 import carriers, cascade, header, layout, measure_latents, noise
from stegcli.methods.glow2.layout import Share, Table
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.recipe_flow import SMALL, TEMPERATURE, TEXTURES, dequantise
from stegcli.methods.glow2.recipe_sr import mean_psnr
from stegcli.methods.glow2.rivals.fitting import Fitting
from stegcli.methods.glow2.rivals.refiner import PAIRS, Guess, Refiner, guess
from stegcli.nn.wavelet import Band, Pyramid
from stegcli.pictures.channel import parse
from stegcli.pictures.image import Picture
from stegcli.recipe import Noise, Recipe, Stage, Step

CHANNELS = ("png", "jpeg:95", "jpeg:90", "jpeg:80", "jpeg:60", "jpeg:40")
VALIDATED = ("png", "jpeg:90", "jpeg:80", "jpeg:40")
DRAWS = 40
"""Stegos for each channel to train on."""
UNSEEN = 4
"""The same to validate on."""
SHOWN = 4
LEAST_ERROR = 1e-6
"""Mean squared error below which a picture is good enough: half a grey level has about that."""


@dataclass(frozen=True)
class Sent:
    """A stego's latents (3 h w,), as they arrived, and the correlation of each with the one sent, float32."""

    z: np.ndarray
    arrived: np.ndarray
    r: np.ndarray


@functools.lru_cache(maxsize=512)
def sent(flow: Pyramid, temperature: float, side: int, channel: str, number: int) -> Sent:
    """The stego of that number, drawn from G2 and through that channel; those from DRAWS on are for validation."""
    rng = np.random.default_rng([number, side, *channel.encode()])
    z, x = measure_latents.drawn(flow, side, side, temperature, rng)
    file = parse(channel).through(Picture(noise.to_pixels(x)), rng)
    return Sent(z.flatten().cpu().numpy(), *noise.read(flow, file.pixels, file.jpeg).at(temperature))


def through(
    z1: np.ndarray,
    one: Sent,
    bands: tuple[list[Band], list[Band]],
    table: Table,
    robust: bool,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Latents of a secret (n,) -> mean and deviation of each, as the receiver of that stego reads them.

    bands: of the secret and of the stego. robust: whether the stego has pilots.
    """
    pools = [rng.permutation(p) for p in layout.header_pool(bands[1], Share())]
    taken = np.concatenate(pools)[: header.SLOTS]
    free = carriers.arranged(bands[1], table, Share(), taken, lambda _, n: rng.permutation(n))
    at = carriers.carried(free, carriers.in_blocks(bands[0], table, 1), robust)
    return cascade.read((one.arrived, one.r), at, Fitting(at, z1, one.z, rng.bytes(32)), len(z1))


@torch.no_grad()
def revealed(method: Glow2, images: Tensor, ways: list[tuple[str, int]], drawn: Noise) -> Guess:
    """Secrets (b, 3, s, s) on the 8-bit grid; channel and number of the stego of each -> what comes back of them."""
    g1, g2, side = cast(Pyramid, method.g1), method.generator(), images.shape[-1]
    bands = g1.bands(side, side), g2.bands(side, side)
    latents = g1(dequantise(images, torch.tensor(0.5)))[0].flatten(1).cpu().numpy()
    read = [
        through(z1, sent(g2, method.temperature, side, *way), bands, method.tables[way[0]], way[0] != CHANNELS[0], rng)
        for z1, way, rng in zip(latents, ways, drawn.generators, strict=True)
    ]
    means, deviations = (torch.from_numpy(np.stack(f)).view(images.shape).to(images) for f in zip(*read, strict=True))
    return guess(g1, means, deviations, drawn.bits(PAIRS, *images.shape[1:], device=images.device))


def refiner_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
    """-> squared error over that without the refiner, the mean over pictures: a dB counts alike in all channels."""
    ways = [(str(g.choice(CHANNELS)), int(g.integers(DRAWS))) for g in step.noise.generators]
    came = revealed(cast(Glow2, method), images, ways, step.noise)
    made = cast(Refiner, cast(Glow2, method).refiner)(came)
    before, after = ((p - images).square().flatten(1).mean(1) for p in (came.middle, made))
    return {"error": (after / before.clamp(min=LEAST_ERROR)).mean()}


@torch.no_grad()
def _validated(method: Method, images: Tensor, channel: str) -> tuple[Tensor, Tensor, Tensor]:
    """Unseen pictures in unseen stegos -> what comes back: of the latents' means, as an average, and refined."""
    ways = [(channel, DRAWS + i % UNSEEN) for i in range(len(images))]
    came = revealed(cast(Glow2, method), images, ways, Noise.of(4, 0, range(len(images))))
    return came.middle, came.average, cast(Refiner, cast(Glow2, method).refiner)(came).clamp(0, 1)


def validate(method: Method, images: Tensor) -> dict[str, float]:
    """-> PSNR of each of these for each channel."""
    figures = {}
    for channel in VALIDATED:
        for name, made in zip(("plain", "average", "refined"), _validated(method, images, channel), strict=True):
            figures[f"{name}_{channel.replace('jpeg:', 'q')}"] = mean_psnr(made, images)
    return figures


def sample(method: Method, images: Tensor) -> Tensor:
    """-> rows of what comes back past JPEG 80 without the refiner, with it, and the truth."""
    truth = images[:SHOWN]
    plain, _, refined = _validated(method, truth, "jpeg:80")
    return torch.stack([plain, refined, truth], dim=1).flatten(0, 1)


RECIPE = Recipe(
    config={
        "g1": SMALL,
        "g2": TEXTURES,
        "refiner": {"levels": 4, "blocks": 5, "width": 64},
        "temperature": TEMPERATURE,
    },
    stages=(Stage("error", refiner_loss, 20_000, lr=4e-4, batch=4, crop=64, trains="refiner"),),
    validate=validate,
    sample=sample,
    pictures=4,
)
"""Starts from weights that hold trained flows, which stay as they are. Places are ordered by the default tables:
those of the weights put a few coarse bands in another order, and the deviations tell where that matters."""
