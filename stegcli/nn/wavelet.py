"""The wavelet flow: bands of a picture, from coarse to fine, each with a Glow conditioned on coarser bands only.

    x (b, 3, h, w) in [0, 1]  ->  YCbCr  ->  Haar, `levels` times  ->  per level: Y details given the low band,
    colour details given the low band and the Y details; the base unconditionally  ->  z (b, 3, h, w)
A coarse latent depends on coarse content only, so JPEG's changes to fine content do not affect it.

Reference: Wavelet Flow: Fast Training of High Resolution Normalizing Flows (Yu, Derpanis, Brubaker, 2020). There
one flow per level has all nine detail channels, and the colours stay RGB. Here luminance comes first, and it is JPEG's
own luminance: an orthonormal one would contain parts of the colours, which subsampling destroys.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.nn.cues import CUES, PREDICTED, cues, predicted
from stegcli.nn.ends import compressed, ladj_of_ends, widened
from stegcli.nn.flow import ActNorm, AffineCoupling, Chain, ContextAffine, ContextNorm, Flow, Rotation
from stegcli.nn.nets import conv3, zeroed

YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""RGB -> Y, Cb, Cr (JFIF 1.02, without the offset of 128)."""
COLOUR_DETAILS = 6
BASE_CHANNELS = 12
FEATURES = 16
Y_SPREAD, C_SPREAD, GROWTH = 0.05, 0.01, 1.7
"""Initial scales of the bands: spread of the finest details of luminance and colours, and its growth per level."""


