"""8-bit RGB arrays <-> tensors in [0, 1], or in whole grey levels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_tensor(pixels: np.ndarray) -> Tensor:
    """uint8 (h, w, 3) -> float32 (1, 3, h, w) in [0, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float().div_(255)


def to_pixels(image: Tensor) -> np.ndarray:
    """(1, 3, h, w) in [0, 1] -> uint8 (h, w, 3), rounded to the nearest of the 256 levels."""
    levels = image[0].mul(255).round_().clamp_(0, 255).to(torch.uint8)
    return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy())


def to_levels(pixels: np.ndarray) -> Tensor:
    """uint8 (h, w, 3) -> grey levels, float32 (1, 3, h, w)."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32))[None]


def from_levels(levels: Tensor) -> np.ndarray:
    """Whole grey levels (1, 3, h, w), cut to 0..255, -> uint8 (h, w, 3)."""
    inside = levels[0].detach().round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(inside.permute(1, 2, 0).cpu().numpy())


def quantise(image: Tensor) -> Tensor:
    """Image -> the nearest image on the 8-bit grid. Straight-through: its gradient is that of the identity.

    Reference: Bengio, Leonard and Courville, "Estimating or propagating gradients through stochastic
    neurons" (2013).
    """
    rounded = image.detach().mul(255).round().clamp(0, 255).div(255)
    return image + (rounded - image.detach())
