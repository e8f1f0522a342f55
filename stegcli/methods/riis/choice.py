"""Which carrier: for a sender by what the stego must survive, for a receiver by what the picture looks like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stegcli.errors import UsageError
from stegcli.methods.riis import libjpeg
from stegcli.methods.riis.carrier import Carrier, Seen
from stegcli.methods.riis.digits import Digits
from stegcli.methods.riis.known import Known
from stegcli.methods.riis.noisy import Noisy
from stegcli.methods.riis.search import SIDES
from stegcli.methods.riis.spread import SIGMAS, Spread
from stegcli.methods.riis.tiles import Tiles
from stegcli.methods.riis.wide import QUALITIES, Wide
from stegcli.pictures import channel
from stegcli.pictures.channel import Channel

STRONG = 4.0  # grey levels of noise from which spreading beats the lattice
NEAR = 2  # qualities around the file's own that may have been the sender's
LIKELY = (75, 80, 85, 90, 95, 70, 60, 50, 40)
"""Qualities that a picture without tables is tried with first."""


LOWEST, HIGHEST = 30, 98
"""Qualities that a stego can be made for alone: lower ones leave hardly a coefficient, higher ones have small steps."""
USUAL_LOWEST = (75, 40, 60)
WEBP = (2, 3)
"""A WebP's quality over that of the JPEG whose lattices it leaves."""


def for_sender(survive: Sequence[Channel]) -> list[Carrier]:
    """Channels to survive -> carriers to try, the one that has most room as a rule first. Raises UsageError.

    Behind a single quality stands the lattice for it: where many colours are at 0 or 255, rounding is not the sender's
    to foresee, and the lattice holds more.
    """
    kind = channel.pattern(survive)
    harshest = max(survive, key=lambda c: c.harshness)
    if kind == "crop":
        return [Tiles(side) for side in SIDES]
    if kind == "jpeg:A..B":
        return [Wide(_lattice_for(harshest.strength))]
    if kind == "webp:Q":
        quality = round(harshest.strength)
        return [Wide(_lattice_for(quality / share), webp=quality) for share in WEBP]
    if kind == "jpeg:Q":
        quality = round(harshest.strength)
        if quality < LOWEST:
            raise UsageError(f"riis makes no stego for JPEG {quality} alone", f"{LOWEST} is the lowest quality")
        return [Known(quality, (quality,)), Wide(_lattice_for(quality))]
    if kind == "noise:S" and harshest.strength > 0:
        sigma = next((s for s in SIGMAS if s >= harshest.strength), None)
        if sigma is None:
            raise UsageError(f"riis does not survive {harshest}", f"noise:{SIGMAS[-1]:g} is the strongest")
        little, much = Noisy(harshest.strength), Spread(sigma)
        return [much, little] if harshest.strength >= STRONG else [little, much]
    return [Digits()]


def _lattice_for(quality: float) -> int:
    """The lowest quality of the lattices that a JPEG of that quality and all better ones leave."""
    return max((q for q in QUALITIES if q <= quality), default=QUALITIES[0])


def for_receiver(seen: Seen) -> tuple[list[Carrier], list[Carrier]]:
    """What arrived -> the carriers that are likely in it, and every other that may be."""
    lossless = seen.steps is None
    near = [] if lossless else _near(seen)
    likely: list[Carrier] = [Digits()] if lossless else [Known(near[0])]
    likely += [Wide(lowest) for lowest in USUAL_LOWEST]
    likely += [Known(quality) for quality in (LIKELY if lossless else near[1:])]
    others: list[Carrier] = [Wide(lowest) for lowest in QUALITIES if lowest not in USUAL_LOWEST]
    if lossless:
        others += [Known(quality) for quality in range(LOWEST, HIGHEST + 1) if quality not in LIKELY]
        others += [Noisy(1.0), *(Spread(sigma) for sigma in SIGMAS)]
    # Crops take longest.
    return likely, others + [Tiles(side) for side in SIDES]


def _near(seen: Seen) -> list[int]:
    """Qualities that the sender may have had in mind, the file's own first."""
    assert seen.steps is not None
    own = nearest_quality(seen.steps)
    near = sorted(range(own - NEAR, own + NEAR + 1), key=lambda quality: abs(quality - own))
    return [quality for quality in near if 1 <= quality <= 100]


def nearest_quality(steps: np.ndarray) -> int:
    """Steps of the luminance -> libjpeg's quality with the nearest table."""
    return min(range(1, 101), key=lambda q: int(np.abs(libjpeg.table(q) - steps).sum()))
