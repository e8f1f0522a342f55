"""A secret picture <-> its latents under G1."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from stegcli import image
from stegcli.image import Picture
from stegcli.methods.glow2 import noise
from stegcli.nn.wavelet import WaveletFlow


def to_latents(g1: WaveletFlow, picture: Picture, side: int) -> np.ndarray:
    """A picture, made side x side by Lanczos, which the upscaler learnt to undo -> latents (3 side side,), float32."""
    x = noise.from_pixels(image.resized(picture.pixels, side, side))
    z, _ = g1(x.to(_device(g1)))
    latents: np.ndarray = z.flatten().cpu().numpy()
    return latents


def to_picture(
    g1: WaveletFlow, upscaler: nn.Module | None, z: np.ndarray, side: int, width: int, height: int
) -> Picture:
    """The inverse of `to_latents`, restored to width x height; if that is larger, through the upscaler first."""
    x = g1.inverse(torch.from_numpy(z).view(1, 3, side, side).to(_device(g1)))
    x = x.nan_to_num(0.5).clamp(0, 1)
    if upscaler is not None and max(width, height) > side:
        x = cast(Tensor, upscaler(x))
    return Picture(image.resized(image.to_pixels(x), width, height))


def _device(flow: nn.Module) -> torch.device:
    return next(flow.parameters()).device
