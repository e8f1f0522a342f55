"""Photos as the recipes of steg-cinn prepare them, but on a GPU: uint8 photos on the device -> scenes.

The recipes prepare a batch of 8 with NumPy in a tenth of a second, longer than a GPU takes for the step.
`tests/test_training_on_device.py` compares both.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stegcli.data import list_pictures
from stegcli.methods.steg_cinn import coarse, covers, recipe_coarse, recipe_fine, space
from stegcli.methods.steg_cinn.nets import Scene, statistics, whole_picture
from stegcli.pictures import image

SIDE = recipe_fine.SIDE
PARTS = 3
"""Parts of random sizes that are cut from each photo for `coarse`."""


@functools.cache
def _exists() -> np.ndarray:
    """Of dark pixels, by luminance and both differences, whether there are any: bool (g, q, p). Takes seconds."""
    span = np.arange(-space.SPAN, space.SPAN + 1)
    dark = np.stack(np.meshgrid(np.arange(space.DARKEST_WITHOUT_HOLES), span, span, indexing="ij"))
    return space.exists(dark[0], dark[1:])


class Space:
    """`space.split` and the way into the gamut, on a device."""

    def __init__(self, device: torch.device):
        weights, bounds, _ = space._tables()
        self.weights, self.bounds = (torch.from_numpy(a.copy()).to(device) for a in (weights, bounds[1:-1]))
        found = space.gamut()
        self.q_low, self.q_high, self.p_low, self.p_high = (
            torch.from_numpy(t).to(device).long() for t in (found.q_low, found.q_high, found.p_low, found.p_high)
        )
        self.exists = torch.from_numpy(_exists()).to(device)
        self.ycc, self.rgb = (
            torch.from_numpy(m.T.copy()).to(device) for m in (covers.YCBCR, np.linalg.inv(covers.YCBCR))
        )

    def split(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Whole RGB levels (b, h, w, 3) -> g (b, h, w) and differences (b, 2, h, w), q before p; all int64."""
        red, green, blue = pixels.long().unbind(-1)
        light = self.weights[0][red] + self.weights[1][green] + self.weights[2][blue]
        return torch.searchsorted(self.bounds, light, right=True), torch.stack([blue - green, red - green], dim=1)

    def fill_cells(self, pixels: Tensor, uniform: Tensor) -> Tensor:
        """`covers.fill_cells`, to int64."""
        colours = (pixels.double() @ self.ycc).round() + uniform - 0.5
        return (colours @ self.rgb).round().clamp(0, 255).long()

    def add_grain(self, grey: Tensor, colours: Tensor, noise: Tensor) -> Tensor:
        """`covers.add_grain`; noise (b, h, w, 3)."""
        red, green, blue = noise.unbind(-1)
        moved = (colours + torch.stack([blue - green, red - green], dim=1)).round().long()
        q = moved[:, 0].clamp(self.q_low[grey], self.q_high[grey])
        at = grey, q + space.SPAN
        p = moved[:, 1].clamp(self.p_low[at], self.p_high[at])
        last = space.DARKEST_WITHOUT_HOLES - 1
        there = self.exists[grey.clamp(max=last), q + space.SPAN, p + space.SPAN] | (grey > last)
        return torch.stack([q, p + (~there).long()], dim=1)


@dataclass
class Photos:
    """full, small: uint8 (n, 256, 256, 3) and (n, 128, 128, 3), the same made small. parts: (PARTS n, 128, 128, 3), cut
    out and made small; places: centre (y, x) and size of each in its photo, (PARTS n, 3)."""

    full: Tensor
    small: Tensor
    parts: Tensor
    places: Tensor

    @classmethod
    def read(cls, folder: Path, device: torch.device, limit: int | None, with_parts: bool, seed: int = 0) -> Photos:
        rng, size = np.random.default_rng(seed), 2 * SIDE
        full, small, parts, places = [], [], [], []
        for path in list_pictures(folder)[:limit]:
            pixels = image.load(path).pixels
            if pixels.shape[:2] != (size, size):
                continue
            full.append(pixels)
            small.append(image.resized(pixels, SIDE, SIDE))
            for _ in range(PARTS if with_parts else 0):
                side = int(rng.integers(SIDE, size))
                top, left = (int(n) for n in rng.integers(0, size - side + 1, 2))
                parts.append(image.resized(pixels[top : top + side, left : left + side], SIDE, SIDE))
                places.append([(2 * top + side) / size - 1, (2 * left + side) / size - 1, side / size])
        blank = np.zeros((0, SIDE, SIDE, 3), np.uint8)
        tensors = [torch.from_numpy(np.stack(a) if a else blank).to(device) for a in (full, small, parts)]
        return cls(*tensors, torch.tensor(places, device=device))


def drawn(like: Tensor, *shape: int) -> Tensor:
    return torch.rand(shape, device=like.device)


