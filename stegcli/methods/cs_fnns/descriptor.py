"""What a stego says of its message: a few bits, each the sign of a keyed sum over the perturbation's coarse content.

Every bit has its own set of places among the lowest luminance frequencies of all 8x8 blocks, and a sign for each; the
sum over them must be positive for 1 and negative for 0, by a margin. The sums are orthogonal directions of unit length,
so that setting one costs next to nothing, and rounding, JPEG and other receivers' messages hardly move it.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from stegcli.errors import RevealError
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream
from stegcli.methods.cs_fnns import spectrum
from stegcli.methods.cs_fnns.spectrum import FLAT, GROUPS, Spectrum
from stegcli.nn import jpeg
from stegcli.nn.jpeg import BLOCK

Form = Literal["picture", "bytes", "paper"]
FORMS: tuple[Form, ...] = ("picture", "bytes", "paper")
SIDE_BITS, LEVEL_BITS, HASH_BITS, CHECK_BITS = 13, 5, 24, 32
TOLERANCES = (0.12, 0.2, 0.3, 0.4)
"""Mean squared errors of the pilots that a receiver may be told to accept. After the JPEG that was asked for, honest
ones had 0.02 to 0.08 with one receiver, 0.06 with two, and with four 0.15 on the mean and 0.31 at most."""
LOWEST = 3
"""Frequencies of a block that carry the descriptor: LOWEST x LOWEST."""


@dataclass(frozen=True)
class Descriptor:
    """form: what is carried. sparse: a quarter of the numbers, for JPEG. depth: bits in each number, of bytes.

    Of a picture width and height to restore and the spectrum of its head. cover: hash of the one that the sender drew.
    tolerance: index in TOLERANCES, of a sparse picture, see `authentic`.
    """

    form: Form
    sparse: bool
    cover: int
    width: int = 0
    height: int = 0
    depth: int = 1
    spectrum: Spectrum = FLAT
    tolerance: int = 0

    def to_bits(self, key: Key, number: int) -> np.ndarray:
        """-> uint8 (BITS,), checked under the key."""
        values = [
            FORMS.index(self.form),
            int(self.sparse),
            self.tolerance,
            self.cover,
            self.width,
            self.height,
            self.depth,
        ]
        values += self.spectrum.levels
        body = np.concatenate([_bits(v, w) for v, w in zip(values, _WIDTHS, strict=True)])
        return np.concatenate([body, _bits(_check(body, key, number), CHECK_BITS)])


def from_bits(bits: np.ndarray, key: Key, number: int) -> Descriptor:
    """The inverse of `to_bits`. Raises RevealError if the check fails."""
    body, check = bits[:-CHECK_BITS], bits[-CHECK_BITS:]
    if _number(check) != _check(body, key, number):
        raise RevealError
    values, at = [], 0
    for width in _WIDTHS:
        values.append(_number(body[at : at + width]))
        at += width
    form, sparse, tolerance, cover, width, height, depth, *levels = values
    if form >= len(FORMS):
        raise RevealError  # of a later version
    spectrum = Spectrum(tuple(levels))
    return Descriptor(FORMS[form], bool(sparse), cover, width, height, depth, spectrum, tolerance)


_WIDTHS = (2, 1, 2, HASH_BITS, SIDE_BITS, SIDE_BITS, 2, *[LEVEL_BITS] * (2 * GROUPS))
BITS = sum(_WIDTHS) + CHECK_BITS


class Marks:
    """The directions of one receiver's descriptor in a perturbation (1, 3, h, w)."""

    def __init__(self, stream: Stream, height: int, width: int):
        rows, columns = height // BLOCK, width // BLOCK
        self._shape = (rows, columns, LOWEST, LOWEST)
        n = math.prod(self._shape)
        self._owner = torch.from_numpy(np.arange(n) % BITS)
        self._places = torch.from_numpy(stream.permutation(n))
        length = torch.bincount(self._owner, minlength=BITS).sqrt()
        self._signs = torch.from_numpy(stream.bits(n).astype(np.float32) * 2 - 1) / length[self._owner]

    def read(self, perturbation: Tensor) -> Tensor:
        """-> the sums (BITS,), positive for 1, in grey levels along a direction of unit length."""
        content = _coarse(perturbation).flatten()[self._places] * self._signs
        return torch.zeros(BITS, dtype=content.dtype).index_add_(0, self._owner, content)

    def nudge(self, perturbation: Tensor, bits: Tensor, margin: float) -> Tensor:
        """What must be added for all sums to have the sign of `bits` (+-1) and at least the margin, (1, 3, h, w)."""
        lacking = (margin - bits * self.read(perturbation)).clamp(min=0) * bits
        if not lacking.any():
            return torch.zeros_like(perturbation)
        content = torch.zeros(math.prod(self._shape), dtype=perturbation.dtype)
        content[self._places] = (lacking[self._owner] * self._signs).to(perturbation.dtype)
        return _spread(content.view(self._shape))


def _coarse(perturbation: Tensor) -> Tensor:
    """(1, 3, h, w) -> the lowest luminance frequencies, (h/8, w/8, LOWEST, LOWEST): a part of `to_coefficients`."""
    height, width = perturbation.shape[2:]
    lines = jpeg.dct_matrix().to(perturbation)[:LOWEST]
    plane = spectrum.luminance(perturbation) @ perturbation[0].flatten(1)
    rows = (lines @ plane.view(height // BLOCK, BLOCK, width)).view(height // BLOCK, LOWEST, width // BLOCK, BLOCK)
    return (rows @ lines.T).transpose(1, 2)


def _spread(content: Tensor) -> Tensor:
    """The adjoint of `_coarse`."""
    rows, columns, _, _ = content.shape
    lines = jpeg.dct_matrix().to(content)[:LOWEST]
    plane = lines.T @ (content.transpose(1, 2) @ lines).reshape(rows, LOWEST, columns * BLOCK)
    return spectrum.luminance(content)[:, None, None] * plane.view(1, 1, rows * BLOCK, columns * BLOCK)


def _bits(value: int, width: int) -> np.ndarray:
    if not 0 <= value < 1 << width:
        raise ValueError(f"{value} does not fit {width} bits")
    return np.array([(value >> i) & 1 for i in reversed(range(width))], np.uint8)


def _number(bits: np.ndarray) -> int:
    return int("".join(map(str, bits.tolist())), 2)


def _check(body: np.ndarray, key: Key, number: int) -> int:
    digest = hmac.new(key.derive("descriptor check", number), body.tobytes(), hashlib.sha256).digest()
    return int.from_bytes(digest[: CHECK_BITS // 8], "big")
