"""Where a change hides: what it costs to touch each sample. Only the sender needs the costs: no format depends on them.

hill: a sample whose surroundings a small high-pass filter cannot predict is cheap, one in smooth sky is dear, and the
spread of both over their neighbourhoods keeps changes in clusters of texture.

of_density: a change costs more the better its surroundings foretell the sample, and what it takes from the sample's
likelihood besides, so that the way to likelier levels is cheap and the way back is dear.

Reference: A new cost function for spatial image steganography (Li, Wang, Huang, Li, ICIP 2014), Eq. 4: HILL, with its
3x3 high-pass filter and its averages over 3x3 and 15x15. Differences: reflected borders, and each colour by itself.
"""

from __future__ import annotations

import numpy as np

from stegcli import threads
from stegcli.methods.lossless_inn.fitted import Fitted, losses
from stegcli.methods.lossless_inn.tiles import Tile, tiles

HIGH_PASS = ((-1.0, 2.0, -1.0), (2.0, -4.0, 2.0), (-1.0, 2.0, -1.0))
FLOOR = 1.0
"""Added to the filter's answer, which is 0 on flat ground: keeps the dearest sample within reach of the cheapest."""

OWN, NATS = 1.0, 1.5
"""A change costs OWN / scale of the density, and NATS times the nats of likelihood that it takes, if it takes any. With
the nats alone the changes make a photo smoother than photos are. Others were tried, see docs/research/queue.md."""
MOST = 1e4
"""Of float16, the largest is 65,504."""
TILE = 64  # its arrays stay in the processor's cache


def hill(levels: np.ndarray) -> np.ndarray:
    """Grey levels (channels, h, w), float32 -> cost of each sample, float32 (channels h w,), mean 1."""
    costs = np.stack([_plane(plane) for plane in levels])
    found: np.ndarray = (costs / costs.mean()).reshape(-1)
    return found


def _plane(levels: np.ndarray) -> np.ndarray:
    from scipy.ndimage import convolve, uniform_filter

    residual = np.abs(convolve(levels, np.array(HIGH_PASS, np.float32), mode="mirror"))
    spread: np.ndarray = uniform_filter(1 / (uniform_filter(residual, 3, mode="mirror") + FLOOR), 15, mode="mirror")
    return spread


def of_density(density: Fitted, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A density and a picture, uint8 (h, w, 3) -> cost of one level up and of one down, float16 (3 h w,) each.

    Sixteen bits are precise enough, and large pictures need memory.
    """
    height, width, colours = pixels.shape
    up, down = np.empty((2, colours, height, width), np.float16)

    def judge(tile: Tile) -> None:
        rows, columns = (
            _reflected(one, size, density.reach) for one, size in zip(tile.inner, (height, width), strict=True)
        )
        around = np.ascontiguousarray(pixels[rows[:, None], columns].transpose(2, 0, 1), np.float32)
        inside = around[:, density.reach : len(rows) - density.reach, density.reach : len(columns) - density.reach]
        mean, scale = density(around)
        own = np.float32(OWN) / scale
        for nats, all_costs in zip(losses(inside, mean, scale), (up, down), strict=True):
            cost = own + np.float32(NATS) * np.maximum(nats, 0)
            np.minimum(cost, MOST, out=all_costs[:, tile.inner[0], tile.inner[1]])

    for _ in threads.each(judge, list(tiles(height, width, 0, TILE))):
        pass
    return up.reshape(-1), down.reshape(-1)


def _reflected(inner: slice, size: int, reach: int) -> np.ndarray:
    """The rows or columns of a tile and `reach` more on each side, reflected at the picture's border."""
    every = np.abs(np.arange(inner.start - reach, inner.stop + reach))
    found: np.ndarray = size - 1 - np.abs(size - 1 - every)
    return found