@dataclass(frozen=True)
class Band:
    """A contiguous part of the flattened z: `channels` planes of `height` x `width`. Level 1 is the finest.

    octave: 1 for the details that the first halving of a picture removes, 2 for those of the second, and so on; the
    base is the rest. spread: usual standard deviation of the band's content.
    """

    name: str
    level: int
    channels: int
    height: int
    width: int
    start: int
    octave: int
    spread: float = math.inf

    @property
    def size(self) -> int:
        return self.channels * self.height * self.width

    @property
    def stretch(self) -> slice:
        return slice(self.start, self.start + self.size)

    def of(self, z: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, channels, height, width)."""
        return z.flatten(1)[:, self.stretch].reshape(-1, self.channels, self.height, self.width)


def spread(kind: str, octave: int) -> float:
    """The usual spread of Haar details of luminance (y) or colours (c)."""
    return float((Y_SPREAD if kind == "y" else C_SPREAD) * GROWTH ** (octave - 1))


def bands(height: int, width: int, levels: int) -> list[Band]:
    """The bands of a picture, in the order of z: y1, c1, y2, c2, ..., base."""
    found: list[Band] = []
    append_haar(found, height, width, range(1, levels + 1))
    return found


def append_haar(found: list[Band], height: int, width: int, octaves: range) -> None:
    """Append the bands of Haar details of these octaves, and the base."""
    start = found[-1].stretch.stop if found else 0
    levels = {kind: sum(b.name[0] == kind for b in found) for kind in "yc"}
    for octave in octaves:
        for kind, channels in (("y", 3), ("c", COLOUR_DETAILS)):
            levels[kind] += 1
            place = levels[kind], channels, height >> octave, width >> octave, start, octave
            found.append(Band(f"{kind}{levels[kind]}", *place, spread(kind, octave)))
            start += found[-1].size
    top = octaves.stop
    found.append(Band("base", max(levels.values()) + 1, BASE_CHANNELS, height >> top, width >> top, start, top))


def haar(x: Tensor) -> tuple[Tensor, Tensor]:
    """(b, c, h, w) -> low (b, c, h/2, w/2) and details (b, 3c, h/2, w/2), channel by channel. Orthonormal."""
    a, b = x[..., ::2, ::2], x[..., ::2, 1::2]
    c, d = x[..., 1::2, ::2], x[..., 1::2, 1::2]
    details = torch.stack([a - b + c - d, a + b - c - d, a - b - c + d], dim=2).flatten(1, 2)
    return (a + b + c + d) / 2, details / 2


def unhaar(low: Tensor, details: Tensor) -> Tensor:
    """The inverse of `haar`."""
    batch, channels, height, width = details.shape
    h, v, d = details.view(batch, channels // 3, 3, height, width).unbind(2)
    top = torch.stack([low + h + v + d, low - h + v - d], dim=-1).flatten(-2)
    bottom = torch.stack([low + h - v - d, low - h - v + d], dim=-1).flatten(-2)
    return torch.stack([top, bottom], dim=-2).flatten(-3, -2) / 2


def squeeze(x: Tensor) -> Tensor:
    """(b, c, h, w) -> (b, 4c, h/2, w/2)."""
    return F.pixel_unshuffle(x, 2)


MOST_STYLE = 2.0
"""A style is between minus and plus this: rare pictures of twice that would be noise."""


def styles(base: Tensor) -> Tensor:
    """Latents of the base (b, c, h, w) -> what a picture is like as a whole, one number for each channel, (b, c).

    For standard normal latents they are those of a standard normal t, MOST_STYLE tanh(t / MOST_STYLE). Places count
    with either sign, as on a chessboard, so that styles hardly depend on how bright or colourful the picture is.
    """
    height, width = base.shape[2:]
    rows, columns = (torch.arange(n, device=base.device) for n in (height, width))
    sign = (1 - 2 * ((rows[:, None] + columns) % 2)).to(base.dtype)
    told = (base * sign).sum((2, 3)) / math.sqrt(height * width)
    return MOST_STYLE * torch.tanh(told / MOST_STYLE)


def _coupling_net(inputs: int, outputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        conv3(inputs, width), nn.SiLU(), nn.Conv2d(width, width, 1), nn.SiLU(), conv3(width, outputs, zero=True)
    )


def _context_net(inputs: int, width: int, depth: int = 2) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before in (inputs, *([width] * (depth - 1))):
        layers += [conv3(before, width), nn.SiLU()]
    return nn.Sequential(*layers, nn.Conv2d(width, FEATURES, 1), nn.SiLU())


def _steps(channels: int, features: int, width: int, steps: int, log_scale: float) -> Chain:
    flows: list[Flow] = [ActNorm(channels, log_scale)]
    if features:
        flows.append(ContextAffine(zeroed(nn.Conv2d(features, 2 * channels, 1))))
    return Chain([*flows, *_couplings(channels, features, width, steps)])


def _couplings(channels: int, features: int, width: int, steps: int) -> list[Flow]:
    flows: list[Flow] = []
    for _ in range(steps):
        changed = channels - channels // 2
        net = _coupling_net(channels // 2 + features, 2 * changed, width)
        flows += [Rotation(channels), AffineCoupling(channels, net), ActNorm(channels)]
    return flows


def base_flow(octaves: int, width: int, steps: int) -> Chain:
    """The flow of the base, which is left after this number of octaves."""
    return _steps(BASE_CHANNELS, 0, width, steps, math.log(0.1 * 2**octaves))


class ConditionalGlow(Flow):
    """Details of a band <-> z, conditioned on maps of order 1, which its context net reads."""

    def __init__(self, channels: int, seen: int, width: int, steps: int, log_scale: float):
        super().__init__()
        self.context = _context_net(seen, min(width, 32))
        self.chain = _steps(channels, FEATURES, width, steps, log_scale)

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return cast(tuple[Tensor, Tensor], self.chain(x, self.context(c)))

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return self.chain.inverse(z, self.context(c))


class CuedGlow(Flow):
    """Colour details of a level <-> z, conditioned on maps, cues and, last, PREDICTED predictions of these details.

    Predictions are subtracted first, and the result is divided by the spread that the cues predict, so that the
    couplings see details of the same scale on every surface.
    """

    def __init__(self, seen: int, width: int, steps: int, depth: int, log_scale: float):
        super().__init__()
        self.context = _context_net(seen, min(width, 48), depth)
        moments = zeroed(nn.Conv2d(FEATURES + seen, 2 * COLOUR_DETAILS, 1))
        _begin_with_predictions(moments)
        self.first = Chain([ActNorm(COLOUR_DETAILS, log_scale), ContextNorm(moments)])
        self.chain = Chain(_couplings(COLOUR_DETAILS, FEATURES, width, steps))

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        features, both = self._read(c)
        x, first = self.first(x, both)
        x, second = self.chain(x, features)
        return x, first + second

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        features, both = self._read(c)
        return self.first.inverse(self.chain.inverse(z, features), both)

    def _read(self, c: Tensor | None) -> tuple[Tensor, Tensor]:
        features = self.context(c)
        return features, torch.cat([features, cast(Tensor, c)], dim=1)


def _begin_with_predictions(moments: nn.Conv2d) -> None:
    """Initialise the mean of each channel as the mean of its predictions, one from each window."""
    with torch.no_grad():
        for channel in range(COLOUR_DETAILS):
            of_windows = moments.weight[COLOUR_DETAILS + channel, channel - PREDICTED :: COLOUR_DETAILS]
            of_windows.fill_(COLOUR_DETAILS / PREDICTED)


WEIGHTS = (4.0, 12.0, 12.0)
"""Luminance and colours of a low band are multiplied by these to be of order 1."""


class Pyramid(Flow, abc.ABC):
    """Pictures (b, 3, h, w) in [0, 1] <-> z of the same shape, which holds the bands one after the other.

    Each band has its own flow, conditioned on coarser bands only. From `octaves.start` on, bands are Haar details, two
    for each octave, and the base; a subclass adds finer bands. Height and width must be multiples of `side`.
    flows: of all bands, by name. cued: whether the flows of colours get cues. finer: number of levels of luminance and
    of colours that a subclass adds. heat: name of a band, or y or c as the default for luminance or colours -> factor
    of temperature of its latents; z holds them divided by it. style: name of a band -> how much the logarithm of its
    factor varies with each of the picture's styles (`styles`). `analyse` and `flow`, and so the likelihood, use
    neither. ends: share of the range at black and at white where samples are compressed, so that no draw is clipped
    (`stegcli.nn.ends`).
    """

    colour: Tensor
    uncolour: Tensor

    def __init__(
        self,
        octaves: range,
        flows: dict[str, Flow],
        cued: bool,
        finer: tuple[int, int] = (0, 0),
        heat: Mapping[str, float] | None = None,
        style: Mapping[str, Sequence[float]] | None = None,
        ends: float = 0.0,
    ):
        super().__init__()
        self.octaves, self.cued, self.finer, self.ends = octaves, cued, finer, ends
        self.heat, self.style = dict(heat or {}), dict(style or {})
        self.side: int = 2**octaves.stop
        matrix = torch.tensor(YCBCR, dtype=torch.float64)
        self.register_buffer("colour", matrix, persistent=False)
        self.register_buffer("uncolour", torch.linalg.inv(matrix), persistent=False)
        self.ladj_of_colour = float(torch.linalg.slogdet(matrix).logabsdet)
        self.flows = nn.ModuleDict(flows)

    @abc.abstractmethod
    def bands(self, height: int, width: int) -> list[Band]: ...

    @abc.abstractmethod
    def analyse(self, x: Tensor, only: str = "") -> Iterator[tuple[str, Tensor, Tensor | None]]:
        """Pictures -> for each band its name, its content and its context.

        only: bands whose name does not start with this may be left out.
        """

    def flow(self, name: str) -> Flow:
        """The flow of the band with this name."""
        return cast(Flow, self.flows[name])

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        read = {name: self.flow(name)(content, context) for name, content, context in self.analyse(x)}
        base = read["base"][0] / self._heat("base")
        parts, ladj = [], self.ladj_of_picture(x)
        for name, (z, step) in read.items():
            heat = self._heat_in(name, base)
            parts.append((z / heat).flatten(1))
            ladj = ladj + step - heat.log().flatten() * z[0].numel()
        return torch.cat(parts, dim=1).view_as(x), ladj

    def ladj_of_picture(self, x: Tensor) -> Tensor:
        """Pictures -> log of the volume that their way to the bands' contents changes, (b,)."""
        return ladj_of_ends(x, self.ends) + self.ladj_of_colour * x.shape[2] * x.shape[3]

    def _heat(self, name: str) -> float:
        return self.heat.get(name, self.heat.get(name[0], 1.0))

    def _heat_in(self, name: str, base: Tensor) -> Tensor:
        """The factor of a band in pictures whose base has these latents, (b, 1, 1, 1)."""
        loadings = self.style.get(name, ())
        found = self._heat(name) * (styles(base)[:, : len(loadings)] @ base.new_tensor(loadings)).exp()
        return found.view(-1, 1, 1, 1)

    def _parts(self, z: Tensor) -> dict[str, Tensor]:
        """z -> the input of each band's inverse flow."""
        found = self.bands(z.shape[2], z.shape[3])
        base = found[-1].of(z)
        return {b.name: b.of(z) * self._heat_in(b.name, base) for b in found}

    def _enter(self, x: Tensor) -> Tensor:
        """Pictures -> planes of luminance and colours."""
        return self._mix(widened(x, self.ends) - 0.5, self.colour)

    def _leave(self, planes: Tensor) -> Tensor:
        """The inverse of `_enter`."""
        return compressed(self._mix(planes, self.uncolour) + 0.5, self.ends)

    def _name(self, kind: str, octave: int) -> str:
        return f"{kind}{octave - self.octaves.start + 1 + self.finer[kind == 'c']}"

    def _analyse_haar(self, low: Tensor, only: str) -> Iterator[tuple[str, Tensor, Tensor | None]]:
        for octave in self.octaves:
            low, details = haar(low)
            names = self._name("y", octave), self._name("c", octave)
            if not any(n.startswith(only) for n in names):
                continue
            y, colours = details[:, :3], details[:, 3:]
            seen = self._seen(low, octave)
            yield names[0], y, self._around_luminance(seen)
            yield names[1], colours, self._around_colours(seen, y, octave)
        yield "base", squeeze(low), None

    def _invert_haar(self, parts: dict[str, Tensor]) -> Tensor:
        low = F.pixel_shuffle(self.flow("base").inverse(parts["base"]), 2)
        for octave in reversed(self.octaves):
            of_y, of_c = self._name("y", octave), self._name("c", octave)
            seen = self._seen(low, octave)
            y = self.flow(of_y).inverse(parts[of_y], self._around_luminance(seen))
            colours = self.flow(of_c).inverse(parts[of_c], self._around_colours(seen, y, octave))
            low = unhaar(low, torch.cat([y, colours], dim=1))
        return low

    def _seen(self, low: Tensor, octave: int) -> Tensor:
        """The low band as a context: of order 1, luminance and colours alike."""
        return low * low.new_tensor(WEIGHTS).view(3, 1, 1) / 2.0**octave

    def _around_luminance(self, seen: Tensor) -> Tensor:
        """The context of luminance details."""
        return seen

    def _around_colours(self, seen: Tensor, y: Tensor, octave: int) -> Tensor:
        """The context of colour details: the low band, the details of luminance, and cues if any."""
        context = [seen, y / spread("y", octave)]
        if self.cued:
            told, factors = cues(seen)
            # Factors are for the weighted context. Predictions must be in units of the details' spread.
            unit = WEIGHTS[0] / WEIGHTS[1] / spread("c", octave)
            context += [told, predicted(y * unit, factors)]
        return torch.cat(context, dim=1)

    def _mix(self, x: Tensor, matrix: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return torch.einsum("ij,bjhw->bihw", matrix.to(x.dtype), x)


class WaveletFlow(Pyramid):
    """The pyramid with Haar details only.

    widths, steps: of the coupling nets, one for each level from the finest, with that of the base last. cues: number of
    3x3 layers of the nets that read the context of colours, with cues; 0: two layers, and no cues.
    """

    def __init__(self, widths: Sequence[int], steps: Sequence[int], cues: int = 0):
        levels = len(widths) - 1
        flows: dict[str, Flow] = {}
        for level, size in enumerate(zip(widths[:-1], steps[:-1], strict=True), start=1):
            scale = math.log(spread("c", level))
            flows[f"y{level}"] = ConditionalGlow(3, 3, *size, log_scale=math.log(spread("y", level)))
            flows[f"c{level}"] = (
                CuedGlow(6 + CUES + PREDICTED, *size, cues, scale)
                if cues
                else ConditionalGlow(COLOUR_DETAILS, 6, *size, log_scale=scale)
            )
        flows["base"] = base_flow(levels, widths[-1], steps[-1])
        super().__init__(range(1, levels + 1), flows, cued=cues > 0)
        self.levels = levels

    def bands(self, height: int, width: int) -> list[Band]:
        return bands(height, width, self.levels)

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return self._leave(self._invert_haar(self._parts(z)))

    def analyse(self, x: Tensor, only: str = "") -> Iterator[tuple[str, Tensor, Tensor | None]]:
        return self._analyse_haar(self._enter(x), only)
