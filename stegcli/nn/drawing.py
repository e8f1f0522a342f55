"""Draws pictures from a flow and rejects unusable ones by a rule that all methods share.

If stegos and other pictures from the same flow were selected by different rules, an attacker could tell them apart. So
there is one rule, and it depends on the picture only.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from stegcli.nn.wavelet import Pyramid

MOST_CLIPPED = 0.01
"""Largest share of samples beyond black and white in an accepted draw."""
MOST_EXTREME = 0.05
"""Largest share of samples that a file holds as 0 or 255. Flows with soft ends (`stegcli.nn.ends`) clip nothing, but
where they draw black or white, nothing can be read back."""
LEVELS = 256


def draw(
    flow: Pyramid, normals: Callable[[int], Tensor], height: int, width: int, temperature: float, tries: int
) -> Tensor | None:
    """The first acceptable of `tries` draws, (1, 3, h, w) in [0, 1], not rounded; None if there is none.

    flow: in float32 or float64, which sets the precision of the draw. normals: n -> n standard normals, float64 (n,);
    every try takes 3 h w of them.
    """
    weights = next(flow.parameters())
    for _ in range(tries):
        z = normals(3 * height * width).to(weights.device, weights.dtype)
        x: Tensor = flow.inverse(z.view(1, 3, height, width) * temperature)
        if acceptable(x):
            return x.clamp(0, 1)
    return None


def acceptable(x: Tensor) -> bool:
    """Whether a draw may be used: it is finite, hardly clipped, and not black or white in large parts."""
    return bool(torch.isfinite(x).all()) and clipped(x) <= MOST_CLIPPED and extreme(x) <= MOST_EXTREME


def clipped(x: Tensor) -> float:
    """Share of samples outside the range of 8 bits."""
    return ((x < 0) | (x >= 1)).float().mean().item()


def extreme(x: Tensor) -> float:
    """Share of samples that become 0 or 255."""
    return ((x < 1 / LEVELS) | (x >= 1 - 1 / LEVELS)).float().mean().item()
