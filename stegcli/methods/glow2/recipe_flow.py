"""Training of the flows: by likelihood, each band separately.

The bands share no parameters, so their losses simply add. A fine band has many positions in a picture, a coarse one
few. A random window of the fine bands is enough, so that more time is left for coarse bands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from stegcli.method import Method
from stegcli.methods.glow2.noise import LEVELS, from_pixels, to_pixels
from stegcli.nn.blocks import rings
from stegcli.nn.wavelet import Band, Pyramid
from stegcli.pictures.channel import Channel
from stegcli.recipe import Noise, Recipe, Stage, Step

WINDOW = 32
"""Side, in positions, of the window of a band in training."""
TEMPERATURE = 1.0
"""Temperature of pictures drawn for validation: that of textures."""
DRAWS = 8
"""Number of pictures drawn for validation."""


def dequantise(images: Tensor, noise: Tensor) -> Tensor:
    """Pictures on the 8-bit grid and uniform noise -> pictures with a density, in [0, 1).

    Reference: A note on the evaluation of generative models (Theis et al., 2016), section 3.1.
    """
    return (images * 255 + noise) / LEVELS


def _window(noise: Noise, *maps: Tensor | None) -> list[Tensor | None]:
    """Cut a random window from each picture, the same in all maps of a picture."""
    height, width = cast(Tensor, maps[0]).shape[2:]
    rows = [int(g.integers(max(1, height - WINDOW + 1))) for g in noise.generators]
    columns = [int(g.integers(max(1, width - WINDOW + 1))) for g in noise.generators]

    def cut(x: Tensor) -> Tensor:
        pairs = zip(x, rows, columns, strict=True)
        return torch.stack([i[:, r : r + WINDOW, c : c + WINDOW] for i, r, c in pairs])

    return [None if m is None else cut(m) for m in maps]


def nll(flow: Pyramid, x: Tensor, noise: Noise | None = None, only: str = "") -> dict[str, Tensor]:
    """Pictures with a density -> nats per dimension of each band whose name starts with `only`. With `noise`, of random
    windows only."""
    found = {}
    for name, content, context in flow.analyse(x, only):
        if not name.startswith(only):
            continue
        if noise is not None:
            windows = _window(noise, content, context)
            content, context = cast(Tensor, windows[0]), windows[1]
        z, ladj = flow.flow(name)(content, context)
        density = -0.5 * z.square().flatten(1).sum(1) + ladj
        found[name] = 0.5 * math.log(2 * math.pi) - density.mean() / z[0].numel()
    return found


def bits_per_dimension(flow: Pyramid, losses: dict[str, Tensor], x: Tensor) -> float:
    """Nats per dimension of each band of pictures x (b, 3, h, w) with a density -> bits per dimension, of 8 bits."""
    sizes = {b.name: b.size for b in flow.bands(*x.shape[2:])}
    total = sum(losses[n].item() * s for n, s in sizes.items()) - flow.ladj_of_picture(x).mean().item()
    return total / x[0].numel() / math.log(2) + math.log2(LEVELS)


def turn(x: Tensor, noise: Noise) -> Tensor:
    """Rotate each picture by a random number of quarter turns: surfaces look alike in all orientations."""
    return torch.stack([i.rot90(int(g.integers(4)), (1, 2)) for i, g in zip(x, noise.generators, strict=True)])


def flow_loss(part: str, turned: bool, only: str) -> Callable[[Method, Tensor, Step], dict[str, Tensor]]:
    def loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
        flow = cast(Pyramid, getattr(method, part))
        flow.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster, on CPUs too
        x = dequantise(images, step.noise.uniform(*images.shape[1:], device=images.device))
        return nll(flow, turn(x, step.noise) if turned else x, step.noise, only)

    return loss


def capacity(bands: Sequence[Band], z: Tensor, found: Tensor) -> float:
    """Latents sent and received -> capacity in bytes: 1/2 log2 1/(1 - r^2) summed, with r per band and item."""
    return sum(float(bits(band, z, found).mean()) for band in bands) / 8


def bits(band: Band, z: Tensor, found: Tensor) -> Tensor:
    """The same of one band in bits, for each item (b,)."""
    a, b = (i - i.mean(1, keepdim=True) for i in (band.of(z).flatten(1), band.of(found).flatten(1)))
    r2 = (a * b).sum(1).square() / (a.square().sum(1) * b.square().sum(1))
    return -0.5 * torch.log2(1 - r2.nan_to_num().clamp(max=0.99999)) * band.size


def through(pictures: Tensor, qualities: Sequence[int | None], noise: Noise) -> Tensor:
    """Pictures (b, 3, h, w) in [0, 1) -> the same after a real file, PNG or JPEG 4:2:0, in (0, 1)."""
    ways = [Channel("png") if q is None else Channel("jpeg", q) for q in qualities]
    items = zip(pictures, ways, noise.generators, strict=True)
    return torch.cat([from_pixels(way(to_pixels(p[None]), g)) for p, way, g in items]).to(pictures)


def carried(flow: Pyramid, side: int, quality: int | None) -> float:
    """Mean capacity in bytes of the latents of a few draws, after a file of this quality."""
    noise = Noise.of(2, 0, range(DRAWS))
    z = noise.normal(3, side, side, device=flow.colour.device)
    received = through(flow.inverse(TEMPERATURE * z), [quality] * DRAWS, noise)
    return capacity(flow.bands(side, side), z, flow(received)[0])


def _validate(part: str, side: int, only: str) -> Callable[[Method, Tensor], dict[str, float]]:
    def validate(method: Method, images: Tensor) -> dict[str, float]:
        flow = cast(Pyramid, getattr(method, part))
        noise = Noise.of(1, 0, range(len(images))).uniform(*images.shape[1:], device=images.device)
        x = dequantise(images, noise)
        losses = nll(flow, x, only=only)
        figures = {f"v_{n}": v.item() for n, v in losses.items()}
        if only:
            return figures
        figures["bpd"] = bits_per_dimension(flow, losses, x)
        for name, quality in (("png", None), ("q90", 90), ("q80", 80), ("q40", 40)):
            figures[f"bytes_{name}"] = carried(flow, side, quality)
        return figures

    return validate


def _sample(part: str, side: int) -> Callable[[Method, Tensor], Tensor]:
    def sample(method: Method, images: Tensor) -> Tensor:
        flow = cast(Pyramid, getattr(method, part))
        z = Noise.of(2, 0, range(9)).normal(3, side, side, device=images.device)
        return flow.inverse(TEMPERATURE * z).clamp(0, 1)

    return sample


@dataclass(frozen=True)
class Subject:
    """A flow to be trained: the method's part, its shape, the side of its pictures, and whether they may be turned.

    more: further entries of the method's configuration.
    """

    part: str
    shape: dict[str, Any]
    side: int
    turned: bool = False
    more: dict[str, object] = field(default_factory=dict)

    def recipe(self, only: str = "") -> Recipe:
        """only: prefix of the names of the bands to train; empty for all."""
        part, side = self.part, self.side
        stage = Stage(
            "likelihood", flow_loss(part, self.turned, only), 20_000, lr=3e-3, batch=6, crop=side, clip=50.0,
            trains=f"{part}.flows.{only}" if only else part,
        )  # fmt: skip
        config = {part: self.shape} | self.more
        return Recipe(
            config, (stage,), _validate(part, side, only), _sample(part, side), ema=0.998, pictures=100, side=side
        )

    def band_names(self) -> list[str]:
        """All of luminance, all of colours, and each band."""
        if self.shape.get("kind") == "blocks":
            levels = {"y": len(rings("y")) + 1 + self.shape["octaves"], "c": len(rings("c")) + self.shape["octaves"]}
        else:
            levels = dict.fromkeys("yc", len(self.shape["widths"]) - 1)
        return ["y", "c", *(f"{kind}{level}" for kind in "yc" for level in range(1, levels[kind] + 1)), "base"]


HEAT = {
    "y1": 0.897,
    "y2": 0.964,
    "y3": 0.969,
    "y4": 1.048,
    "c1": 0.93,
    "c2": 0.953,
    "c3": 0.968,
    "c4": 0.978,
    "c5": 1.028,
    "c6": 0.924,
    "y5": 0.903,
    "y6": 0.975,
    "c7": 0.916,
    "y7": 0.885,
    "c8": 0.905,
    "y8": 0.881,
    "c9": 1.004,
    "base": 0.88,
}
STYLE = {
    "y1": [0.008, 0.046, 0.004, -0.006, 0.02, -0.015],
    "y2": [-0.005, 0.04, -0.001, 0.011, 0.023, -0.001],
    "y3": [-0.008, 0.022, 0.0, 0.02, 0.018, 0.006],
    "y4": [-0.01, 0.01, -0.003, 0.024, 0.007, -0.001],
    "c1": [0.089, -0.021, 0.004, 0.01, 0.011, 0.002],
    "c2": [0.089, -0.023, 0.005, 0.012, 0.01, 0.004],
    "c3": [0.089, -0.008, 0.008, 0.004, 0.005, 0.0],
    "c4": [0.084, 0.005, 0.015, -0.002, -0.002, -0.003],
    "c5": [0.073, 0.032, 0.008, -0.015, -0.01, 0.002],
    "c6": [0.033, 0.036, 0.002, -0.017, -0.016, 0.01],
    "y5": [0.072, 0.015, -0.007, 0.057, -0.036, -0.022],
    "y6": [0.041, -0.008, -0.011, -0.02, -0.027, -0.044],
    "c7": [0.075, 0.051, -0.042, 0.01, -0.04, 0.018],
    "y7": [0.035, -0.017, -0.014, -0.049, 0.017, -0.079],
    "c8": [0.056, 0.001, -0.129, -0.014, -0.022, 0.019],
    "y8": [0.041, -0.017, -0.034, -0.062, 0.075, 0.04],
    "c9": [0.029, -0.003, -0.091, 0.035, 0.026, -0.032],
}
"""Temperatures and styles of textures, fitted by `training/style_glow2.py` once the flow is trained, and then changed a
little by hand (docs/research/search-glow2.md). With them the contrasts of draws vary from picture to picture, and in
all bands, as those of real textures do."""
ENDS = 1 / 32
TEXTURES = {
    "kind": "blocks", "octaves": 3, "base_width": 64, "base_steps": 10, "heat": HEAT, "style": STYLE, "ends": ENDS,
}  # fmt: skip
LANDSCAPES = {"kind": "blocks", "octaves": 2, "heat": {"base": 0.6}}
SMALL = {"widths": [48, 64, 64, 64, 64], "steps": [6, 6, 8, 8, 8]}
SUBJECTS = {
    "g2": Subject("g2", TEXTURES, 128, turned=True),
    "g2-landscapes": Subject("g2", LANDSCAPES, 64, more={"side": 64}),
    "g1": Subject("g1", SMALL, 64),
}
RECIPES = {name: subject.recipe() for name, subject in SUBJECTS.items()} | {
    f"{name}/{band}": subject.recipe(band) for name, subject in SUBJECTS.items() for band in subject.band_names()
}
