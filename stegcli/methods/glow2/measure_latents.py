"""Measures how well latents of generated pictures survive real files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from stegcli.methods.glow2.inverse import RobustInverse
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.noise import from_pixels, to_pixels
from stegcli.methods.glow2.recipe_flow import capacity
from stegcli.methods.glow2.rivals.glow import Glow
from stegcli.methods.glow2.sender import TRIES
from stegcli.nn.drawing import acceptable
from stegcli.nn.wavelet import Pyramid
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

DRAWS = 3
"""Number of pictures drawn to measure received latents."""


@dataclass(frozen=True)
class Sample:
    """The setting of a measurement: secrets, attacks on the stegos, size of the stegos, and seed."""

    secrets: Sequence[Picture]
    attacks: Sequence[Channel]
    height: int
    width: int
    seed: int

    def rng(self, purpose: str, index: int = 0) -> np.random.Generator:
        return np.random.default_rng([self.seed, index, *purpose.encode()])


def drawn(
    flow: Pyramid | Glow, height: int, width: int, temperature: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Draw latents (1, 3, h, w), and the picture that a sender would make from them."""
    device = next(flow.parameters()).device
    for _ in range(TRIES):
        z = torch.from_numpy(rng.standard_normal((1, 3, height, width))).float().to(device)
        x = flow.inverse(temperature * z)
        if acceptable(x):
            break
    return z, x


def read(flow: Pyramid | Glow, picture: Picture) -> Tensor:
    """A received picture -> its latents by the plain inverse, (1, 3, h, w), at temperature 1."""
    return cast(Tensor, flow(_middle(flow, picture))[0])


def _middle(part: torch.nn.Module, picture: Picture) -> Tensor:
    return from_pixels(picture.pixels).to(next(part.parameters()).device)


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson's correlation over all elements; 0 if one of the two is constant."""
    a, b = (i.flatten().double() - i.double().mean() for i in (a, b))
    return float(((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt()).nan_to_num())


def bands(flow: Pyramid | Glow, sample: Sample, temperature: float) -> dict[str, dict[str, float]]:
    """Attack -> band -> correlation of received latents with those sent, the mean of a few draws."""
    stretches = flow.bands(sample.height, sample.width)
    found: dict[str, dict[str, list[float]]] = {str(a): {b.name: [] for b in stretches} for a in sample.attacks}
    for index in range(DRAWS):
        rng = sample.rng("bands", index)
        z, x = drawn(flow, sample.height, sample.width, temperature, rng)
        for attack in sample.attacks:
            back = read(flow, attack.through(Picture(to_pixels(x)), rng))
            for b in stretches:
                found[str(attack)][b.name].append(correlation(b.of(z), b.of(back)))
    return _means(found)


def inverses(method: Glow2, sample: Sample) -> dict[str, dict[str, float]]:
    """JPEG attack -> capacity in bytes by the correlation of latents, for the plain inverse and the robust one."""
    flow, inverse = method.generator(), cast(RobustInverse, method.inverse)
    stretches = flow.bands(sample.height, sample.width)
    jpegs = [a for a in sample.attacks if a.kind == "jpeg"]
    found: dict[str, dict[str, list[float]]] = {str(a): {"plain": [], "robust": []} for a in jpegs}
    for index in range(DRAWS):
        rng = sample.rng("inverses", index)
        z, x = drawn(flow, sample.height, sample.width, method.temperature, rng)
        for attack in jpegs:
            picture = attack.through(Picture(to_pixels(x)), rng)
            found[str(attack)]["plain"].append(capacity(stretches, z, read(flow, picture)))
            found[str(attack)]["robust"].append(capacity(stretches, z, read(inverse.reader(flow), picture)))
    return _means(found)


def _means(found: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, float]]:
    return {a: {name: float(np.mean(values)) for name, values in row.items()} for a, row in found.items()}
