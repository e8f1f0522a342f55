"""The order in which pixels are coloured: from coarse to fine, each group given all groups before it.

Level l works on the grid of every 2^(l-1)-th row and column. Places of that grid with even coordinates are known when
the level begins; the others come in three phases, (1, 1), (0, 1) and (1, 0) modulo 2. A split phase comes in four
parts, by its coordinates modulo 4, so that neighbours within one phase are drawn one given the other.

    level 1 coloured = all pixels;   known when level l begins = every 2^l-th row and column

References: Parallel multiscale autoregressive density estimation (Reed et al., 2017), for the groups.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

PHASES = ((1, 1), (0, 1), (1, 0))
PARTS = ((0, 0), (1, 1), (0, 1), (1, 0))
REACH = 4
"""Neighbours lie fewer rows and columns away."""
ENOUGH = 12
"""So many neighbours, and all that are as far away as the last of them."""
NEAR = 4
AROUND = tuple((y, x) for y in range(-2, 3) for x in range(-2, 3) if (y, x) != (0, 0))
"""Where luminance is looked at around a place, besides in it."""

Offset = tuple[int, int]


@dataclass(frozen=True)
class Group:
    """Places (y + i period, x + j period) of the grid of a level.

    index: in the order of drawing. phase, part: 0 to 2, and 0 to 3 of a split phase.
    """

    level: int
    index: int
    phase: int
    part: int
    y: int
    x: int
    period: int

    @property
    def step(self) -> int:
        """From one place of the level's grid to the next, in pixels."""
        return int(2 ** (self.level - 1))

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Size of a picture -> rows and columns of the group's places; none if the picture is too small."""
        rows, columns = grid_size(height, self.step), grid_size(width, self.step)
        return _count(rows, self.y, self.period), _count(columns, self.x, self.period)

    def places(self) -> tuple[slice, slice]:
        """The group's rows and columns in the picture."""
        return (
            slice(self.y * self.step, None, self.period * self.step),
            slice(self.x * self.step, None, self.period * self.step),
        )


def grid_size(size: int, step: int) -> int:
    """Pixels along a side -> places of the grid of every step-th pixel."""
    return -(-size // step)


def _count(size: int, first: int, period: int) -> int:
    return max(0, -(-(size - first) // period))


def groups(level: int, split: bool) -> Iterator[Group]:
    """The groups of a level in the order of drawing: 12 if its phases are split, 3 otherwise."""
    parts = PARTS if split else PARTS[:1]
    index = 0
    for phase, (y, x) in enumerate(PHASES):
        for part, (dy, dx) in enumerate(parts):
            yield Group(level, index, phase, part, y + 2 * dy, x + 2 * dx, 4 if split else 2)
            index += 1


@functools.lru_cache(maxsize=64)
def neighbours(group: Group) -> tuple[Offset, ...]:
    """Offsets on the level's grid of the nearest places that are known before the group, nearest first."""
    known = {(y, x) for y in range(0, group.period, 2) for x in range(0, group.period, 2)}
    known |= {(g.y, g.x) for g in groups(group.level, group.period == 4) if g.index < group.index}
    reach = range(1 - REACH, REACH)
    around = [
        (y, x) for y in reach for x in reach if ((group.y + y) % group.period, (group.x + x) % group.period) in known
    ]
    around.sort(key=lambda o: (_far(o), o))
    furthest = _far(around[ENOUGH - 1])
    return tuple(o for o in around if _far(o) <= furthest)


def _far(offset: Offset) -> int:
    return offset[0] ** 2 + offset[1] ** 2


def present(group: Group, rows: int, columns: int) -> tuple[Offset, ...]:
    """`neighbours` for a grid of that size.

    In a grid of one or two rows some kinds of places are missing altogether; the known place up and left stands in for
    a neighbour of such a kind.
    """
    up_left = (-(group.y % 2), -(group.x % 2))

    def there(offset: Offset) -> bool:
        return (group.y + offset[0]) % group.period < rows and (group.x + offset[1]) % group.period < columns

    return tuple(o if there(o) else up_left for o in neighbours(group))


def clamp(index: Tensor, size: int, period: int) -> Tensor:
    """Indices of a grid, some beyond its ends -> the nearest inside that are the same modulo the period.

    A place beyond the border is so replaced by one of its own group, known just when it would be. period 1: the border
    is repeated.
    """
    rest = index % period
    last = rest + (size - 1 - rest).div(period, rounding_mode="floor") * period
    return torch.minimum(torch.maximum(index, rest), last).clamp(0, size - 1)
