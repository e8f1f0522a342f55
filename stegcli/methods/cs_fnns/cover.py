"""Covers, which sender and receiver draw from the key, equal to the last bit.

    texture (h, w, 3) of a generator, within 32..223  +  s times standard normal grain  ->  rounded to whole levels

Grain has two purposes. It hides the perturbation: a cover without a message has grain of a standard deviation G; one
with a message has less, s^2 = G^2 - that of the perturbation, so that both together look like grain. And it prevents an
attacker without the key from guessing the cover by smoothing the stego. The texture stays away from black and white so
that grain and perturbation are never clipped: if covers were clipped and stegos not, a histogram would show it.

A texture is drawn in float64, where machines differ by about 1e-12, and rounded once. A cover with a sample within
MARGIN of a rounding boundary is not used. The stego also carries a hash of the cover.
Reference: Cs-FNNS (Li et al., 2024), Eq. 8, whose covers have no grain. Grain is needed: without it a small network
detects all stegos at 46 dB (`python benchmarks/cs_fnns_detector.py --grain 0`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from stegcli.errors import WeightsError
from stegcli.keys.key import Key
from stegcli.methods.cs_fnns import numbers
from stegcli.methods.cs_fnns.numbers import Normals
from stegcli.methods.cs_fnns.search import deviation
from stegcli.nn import drawing
from stegcli.nn.wavelet import Pyramid

GRAIN = 6.0
"""Standard deviation of the grain in grey levels, of covers without a message."""
DARKEST, LIGHTEST = 32, 223
"""Range of textures in grey levels: more than five times GRAIN from black and white."""
GRAIN_STEP = 1 / 16
MARGIN = 1e-9
TRIES = 100
HASH_BYTES = 3


class Generator(Protocol):
    """Draws textures. step: sides are multiples of it."""

    step: int

    def draw(self, normals: Normals, height: int, width: int) -> np.ndarray:
        """Standard normals -> grey levels (h, w, 3), float64 in [0, 255]."""

    def telling(self, normals: Normals, number: int, key: Key, height: int, width: int) -> Normals:
        """The normals with which the texture tells its number to whoever has the key, if this generator can do that."""

    def numbers(self, pixels: np.ndarray, key: Key) -> Sequence[int]:
        """Stego, uint8 (h, w, 3) -> the numbers that a receiver should try."""


class Textures:
    """A wavelet flow in float64 as a generator."""

    def __init__(self, flow: Pyramid, temperature: float):
        self.flow, self.temperature = flow.double(), temperature
        self.step = max(64, flow.side)

    def draw(self, normals: Normals, height: int, width: int) -> np.ndarray:
        def drawn(n: int) -> torch.Tensor:
            return torch.from_numpy(normals(n))

        x = drawing.draw(self.flow, drawn, height, width, self.temperature, TRIES)
        if x is None:
            raise WeightsError("the generator draws only clipped pictures", "use other weights")
        levels: np.ndarray = x[0].permute(1, 2, 0).numpy() * 255
        return levels

    def telling(self, normals: Normals, number: int, key: Key, height: int, width: int) -> Normals:
        return numbers.told(normals, number, key, numbers.band_of(self.flow, height, width))

    def numbers(self, pixels: np.ndarray, key: Key) -> Sequence[int]:
        x = (pixels.transpose(2, 0, 1) - float(DARKEST)) / (LIGHTEST - DARKEST)
        return (numbers.read(torch.from_numpy(x)[None], key, self.flow),)


@dataclass(frozen=True)
class Cover:
    """pixels: uint8 (h, w, 3). margin: of the sample nearest to a rounding boundary, in grey levels."""

    pixels: np.ndarray
    margin: float

    @property
    def hash(self) -> int:
        return int.from_bytes(hashlib.sha256(self.pixels.tobytes()).digest()[:HASH_BYTES], "big")


@dataclass(frozen=True)
class Ground:
    """A cover before its grain is set: texture and grain of standard deviation 1, float64 (h, w, 3)."""

    texture: np.ndarray
    grain: np.ndarray

    def cover(self, strength: float) -> Cover:
        levels = np.clip(self.texture + strength * self.grain, 0, 255)
        margin = float(np.abs(levels - np.floor(levels) - 0.5).min())
        return Cover(np.rint(levels).astype(np.uint8), margin)

    def strengths(self, pixels: np.ndarray) -> list[float]:
        """Stego uint8 (h, w, 3) -> possible strengths of its grain, the likeliest first, and 0 last."""
        found = float(((pixels - self.texture) * self.grain).sum() / np.square(self.grain).sum())
        nearest = round(found / GRAIN_STEP)
        order = (nearest, nearest - 1, nearest + 1, nearest - 2, nearest + 2)
        return list(dict.fromkeys([GRAIN_STEP * k for k in order if k >= 0] + [0.0]))


def ground(generator: Generator, key: Key, number: int, height: int, width: int) -> Ground:
    """The ground of message `number` under a key, the same for all keys of its group."""
    normals = generator.telling(key.cover_stream("cover", number).normal, number, key, height, width)
    texture = within(generator.draw(normals, height, width))
    grain = key.cover_stream("grain", number).normal(texture.size).reshape(texture.shape)
    return Ground(texture, grain)


def within(levels: Any) -> Any:
    """Grey levels in [0, 255], of arrays or tensors -> those of textures, DARKEST to LIGHTEST."""
    return DARKEST + levels * ((LIGHTEST - DARKEST) / 255)


def strength(grain: float, psnr: float) -> float:
    """Grain of a cover without a message, PSNR of the stego -> grain of the stego's cover, in steps of GRAIN_STEP.

    At least half of the grain is kept: grain cannot hide a perturbation that is stronger than it.
    """
    left = max(grain**2 - deviation(psnr) ** 2, (grain / 2) ** 2)
    return round(float(np.sqrt(left)) / GRAIN_STEP) * GRAIN_STEP
