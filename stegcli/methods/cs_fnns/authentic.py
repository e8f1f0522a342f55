"""Whether a revealed picture is the sender's. Bytes are sealed; pictures are checked here.

A stego that need not survive anything has a tag of all its samples (`coding.picture_tag`): whatever was changed, it
does not hold. A stego that survives JPEG has pilots, numbers that are the key's signs. Whoever alters it without the
key adds an error to all numbers alike, pilots too: each number is made of samples from all over the picture, and nobody
knows of which. Beyond the tolerance that the sender tells in the descriptor the picture is refused.

How often a forgery is accepted: numbers that know nothing of the key are orthogonal to its signs but for chance. Their
mean square is 1 in each channel, so that n pilots of them have an error of at most e with a chance below
min over t of ((1 + 2 t)^-1/2 exp(t e - t / (1 + 2 t)))^n, Chernoff's bound: FALSE_ACCEPTANCE.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from stegcli.coding.picture_tag import PictureTag, tagged
from stegcli.keys.key import Key
from stegcli.methods.cs_fnns.descriptor import TOLERANCES, Descriptor
from stegcli.nn.tensors import from_levels

LEAST_PILOTS, NUMBERS_PER_PILOT = 96, 64


def tolerance(receivers: int, attempt: int) -> int:
    """The index in TOLERANCES that a sender tries. More receivers leave more errors; so does what did not come back."""
    return min(receivers - 1 + attempt, len(TOLERANCES) - 1)


def accepts(told: Descriptor, error: float) -> bool:
    """Whether pilots with this mean squared error are those of the message."""
    return error <= TOLERANCES[told.tolerance]


def pilots(numbers: int) -> int:
    """How many of a picture's numbers are pilots."""
    return max(LEAST_PILOTS, numbers // NUMBERS_PER_PILOT)


def false_acceptance(pilots: int = LEAST_PILOTS, error: float = TOLERANCES[-1]) -> float:
    """A bound on the chance that a forged stego which is to survive JPEG is accepted, as a power of 2."""
    each = min(t * error - t / (1 + 2 * t) - math.log1p(2 * t) / 2 for t in np.linspace(0.01, 50, 5000))
    return float(pilots * each / math.log(2))


def tag_of(key: Key, number: int, height: int, width: int) -> PictureTag:
    return PictureTag(key.stream("picture tag", number), height, width)


def authenticated(
    levels: Tensor, perturbation: Tensor, tags: Sequence[PictureTag], random: np.random.Generator
) -> np.ndarray:
    """Cover and perturbation (1, 3, h, w) in whole grey levels -> the stego with all tags, uint8 (h, w, 3).

    It moves samples at random, of those that come nearer to the cover. Those with the steepest gradients of the
    search's loss would do more harm: they all err towards one side.
    """
    stego = levels + perturbation
    nearer = (perturbation + 1 - 2 * (stego % 2)).abs() < perturbation.abs()
    costs = np.where(nearer[0].permute(1, 2, 0).numpy(), random.random((*stego.shape[2:], 3)), np.inf)
    return tagged(from_levels(stego), costs, tags) if tags else from_levels(stego)
