"""What arrived -> the channel that it was made for, and the secrets.

A stego says nowhere what it is. Two things tell: the luminance of a stego for JPEG lies on multiples of that quality's
steps, also in a PNG; and what is read with the wrong matrix has blocks that do not fit their neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from stegcli.errors import RevealError
from stegcli.methods.riis.net import blocks
from stegcli.methods.riis.net.model import Network
from stegcli.methods.riis.net.surface import snapped, surface
from stegcli.pictures.channel import Channel

ON_STEPS = 0.5
"""Mean cosine of coefficients in units of a step, from which they count as multiples of it: 1 if all are, near 0 for
any others."""
LEAST = 100
"""Coefficients that must be told, or a quality is not considered."""
STRANGE = 0.6
"""Above this much of `strangeness` a secret is none."""
FLAT = 1.0
"""Grey levels: secrets whose blocks vary less count as flat, and not as strange."""


def read(network: Network, levels: Tensor, told: Sequence[Channel]) -> tuple[list[Tensor], Tensor]:
    """Whole grey levels (1, 3, h, w), and the channels that are known to come into question (empty: any) -> the levels
    of each secret, and those of the host. Raises RevealError if nothing looks like a picture."""
    arrived = blocks.forward(levels)
    if arrived.flatten(2).var(dim=2).max() < 1:  # nothing is in there that could say anything
        raise RevealError
    best, least = None, math.inf
    for channel in told or candidates(network, arrived):
        secrets, host = network.reveal(snapped(arrived, channel), channel)
        found = strangeness(secrets, network.secrets)
        if found < least:
            best, least = (secrets, host), found
    if best is None or least > STRANGE:
        raise RevealError
    secrets, host = best
    return [blocks.inverse(s) for s in secrets.chunk(network.secrets, dim=1)], blocks.inverse(host)


def candidates(network: Network, arrived: Tensor) -> list[Channel]:
    """The channels that a picture without word about it may have been made for."""
    plain = [c for c in network.channels if c.kind != "jpeg"]
    worst = min((c.strength for c in network.channels if c.kind == "jpeg"), default=101.0)
    quality = quality_of(arrived, round(worst))
    return plain if quality is None else [Channel("jpeg", quality), *plain]


def quality_of(arrived: Tensor, worst: int) -> int | None:
    """Coefficients -> the quality on whose steps the luminance lies, `worst` to 100; None if there is none."""
    read = blocks.apply(blocks.luminance(), arrived)
    found, best = None, ON_STEPS
    for quality in range(worst, 101):
        steps = surface(Channel("jpeg", float(quality))).lattice.diagonal().to(read)[:, None, None]
        # Steps of 1 and 2 cannot be told from samples rounded for themselves, and zeros say nothing.
        told = (steps >= 3) & (read.abs() > steps / 2)
        fit = torch.cos(2 * math.pi * read / steps)[told].mean().item()
        if told.sum() > LEAST and fit > best:
            found, best = quality, fit
    return found


def strangeness(secrets: Tensor, count: int) -> float:
    """Coefficients (1, 192 count, h, w) -> how little neighbouring blocks have in common, the worst secret's.

    It is the mean squared difference of the mean levels of neighbouring blocks over twice their variance: about 1 for
    independent blocks, as the wrong matrix gives them, and 0.1 to 0.3 for photos.
    """
    found = []
    for one in secrets.chunk(count, dim=1):
        means = one[:, 0] / blocks.SIDE
        steps = torch.cat([means.diff(dim=1).flatten(), means.diff(dim=2).flatten()]).square().mean()
        found.append(float(steps / (2 * (means.var() + FLAT**2))))
    return max(found)
