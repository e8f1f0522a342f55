"""A secret picture <-> its latents under G1."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from stegcli.methods.glow2 import noise
from stegcli.nn import tensors
from stegcli.nn.wavelet import Pyramid
from stegcli.pictures import image
from stegcli.pictures.image import Picture

Restore = Callable[[Tensor], Tensor]
"""Latents (1, 3, s, s) -> the picture in [0, 1]."""


def to_latents(g1: Pyramid, picture: Picture, side: int) -> np.ndarray:
    """A picture, resized to side x side by Lanczos as the upscaler expects -> latents (3 side side,), float32."""
    x = noise.from_pixels(image.resized(picture.pixels, side, side))
    z, _ = g1(x.to(_device(g1)))
    latents: np.ndarray = z.flatten().cpu().numpy()
    return latents


def to_picture(
    g1: Pyramid, upscaler: nn.Module | None, z: np.ndarray, side: int, width: int, height: int,
    restore: Restore | None = None,
) -> Picture:  # fmt: skip
    """The inverse of `to_latents`, resized to width x height; to a larger size with the upscaler first.

    restore: replaces G1 as the function from latents to a picture.
    """
    latents = torch.from_numpy(z).view(1, 3, side, side).to(_device(g1))
    x = inverse(g1, latents) if restore is None else restore(latents)
    if upscaler is not None and max(width, height) > side:
        x = cast(Tensor, upscaler(x))
    return Picture(image.resized(tensors.to_pixels(x), width, height))


def inverse(g1: Pyramid, z: Tensor) -> Tensor:
    """Latents, possibly damaged -> pictures (b, 3, h, w) in [0, 1]."""
    return g1.inverse(z).nan_to_num(0.5).clamp(0, 1)


def _device(flow: nn.Module) -> torch.device:
    return next(flow.parameters()).device
