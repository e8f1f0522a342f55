"""What the colours of a group of pixels may be: small networks, one for each phase of a level.

    known colours around a place (whole numbers), luminance around it, grain  ->  mixture of q, and of p given q

Everything is told relative to the mean of the four nearest known colours, in units of what is usual at the level.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.methods.steg_cinn import groups, space
from stegcli.methods.steg_cinn.groups import AROUND, NEAR, REACH, Group
from stegcli.nn.discrete import DiscreteMixture

COMPONENTS = 4
OFFSETS, LOG_SCALES = (-1.0, 0.0, 0.0, 1.0), (0.0, -0.7, -1.4, 0.0)
"""Where the components' means and log-scales begin, in units of the level."""
UNITS = {1: 1.2, 2: 2.0, 3: 4.0, 4: 7.0, 5: 10.0, 6: 14.0, 7: 18.0}
"""What is usual for a colour's distance from the mean of its neighbours."""
BOUND = 5.0
"""Of log-scales, in units of the level."""
SHARPEST = -3.7
"""The least log-scale: 0.025 of a whole number. White skies and black borders have one colour only; with 0.07 one pixel
in 400 of them would have another."""
EDGES = (3.0, 12.0)
"""How much luminance may differ for a neighbour's colour to count much."""
POOL = 9
HALO = 1 + POOL // 2
"""How many places of the group's own lattice a result depends on to each side, besides the neighbours."""
FIRST = 64
"""Width of the first layer."""
WHOLE = 4
"""Numbers that are told of the whole picture."""
STATISTICS = 3
MIDDLE = 128.0


def compress(x: Tensor) -> Tensor:
    """x -> sign(x) log(1 + |x|): as it is near 0, a logarithm far out."""
    return torch.copysign(torch.log1p(x.abs()), x)


def log_energy(square: Tensor) -> Tensor:
    """Mean squares of differences of whole numbers -> logarithms of order 1."""
    return torch.log(square + 0.05) / 3


def statistics(grey: Tensor) -> Tensor:
    """Luminance (b, 1, h, w) -> means over 3x3 and 5x5 pixels and logarithm of the variance over 5x5, (b, 3, h, w).

    Sums of whole numbers around 0 stay below 2^24, so float32 has them exactly, in whatever order they are added: a
    variance as the difference of two large means would be another on every machine.
    """
    centred = grey - MIDDLE
    small = _sums(centred, 3) / 9
    total, squares = _sums(centred, 5), _sums(centred.square(), 5)
    variance = (25 * squares - total.square()) / 625
    return torch.cat([small + MIDDLE, total / 25 + MIDDLE, torch.log(variance + 0.5)], dim=1)


