"""What a carrier is: letters in a cover's pixels, and out of what arrived."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stegcli.keys.key import Key
from stegcli.methods.riis.envelope import Letter
from stegcli.methods.riis.order import Share

PSNR = 42.0
"""dB that a stego has as a rule."""


@dataclass(frozen=True)
class Seen:
    """What a receiver has. steps: (8, 8) of the luminance if the picture comes out of a JPEG file."""

    pixels: np.ndarray
    steps: np.ndarray | None = None


class Carrier(abc.ABC):
    """One way to carry bytes through one kind of channel."""

    @abc.abstractmethod
    def room(self, cover: np.ndarray, receivers: int, psnr: float = PSNR) -> int:
        """Cover uint8 (h, w, 3) -> bytes for each receiver at about that PSNR; 0 or less if nothing fits."""

    @abc.abstractmethod
    def hide(self, cover: np.ndarray, letters: Sequence[Letter], psnr: float = PSNR) -> np.ndarray:
        """Cover and letters -> stego, uint8 (h, w, 3). Raises CapacityError. What arrives is for the caller to check."""

    @abc.abstractmethod
    def reveal(self, seen: Seen, key: Key, share: Share) -> bytes:
        """-> the data of one receiver's letter. Raises RevealError."""
