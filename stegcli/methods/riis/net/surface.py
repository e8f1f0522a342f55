"""What a channel leaves of a stego: the numbers that a receiver reads from a block, and the lattice they lie on.

    png        all 192 coefficients; the samples are whole numbers
    noise:S    the same, and the noise comes on top
    jpeg:Q     the 64 coefficients of the luminance; they are multiples of the quality's steps. The colours, halved and
               coarse, carry nothing.

A sender who knows the lattice chooses the point of it (`rounding`), so that the channel adds nothing of its own.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from stegcli.methods.riis import libjpeg
from stegcli.methods.riis.net import blocks
from stegcli.pictures.channel import Channel

CONDITIONS = 4
"""How many numbers describe a channel to the nets."""


@dataclass(frozen=True)
class Surface:
    """view: float64 (m, 192), coefficients -> what is read. lift: (192, m), a change of it -> the least change of the
    coefficients. lattice: (m, m), one step of a lattice coordinate a column. power: squared change of the coefficients
    for a unit of what is read. noise: variance that the channel adds to what is read."""

    view: Tensor
    lift: Tensor
    lattice: Tensor
    power: float
    noise: float

    @property
    def size(self) -> int:
        return len(self.view)

    @property
    def grain(self) -> float:
        """How finely the channel tells what is read, in grey levels: the mean step and the noise."""
        step = math.exp(float(torch.linalg.slogdet(self.lattice)[1]) / self.size)
        return math.hypot(step, math.sqrt(self.noise))


@functools.lru_cache(maxsize=32)
def surface(channel: Channel) -> Surface:
    """A channel of kind png, noise or jpeg -> its surface."""
    if channel.kind == "jpeg":
        view = blocks.luminance()
        power = 1 / float(sum(w * w for w in blocks.LUMA))
        steps = torch.from_numpy(libjpeg.table(round(channel.strength))).double().reshape(-1)
        return Surface(view, view.T * power, torch.diag(steps), power, 0.0)
    eye = torch.eye(blocks.COEFFICIENTS, dtype=torch.float64)
    noise = channel.strength**2 if channel.kind == "noise" else 0.0
    return Surface(eye, eye, blocks.basis(), 1.0, noise)


def snapped(coefficients: Tensor, channel: Channel) -> Tensor:
    """Coefficients of what arrived (b, 192, h, w) -> the same, with what is read moved to the nearest lattice point.

    A JPEG's decoder rounds to whole samples; this undoes it. Other channels: unchanged.
    """
    if channel.kind != "jpeg":
        return coefficients
    found = surface(channel)
    steps = found.lattice.diagonal().to(coefficients)[:, None, None]
    read = blocks.apply(found.view, coefficients)
    return coefficients + blocks.apply(found.lift, (read / steps).round() * steps - read)


@functools.lru_cache(maxsize=64)
def told(channel: Channel, dtype: torch.dtype, device: torch.device) -> Tensor:
    """`condition`, kept on the device."""
    with torch.inference_mode(False):
        return condition(channel).to(device, dtype)


def condition(channel: Channel) -> Tensor:
    """A channel -> the numbers that tell the nets how strong the distortion is, float32 (CONDITIONS,).

    The last is the logarithm of the unit, in grey levels, in which nets change coefficients: the root of the grain, as
    a hidden secret's amplitude grows with the root of it.
    """
    jpeg, noise = channel.kind == "jpeg", channel.kind == "noise"
    quality = (100 - channel.strength) / 60 if jpeg else 0.0
    unit = math.log(surface(channel).grain) / 2
    return torch.tensor([float(jpeg), quality, channel.strength / 10 if noise else 0.0, unit])