def _sums(x: Tensor, side: int) -> Tensor:
    padded = F.pad(x, (side // 2,) * 4, mode="replicate")
    rows = F.avg_pool2d(padded, (side, 1), 1, divisor_override=1)
    return F.avg_pool2d(rows, (1, side), 1, divisor_override=1)


def whole_picture(colours: Tensor, level: int) -> Tensor:
    """Colours (b, 2, h, w), known at every 2^level-th place -> how much they differ from place to place, all over the
    picture, (b, WHOLE, 1, 1)."""
    known = colours[..., :: 2**level, :: 2**level]
    differences = [known.diff(dim=d) for d in (2, 3) if known.shape[d] > 1]
    if not differences:
        return known.new_zeros(len(known), WHOLE, 1, 1)
    flat = torch.cat([d.flatten(2) for d in differences], dim=2)
    told = torch.cat([log_energy(flat.square().mean(2)), 2 * (flat.abs() < 0.8).to(flat.dtype).mean(2) - 1], dim=1)
    return told[:, :, None, None]


@dataclass(frozen=True)
class Window:
    """Rows [top, bottom) and columns [left, right) of a group's lattice."""

    top: int
    bottom: int
    left: int
    right: int

    def grown(self, by: int, rows: int, columns: int) -> Window:
        """With so many more places to each side, as far as the lattice goes."""
        return Window(
            max(0, self.top - by), min(rows, self.bottom + by), max(0, self.left - by), min(columns, self.right + by)
        )

    def inside(self, outer: Window) -> tuple[slice, slice]:
        """Where this window lies in one that contains it."""
        return (
            slice(self.top - outer.top, self.bottom - outer.top),
            slice(self.left - outer.left, self.right - outer.left),
        )


@dataclass(frozen=True)
class Scene:
    """A picture as the networks of a level see it.

    colours: q and p (b, 2, h, w), whole numbers; places not yet known may hold anything. grey, statistics: luminance
    (b, 1, h, w) and what surrounds it (b, 3, h, w). whole: `whole_picture` of the level. grain: standard deviation of
    the noise in the colours, in grey levels, (b,). context: what a further network tells of each place of the group's
    lattice, (b, n, rows, columns), if there is one.
    """

    colours: Tensor
    grey: Tensor
    statistics: Tensor
    whole: Tensor
    grain: Tensor
    context: Tensor | None = None


@dataclass(frozen=True)
class Seen:
    """Around each place of a window: colours (b, 2, n, h, w) and luminance (b, len(AROUND), h, w) of the neighbours;
    base: mean of the nearest colours (b, 2, h, w), and the luminance of the place itself (b, 1, h, w)."""

    colours: Tensor
    grey: Tensor
    base: Tensor
    own: Tensor
    statistics: Tensor


def look(scene: Scene, group: Group, window: Window) -> Seen:
    """Gather what is around each place of the window, borders as `groups.clamp` has them."""
    height, width = scene.grey.shape[2:]
    rows, columns = (groups.grid_size(s, group.step) for s in (height, width))

    def gathered(plane: Tensor, period: int) -> Tensor:
        y, x = _lines(group, window, (rows, columns), period, scene.grey.device)
        return plane.index_select(2, y).index_select(3, x)

    def at(plane: Tensor, offset: tuple[int, int]) -> Tensor:
        y, x = (REACH + o for o in offset)
        return plane[..., y : y + size[0] : group.period, x : x + size[1] : group.period]

    size = [group.period * (n - 1) + 1 for n in (window.bottom - window.top, window.right - window.left)]
    colours, grey = gathered(scene.colours, group.period), gathered(scene.grey, 1)
    around = torch.stack([at(colours, o) for o in groups.present(group, rows, columns)], dim=2)
    return Seen(
        around,
        torch.cat([at(grey, o) for o in AROUND], dim=1),
        around[:, :, :NEAR].mean(2),
        at(grey, (0, 0)),
        at(gathered(scene.statistics, 1), (0, 0)),
    )


@functools.lru_cache(maxsize=256)
def _lines(
    group: Group, window: Window, size: tuple[int, int], period: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Rows and columns of the picture that `look` gathers for a window. Kept on the device: a GPU would wait for each
    copy, and training asks for the same ones at every step."""
    sides = ((group.y, window.top, window.bottom), (group.x, window.left, window.right))
    with torch.inference_mode(False):  # training may use what hiding has asked for first
        spans = [
            torch.arange(first + group.period * start - REACH, first + group.period * (stop - 1) + REACH + 1)
            for first, start, stop in sides
        ]
        y, x = (groups.clamp(s, n, period) * group.step for s, n in zip(spans, size, strict=True))
        return y.to(device), x.to(device)


class PhaseNet(nn.Module):
    """One phase of one level.

    parts: of the phase, each with a first layer of its own, as each has other neighbours. context: channels of the
    scene's context.
    """

    def __init__(self, level: int, members: list[Group], width: int, context: int = 0):
        super().__init__()
        self.unit, self.members = UNITS[min(level, max(UNITS))], members
        self.first = nn.ModuleList(nn.Conv2d(_inputs(g) + context, FIRST, 1) for g in members)
        self.around = nn.Conv2d(FIRST, width, 3, padding=1, padding_mode="replicate")
        self.mixed = nn.Conv2d(width, width, 1)
        self.q = _zeroed(nn.Conv2d(width, 3 * COMPONENTS, 1))
        self.seen_q = nn.Conv2d(width + 4, width, 1)
        self.p = _zeroed(nn.Conv2d(width, 3 * COMPONENTS + 1, 1))

    def features(self, scene: Scene, group: Group, window: Window) -> tuple[Tensor, Seen]:
        """-> features (b, width, h, w) of the places of the window, and what was seen around them.

        They are the same, but for the last bits, however large the window is.
        """
        rows, columns = group.shape(*scene.grey.shape[2:])
        outer = window.grown(HALO, rows, columns)
        seen = look(scene, group, outer)
        told = _told(scene, seen, group, outer, self.unit)
        h = F.silu(self.first[group.part](told))
        h = F.silu(self.around(h))
        h = h + F.silu(self.mixed(h))
        y, x = window.inside(outer)
        return h[..., y, x], Seen(*(t[..., y, x] for t in vars(seen).values()))

    def mixture_q(self, h: Tensor, seen: Seen) -> DiscreteMixture:
        """What q - base may be; `base` is rounded here, so that everything stays whole."""
        limits = gamut_limits(seen.own.device).q(seen.own)
        base = seen.base[:, :1]
        weights, means, scales = _split(self.q(h))
        offsets, usual = _starts(means)
        rest = base - base.round()
        return self._mixture(weights, self.unit * (means + offsets) + rest, scales + usual, limits, base.round())

    def mixture_p(self, h: Tensor, seen: Seen, q: Tensor) -> DiscreteMixture:
        """The same of p - base, given q (b, 1, h, w)."""
        limits = gamut_limits(seen.own.device).p(seen.own, q)
        base, d = seen.base[:, 1:], q - seen.base[:, :1]
        small = compress(d / self.unit)
        told = torch.cat([h, small, small.square(), compress(2 * d), d / 64], dim=1)
        raw = self.p(F.silu(self.seen_q(told)))
        weights, means, scales = _split(raw[:, :-1])
        offsets, usual = _starts(means)
        shift = (raw[:, -1:] + 0.3) * d.clamp(-40, 40) + base - base.round()
        return self._mixture(weights, self.unit * (means + offsets) + shift, scales + usual, limits, base.round())

    def _mixture(
        self, weights: Tensor, means: Tensor, scales: Tensor, limits: tuple[Tensor, Tensor], base: Tensor
    ) -> DiscreteMixture:
        unit = math.log(self.unit)
        log_scales = unit + (BOUND * torch.tanh(scales / BOUND)).clamp(min=SHARPEST - unit)
        low, high = (bound - base for bound in limits)
        return DiscreteMixture(torch.log_softmax(weights, 0), means, log_scales, low, high)


def _zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def _split(raw: Tensor) -> list[Tensor]:
    """(b, 3 k, h, w) -> three of (k, b, 1, h, w)."""
    parts = raw.view(len(raw), 3, COMPONENTS, 1, *raw.shape[2:])
    return [parts[:, i].transpose(0, 1) for i in range(3)]


def _starts(like: Tensor) -> tuple[Tensor, Tensor]:
    offsets, usual = (constant(v, like.dtype, like.device).view(-1, 1, 1, 1, 1) for v in (OFFSETS, LOG_SCALES))
    return offsets, usual


@functools.lru_cache(maxsize=256)
def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers -> a tensor of them, made once for each device."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


def _inputs(group: Group) -> int:
    n = len(groups.neighbours(group))
    return 2 * n + len(AROUND) + STATISTICS + 2 * len(EDGES) + 4 + 1 + 2 + 4 + 2 + 4 + WHOLE + 2


def _told(scene: Scene, seen: Seen, group: Group, window: Window, unit: float) -> Tensor:
    """The first layer's input, (b, n, h, w), all of order 1."""
    d = seen.colours - seen.base[:, :, None]
    grey = seen.grey - seen.own
    near = d[:, :, :NEAR]
    square, alike = near.square().mean(2), (near.abs() < 0.8).to(d.dtype).mean(2)
    low, high = gamut_limits(seen.own.device).q(seen.own)
    grain = scene.grain.view(-1, 1, 1, 1).expand_as(seen.own)
    maps = [
        compress(d.flatten(1, 2) / unit), compress(grey / 4), *_by_luminance(d, grey, group, unit),
        seen.own / 128 - 1, seen.base / 64, log_energy(d.square().mean(2)), log_energy(square),
        compress((low - seen.base[:, :1]) / 8) / 3, compress((high - seen.base[:, :1]) / 8) / 3,
        compress((seen.statistics[:, :2] - seen.own) / 4), seen.statistics[:, 2:] / 3,
        log_energy(_pooled(square)), 2 * _pooled(alike) - 1, scene.whole.expand(-1, -1, *seen.own.shape[2:]),
        grain, torch.exp(-2 * grain),
    ]  # fmt: skip
    if scene.context is not None:
        maps.append(scene.context[..., window.top : window.bottom, window.left : window.right])
    return torch.cat(maps, dim=1)


def _by_luminance(d: Tensor, grey: Tensor, group: Group, unit: float) -> list[Tensor]:
    """What the neighbours' colours say of this one if colour goes with luminance: means weighted by how near their
    luminance is, and a straight line through them."""
    offsets = groups.neighbours(group)
    used = [(i, AROUND.index(o)) for i, o in enumerate(offsets) if o in AROUND]
    mine, theirs = (constant(indices, torch.long, d.device) for indices in zip(*used, strict=True))
    colours = d.index_select(2, mine)
    light = grey.index_select(1, theirs)[:, None]
    found = []
    for edge in EDGES:
        weight = torch.exp(-light.abs() / edge) + 1e-4
        found.append(compress((colours * weight).sum(2) / weight.sum(2) / unit))
    light_mean, colour_mean = light.mean(2, keepdim=True), colours.mean(2, keepdim=True)
    covariance = ((light - light_mean) * (colours - colour_mean)).mean(2)
    slope = (covariance / ((light - light_mean).square().mean(2) + 4)).clamp(-3, 3)
    return [*found, compress((colour_mean[:, :, 0] - slope * light_mean[:, :, 0]) / unit), slope]


def _pooled(x: Tensor) -> Tensor:
    """Means over squares, by rows and then by columns, which takes a fifth of the additions."""
    rows = F.avg_pool2d(x, (POOL, 1), 1, (POOL // 2, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, POOL), 1, (0, POOL // 2), count_include_pad=False)


class GamutLimits:
    """The tables of `space.gamut` on a device, as float32."""

    def __init__(self, device: torch.device):
        found = space.gamut()
        tables = (found.q_low, found.q_high, found.p_low, found.p_high)
        self._tables = [torch.from_numpy(t).to(device).float() for t in tables]

    def q(self, grey: Tensor) -> tuple[Tensor, Tensor]:
        """Luminance (b, 1, h, w) -> the least and the most q."""
        at = grey.long()
        return self._tables[0][at], self._tables[1][at]

    def p(self, grey: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        """Luminance and q -> the least and the most p."""
        at = grey.long(), (q + space.SPAN).long()
        return self._tables[2][at], self._tables[3][at]


_LIMITS: dict[torch.device, GamutLimits] = {}


def gamut_limits(device: torch.device) -> GamutLimits:
    """The one of that device."""
    if device not in _LIMITS:
        _LIMITS[device] = GamutLimits(device)
    return _LIMITS[device]


class LevelNet(nn.Module):
    """The three phases of a level."""

    def __init__(self, level: int, split: bool, width: int, context: int = 0):
        super().__init__()
        self.level = level
        self.groups = list(groups.groups(level, split))
        self.phases = nn.ModuleList(
            PhaseNet(level, [g for g in self.groups if g.phase == i], width, context) for i in range(len(groups.PHASES))
        )

    def phase(self, group: Group) -> PhaseNet:
        found = self.phases[group.phase]
        assert isinstance(found, PhaseNet)
        return found

    def nats(self, scene: Scene, group: Group, window: Window | None = None) -> Tensor:
        """How unlikely the scene's own colours are: of q, and of p given q, in each place of a group, or of a window of
        it, (b, 2, h, w)."""
        rows, columns = group.shape(*scene.grey.shape[2:])
        window = window or Window(0, rows, 0, columns)
        net = self.phase(group)
        h, seen = net.features(scene, group, window)
        y, x = group.places()
        inside = slice(window.top, window.bottom), slice(window.left, window.right)
        own = scene.colours[..., y, x][..., inside[0], inside[1]]
        q, p = own[:, :1], own[:, 1:]
        base = seen.base.round()
        found = [
            net.mixture_q(h, seen).log_likelihood(q - base[:, :1]),
            net.mixture_p(h, seen, q).log_likelihood(p - base[:, 1:]),
        ]
        return -torch.cat(found, dim=1)


class Fine(nn.Module):
    """Levels 1 to 3. split: the levels whose phases come in four parts."""

    def __init__(self, width: int = 48, split: tuple[int, ...] = (1, 2), levels: int = 3):
        super().__init__()
        self.levels = nn.ModuleList(LevelNet(level, level in split, width) for level in range(1, levels + 1))

    def level(self, number: int) -> LevelNet:
        found = self.levels[number - 1]
        assert isinstance(found, LevelNet)
        return found
