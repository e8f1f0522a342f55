"""What a carrier is: letters in a cover's pixels, and out of what arrived."""

from __future__ import annotations

import abc
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stegcli.keys.key import Key
from stegcli.methods.riis import luma
from stegcli.methods.riis.envelope import Letter
from stegcli.methods.riis.order import Share

PSNR = 42.0
"""dB that a stego has as a rule."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a receiver has.

    steps: (8, 8) of the luminance if the picture comes out of a JPEG file. levels: int16 (n, 8, 8), the quantised
    luminance of its whole blocks, if it could be read from the file: decoding clips colours at 0 and 255.
    kept: what the last carrier that was tried read, since it may be tried again as another receiver's.
    """

    pixels: np.ndarray
    steps: np.ndarray | None = None
    levels: np.ndarray | None = None
    kept: dict[Carrier, np.ndarray] = field(default_factory=dict, repr=False)

    @functools.cached_property
    def blocks(self) -> np.ndarray:
        """uint8 (n, 8, 8, 3)"""
        return luma.to_blocks(self.pixels)

    @functools.cached_property
    def crowd(self) -> np.ndarray:
        """(n,) how many pixels of each block have a colour at 0 or 255, where decoding clips."""
        crowd: np.ndarray = ((self.blocks == 0) | (self.blocks == 255)).any(axis=3).sum(axis=(1, 2))
        return crowd

    @functools.cached_property
    def coefficients(self) -> np.ndarray:
        """Of the luminance, float32 (n, 64)."""
        return luma.dct(luma.exact(self.blocks)).reshape(len(self.blocks), luma.SHADES)


class Carrier(abc.ABC):
    """One way to carry bytes through one kind of channel."""

    @abc.abstractmethod
    def room(self, cover: np.ndarray, receivers: int, psnr: float = PSNR) -> int:
        """Cover uint8 (h, w, 3) -> bytes for each receiver at about that PSNR; 0 or less if nothing fits."""

    @abc.abstractmethod
    def hide(self, cover: np.ndarray, letters: Sequence[Letter], psnr: float = PSNR) -> np.ndarray:
        """Cover and letters -> stego, uint8 (h, w, 3). The caller checks what arrives. Raises CapacityError."""

    @abc.abstractmethod
    def stronger(self) -> Carrier | None:
        """The same with more protection and less room, if there is such."""

    @abc.abstractmethod
    def reveal(self, seen: Seen, key: Key, share: Share) -> bytes:
        """-> the data of one receiver's letter. Raises RevealError."""
