"""Mending: the sender, who knows what the receiver will read, changes single samples until it reads right.

The gradient of the loss through the revealing network says, to first order, what one grey level more or less at a
sample would do to the slots near it. Per round each doubtful slot moves the one sample around it that promises most;
a round that leaves a tile worse than its best so far is taken back, and the next one chooses less greedily. Only
tiles with something wrong are worked on. Mending need not be perfect: a code takes what it leaves.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli.methods.lossless_inn.net import BlindNet
from stegcli.methods.lossless_inn.tiles import Tile, tiles

TILE = 128
HALO = 12
"""Pixels around a tile that its gradient sees: less than the network's reach, for time; what is far counts little."""
SWEEPS = 2
ROUNDS = 6
MARGIN = 0.25
"""Log-odds that every slot must reach: far more than another processor's rounding (about 1e-4) can take away."""
STEP = 1
"""Grey levels by which a sample moves in a round."""
WINDOW = 5
"""Side of the neighbourhood in which a slot may move a sample, in pixels."""


class Reader(Protocol):
    @property
    def net(self) -> BlindNet: ...

    @property
    def device(self) -> str: ...

    def read(self, levels: Tensor) -> Tensor: ...


def mend(reader: Reader, stego: Tensor, target: Tensor, used: Tensor) -> Tensor:
    """Stego (1, 3, h, w) in grey levels -> one whose used slots read as `target` (+-1), wherever that was reached."""
    stego = stego.clone()
    height, width = stego.shape[2:]
    for _ in range(SWEEPS):
        wrong = used & (reader.read(stego) * target < MARGIN)
        if not wrong.any():
            break
        for tile in tiles(height, width, HALO, TILE):
            if wrong[..., tile.inner[0], tile.inner[1]].any():
                _mend_tile(reader, stego, target, used, tile)
    return stego


def _mend_tile(reader: Reader, stego: Tensor, target: Tensor, used: Tensor, tile: Tile) -> None:
    """Change samples of the tile's inner part, in place."""
    inside = torch.zeros(stego.shape[2:], dtype=torch.bool)
    inside[tile.inner] = True
    target, used, inside = (tile.cut(t).to(reader.device) for t in (target, used, inside))
    watched = used & inside
    draw = np.random.default_rng(0)
    levels = best = tile.cut(stego).to(reader.device)
    fewest = -1
    for attempt in range(ROUNDS):
        pull, wrong = _pull(reader.net, levels, target, watched)
        count = int(wrong.sum())
        if fewest < 0 or count < fewest:
            fewest, best = count, levels
        if count == 0:
            break
        greed = torch.from_numpy(draw.random(tuple(levels.shape), np.float32) ** attempt).to(reader.device)
        levels = _move(best if count > fewest else levels, pull, wrong, inside, greed)
    stego[..., tile.inner[0], tile.inner[1]] = tile.trim(best).cpu()


def _pull(net: BlindNet, levels: Tensor, target: Tensor, watched: Tensor) -> tuple[Tensor, Tensor]:
    """-> the direction in which each sample lowers the loss of the watched slots, and which of these are doubtful."""
    with torch.enable_grad():
        moving = levels.clone().requires_grad_()
        log_odds = net.read(moving) * target
        loss = F.softplus(2 * MARGIN - log_odds)[watched].sum()
        (gradient,) = torch.autograd.grad(loss, moving)
    return -gradient, watched & (log_odds.detach() < MARGIN)


def _move(levels: Tensor, pull: Tensor, wrong: Tensor, inside: Tensor, greed: Tensor) -> Tensor:
    """Each doubtful slot moves the sample in its window with the strongest pull, weighed by `greed`, by STEP."""
    step = STEP * pull.sign()
    allowed = inside & (levels + step >= 0) & (levels + step <= 255)
    strength = pull.abs() * greed * allowed
    around = wrong.any(dim=1, keepdim=True).float()
    highest = F.max_pool2d(strength.amax(dim=1, keepdim=True), WINDOW, stride=1, padding=WINDOW // 2)
    wanted = torch.where(around > 0, highest, torch.full_like(highest, -1.0))
    # A sample moves if it is the strongest one in the window of a doubtful slot.
    reach = F.max_pool2d(around, WINDOW, stride=1, padding=WINDOW // 2) > 0
    chosen = reach & (strength > 0) & _is_wanted(strength, wanted)
    return torch.where(chosen, levels + step, levels)


def _is_wanted(strength: Tensor, wanted: Tensor) -> Tensor:
    """Whether a sample's strength is what some window around it asks for."""
    half = WINDOW // 2
    padded = F.pad(wanted, (half, half, half, half), value=-1.0)
    height, width = strength.shape[2:]
    hit = torch.zeros_like(strength, dtype=torch.bool)
    for dy in range(WINDOW):
        for dx in range(WINDOW):
            hit |= strength == padded[..., dy : dy + height, dx : dx + width]
    return hit
