"""Whether a draw may be given away: a rule on the picture alone, the same for stegos and for innocent draws.

Some draws bring no message through, at JPEG the smooth ones above all. If only a sender passed over them, they would be
missing among stegos, and that would show. So everybody passes over them: the sender before writing, and `stego sample`
for whoever draws pictures without a message. The rule asks what the draw would bring across for random keys and full
messages. That depends on the picture, the model and the channel, and not on any key or message. Few of the draws that
it accepts fail after all, so that stegos are nearly all of the draws that it accepts.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import log_ndtr, ndtr
from torch import Tensor

from stegcli.coding import gray, words
from stegcli.keys.stream import Stream
from stegcli.method import Request
from stegcli.methods.glow2 import header, layout, noise, torus
from stegcli.methods.glow2.layout import Share, Stretch
from stegcli.nn.drawing import acceptable
from stegcli.pictures import image
from stegcli.pictures.channel import LOSSLESS
from stegcli.pictures.image import Picture

if TYPE_CHECKING:
    from stegcli.methods.glow2.method import Glow2

RISK = 1e-2
"""Largest chance, over random keys, that a header would not be read."""
PLENTY = 1.1
"""Bits that must come across for each bit of a full message. The code needs about 1.05."""
MOST_DRAWS = 200
KEYS = 64
"""Random choices of places of a header that a draw is judged by."""
MOST_JUDGED = 4096
"""Latents of a band that a draw is judged by; a random part stands for larger bands."""
SEED = hashlib.sha256(b"stegcli/glow2/rule for draws").digest()
"""Everybody judges by the same random choices."""


class Rule:
    """The rule for one kind of draw: size, channel, file format, temperature and number of receivers."""

    def __init__(self, method: Glow2, request: Request, receivers: int, temperature: float):
        self.method, self.request, self.temperature = method, request, temperature
        self.size = method.size(request)
        self.bands = method.bands(*self.size)
        self.shares = [Share(i, receivers) for i in range(receivers)]
        self.table = method.tables[layout.channel_for(request.harshest)]
        self.rate = method.rate(self.table, *self.size, temperature)

    def first(self, latents: Callable[[], np.ndarray]) -> tuple[np.ndarray, Tensor] | None:
        """A source of latents (3 h w,) -> the first whose picture is accepted, and that picture (1, 3, h, w).

        None if none of MOST_DRAWS is accepted.
        """
        for _ in range(MOST_DRAWS):
            z = latents()
            x = self.method.draw(torch.from_numpy(z), *self.size, self.temperature)
            if self.accepts(z, x):
                return z, x
        return None

    def accepts(self, z: np.ndarray, x: Tensor) -> bool:
        """Latents (3 h w,) at temperature 1, and the picture (1, 3, h, w) that G2 made from them -> may it be used?"""
        if not acceptable(x):
            return False
        arrived, r = self.method.read(self.arrived(Picture(noise.to_pixels(x)))).at(self.temperature)
        stream = Stream(SEED)
        for share in self.shares:
            pool = layout.header_pool(self.bands, share)
            if sum(map(len, pool)) < header.SLOTS:
                return False
            if risk(agreement(z, arrived, r), pool, stream) > RISK:
                return False
            taken = np.concatenate(pool)[: header.SLOTS]
            room = layout.stretches(self.bands, self.table, share, taken)
            if information(z, arrived, r, room, stream) < PLENTY * self.rate:
                return False
        return True

    def arrived(self, picture: Picture) -> Picture:
        """The picture as the harshest channel delivers it, from its file."""
        request, harshest = self.request, self.request.harshest
        stego = image.decode(image.encode(picture, request.format, request.quality), "draw")
        return stego if harshest == LOSSLESS else harshest.through(stego, np.random.default_rng(0))


def agreement(z: np.ndarray, arrived: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Latents sent and received, and their correlation -> log-odds of each true sign, as far as a header believes."""
    ratio = (arrived * r / np.sqrt(1 - r**2)).astype(np.float64)
    odds = (log_ndtr(ratio) - log_ndtr(-ratio)).clip(-words.MOST_ODDS, words.MOST_ODDS)
    found: np.ndarray = odds * np.sign(z)
    return found


def risk(agreed: np.ndarray, pool: Sequence[np.ndarray], stream: Stream) -> float:
    """Log-odds of the true signs, and the candidate places of a header -> the chance that it is not read.

    A stage is read if the true word fits better than all others. The fit of a random word is nearly normal, with the
    mean 0 and the variance of its squared log-odds, when that of the true word is their sum.
    """
    missed = 0.0
    for _ in range(KEYS):
        stages = agreed[_places(pool, stream)].reshape(-1, header.SIGNS)
        lead = stages.sum(1) / np.sqrt(np.square(stages).sum(1) + 1e-9)
        missed += min(1.0, float(2.0**header.STAGE_BITS * ndtr(-lead).sum()))
    return missed / KEYS


def _places(pool: Sequence[np.ndarray], stream: Stream) -> np.ndarray:
    """Places as a key chooses them for its header."""
    found: list[np.ndarray] = []
    need = header.SLOTS
    for places in pool:
        found.append(places[stream.permutation(len(places))[:need]])
        need -= len(found[-1])
    return np.concatenate(found)


def information(z: np.ndarray, arrived: np.ndarray, r: np.ndarray, room: Sequence[Stretch], stream: Stream) -> float:
    """Latents sent and received, their correlation, and the places of a full message -> bits that come across for each
    coded bit, for random symbols."""
    got = total = 0.0
    for stretch in room:
        if not len(stretch.places):
            continue
        judged = stretch.places[stream.permutation(len(stretch.places))[:MOST_JUDGED]]
        bits = stream.bits(len(judged) * stretch.bits).reshape(-1, stretch.bits)
        dither = (torus.from_normal(z[judged]) - gray.positions(bits) / 2**stretch.bits) % 1.0
        odds = torus.read_bits(arrived[judged], r[judged], dither, stretch.bits).astype(np.float64)
        told = 1 - np.logaddexp(0, -odds * (2.0 * bits - 1)) / math.log(2)
        got += stretch.size * float(told.mean())
        total += stretch.size
    return got / max(1.0, total)
