"""Decoders: networks of random weights under the key, perturbation -> secret.

Own: unshuffle by 2, a 3x3 convolution to WIDTH channels, LeakyReLU, instance norm, a 3x3 convolution of stride 2, and
the head of `spectrum`. Weights are +1 and -1, drawn from the key's stream and scaled, and so are the same numbers on
every machine.

For a quarter of the numbers, which JPEG is to leave alone, the unshuffling gives way to what JPEG itself does: the 8x8
DCT of the luminance, frequencies weighed by how well files keep them. Colours are not looked at, whatever becomes of
the cover's. Two random rotations of a block's 64 frequencies follow in place of the convolutions: a search then meets
a problem in which nothing is hard to reach, and what JPEG adds is nowhere amplified: 11 dB at JPEG 90.

Reference: Cs-FNNS (Li, Li, Li, Qian, Zhang, ACM MM 2024), Fig. 2, Eq. 7. There three convolutions of width 96 with
slopes of 0.01, Xavier-normal weights by a seed below 1e8 and a sigmoid: `PaperDecoder`, to be measured against. A third
layer and a greater width cost time and gain nothing; a smaller slope hinders the search.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli.key import Stream
from stegcli.nn import jpeg
from stegcli.nn.jpeg import BLOCK

WIDTH, SLOPE = 16, 0.7
PAPER_WIDTH, PAPER_SLOPE = 96, 0.01
KERNEL = 3
EPSILON = 1e-5
SQUEEZED = 12
"""Channels of a picture whose pixels are unshuffled by 2; numbers that an 8x8 block gives if they are sparse."""
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
        self._sparse = sparse
        if sparse:
            self._first, self._second = _rotation(stream), _rotation(stream)[:SQUEEZED]
        else:
            self._first, self._second = _signs(stream, WIDTH, SQUEEZED), _signs(stream, SQUEEZED, WIDTH)

    def __call__(self, perturbation: Tensor) -> Tensor:
        x = perturbation / 255
        x = _kept(x) if self._sparse else F.pixel_unshuffle(x, 2)
        x = F.conv2d(x, self._first.to(x), padding=self._first.shape[-1] // 2)
        x = F.instance_norm(F.leaky_relu(x, SLOPE), eps=EPSILON * 1e-4)
        stride, padding = (1, 0) if self._sparse else (2, 1)
        return F.conv2d(x, self._second.to(x), stride=stride, padding=padding).flatten()


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


def _signs(stream: Stream, outputs: int, inputs: int) -> Tensor:
    """Weights +-1 / sqrt(fan-in), (outputs, inputs, 3, 3)."""
    drawn = stream.bits(outputs * inputs * KERNEL * KERNEL).astype(np.float32) * 2 - 1
    weights = torch.from_numpy(drawn).view(outputs, inputs, KERNEL, KERNEL)
    return weights / math.sqrt(inputs * KERNEL * KERNEL)


def _rotation(stream: Stream) -> Tensor:
    """A random orthogonal matrix as a 1x1 convolution, (64, 64, 1, 1).

    Reference: Mezzadri, "How to generate random matrices from the classical compact groups" (2007): with R's diagonal
    positive QR is unique, and so is the matrix the same on every machine.
    """
    n = BLOCK * BLOCK
    q, r = np.linalg.qr(stream.normal(n * n).reshape(n, n))
    return torch.from_numpy((q * np.sign(np.diag(r))).astype(np.float32))[:, :, None, None]


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
