"""Ways to hide random bits in covers, for benchmarks of detection: covers and net bits each -> stegos.

The coset coder is run as `hide` runs it, header and tag counted, but for many covers in one trellis: twelve blocks side
by side take as long as sixty. What it writes is random bits in place of sealed ones, which look the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import conseal
import numpy as np

from stegcli.coding import coset, sealing, trellis
from stegcli.coding.payload import Plan
from stegcli.detectors import schemes
from stegcli.keys.key import Key
from stegcli.methods.lossless_inn.coset import CosetCoder, SamplePlanes
from stegcli.methods.lossless_inn.directed import DirectedPlanes
from stegcli.pictures.image import Picture

Embed = Callable[[np.ndarray, int], np.ndarray]
"""Covers uint8 (n, h, w, 3) of one size, net bits in each -> stegos."""
TOGETHER = 10
"""Covers per trellis. Their slots must be whole blocks: those of 128x128 are 12 each."""
NEVER = 1e10  # a cost, conseal's
AT_ONCE = 250  # covers in memory
OVERHEAD = coset.HEADER_BITS + 8 * sealing.TAG_BYTES


def lsb_matching(covers: np.ndarray, bits: int) -> np.ndarray:
    return np.stack([schemes.lsb_matching(c, bits, np.random.default_rng(i)) for i, c in enumerate(covers)])


def flat(covers: np.ndarray, bits: int) -> np.ndarray:
    """Every change costs the same; simulated at the bound, without a code's loss."""
    return np.stack([_simulated(c, bits, i, *_inside(c, *np.ones((2, *c.shape)))) for i, c in enumerate(covers)])


def hill(covers: np.ndarray, bits: int) -> np.ndarray:
    """conseal's HILL: its costs of each colour, one payload over all three, simulated at the bound."""
    return np.stack([_simulated(c, bits, i, *_hill_costs(c)) for i, c in enumerate(covers)])


def in_grey(embed: Embed) -> Embed:
    """The same, in covers whose channels are equal and stay so."""
    return lambda covers, bits: np.repeat(embed(covers[..., :1], bits), 3, axis=3)


def _hill_costs(cover: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    channels = np.moveaxis(cover, -1, 0)
    planes = [conseal.hill.compute_cost_adjusted(x0=np.ascontiguousarray(c)) for c in channels]
    up, down = (np.stack(one, axis=-1) for one in zip(*planes, strict=True))
    return up, down


def _inside(cover: np.ndarray, up: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Costs of moves by one; past 0 and 255 there is no way."""
    return np.where(cover == 255, NEVER, up), np.where(cover == 0, NEVER, down)


def _simulated(cover: np.ndarray, bits: int, seed: int, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """What a perfect code would do: each sample moves by one with the probability that its costs leave it."""
    moved = conseal.simulate.ternary(rhos=(up, down), alpha=bits / cover.size, n=cover.size, seed=seed)
    return (cover.astype(np.int16) + moved).astype(np.uint8)


def bound_of(method: CosetCoder) -> Embed:
    """The costs that a method with a density has, simulated at the bound like HILL's."""
    return lambda covers, bits: np.stack(
        [_simulated(c, bits, i, *_inside(c, *_density_costs(method, c, bits))) for i, c in enumerate(covers)]
    )


def _density_costs(method: CosetCoder, cover: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    planes = method.planes(Picture(cover))
    assert isinstance(planes, DirectedPlanes)
    planes.share(bits, len(planes))
    height, width, colours = cover.shape
    ways = (planes.up.astype(np.float32), planes.down.astype(np.float32))  # float16 does not hold NEVER
    up, down = (a.reshape(colours, height, width).transpose(1, 2, 0) for a in ways)
    return up, down


def coset_of(method: CosetCoder) -> Embed:
    """The coset coder with the costs that the method has."""
    return partial(_coset, method)


def _coset(method: CosetCoder, covers: np.ndarray, bits: int) -> np.ndarray:
    return np.concatenate([_some(method, covers, bits, first) for first in range(0, len(covers), AT_ONCE)])


def _some(method: CosetCoder, covers: np.ndarray, bits: int, first: int) -> np.ndarray:
    """The stegos of AT_ONCE covers, from `first` on. Those whose upper planes carry as much share their trellises."""
    whole, last = bits + OVERHEAD, min(first + AT_ONCE, len(covers))
    carriers = [_Carrier.of(method, covers[i], whole, i) for i in range(first, last)]
    for high, alike in itertools.groupby(sorted(carriers, key=lambda c: c.high), lambda c: c.high):
        for group in _batches(list(alike)):
            _carry(group, whole - high, high)
    return np.stack([c.stego(method) for c in carriers])


@dataclass
class _Carrier:
    """A cover about to carry. high: bits of its upper plane. order: of its slots. found: the bits of both planes."""

    index: int
    picture: Picture
    planes: SamplePlanes | DirectedPlanes
    high: int
    order: np.ndarray
    found: np.ndarray

    @classmethod
    def of(cls, method: CosetCoder, cover: np.ndarray, bits: int, index: int) -> _Carrier:
        picture = Picture(cover)
        planes = method.planes(picture)
        high = coset.upper_bits(bits, planes.share(bits, len(planes)))
        order = np.random.default_rng(index).permutation(len(planes))
        return cls(index, picture, planes, high, order, np.empty((2, len(planes)), np.uint8))

    def stego(self, method: CosetCoder) -> np.ndarray:
        key = Key(method.name, "detector", self.index.to_bytes(32))
        plan = Plan(self.found, np.ones_like(self.found, bool), self.found.size, key)
        return method.carry(plan, self.picture, key).pixels


def _carry(group: Sequence[_Carrier], low: int, high: int) -> None:
    """Random bits into covers that all carry as many in either plane: one trellis run for each plane."""
    for index, bits in enumerate((low, high)):
        pairs = [c.planes.plane(index, c.found[0] if index else None) for c in group]
        x, cost = (np.concatenate([p[i][c.order] for p, c in zip(pairs, group, strict=True)]) for i in (0, 1))
        code = trellis.Code(len(x), bits * len(group))
        draw = np.random.default_rng([index, group[0].index])
        message = draw.integers(0, 2, code.bits, np.uint8)
        x = np.where(cost == 0, draw.integers(0, 2, len(x), np.uint8), x)  # as the coset layout's coins
        found = trellis.embed(code, x, cost, message).reshape(len(group), -1)
        for carrier, y in zip(group, found, strict=True):
            carrier.found[index, carrier.order] = y


def _batches(carriers: list[_Carrier]) -> list[list[_Carrier]]:
    return [carriers[i : i + TOGETHER] for i in range(0, len(carriers), TOGETHER)]
