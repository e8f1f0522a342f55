"""The head of a decoder: what a random network emits -> a picture, by the spectrum that the header tells.

    v (3 h w,) of order 1  --keyed permutation, unmixing, keyed signs-->  8x8 DCT coefficients over their weights
    --weights, inverse DCT, opponent colours-->  picture (1, 3, h, w)

A natural picture has large coefficients at low frequencies and small ones at high; a network's output is white. Weights
proportional to the square root of each frequency's standard deviation make the error of the picture least: those
coefficients times their errors, under a fixed energy of v. The permutation spreads each coefficient over the picture,
so that neither the perturbation nor a wrong key's output shows an outline of the secret.

Coefficients of photos are far from normal, and how far tells one secret from another: whoever knows the cover sees it
in the perturbation. So they are mixed: a filter with keyed phases makes each number a sum of thousands of coefficients,
and numbers are normal whatever the secret. Where nothing need be survived, only coefficients of one group are mixed,
since a search gives each number the precision that its weight asks for, and the variances are those of a usual photo:
half a decibel less than unmixed by the secret's own. Of stegos that survive JPEG all are mixed: one decibel more.

Reference: in place of the sigmoid of Cs-FNNS (Li et al., 2024), Fig. 2, whose decoder shows outlines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stegcli.keys.stream import Stream
from stegcli.nn import jpeg
from stegcli.nn.jpeg import BLOCK

PILOT = 16
GROUPS = 6
"""Frequencies (u, v) of a block share a weight by u + v: 0, 1, 2, 3-4, 5-7, 8 and up."""
DECAY = 1.5
"""Of photos, within a group."""
LEVELS = 32
STEP = 0.5
"""Standard deviations are told in steps of 2^(1/2), downwards from 8, the largest that a DC can have."""
COLOURS = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))
"""Rows of an orthonormal opponent transform, before they are made of length 1."""


@dataclass(frozen=True)
class Spectrum:
    """Standard deviations of a picture's DCT coefficients, as the header tells them: LEVELS levels for each of
    2 x GROUPS, luminance first, then both colours together."""

    levels: tuple[int, ...]

    def deviations(self) -> Tensor:
        """-> (3, 8, 8), for pixel values in [0, 1]."""
        told = torch.tensor(self.levels, dtype=torch.float64).view(2, GROUPS)
        deviations = BLOCK * 2.0 ** ((told - (LEVELS - 1)) * STEP)
        return deviations[:, _groups()][[0, 1, 1]] * _decay()

    def of_numbers(self) -> Tensor:
        """-> (3, 8, 8): the standard deviations of numbers whose errors harm the picture least, 1 all together."""
        deviations = self.deviations()
        return (deviations / deviations.mean()).sqrt()


USUAL = Spectrum((28, 24, 22, 20, 18, 16, 24, 18, 16, 14, 10, 7))
"""Of a photo of 128x128: the mean levels of 85 photos."""
FLAT = Spectrum((0,) * (2 * GROUPS))
"""Where there is no picture."""


def measured(picture: Tensor) -> Spectrum:
    """Picture (1, 3, h, w) in [0, 1], sides multiples of 8 -> its spectrum."""
    coefficients = to_coefficients(picture - 0.5)
    levels = []
    for part in (coefficients[:1], coefficients[1:]):
        energy = part.square().mean(dim=(0, 1, 2))
        for group in range(GROUPS):
            deviation = float(energy[_groups() == group].mean().sqrt()) / BLOCK
            level = LEVELS - 1 + round(math.log2(max(deviation, 1e-9)) / STEP)
            levels.append(min(LEVELS - 1, max(0, level)))
    return Spectrum(tuple(levels))


def luminance(like: Tensor) -> Tensor:
    """What each colour adds to the luminance of `to_coefficients`, (3,)."""
    return _colours(like)[0]


def to_coefficients(picture: Tensor) -> Tensor:
    """(1, 3, h, w) -> DCT coefficients (3, h/8, w/8, 8, 8), orthonormal in blocks and colours."""
    planes = _colours(picture) @ picture[0].flatten(1)
    return jpeg.dct(planes.view(picture.shape[1:]))


def to_picture(coefficients: Tensor) -> Tensor:
    """The inverse of `to_coefficients`, and its adjoint."""
    planes = jpeg.idct(coefficients)
    picture = _colours(coefficients).T @ planes.flatten(1)
    return picture.view(1, *planes.shape)


class Head:
    """Numbers (3 h w,) <-> pictures (1, 3, h, w); signs, phases and places by the key's stream.

    pilots: how many numbers do not hold the picture but the key's signs, by which a receiver judges the others; 0 where
    nothing need be survived. They take the places of the finest coefficients, those of the colours first, which
    become 0.
    """

    def __init__(self, stream: Stream, height: int, width: int, spectrum: Spectrum, pilots: int = 0):
        n = 3 * height * width
        self.shape = (3, height // BLOCK, width // BLOCK, BLOCK, BLOCK)
        self._places = torch.from_numpy(stream.permutation(n))
        self._signs = torch.from_numpy(stream.bits(n).astype(np.float32) * 2 - 1)
        like = spectrum if pilots else USUAL
        self._weights = (spectrum.deviations() / like.of_numbers()).float()[:, None, None]
        self._finest = _finest_first(self.shape)[:pilots]
        self._pilots = self._places[self._finest]
        self._pilot_signs = torch.from_numpy(stream.bits(pilots).astype(np.float32) * 2 - 1)
        self._mixed = [(every, _phases(stream, len(every))) for every in self._mixed_together()]

    def picture(self, numbers: Tensor) -> Tensor:
        """Numbers of order 1 -> a picture, about [0, 1] but not clipped."""
        found = numbers[self._places].index_fill(0, self._finest, 0)
        for every, phases in self._mixed:
            found[every] = _filtered(found[every], phases.conj())
        return to_picture((found * self._signs).view(self.shape) * self._weights) + 0.5

    def numbers(self, picture: Tensor) -> Tensor:
        """The inverse of `picture`, and the pilots."""
        found = (to_coefficients(picture - 0.5) / self._weights).flatten() * self._signs
        for every, phases in self._mixed:
            found[every] = _filtered(found[every], phases)
        return self._placed(found).index_put((self._pilots,), self._pilot_signs)

    def importance(self) -> Tensor:
        """How much an error of each number counts in the picture's squared error, (3 h w,). Pilots count PILOT times
        the mean, so that a search among several receivers does not leave its errors to them."""
        squares = self._weights.square().expand(self.shape).flatten()
        for every, _ in self._mixed:
            squares[every] = squares[every].mean()
        return self._placed(squares).index_fill(0, self._pilots, PILOT * float(squares.mean()))

    def pilot_error(self, numbers: Tensor) -> float:
        """Mean squared error of the pilots, which have a mean square of 1."""
        return float((numbers[self._pilots] - self._pilot_signs).square().mean())

    def _placed(self, found: Tensor) -> Tensor:
        numbers = torch.empty_like(found)
        numbers[self._places] = found
        return numbers

    def _mixed_together(self) -> list[Tensor]:
        """The indices of the coefficients that are mixed with one another."""
        if len(self._finest):
            return [torch.ones(self.shape).flatten().index_fill(0, self._finest, 0).nonzero()[:, 0]]
        colour = (torch.arange(3) > 0).view(3, 1, 1, 1, 1)
        kinds = (_groups() + GROUPS * colour).expand(self.shape).flatten()
        return [(kinds == kind).nonzero()[:, 0] for kind in range(2 * GROUPS)]


def _phases(stream: Stream, count: int) -> Tensor:
    """Numbers on the unit circle for the frequencies of `count` real values; those that must be real are 1."""
    turns = stream.uniform(count // 2 + 1)
    turns[[0, -1] if count % 2 == 0 else 0] = 0
    return torch.from_numpy(np.exp(2j * np.pi * turns).astype(np.complex64))


def _filtered(values: Tensor, phases: Tensor) -> Tensor:
    """(n,) through a filter that changes phases alone; the conjugate phases undo it."""
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(values) * phases, n=len(values))
    return filtered


def _finest_first(shape: tuple[int, ...]) -> Tensor:
    """Indices of coefficients (3, rows, columns, 8, 8), those of the highest u + v first, of these the colours."""
    u, v = torch.meshgrid(torch.arange(BLOCK), torch.arange(BLOCK), indexing="ij")
    fineness = 2 * (u + v).expand(shape) + (torch.arange(3) > 0).view(3, 1, 1, 1, 1)
    return fineness.flatten().argsort(descending=True, stable=True)


def _decay() -> Tensor:
    """How deviations fall off within each group, (8, 8): as (u + v)^-DECAY, with mean square 1."""
    frequency = torch.arange(BLOCK, dtype=torch.float64)
    decay = (frequency[:, None] + frequency).clamp(min=1) ** -DECAY
    for group in range(GROUPS):
        inside = _groups() == group
        decay[inside] /= decay[inside].square().mean().sqrt()
    return decay


def _groups() -> Tensor:
    frequency = torch.arange(BLOCK)
    return torch.bucketize(frequency[:, None] + frequency, torch.tensor([0, 1, 2, 4, 7]))


def _colours(like: Tensor) -> Tensor:
    rows = torch.tensor(COLOURS, dtype=torch.float64)
    colours: Tensor = rows / rows.norm(dim=1, keepdim=True)
    return colours.to(like.dtype)
