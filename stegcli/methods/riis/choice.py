"""Which carrier: for a sender by what the stego must survive, for a receiver by what the picture looks like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from stegcli.methods.riis import libjpeg
from stegcli.methods.riis.carrier import Carrier, Seen
from stegcli.methods.riis.digits import Digits
from stegcli.methods.riis.known import Known
from stegcli.methods.riis.noisy import Noisy
from stegcli.methods.riis.spread import SIGMAS, Spread
from stegcli.methods.riis.tiles import SIDES, Tiles
from stegcli.methods.riis.wide import QUALITIES, Wide
from stegcli.pictures import channel
from stegcli.pictures.channel import Channel

STRONG = 4.0  # grey levels of noise from which spreading beats the lattice
NEAR = 2  # qualities around the file's own that may have been the sender's
LIKELY = (75, 80, 85, 90, 95, 70, 60, 50, 40)
"""Qualities that a picture without tables is tried with first."""


OTHERS = 30, 99
USUAL_LOWEST = (75, 40, 60)


def for_sender(survive: Sequence[Channel]) -> list[Carrier]:
    """Channels to survive -> carriers to try, the one with most room first."""
    kind = channel.pattern(survive)
    harshest = max(survive, key=lambda c: c.harshness)
    if kind == "crop":
        return [Tiles(side) for side in SIDES]
    if kind == "jpeg:A..B":
        lowest = max((q for q in QUALITIES if q <= harshest.strength), default=QUALITIES[0])
        return [Wide(lowest)]
    if kind == "jpeg:Q":
        quality = round(harshest.strength)
        return [Known(quality, (quality,))]
    if kind == "noise:S" and harshest.strength > 0:
        sigma = next((s for s in SIGMAS if s >= harshest.strength), SIGMAS[-1])
        little, much = Noisy(harshest.strength), Spread(sigma)
        return [much, little] if harshest.strength >= STRONG else [little, much]
    return [Digits()]


def for_receiver(seen: Seen) -> Iterator[Carrier]:
    """What arrived -> every carrier that may be in it, the likeliest first."""
    if seen.steps is not None:
        own = nearest_quality(seen.steps)
        for distance in range(NEAR + 1):
            for quality in sorted({own + distance, own - distance}):
                if 1 <= quality <= 100:
                    yield Known(quality)
    else:
        yield Digits()
    yield from (Wide(lowest) for lowest in USUAL_LOWEST)
    if seen.steps is None:
        yield from (Known(quality) for quality in LIKELY)
    yield from (Wide(lowest) for lowest in QUALITIES if lowest not in USUAL_LOWEST)
    yield from (Tiles(side) for side in SIDES)
    if seen.steps is None:
        yield from (Known(quality) for quality in range(*OTHERS) if quality not in LIKELY)
        yield Noisy(1.0)
        yield from (Spread(sigma) for sigma in SIGMAS)


def nearest_quality(steps: np.ndarray) -> int:
    """Steps of the luminance -> libjpeg's quality with the nearest table."""
    return min(range(1, 101), key=lambda q: int(np.abs(libjpeg.table(q) - steps).sum()))
