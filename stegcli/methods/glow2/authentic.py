"""Whether a cascade picture is the sender's. Bytes and compressed pictures are sealed; cascades are checked here.

A stego that need not survive anything has a tag of all its samples (`coding.picture_tag`). One that survives JPEG must
stand changes, and is judged by statistics under the key:

    evidence   some places, the pilots, carry the number 0. What arrived there is likelier under the message's pads than
               under chance by a likelihood ratio whose mean is 1 for whoever does not know the pads: its product
               exceeds e^LEAST with a chance of e^-LEAST at most (Markov), whatever was forged.
    share      the evidence is at least SHARE of what honest latents give that are as reliable as this file's: latents
               that were replaced or moved by more than the file's own noise lower it.
    stretch    the pilots are as far from 0 as they were sent: by regression, within MOST_STRETCH and what noise does.
    turn       signs under the key turn half of the lengths of blocks round (of the numbers, if the pad is a token).
               Whoever stretches all latents (moves them on the circle) moves these the other way, and shifts the mean
               of what is carried. Honest pictures are beyond MOST_TURN deviations with a chance of
               2 e^(-MOST_TURN^2 / 2) (Hoeffding).

Whatever else is done to the latents of a block comes out in a direction that only the key knows: as noise.

What lies below the noise of the channel that was asked for cannot be refused.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from stegcli.coding.picture_tag import PictureTag
from stegcli.keys.key import Key
from stegcli.methods.glow2 import torus

LEAST = 50 * math.log(2)
"""Nats of evidence. A reveal makes at most 2^5 attempts: ten shares, three readings of the file."""
SHARE = 0.5
MOST_TURN = 7.0
MOST_STRETCH, DEVIATIONS = 0.05, 7.0
"""Factor by which all latents may be stretched, and how many standard errors of its measure beyond that."""
RELIABLE = 0.3
"""Correlation below which a latent is not looked at."""
SEEN = 8192
"""Numbers on the torus that the turn is measured on, at most."""
Piece = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Received latents (n,), their correlation with those sent, and their pads."""
STURDY, OFTEN, SELDOM = 1024, 16, 64
"""One place of OFTEN among the STURDY first is a pilot, one of SELDOM among the others."""
_W = np.arange(-400, 401) / 10
"""Errors, as multiples of their spread, over which the likelihood under chance is summed up."""


def pilots(n: int) -> np.ndarray:
    """Places in their order -> the indices of the pilots."""
    order = np.arange(n)
    found: np.ndarray = np.flatnonzero(order % np.where(order < STURDY, OFTEN, SELDOM) == OFTEN // 2)
    return found


def tag_of(key: Key, nonce: int, height: int, width: int) -> PictureTag:
    return PictureTag(key.stream("picture tag", nonce), height, width)


def rounding_costs(x: torch.Tensor, pixels: np.ndarray) -> np.ndarray:
    """A picture (1, 3, h, w) in [0, 1], its samples (h, w, 3) -> how far each is from the other value of its pair."""
    levels = x[0].permute(1, 2, 0).double().cpu().numpy() * 256
    costs: np.ndarray = np.where(pixels & 1, levels - pixels, pixels + 1 - levels)
    return costs


def signs(key: Key, nonce: int, n: int) -> np.ndarray:
    """The key's signs of n numbers, +1 and -1."""
    return key.stream("signs", nonce).bits(n).astype(np.float64) * 2 - 1


def is_authentic(pilots: Piece, carried: Piece) -> bool:
    """The pilots, and latents that carry numbers under signs -> whether they are as the sender made them."""
    found, honest = evidence(*pilots)
    if found < max(LEAST, SHARE * honest):
        return False
    by, error = stretch(*pilots)
    return abs(by - 1) <= MOST_STRETCH + DEVIATIONS * error and abs(turn(*carried)) <= MOST_TURN


def evidence(z: np.ndarray, r: np.ndarray, pads: np.ndarray) -> tuple[float, float]:
    """-> nats by which pilots (n,) favour these pads over chance, and what honest ones do on the mean."""
    seen = r >= RELIABLE
    r = r[seen].astype(np.float64)
    return float(nats(z[seen].astype(np.float64), r, pads[seen]).sum()), float(-np.log1p(-(r**2)).sum() / 2)


def stretch(z: np.ndarray, r: np.ndarray, pads: np.ndarray) -> tuple[float, float]:
    """Pilots (n,) -> the factor between them and those sent, over r, and its standard error; least squares."""
    seen = r >= RELIABLE
    r = r[seen].astype(np.float64)
    sent = r * torus.to_normal(torus.on_circle(np.zeros(len(r))) + pads[seen])
    total = float(np.square(sent / np.sqrt(1 - r**2)).sum())
    return float((sent * z[seen] / (1 - r**2)).sum()) / total, total**-0.5


def nats(z: np.ndarray, r: np.ndarray, pads: np.ndarray) -> np.ndarray:
    """Of each pilot (n,): the logarithm of its likelihood ratio, whose mean over uniform pads is 1."""
    spread = np.sqrt(1 - r**2)
    sent = torus.to_normal(torus.on_circle(np.zeros(len(z))) + pads)
    likelihood = torus.log_kernel((z - r * sent) / spread)
    other = (z[:, None] - spread[:, None] * _W) / r[:, None]
    mean = np.exp(torus.log_kernel(_W) - other**2 / 2).sum(1) * (_W[1] - _W[0]) / math.sqrt(2 * math.pi)
    ratio: np.ndarray = likelihood - np.log(mean * spread / r)
    return ratio


def turn(z: np.ndarray, r: np.ndarray, pads: np.ndarray) -> float:
    """Mean of the numbers (n,) before their signs are taken off, in standard deviations of a picture not turned."""
    seen = r >= RELIABLE
    total = squares = 0.0
    for part in np.array_split(np.flatnonzero(seen), 1 + int(seen.sum()) // 4096):
        mean, _ = torus.read_numbers(torus.number_fit(z[part], r[part], pads[part]))
        total, squares = total + float(mean.sum()), squares + float(np.square(mean, dtype=np.float64).sum())
    return total / math.sqrt(squares) if squares else 0.0
