"""How the networks of levels 1 to 3 are trained: by the likelihood of the colours of photos.

Photos are JPEG files: half of them are made small, of the others the cells of JPEG's colours are filled. Most are
given grain, and the networks are told how much. A few lose their colours, wholly or in part: photos hardly ever show
that grey areas stay grey, and one wrong pixel is seen there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from stegcli.method import Method
from stegcli.methods.steg_cinn import covers, space
from stegcli.methods.steg_cinn.nets import Fine, LevelNet, Scene, statistics, whole_picture
from stegcli.pictures import image
from stegcli.recipe import Noise, Recipe, Stage, Step

SIDE = 128
WINDOWS = {1: 48, 2: 80, 3: 128}
"""Of so many pixels a side each level sees one: finer levels have more places."""
WITHOUT_GRAIN = 0.4
GRAIN = (0.15, 1.5)
VALIDATED_GRAINS = (0.0, 0.5)
PLAIN_SHARE = 0.1
"""Of photos that lose colours."""
EVEN = (0, 255, 255, 128, 64, 240)
"""Levels of R, G and B in evenly coloured areas."""


def likelihood_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
    """Photos (b, 3, 2 SIDE, 2 SIDE) -> the terms level1 to level3, nats per colour of a place."""
    generators = step.noise.generators
    grain = [0.0 if g.random() < WITHOUT_GRAIN else g.uniform(*GRAIN) for g in generators]
    pixels = np.stack([_trained_on(i, g) for i, g in zip(_pixels(images), generators, strict=True)])
    scene = scene_of(pixels, np.array(grain), step.noise, images.device)
    parts = {}
    for number, side in WINDOWS.items():
        top, left = (8 * int(generators[0].integers((SIDE - side) // 8 + 1)) for _ in range(2))
        parts[number] = cut(replace(scene, whole=whole_picture(scene.colours, number)), top, left, side)
    return terms_of(_fine(method), parts)


def terms_of(net: Fine, parts: Mapping[int, Scene]) -> dict[str, Tensor]:
    """What each level sees, by its number -> nats per colour of a place of each level."""
    terms = {}
    for number, part in parts.items():
        level = net.level(number)
        terms[f"level{number}"] = torch.stack([level.nats(part, g).mean() for g in level.groups]).mean()
    return terms


def validate(method: Method, images: Tensor) -> dict[str, float]:
    """Unseen photos -> bits per pixel of the colours of each level, without grain and with some; and `specks`, the
    share of pixels of level 1 that would come out coloured if the photos were grey."""
    noise = Noise.of(1, 0, range(len(images)))
    pixels = np.stack([prepared(i, g) for i, g in zip(_pixels(images), noise.generators, strict=True)])
    found: dict[str, float] = {}
    for grain in VALIDATED_GRAINS:
        scene = scene_of(pixels, np.full(len(pixels), grain), noise, images.device)
        levels = [_bits(_fine(method).level(n), scene) for n in WINDOWS]
        found |= {f"bpp{n}_grain{grain:g}": b for n, b in zip(WINDOWS, levels, strict=True)}
        found[f"bpp_grain{grain:g}"] = sum(levels)
    return found | {"specks": _specks(_fine(method).level(1), pixels, noise, images.device)}


def sample(method: Method, images: Tensor) -> Tensor:
    """Photos -> themselves, as they were prepared."""
    noise = Noise.of(1, 0, range(4))
    pixels = np.stack([prepared(i, g) for i, g in zip(_pixels(images[:4]), noise.generators, strict=True)])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def prepared(pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A photo of 2 SIDE a side -> one of SIDE: made small, or a part of it with the cells filled."""
    if generator.random() < 0.5:
        return image.resized(pixels, SIDE, SIDE)
    top, left = generator.integers(0, SIDE + 1, 2)
    part = pixels[top : top + SIDE, left : left + SIDE]
    return covers.fill_cells(part, generator.random(part.shape))


def _trained_on(pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    part = prepared(pixels, generator)
    return plain(part, generator) if generator.random() < PLAIN_SHARE else part


def plain(pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """uint8 (h, w, 3) -> the same all grey, black and white, or with a grey or evenly coloured rectangle."""
    grey = space.split(pixels)[0]
    kind = generator.integers(4)
    if kind == 0:
        return _painted(grey)
    if kind == 1:
        return _painted(np.where(grey > np.median(grey), 255, 0))
    rows, columns = (np.sort(generator.integers(0, size + 1, 2)) for size in grey.shape)
    where = slice(*rows), slice(*columns)
    found = pixels.copy()
    found[where] = _painted(grey[where]) if kind == 2 else generator.choice(EVEN, 3)
    return found


def _painted(grey: np.ndarray) -> np.ndarray:
    """Grey levels (h, w) -> uint8 (h, w, 3)."""
    return np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8)


def scene_of(pixels: np.ndarray, grain: np.ndarray, noise: Noise, device: torch.device) -> Scene:
    """uint8 (b, h, w, 3) and the grain that each is given -> what networks see; `whole` is that of level 1."""
    grey, colours = space.split(pixels)
    normal = noise.normal(*pixels.shape[1:]).numpy() * grain[:, None, None, None]
    grained = covers.add_grain(grey, colours, normal)
    colours = np.where((grain > 0)[None, :, None, None], grained, colours)
    light = torch.from_numpy(grey[:, None]).to(device).float()
    planes = torch.from_numpy(colours.swapaxes(0, 1).copy()).to(device).float()
    told = torch.from_numpy(grain).to(device).float()
    return Scene(planes, light, statistics(light), whole_picture(planes, 1), told)


def cut(scene: Scene, top: int, left: int, side: int) -> Scene:
    """A square part of a scene; what is told of the whole picture stays."""
    y, x = slice(top, top + side), slice(left, left + side)
    parts = {n: getattr(scene, n)[..., y, x] for n in ("colours", "grey", "statistics")}
    return replace(scene, **parts)


def _bits(net: LevelNet, scene: Scene) -> float:
    """Bits that the colours of a level take, per pixel of the picture."""
    scene = replace(scene, whole=whole_picture(scene.colours, net.level))
    total = torch.stack([net.nats(scene, g).sum() for g in net.groups]).sum().item()
    return total / math.log(2) / scene.grey.numel()


def _specks(net: LevelNet, pixels: np.ndarray, noise: Noise, device: torch.device) -> float:
    """Photos uint8 (b, h, w, 3) -> the share of a level's pixels that would be coloured if all known ones were grey."""
    grey = np.stack([_painted(space.split(p)[0]) for p in pixels])
    scene = scene_of(grey, np.zeros(len(grey)), noise, device)
    scene = replace(scene, whole=whole_picture(scene.colours, net.level))
    likely = [torch.exp(-net.nats(scene, group).sum(1)) for group in net.groups]
    return float(1 - torch.cat([p.flatten() for p in likely]).mean())


def _pixels(images: Tensor) -> np.ndarray:
    return images.permute(0, 2, 3, 1).mul(255).round().to(torch.uint8).cpu().numpy()


def _fine(method: Method) -> Fine:
    return cast(Fine, cast(nn.ModuleDict, method.networks)["fine"])


RECIPE = Recipe(
    config={"fine": {"width": 48, "split": []}},
    stages=(
        Stage("likelihood", likelihood_loss, steps=12_000, lr=3e-3, batch=8, crop=2 * SIDE, clip=5.0, trains="fine"),
    ),
    validate=validate,
    sample=sample,
    ema=0.997,
    side=2 * SIDE,
)
