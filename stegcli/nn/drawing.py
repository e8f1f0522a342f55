"""Drawing pictures from a flow, under one rule: whoever draws by it passes over the same pictures.

A stego that is a draw of a flow, or has one as its cover, can be told from innocent draws if these were chosen by
another rule. So the rule stands here, and looks at the picture alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from stegcli.nn.wavelet import Pyramid

MOST_CLIPPED = 0.01
"""Share of samples beyond black and white above which a draw is not used."""


def draw(
    flow: Pyramid, normals: Callable[[int], Tensor], height: int, width: int, temperature: float, tries: int
) -> Tensor | None:
    """The first acceptable of so many draws, (1, 3, h, w) in [0, 1], not rounded; None if there is none.

    flow: in float32 or float64, which is the precision of the draw. normals: how many -> standard normals, float64
    (n,); every try takes 3 h w of them.
    """
    weights = next(flow.parameters())
    for _ in range(tries):
        z = normals(3 * height * width).to(weights.device, weights.dtype)
        x: Tensor = flow.inverse(z.view(1, 3, height, width) * temperature)
        if acceptable(x):
            return x.clamp(0, 1)
    return None


def acceptable(x: Tensor) -> bool:
    """Whether a draw may be given out: finite, and hardly clipped."""
    return bool(torch.isfinite(x).all()) and clipped(x) <= MOST_CLIPPED


def clipped(x: Tensor) -> float:
    """Share of samples outside what 8 bits hold."""
    return ((x < 0) | (x >= 1)).float().mean().item()
