"""Covers before their colours are looked at: the cells of JPEG's colours filled, grain added.

A JPEG decoder computes RGB from whole numbers Y, Cb and Cr, which leaves three quarters of all RGB colours unused. Colours
drawn by a network keep to no such lattice: among them the pixels that keep their own would stand out.
"""

from __future__ import annotations

import numpy as np

from stegcli.methods.steg_cinn import space

YCBCR = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
"""JFIF's matrix: RGB -> Y, Cb, Cr, without the shift of 128."""


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
    table = space.gamut()
    red, green, blue = (noise[..., i] for i in range(3))
    q = np.round(colours[0] + blue - green).clip(table.q_low[grey], table.q_high[grey]).astype(np.int16)
    at = grey, q + space.SPAN
    p = np.round(colours[1] + red - green).clip(table.p_low[at], table.p_high[at]).astype(np.int16)
    return np.stack([q, p])
