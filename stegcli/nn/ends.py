"""Compresses samples near black and near white, so that every real number becomes a sample in (0, 1).

    x = u                            between e and 1 - e
    x = e exp((u - e) / e)           below, and in the same way above: value and slope are continuous

A flow draws brightness without bounds, and a picture has bounds. Without this, what lies beyond them is cut off: the
latents there are lost, and so many samples of exactly 0 or 255 show. e is the share of the range at either end.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEAST = 1e-3
"""The darkest sample that `widened` tells from black: a quarter of a level."""


def compressed(u: Tensor, e: float) -> Tensor:
    """Real numbers -> samples in (0, 1); as they are for e = 0."""
    if not e:
        return u
    dark = e * torch.exp((u.clamp(max=e) - e) / e)
    light = 1 - e * torch.exp((1 - e - u.clamp(min=1 - e)) / e)
    return torch.where(u < e, dark, torch.where(u > 1 - e, light, u))


def widened(x: Tensor, e: float) -> Tensor:
    """The inverse of `compressed`, for samples that are moved to [LEAST, 1 - LEAST] first."""
    if not e:
        return x
    x = x.clamp(LEAST, 1 - LEAST)
    dark = e + e * torch.log(x.clamp(max=e) / e)
    light = 1 - e - e * torch.log((1 - x).clamp(max=e) / e)
    return torch.where(x < e, dark, torch.where(x > 1 - e, light, x))


def ladj_of_ends(x: Tensor, e: float) -> Tensor:
    """Pictures (b, c, h, w) -> log of the volume that `widened` changes, (b,)."""
    if not e:
        return x.new_zeros(len(x))
    nearest = torch.minimum(x, 1 - x).clamp(LEAST, e)
    return -(nearest / e).log().sum((1, 2, 3))
