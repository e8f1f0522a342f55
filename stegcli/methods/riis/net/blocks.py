"""Pictures in grey levels <-> 8x8 DCT coefficients, each coefficient a channel of its own.

The colours are (R + G + B) / sqrt 3 and two orthogonal differences: an orthonormal basis, so that squared errors of
coefficients and of samples are the same. Channels are numbered colour, vertical frequency, horizontal frequency.
"""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli.nn.jpeg import BLOCK, dct_matrix

SIDE = BLOCK
COEFFICIENTS = 3 * SIDE * SIDE
MIDDLE = 128.0
LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in JPEG's luminance."""


@functools.cache
def colours() -> Tensor:
    """The orthonormal colours, (3, 3) float64, one a row."""
    rows = [[1 / math.sqrt(3)] * 3, [1 / math.sqrt(2), 0, -1 / math.sqrt(2)], [1 / math.sqrt(6), -2 / math.sqrt(6), 0]]
    rows[2][2] = rows[2][0]
    return torch.tensor(rows, dtype=torch.float64)


@functools.cache
def basis() -> Tensor:
    """Orthonormal, float64 (192, 192): samples of a block, numbered (colour channel, row, column), -> coefficients."""
    d = dct_matrix()
    return torch.einsum("oc,ui,vj->ouvcij", colours(), d, d).reshape(COEFFICIENTS, COEFFICIENTS)


@functools.cache
def luminance() -> Tensor:
    """float64 (64, 192): coefficients of a block -> the coefficients of JPEG's luminance."""
    weights = torch.tensor(LUMA, dtype=torch.float64) @ colours().T
    return torch.kron(weights[None], torch.eye(BLOCK * BLOCK, dtype=torch.float64))


@functools.cache
def spreads() -> Tensor:
    """Rough standard deviations of the coefficients of photos in grey levels, float64 (192,).

    They only set the scale of parameters and of what nets see. The powers were read off photos256 by eye.
    """
    side = torch.arange(BLOCK, dtype=torch.float64)
    frequency = 1 + torch.hypot(side[:, None], side[None])
    parts = [900 / frequency**1.8, 280 / frequency**3 + 0.6, 140 / frequency**2.8 + 0.5]
    return torch.stack(parts).reshape(-1)


def forward(levels: Tensor) -> Tensor:
    """Grey levels (b, 3, h, w), h and w multiples of 8, -> coefficients (b, 192, h/8, w/8)."""
    return F.conv2d(levels - MIDDLE, _kernels(levels.dtype, levels.device), stride=BLOCK)


def inverse(coefficients: Tensor) -> Tensor:
    """The inverse of `forward`; grey levels are neither rounded nor cut."""
    return F.conv_transpose2d(coefficients, _kernels(coefficients.dtype, coefficients.device), stride=BLOCK) + MIDDLE


@functools.lru_cache(maxsize=8)
def _kernels(dtype: torch.dtype, device: torch.device) -> Tensor:
    """`basis` as the kernels of a convolution. Kept on the device: a GPU would wait for each copy."""
    with torch.inference_mode(False):
        return basis().to(device, dtype).reshape(COEFFICIENTS, 3, BLOCK, BLOCK)


def rows(planes: Tensor) -> Tensor:
    """(b, c, h, w) -> (b h w, c): one block a row."""
    return planes.permute(0, 2, 3, 1).reshape(-1, planes.shape[1])


def planes(rows: Tensor, like: Tensor) -> Tensor:
    """The inverse of `rows`, in the batch and size of `like`."""
    batch, _, height, width = like.shape
    return rows.reshape(batch, height, width, -1).permute(0, 3, 1, 2)


def apply(matrix: Tensor, planes: Tensor) -> Tensor:
    """A matrix (m, c) at every position of (b, c, h, w) -> (b, m, h, w)."""
    return F.conv2d(planes, matrix.to(planes)[:, :, None, None])
