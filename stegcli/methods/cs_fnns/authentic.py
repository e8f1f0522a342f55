"""Whether a revealed picture is the sender's. Bytes are sealed; pictures are checked here.

A stego that need not survive anything has a tag of all its samples (`coding.picture_tag`): whatever was changed, it
does not hold. A stego that survives JPEG has pilots, numbers that are the key's signs. Whoever alters it without the
key adds an error to all numbers alike, pilots too: each number is made of samples from all over the picture, and nobody
knows of which. Beyond MOST_ERROR the picture is refused; JPEG files as they were asked for leave less.

How often a forgery is accepted: numbers that know nothing of the key are orthogonal to its signs but for chance. Their
mean square is 1 in each channel, so that n pilots of them have an error of at most e with a chance below
min over t of ((1 + 2 t)^-1/2 exp(t e - t / (1 + 2 t)))^n, Chernoff's bound: FALSE_ACCEPTANCE.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from stegcli.coding.picture_tag import PictureTag, tagged
from stegcli.keys.key import Key
from stegcli.methods.cs_fnns.search import Goal
from stegcli.nn.tensors import from_levels

LEAST_PILOTS, NUMBERS_PER_PILOT = 96, 64
MOST_ERROR = 0.35
"""Mean squared error of the pilots. One receiver's are at 0.02 to 0.16 after the JPEG that was asked for."""


def pilots(numbers: int) -> int:
    """How many of a picture's numbers are pilots."""
    return max(LEAST_PILOTS, numbers // NUMBERS_PER_PILOT)


def false_acceptance(pilots: int = LEAST_PILOTS, error: float = MOST_ERROR) -> float:
    """A bound on the chance that a forged stego which is to survive JPEG is accepted, as a power of 2."""
    each = min(t * error - t / (1 + 2 * t) - math.log1p(2 * t) / 2 for t in np.linspace(0.01, 50, 5000))
    return float(pilots * each / math.log(2))


def tag_of(key: Key, number: int, height: int, width: int) -> PictureTag:
    return PictureTag(key.stream("picture tag", number), height, width)


def authenticated(
    levels: Tensor, perturbation: Tensor, goals: Sequence[Goal], tags: Sequence[PictureTag]
) -> np.ndarray:
    """Cover and perturbation (1, 3, h, w) in whole grey levels -> the stego with all tags, uint8 (h, w, 3)."""
    pixels = from_levels(levels + perturbation)
    if not tags:
        return pixels
    return tagged(pixels, _costs(levels, perturbation, goals)[0].permute(1, 2, 0).numpy(), tags)


def _costs(levels: Tensor, perturbation: Tensor, goals: Sequence[Goal]) -> Tensor:
    """What the goals lose if a sample moves to the other value of its pair, by their gradient; never if that is farther
    from the cover."""
    tried = perturbation.clone().requires_grad_(True)
    with torch.enable_grad():
        loss = torch.stack([g.loss(tried) for g in goals]).sum()
    (gradient,) = torch.autograd.grad(loss, tried)
    step = 1 - 2 * ((levels + perturbation) % 2)
    return torch.where((perturbation + step).abs() < perturbation.abs(), gradient * step, torch.inf)
