"""Decoders: networks of random weights under the key, perturbation -> secret.

Own: blocks of 4x4 pixels as 48 channels, each channel's cells in an order of its own under the key, a random rotation
of the channels, LeakyReLU, instance norm, another rotation of which 12 rows are kept, and the head of `spectrum`. A
search then meets a problem in which nothing is hard to reach, and errors are nowhere amplified.

The order of the cells is for those who know the cover, as other receivers do. Without it a number depends on the 48
samples of one block, and independent component analysis finds the numbers of pictures, which are far from normal. With
it the 48 samples lie anywhere, and nobody knows which belong together (`python benchmarks/cs_fnns_known_cover.py`).

For a quarter of the numbers, which JPEG is to leave alone, the blocks give way to what JPEG itself does: the 8x8 DCT of
the luminance, frequencies weighed by how well files keep them, 64 of them rotated. Colours are not looked at, whatever
becomes of the cover's: 11 dB at JPEG 90 against a decoder of pixels.

Reference: Cs-FNNS (Li, Li, Li, Qian, Zhang, ACM MM 2024), Fig. 2, Eq. 7. There three 3x3 convolutions of width 96 with
slopes of 0.01, Xavier-normal weights by a seed below 1e8 and a sigmoid: `PaperDecoder`, to be measured against. Three
convolutions of width 32 or two of width 16 under the same search and head are 1 to 2 dB worse than rotations, and
slower; a smaller slope hinders the search.
"""

from __future__ import annotations

import functools
import math
from itertools import pairwise
from typing import Any, Protocol, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli.keys.stream import Stream
from stegcli.nn import jpeg
from stegcli.nn.jpeg import BLOCK

PAPER_WIDTH, PAPER_SLOPE = 96, 0.01
KERNEL = 3
EPSILON = 1e-5
CELL = 4
"""Sides of the blocks of pixels that a number is made of, unless it is sparse."""
GIVEN = 12
"""Numbers that a block gives, of 48 or 64."""
SQUEEZED = 12
"""Channels of a picture whose pixels are unshuffled by 2."""
SLOPE, SPARSE_SLOPE = 0.5, 0.7
GAIN = 0.87
"""Of dense numbers. Less, and one receiver's picture gains up to 0.7 dB, while those of four lose 2."""
LUMINANCE = (0.299, 0.587, 0.114)
"""Of red, green and blue, as JPEG files have it (ITU-T T.871, 7)."""
KEPT = 3
"""Frequencies (u, v) of a block with u + v = KEPT weigh half of the DC; two receivers' numbers and more still fit."""


class Decoder(Protocol):
    """A perturbation in grey levels (1, 3, h, w) -> what a search compares with its target."""

    def __call__(self, perturbation: Tensor) -> Tensor: ...


class Numbers:
    """Perturbation (1, 3, h, w) -> numbers of order 1, 3 h w / 4 of them; 3 h w / 16 if `sparse`.

    Their scale does not depend on the perturbation's.
    """

    def __init__(self, stream: Stream, sparse: bool = False):
        self._size = BLOCK * BLOCK if sparse else 3 * CELL * CELL
        self._sparse = sparse
        self._first, self._second = _rotation(stream, self._size), _rotation(stream, self._size)[:GIVEN]
        self._seed = stream.bytes(32)
        self._orders = functools.lru_cache(maxsize=1)(self._drawn_orders)

    def __call__(self, perturbation: Tensor) -> Tensor:
        x = perturbation / 255
        x = (_kept(x) if self._sparse else F.pixel_unshuffle(x, CELL)).flatten(2)[0]
        x = cast(Tensor, _Shuffled.apply(x, *self._orders(x.shape[1])))  # type: ignore[no-untyped-call]
        x = F.leaky_relu(self._first.to(x) @ x, SPARSE_SLOPE if self._sparse else SLOPE)
        x = (self._second.to(x) @ F.instance_norm(x[None], eps=EPSILON * 1e-4)[0]).flatten()
        return x if self._sparse else GAIN * x

    def _drawn_orders(self, cells: int) -> tuple[Tensor, Tensor]:
        """-> the order of each channel's cells, int64 (channels, cells), and its inverse."""
        words = Stream(self._seed).words(self._size * cells).reshape(self._size, cells)
        order = torch.from_numpy(np.argsort(words, axis=1, kind="stable"))
        return order, order.argsort(1)


class _Shuffled(torch.autograd.Function):
    """(channels, cells), an order for each channel and its inverse -> the same in that order.

    As `gather`, whose own gradient adds up places one by one and takes longer.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return x.gather(1, order)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (inverse,) = ctx.saved_tensors
        return gradients[0].gather(1, inverse), None, None


def count(height: int, width: int, sparse: bool = False) -> int:
    """How many numbers a perturbation of that size gives."""
    return 3 * height * width // (16 if sparse else 4)


class PaperDecoder:
    """The paper's: perturbation (1, 3, h, w) in grey levels -> picture (1, 3, h/2, w/2) in (0, 1), h/4 if `sparse`.

    Weights Xavier-normal, but by the key's stream, not by a seed.
    """

    def __init__(self, stream: Stream, sparse: bool = False):
        widths = (SQUEEZED, PAPER_WIDTH, PAPER_WIDTH, SQUEEZED)
        self._weights = [_xavier(stream, o, i) for i, o in pairwise(widths)]
        self._strides = (1, 2, 2) if sparse else (1, 1, 2)

    def __call__(self, perturbation: Tensor) -> Tensor:
        x = F.pixel_unshuffle(perturbation / 255, 2)
        for weight, stride in zip(self._weights[:-1], self._strides[:-1], strict=True):
            x = F.leaky_relu(F.conv2d(x, weight.to(x), stride=stride, padding=1), PAPER_SLOPE)
            x = F.instance_norm(x, eps=EPSILON)
        x = F.conv2d(x, self._weights[-1].to(x), stride=self._strides[-1], padding=1)
        return F.pixel_shuffle(torch.sigmoid(x), 2)


def _rotation(stream: Stream, n: int) -> Tensor:
    """A random orthogonal matrix, (n, n).

    Reference: Mezzadri, "How to generate random matrices from the classical compact groups" (2007): with R's diagonal
    positive QR is unique, and so is the matrix the same on every machine, but for the last bits.
    """
    q, r = np.linalg.qr(stream.normal(n * n).reshape(n, n))
    return torch.from_numpy((q * np.sign(np.diag(r))).astype(np.float32))


def _kept(x: Tensor) -> Tensor:
    """(1, 3, h, w) -> its luminance's 8x8 DCT, weighed by what JPEG keeps, (1, 64, h/8, w/8)."""
    luminance = torch.tensordot(torch.tensor(LUMINANCE, dtype=x.dtype), x, dims=([0], [1]))
    frequency = torch.arange(BLOCK, dtype=x.dtype)
    weights = 1 / (1 + ((frequency[:, None] + frequency) / KEPT).square())
    return (jpeg.dct(luminance) * weights).flatten(3).permute(0, 3, 1, 2)


def _xavier(stream: Stream, outputs: int, inputs: int) -> Tensor:
    """Reference: Glorot and Bengio, 2010, Eq. 16, as a normal distribution."""
    deviation = math.sqrt(2.0 / ((inputs + outputs) * KERNEL * KERNEL))
    drawn = stream.normal(outputs * inputs * KERNEL * KERNEL) * deviation
    return torch.from_numpy(drawn.astype(np.float32)).view(outputs, inputs, KERNEL, KERNEL)
