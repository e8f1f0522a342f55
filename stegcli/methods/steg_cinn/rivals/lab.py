"""sRGB <-> CIE Lab, D65, on tensors: the paper's colour space.

Floats, and so never exact through whole grey levels: neither L nor the colours come back, which is what `space` is for.
Reference: CIE 15:2004, and IEC 61966-2-1 for sRGB.
"""

from __future__ import annotations

import torch
from torch import Tensor

TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
DELTA = 6 / 29
TINY = 1e-8
"""Keeps roots of nothing differentiable."""


def to_lab(rgb: Tensor) -> Tensor:
    """(b, 3, h, w), 0 to 1, or a little beyond -> L, 0 to 100, a and b."""
    dark = rgb <= 0.04045
    light = torch.where(dark, rgb / 12.92, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)
    xyz = _mixed(light, _matrix(rgb)) / _white(rgb)
    root = xyz.clamp(min=TINY) ** (1 / 3)
    f = torch.where(xyz > DELTA**3, root, xyz / (3 * DELTA**2) + 4 / 29)
    x, y, z = f.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def from_lab(lab: Tensor) -> Tensor:
    """The inverse of `to_lab`. Colours that RGB does not have come out below 0 or above 1."""
    lightness, a, b = lab.unbind(1)
    y = (lightness + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], dim=1)
    xyz = torch.where(f > DELTA, f**3, 3 * DELTA**2 * (f - 4 / 29)) * _white(lab)
    light = _mixed(xyz, torch.linalg.inv(_matrix(lab)))
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def _matrix(like: Tensor) -> Tensor:
    return torch.tensor(TO_XYZ, dtype=torch.float64).to(like)


def _white(like: Tensor) -> Tensor:
    return torch.tensor(TO_XYZ, dtype=torch.float64).sum(1).view(-1, 1, 1).to(like)


def _mixed(x: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("ij,bjhw->bihw", matrix, x)
