"""Hiding simulated at the bound, part by part: costs of a part know the changes of the parts before it.

    covers (b, 3, h, w) --density--> nats that a move takes --Scheme--> costs --at the rate of the payload--> moves

A part is the samples of one colour, everywhere or on a fourth of the places. Each part gets the share of the message
that its first costs have room for. For experiments: what is shipped embeds in one pass.

References: A strategy of clustering modification directions in spatial image steganography (Li, Wang, Li, Huang, IEEE
TIFS 2015); Clustering steganographic modification directions for color components (Tang, Li, Luo, Huang, IEEE SPL
2016): `near`. Gibbs construction in steganography (Filler, Fridrich, IEEE TIFS 2010): one sweep of it is `added`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli.methods.lossless_inn.density import Density
from stegcli.methods.lossless_inn.fitted import FLOOR, MIDDLE, RANGE

NEVER, LEAST, SURE = 1e4, 0.05, 1e-3
ROUNDS = 24
TOGETHER = 16  # pictures
PLACES = ((0, 0), (1, 1), (0, 1), (1, 0))
GREEN_FIRST = (1, 0, 2)


@dataclass(frozen=True)
class Part:
    """The samples of one colour at rows y, y + step, ... and columns x, x + step, ..."""

    colour: int
    y: int = 0
    x: int = 0
    step: int = 1

    def of(self, values: Tensor) -> Tensor:
        """(b, 3, h, w) -> the part's own, a view."""
        return values[:, self.colour, self.y :: self.step, self.x :: self.step]


COLOURS = tuple(Part(c) for c in GREEN_FIRST)
CHESS = tuple(Part(c, y, x, 2) for y, x in PLACES for c in GREEN_FIRST)


@dataclass(frozen=True)
class Scheme:
    """A move costs own / scale + nats * max(nats that it takes, floor).

    kept: these times the nats that it takes, if any, go into the exponent as they are, without the rate (Metropolis).
    parts: one after the other; all at once if there are none. near: times the costs of the way in which the neighbours
    and the place's other colours went. added: times the nats that the changes so far add to a move, on top of its first
    cost. again: whether costs are found anew for each part, given the changes so far.
    """

    own: float = 0.0
    nats: float = 1.0
    floor: float = 0.0
    kept: float = 0.0
    parts: Sequence[Part] = ()
    near: float = 1.0
    added: float = 0.0
    again: bool = True


SCHEMES = {
    "nats": Scheme(floor=0.5),
    "nats-0.2": Scheme(floor=0.2),
    "plain": Scheme(own=1, nats=1.5),
    "plain-0.5": Scheme(own=0.5, nats=1.5),
    "near": Scheme(own=1, nats=1.5, parts=COLOURS, near=0.3, again=False),
    "chess-nats": Scheme(floor=0.5, parts=CHESS),
    "chess": Scheme(own=1, nats=1.5, parts=CHESS),
    "chess-1.5": Scheme(own=1, nats=1.5, parts=CHESS, added=1.5),
    "chess-4": Scheme(own=1, nats=1.5, parts=CHESS, added=4),
    "chess-nats-2": Scheme(floor=0.5, parts=CHESS, added=2),
    "metropolis": Scheme(own=1, nats=0, kept=1, parts=CHESS),
}


@dataclass(frozen=True)
class Costs:
    """Of a part, (b, ...): what the rate multiplies, and what is added to it, of a move up and of one down."""

    up: Tensor
    down: Tensor
    more_up: Tensor
    more_down: Tensor

    def logs(self, rate: Tensor) -> Tensor:
        """Rate (b,) -> log of the chance of a move up, of one down and of none, (3, b, n)."""
        up, down, more_up, more_down = (c.flatten(1) for c in (self.up, self.down, self.more_up, self.more_down))
        r = rate[:, None]
        return torch.stack([-r * up - more_up, -r * down - more_down, torch.zeros_like(up)]).log_softmax(0)

    def bits(self, rate: Tensor) -> Tensor:
        """-> entropy of each picture (b,)."""
        logs = self.logs(rate)
        return -(logs.exp() * logs).sum((0, 2)) / np.log(2)

    def rate(self, bits: Tensor) -> Tensor:
        """Bits of each picture -> the rate with that entropy, (b,)."""
        low, high = torch.full_like(bits, -12), torch.full_like(bits, 8)  # of its logarithm
        for _ in range(ROUNDS):
            middle = (low + high) / 2
            more = self.bits(middle.exp()) > bits
            low, high = torch.where(more, middle, low), torch.where(more, high, middle)
        return ((low + high) / 2).exp()

    def moves(self, rate: Tensor, generator: torch.Generator) -> Tensor:
        """-> -1, 0 and 1 as a perfect code would move, in the shape of the costs."""
        up, down, _ = self.logs(rate).exp()
        drawn = torch.rand(up.shape, generator=generator, device=up.device)
        return ((drawn < up).float() - ((drawn >= up) & (drawn < up + down)).float()).view(self.up.shape)

    @classmethod
    def joined(cls, costs: Sequence[Costs]) -> Costs:
        names = ("up", "down", "more_up", "more_down")
        return cls(*(torch.cat([getattr(c, n).flatten(1) for c in costs], 1) for n in names))


