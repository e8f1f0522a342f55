"""Luminance of a picture in 8x8 blocks of DCT coefficients, and how a change of it goes back into the colours.

Only whole blocks take part: the last rows and columns of a picture whose sides are no multiples of 8 stay as they are.

Reference: JPEG (ITU-T T.81), Annex A.3.3; JFIF (ITU-T T.871), section 7, for the luminance.
"""

from __future__ import annotations

import math

import numpy as np

BLOCK = 8
SHADES = BLOCK * BLOCK  # coefficients of a block
WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
TOWARDS = WEIGHTS / (WEIGHTS @ WEIGHTS)
"""The least change of R, G and B (in squares) that changes the luminance by 1."""
COST = 1 / float(WEIGHTS @ WEIGHTS) / 3
"""Squared error per sample of RGB when the luminance of every pixel changes by 1 along TOWARDS."""
# libjpeg's fixed point: jccolor.c, 16 fractional bits.
FIXED = (19595, 38470, 7471)
HALF = 32768
LEVEL = 128


def grid(height: int, width: int) -> tuple[int, int]:
    """Size of a picture -> rows and columns of whole blocks."""
    return height // BLOCK, width // BLOCK


def integer(pixels: np.ndarray) -> np.ndarray:
    """uint8 (..., 3) -> luminance as libjpeg rounds it, int32 (...), 0 to 255."""
    p = pixels.astype(np.int32)
    return (FIXED[0] * p[..., 0] + FIXED[1] * p[..., 1] + FIXED[2] * p[..., 2] + HALF) >> 16


def exact(pixels: np.ndarray) -> np.ndarray:
    """uint8 (..., 3) -> luminance without rounding, float32 (...)."""
    luminance: np.ndarray = pixels.astype(np.float32) @ WEIGHTS
    return luminance


def to_blocks(plane: np.ndarray) -> np.ndarray:
    """(h, w, ...) -> its whole blocks, row by row, (n, 8, 8, ...)."""
    rows, columns = grid(*plane.shape[:2])
    cut = plane[: rows * BLOCK, : columns * BLOCK]
    split = cut.reshape(rows, BLOCK, columns, BLOCK, *plane.shape[2:])
    return split.swapaxes(1, 2).reshape(rows * columns, BLOCK, BLOCK, *plane.shape[2:])


def from_blocks(blocks: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Blocks (n, 8, 8, ...) and the picture that they lie in -> the picture with these blocks."""
    rows, columns = grid(*picture.shape[:2])
    whole = blocks.reshape(rows, columns, *blocks.shape[1:]).swapaxes(1, 2)
    result = picture.copy()
    result[: rows * BLOCK, : columns * BLOCK] = whole.reshape(rows * BLOCK, columns * BLOCK, *blocks.shape[3:])
    return result


def dct_matrix() -> np.ndarray:
    """Orthonormal DCT-II, (8, 8) float32. T.81, A.3.3."""
    k = np.arange(BLOCK, dtype=np.float64)
    matrix = np.cos((2 * k[None] + 1) * k[:, None] * math.pi / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    matrix[0] /= math.sqrt(2)
    return matrix.astype(np.float32)


def dct(blocks: np.ndarray) -> np.ndarray:
    """Luminance of blocks (n, 8, 8), 0 to 255 -> coefficients, float32, vertical frequency first."""
    d = dct_matrix()
    coefficients: np.ndarray = d @ (blocks.astype(np.float32) - LEVEL) @ d.T
    return coefficients


def idct(coefficients: np.ndarray) -> np.ndarray:
    """Coefficients of a change (n, 8, 8) -> the change of the luminance, float32."""
    d = dct_matrix()
    change: np.ndarray = d.T @ coefficients.astype(np.float32) @ d
    return change


def is_grey(blocks: np.ndarray) -> np.ndarray:
    """Blocks of RGB (n, 8, 8, 3) -> bool (n,): no colour in them. They get none, though that costs more."""
    same = (blocks[..., 0] == blocks[..., 1]) & (blocks[..., 1] == blocks[..., 2])
    grey: np.ndarray = same.all(axis=(1, 2))
    return grey


def cost(blocks: np.ndarray) -> float:
    """COST of these blocks on average."""
    grey = float(is_grey(blocks).mean()) if len(blocks) else 0.0
    return COST + (1 - COST) * grey


def moved(colours: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Blocks of RGB (n, 8, 8, 3) and the change of their luminance's coefficients (n, 8, 8) -> uint8 blocks."""
    towards = np.where(is_grey(colours)[:, None, None, None], np.float32(1), TOWARDS)
    target = colours + idct(coefficients)[..., None] * towards
    pixels: np.ndarray = np.clip(np.rint(target), 0, 255).astype(np.uint8)
    return pixels
