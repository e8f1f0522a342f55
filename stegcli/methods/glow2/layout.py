"""The use of each latent, for each channel that a stego must survive.

A channel's table gives the bits per latent of each band, and the share of these bits that is message; the rest is the
redundancy of the code. Bands are filled from the most robust on, so that a short message lies in the safest latents.
The header names the channel, and lies in bands that survive every channel.
Tables are part of the format: a message must be read with the table it was hidden with. Weights may have their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stegcli.errors import UsageError
from stegcli.nn.wavelet import Band
from stegcli.pictures.channel import Channel, parse

CHANNELS = ("png", "jpeg:95", "jpeg:90", "jpeg:80", "jpeg:70", "jpeg:60", "jpeg:50", "jpeg:40")
"""Channels from the mildest to the harshest. A header holds the index of its channel."""
LOSSLESS_CHANNEL = CHANNELS[0]
LOWEST_RATE = 0.2
TAG_BYTES = 16
MOST_RECEIVERS = 4


@dataclass(frozen=True)
class Table:
    """y, c: bits per latent of luminance and colours, by level from the finest; the last also counts for deeper levels.

    base: bits per latent of the base. rate: message bits per coded bit in this channel. order: names of all bands, the
    most robust first, as measured; without it bands with more bits per latent come first. carries: names of the bands
    of a secret picture, in the order in which they take the places of its cascade; see `carriers`.
    """

    y: Sequence[int]
    c: Sequence[int]
    base: int
    rate: float
    order: Sequence[str] = ()
    carries: Sequence[str] = ()

    def bits(self, band: Band) -> int:
        if band.name == "base":
            return self.base
        row = self.y if band.name[0] == "y" else self.c
        return row[min(band.level, len(row)) - 1]

    def sturdiest_first(self, bands: Sequence[Band]) -> list[Band]:
        if self.order:
            return sorted(bands, key=lambda b: self.order.index(b.name))
        return sorted(bands, key=lambda b: (-self.bits(b), -b.level))


# For weights without tables: cautious values, since those weights were not measured (benchmarks/glow2_latents.py).
DEFAULT = {
    "png": Table((6, 7, 7), (2, 3, 4, 5), 7, 0.45),
    "jpeg:95": Table((3, 5, 6), (0, 0, 2, 3), 5, 0.40),
    "jpeg:90": Table((2, 4, 5), (0, 0, 1, 2), 4, 0.38),
    "jpeg:80": Table((2, 3, 4), (0, 0, 0, 1), 4, 0.33),
    "jpeg:70": Table((1, 3, 4), (0, 0, 0, 1), 4, 0.28),
    "jpeg:60": Table((1, 2, 4), (0, 0, 0, 1), 4, 0.28),
    "jpeg:50": Table((1, 2, 3), (0, 0, 0, 1), 3, 0.28),
    "jpeg:40": Table((1, 2, 3), (0, 0, 0, 1), 3, 0.25),
}


def tables(own: Mapping[str, Mapping[str, object]] | None) -> dict[str, Table]:
    """The tables in the weights' configuration, completed by the default ones."""
    return DEFAULT | {n: Table(**t) for n, t in (own or {}).items()}  # type: ignore[arg-type]


def channel_for(wanted: Channel) -> str:
    """A channel to survive -> the mildest of CHANNELS that is at least as harsh. Raises UsageError."""
    if wanted.kind == "png":
        return "png"
    if wanted.kind != "jpeg":
        raise UsageError(f"glow2 does not survive {wanted}", "png or jpeg:Q")
    fit = [c for c in CHANNELS[1:] if parse(c).strength <= wanted.strength]
    return fit[0] if fit else CHANNELS[-1]


@dataclass(frozen=True)
class Share:
    """The latents of one receiver: every `of`-th, from `index` on."""

    index: int = 0
    of: int = 1

    def of_band(self, band: Band) -> np.ndarray:
        first = band.start + (self.index - band.start) % self.of
        return np.arange(first, band.start + band.size, self.of)


def header_pool(bands: Sequence[Band], share: Share) -> list[np.ndarray]:
    """Candidate latents for a header, band by band: robust in all channels, the least robust of these first."""
    sturdy = [b for b in bands if b.name == "base" or (b.name[0] == "y" and b.octave > 1)]
    return [share.of_band(b) for b in sturdy]


@dataclass(frozen=True)
class Stretch:
    """Latents that hold the same number of bits each."""

    places: np.ndarray
    bits: int

    @property
    def size(self) -> int:
        return len(self.places) * self.bits


def stretches(bands: Sequence[Band], table: Table, share: Share, taken: np.ndarray) -> list[Stretch]:
    """All latents that carry a message's body, band by band, the most robust first. taken: latents of the header."""
    used = table.sturdiest_first([b for b in bands if table.bits(b) > 0])
    return [Stretch(np.setdiff1d(share.of_band(b), taken, assume_unique=True), table.bits(b)) for b in used]


def coded_bits(body_bits: int, available: int) -> int:
    """Bits of the body -> length of its coded form: all available bits, up to the length of the strongest code."""
    return min(available, int(body_bits / LOWEST_RATE))


def capacity(available: int, rate: float) -> int:
    """Available coded bits -> the most bytes of a message; negative if not even an empty message fits."""
    return int(available * rate) // 8 - TAG_BYTES