def flipped(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """(b, h, w, 3) -> each with an even chance mirrored, and which are, bool (b,)."""
    which = drawn(pixels, len(pixels)) < 0.5
    return torch.where(which[:, None, None, None], pixels.flip(2), pixels), which


def fine_batch(photos: Photos, found: Space, count: int) -> dict[str, Tensor]:
    """What the fine networks see in a step, as `recipe_fine.likelihood_loss` draws it; named "level name"."""
    here = torch.randint(len(photos.full), (count,), device=photos.full.device)
    corner = torch.randint(SIDE + 1, (2, count, 1), device=here.device) + torch.arange(SIDE, device=here.device)
    part = photos.full[here[:, None, None], corner[0][:, :, None], corner[1][:, None]]
    filled = found.fill_cells(part, drawn(part, *part.shape))
    small = drawn(here, count, 1, 1, 1) < 0.5
    pixels, _ = flipped(torch.where(small, photos.small[here].long(), filled))
    grey, colours = found.split(_plain(pixels, found))
    grain = torch.where(
        drawn(here, count) < recipe_fine.WITHOUT_GRAIN, 0.0, drawn(here, count) * _spread(recipe_fine.GRAIN)
        + recipe_fine.GRAIN[0],
    )  # fmt: skip
    noise = torch.randn(pixels.shape, device=here.device) * grain[:, None, None, None]
    planes = torch.where((grain > 0)[:, None, None, None], found.add_grain(grey, colours, noise), colours).float()
    light = grey[:, None].float()
    scene = Scene(planes, light, statistics(light), whole_picture(planes, 1), grain)
    batch = {}
    for number, side in recipe_fine.WINDOWS.items():
        top, left = (8 * random.randrange((SIDE - side) // 8 + 1) for _ in range(2))
        cut = recipe_fine.cut(scene, top, left, side)
        batch |= {f"{number} {n}": getattr(cut, n) for n in ("colours", "grey", "statistics", "grain")}
        batch[f"{number} whole"] = whole_picture(planes, number)
    return {n: t.contiguous() for n, t in batch.items()}


def fine_scenes(batch: dict[str, Tensor]) -> dict[int, Scene]:
    """`fine_batch` -> the scene of each level."""
    names = ("colours", "grey", "statistics", "whole", "grain")
    return {n: Scene(*(batch[f"{n} {m}"] for m in names)) for n in recipe_fine.WINDOWS}


def _spread(bounds: tuple[float, float]) -> float:
    return bounds[1] - bounds[0]


def _plain(pixels: Tensor, found: Space) -> Tensor:
    """`recipe_fine.plain` for a share of the photos: all grey, black and white, or a grey or even rectangle."""
    count, size = len(pixels), pixels.shape[1]
    grey = found.split(pixels)[0]
    kind = torch.randint(4, (count, 1, 1), device=pixels.device)
    bounds = torch.randint(size + 1, (2, count, 2), device=pixels.device).sort(-1).values[..., None]
    line = torch.arange(size, device=pixels.device)
    rows, columns = ((line >= b[:, 0]) & (line < b[:, 1]) for b in bounds)
    inside = rows[:, :, None] & columns[:, None]
    loses = (drawn(pixels, count, 1, 1) < recipe_fine.PLAIN_SHARE) & (inside | (kind < 2))
    middle = grey.flatten(1).median(1).values[:, None, None]
    painted = torch.where(kind == 1, 255 * (grey > middle).long(), grey)[..., None]
    even = torch.tensor(recipe_fine.EVEN, device=pixels.device)
    chosen = even[torch.randint(len(even), (count, 1, 1, 3), device=pixels.device)]
    return torch.where(loses[..., None], torch.where((kind == 3)[..., None], chosen, painted), pixels)


def coarse_batch(photos: Photos, found: Space, count: int) -> dict[str, Tensor]:
    """What the coarse networks see in a step: whole photos, and parts of all sizes from a quarter on."""
    device = photos.small.device
    is_whole = drawn(photos.small, count) < recipe_coarse.WHOLE_SHARE
    at = torch.randint(len(photos.parts), (count,), device=device)
    whole = photos.small[torch.randint(len(photos.small), (count,), device=device)]
    pixels, mirrored = flipped(torch.where(is_whole[:, None, None, None], whole, photos.parts[at]))
    lit = torch.exp(torch.randn(count, device=device) * recipe_coarse.LIT)
    lit = torch.where(drawn(pixels, count) < recipe_coarse.LIT_SHARE, lit, 1.0)
    grey, colours = found.split((pixels * lit[:, None, None, None]).clamp(0, 255).floor())
    place = torch.where(is_whole[:, None], torch.tensor([0.0, 0.0, 1.0], device=device), photos.places[at])
    x = torch.where(mirrored, -place[:, 1], place[:, 1])
    grid = coarse.positions(SIDE // coarse.STEM, SIDE // coarse.STEM).to(device)
    position = grid * place[:, 2, None, None, None] + torch.stack([place[:, 0], x], dim=1)[:, :, None, None]
    return {"light": grey[:, None].float(), "planes": colours.float(), "position": position}
