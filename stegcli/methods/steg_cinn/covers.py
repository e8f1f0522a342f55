"""Covers before their colours are looked at: the cells of JPEG's colours filled, grain added.

A JPEG decoder computes RGB from whole numbers Y, Cb and Cr, which leaves three quarters of all RGB colours unused.
Colours drawn by a network keep to no such lattice: among them the pixels that keep their own would stand out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from stegcli.methods.steg_cinn import space, still

YCBCR = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
"""JFIF's matrix: RGB -> Y, Cb, Cr, without the shift of 128."""
JPEG_SHARE = 0.7
"""Share of JPEG's colours above which a cover is taken to have been a JPEG."""
LOOKED_AT = 2**17
FEWEST = 64
"""Coloured pixels that are looked at, and without which nothing can be said."""


def fill_cells(pixels: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """uint8 (..., 3) as a JPEG decoder gives them -> the same, spread over the cells of JPEG's colours.

    uniform: numbers in [0, 1), (..., 3): YCbCr, rounded, moves by up to half a level each way.
    """
    colours = np.round(pixels.astype(np.float64) @ YCBCR.T) + uniform - 0.5
    filled: np.ndarray = np.clip(np.round(colours @ np.linalg.inv(YCBCR).T), 0, 255).astype(np.uint8)
    return filled


def add_grain(grey: np.ndarray, colours: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """g (...) and differences int16 (2, ...) -> the differences with the noise of a sensor in them, in gamut.

    noise: in R, G and B, in grey levels, (..., 3). What it would do to the luminance is left out.
    """
    red, green, blue = (noise[..., i] for i in range(3))
    return _into_gamut(grey, np.round(colours + np.stack([blue - green, red - green])).astype(np.int16))


def share_of_jpeg(pixels: np.ndarray) -> float:
    """Share of a picture's coloured pixels that a JPEG decoder can make; 0 if it has hardly any colours.

    About 0.98 of a decoded JPEG, about 0.3 of a picture that was never compressed.
    """
    flat = pixels.reshape(-1, 3)
    flat = flat[(flat != flat[:, :1]).any(axis=1)]
    flat = flat[:: 1 + len(flat) // LOOKED_AT]
    if len(flat) < FEWEST:
        return 0.0
    whole = np.round(flat.astype(np.float64) @ YCBCR.T)
    again = np.clip(np.round(whole @ np.linalg.inv(YCBCR).T), 0, 255).astype(np.uint8)
    return float((again == flat).all(axis=1).mean())


@dataclass(frozen=True)
class Cover:
    """A cover ready to be coloured: luminance uint8 (h, w), differences int16 (2, h, w), and what was done to them."""

    pixels: np.ndarray
    grey: np.ndarray
    colours: np.ndarray
    colourless: bool
    filled: bool

    @property
    def size(self) -> tuple[int, int]:
        return self.grey.shape[0], self.grey.shape[1]

    def part(self, top: int, left: int, height: int, width: int) -> Cover:
        y, x = slice(top, top + height), slice(left, left + width)
        return replace(self, pixels=self.pixels[y, x], grey=self.grey[y, x], colours=self.colours[:, y, x])


def prepare(pixels: np.ndarray, uniform: Callable[[int], np.ndarray]) -> Cover:
    """uint8 (h, w, 3) -> the cover. uniform: how many -> numbers in [0, 1), drawn anew for every message.

    The luminance stays as it is: where cells are filled, only the colour differences move, and those of still pixels
    do not.
    """
    grey, colours = space.split(pixels)
    colourless = not colours.any()
    filled = not colourless and share_of_jpeg(pixels) > JPEG_SHARE
    if filled:
        rows = max(1, space.PIECE // pixels.shape[1])
        for top in range(0, len(pixels), rows):
            part = slice(top, top + rows)
            moved = fill_cells(pixels[part], uniform(pixels[part].size).reshape(pixels[part].shape))
            colours[:, part] = _into_gamut(grey[part], space.split(moved)[1])
        kept = still.still(grey)
        colours[:, kept] = space.split(pixels[kept])[1]
    return Cover(pixels, grey, colours, colourless, filled)


def _into_gamut(grey: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """The nearest differences that exist at that luminance."""
    table = space.gamut()
    q = colours[0].clip(table.q_low[grey], table.q_high[grey])
    at = grey, q + space.SPAN
    p = colours[1].clip(table.p_low[at], table.p_high[at])
    found = np.stack([q, p])
    dark = grey < space.DARKEST_WITHOUT_HOLES
    found[1][dark] += ~space.exists(grey[dark], found[:, dark])
    return found