@torch.no_grad()
def embed(scheme: Scheme, density: Density, covers: Tensor, bpp: float, generator: torch.Generator) -> Tensor:
    """Covers, whole grey levels as floats (b, 3, h, w), and bits per pixel -> stegos."""
    parts = scheme.parts or COLOURS
    before = [_nats(density, covers, covers, part) for part in parts]
    first = [_costs(scheme, covers, part, nats) for part, nats in zip(parts, before, strict=True)]
    bits = torch.full((len(covers),), bpp * covers[0, 0].numel(), device=covers.device)
    rate = Costs.joined(first).rate(bits)
    shares = torch.stack([c.bits(rate) for c in first])
    shares = shares / shares.sum(0)
    stego = covers.clone()
    for part, was, cost, share in zip(parts, before, first, shares, strict=True):
        now = cost
        if scheme.parts:
            now = _given(scheme, density, covers, stego, part, was, cost)
            rate = now.rate(bits * share)
        part.of(stego).add_(now.moves(rate, generator))
    return stego


Nats = tuple[Tensor, Tensor, Tensor]
"""Of a part: what a move up takes, what one down takes, and the scale."""


def _given(
    scheme: Scheme, density: Density, covers: Tensor, stego: Tensor, part: Part, before: Nats, first: Costs
) -> Costs:
    """The costs of a part, given the changes so far."""
    if scheme.near != 1:
        return _led(scheme, first, stego - covers, part)
    now = _nats(density, covers, stego, part)
    if not scheme.added:
        return _costs(scheme, covers, part, now)
    ways = zip((first.up, first.down), now[:2], before[:2], strict=True)
    up, down = ((cost + scheme.added * (n - b)).clamp(min=LEAST) for cost, n, b in ways)
    return _still(Costs(up, down, first.more_up, first.more_down), covers, part)


def _led(scheme: Scheme, first: Costs, moves: Tensor, part: Part) -> Costs:
    own = moves[:, part.colour : part.colour + 1]
    around = own.new_tensor([[0, 1, 0], [1, 0, 1], [0, 1, 0]])[None, None]
    went = F.conv2d(own, around, padding=1) + moves.sum(1, keepdim=True) - own
    went = went[:, 0, part.y :: part.step, part.x :: part.step]
    up = torch.where(went > 0, first.up * scheme.near, first.up)
    down = torch.where(went < 0, first.down * scheme.near, first.down)
    return Costs(up, down, first.more_up, first.more_down)


def _costs(scheme: Scheme, covers: Tensor, part: Part, nats: Nats) -> Costs:
    ways, own = nats[:2], scheme.own / nats[2].clamp(min=SURE)
    up, down = (own + scheme.nats * way.clamp(min=scheme.floor) for way in ways)
    more_up, more_down = (scheme.kept * way.clamp(min=0) for way in ways)
    return _still(Costs(up, down, more_up, more_down), covers, part)


def _still(costs: Costs, covers: Tensor, part: Part) -> Costs:
    levels = part.of(covers)
    ends = (levels == 0) | (levels == 255)
    return Costs(costs.up.masked_fill(ends, NEVER), costs.down.masked_fill(ends, NEVER), costs.more_up, costs.more_down)


def _nats(density: Density, covers: Tensor, seen: Tensor, part: Part) -> Nats:
    """What moves of a part take, given what is seen around it."""
    mean, scale = part_of_density(density, seen, part)
    half = 0.5 / scale
    here, up, down = (_denominator((part.of(covers) + step - mean) / scale, half) for step in (0, 1, -1))
    return up - here, down - here, scale


def _denominator(away: Tensor, half: Tensor) -> Tensor:
    """As in `stegcli.methods.lossless_inn.fitted`."""
    away = away.abs()
    most = torch.maximum(away, half)
    terms = torch.exp(away - most) + torch.exp(half - most) + torch.exp(-away - most) + torch.exp(-half - most)
    return most + terms.log()


def part_of_density(density: Density, levels: Tensor, part: Part) -> tuple[Tensor, Tensor]:
    """Grey levels (b, 3, h, w) -> mean and scale of the part's samples alone: a fourth of the places in a fourth of
    the time."""
    colour, side, width = part.colour, density.side, density.width
    ours = slice(colour * width, (colour + 1) * width)
    levels = levels - MIDDLE
    padded = F.pad(levels, (density.reach,) * 4, mode="reflect")[..., part.y :, part.x :]
    own, here, taps = padded[:, colour : colour + 1], part.of(levels), side**2
    middle = (F.avg_pool2d(own, side, part.step)[:, 0] * taps - here) / (taps - 1)
    square = (F.avg_pool2d(own.square(), side, part.step)[:, 0] * taps - here.square()) / (taps - 1)
    spread = ((square - middle.square()).clamp(min=0) + FLOOR**2).sqrt()
    seen = F.silu(F.conv2d(padded, density._filters()[ours], stride=part.step) / spread[:, None])
    seen = torch.cat([seen, spread.log()[:, None]], 1)
    assert density.think.bias is not None
    assert density.say.bias is not None
    thought = F.silu(F.conv2d(seen, density.think.weight[ours], density.think.bias[ours]))
    told = slice(2 * colour, 2 * colour + 2)
    said = F.conv2d(thought, density.say.weight[told], density.say.bias[told])
    return MIDDLE + middle + spread * said[:, 0], spread * said[:, 1].clamp(-RANGE, RANGE).exp()


def coordinated(scheme: Scheme, density: Density, covers: np.ndarray, bits: int) -> np.ndarray:
    """Covers uint8 (n, h, w, 3) and bits in each -> stegos."""
    generator = torch.Generator().manual_seed(0)
    bpp = bits / covers[0, ..., 0].size
    made = []
    for first in range(0, len(covers), TOGETHER):
        some = torch.from_numpy(covers[first : first + TOGETHER]).permute(0, 3, 1, 2).float()
        made.append(embed(scheme, density, some, bpp, generator).permute(0, 2, 3, 1).numpy().astype(np.uint8))
    return np.concatenate(made)
