"""Maps of coefficients <-> normal latents, in four groups; earlier groups predict the mixtures of later ones.

A group is one half of the channels at the white or black places of a chessboard. So every number outside the first
group has known neighbours, in its own channel or in another. The nets also see the mean squares of the known numbers,
around a place and in the whole picture: so they adapt to frequencies that a picture lacks.

References: Parallel multiscale autoregressive density estimation (Reed et al., 2017), for numbers in groups, each given
the groups before it; PixelCNN++ (Salimans, Karpathy, Chen, Kingma, 2017), for mixtures of logistic distributions. There
whole grey levels are modelled; here numbers map to normal latents and back, as in Flow++ (`mixture`).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.nn.flow import Flow, bounded
from stegcli.nn.mixture import Mixture
from stegcli.nn.nets import conv3, zeroed

COMPONENTS = 3
OFFSETS, LOG_SCALES = (-0.3, 0.0, 0.3), (-0.4, -1.6, -0.4)
"""Initial means and log-scales of the components, in units of the usual spread."""
BOUND = 6.0
"""Largest change of a component's log-scale from its initial value."""
FLOOR = 0.3 / 255
"""Energies below the square of this come from rounding."""
LEAST_SCALE = 0.1 / 255
"""Least scale of a component: rounding to 8 bits leaves no sharper peaks."""
TINY = 1e-6


def energies(x: Tensor, floor: Tensor, known: Tensor | None = None) -> list[Tensor]:
    """Maps (b, c, h, w), 0 where unknown -> mean squares over 3x3 places and over the whole map, as logarithms of
    order 1, (b, c, h, w) each. known: 1 where the maps are known. floor: added to squares."""
    local, whole = _around_each(x.square()), x.square().mean((2, 3), keepdim=True)
    if known is not None:
        local = local / _around_each(known).clamp(min=TINY)
        whole = whole / known.mean((2, 3), keepdim=True).clamp(min=TINY)
    return [torch.log(square + floor) / 3 + 1 for square in (local, whole.expand_as(x))]


def _around_each(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class GroupedFlow(Flow):
    """Coefficients (b, n, h, w) <-> z, conditioned on maps (b, seen, h, w) of order 1.

    spread: usual standard deviation of the coefficients. width: of the nets. features: channels of the context.
    reach: places around a position that the context covers.
    """

    offsets: Tensor
    log_scales: Tensor

    def __init__(self, channels: int, spread: float, seen: int, width: int, features: int, reach: int):
        super().__init__()
        self.spread, self.floor = spread, (FLOOR / spread) ** 2
        self.halves = (channels // 2, channels - channels // 2)
        layers: list[nn.Module] = [nn.Conv2d(seen, width, 1), nn.SiLU()]
        for _ in range(reach):
            layers += [conv3(width, width), nn.SiLU()]
        self.context = nn.Sequential(*layers, nn.Conv2d(width, features, 1))
        inputs = features + 3 * channels + 2
        self.nets = nn.ModuleList(_net(inputs, width, 3 * COMPONENTS * half) for half in self.halves for _ in range(2))
        for name, values in (("offsets", OFFSETS), ("log_scales", LOG_SCALES)):
            self.register_buffer(name, torch.tensor(values), persistent=False)

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        u, told = x / self.spread, self.context(c)
        z, ladj, known = torch.zeros_like(u), torch.zeros_like(u), u.new_zeros(1, *u.shape[1:])
        for index, (channels, group) in enumerate(self._groups(u)):
            found, step = self._mixture(index, u * known, known, told).forward(u[:, channels])
            z = z + _into(found, channels, u) * group
            ladj = ladj + _into(step, channels, u) * group
            known = known + group
        return z, (ladj - math.log(self.spread)).flatten(1).sum(1)

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        told = self.context(c)
        u, known = torch.zeros_like(z), z.new_zeros(1, *z.shape[1:])
        for index, (channels, group) in enumerate(self._groups(z)):
            found = self._mixture(index, u, known, told).inverse(z[:, channels])
            u = u + _into(found, channels, u) * group
            known = known + group
        return u * self.spread

    def _groups(self, like: Tensor) -> list[tuple[slice, Tensor]]:
        """The channels of each group, and a mask of its coefficients, (1, n, h, w) of 0 and 1."""
        height, width = like.shape[2:]
        rows, columns = torch.arange(height, device=like.device), torch.arange(width, device=like.device)
        black = ((rows[:, None] + columns) % 2 == 0).to(like.dtype)
        found = []
        for channels in (slice(0, self.halves[0]), slice(self.halves[0], None)):
            for colour in (black, 1 - black):
                group = like.new_zeros(1, *like.shape[1:])
                group[:, channels] = colour
                found.append((channels, group))
        return found

    def _mixture(self, index: int, u: Tensor, known: Tensor, told: Tensor) -> Mixture:
        """Known coefficients, 0 elsewhere, and their mask (1, n, h, w) -> the mixtures of a group's channels."""
        floor = u.new_tensor(self.floor)
        places = known[:, [0, -1]].expand(len(u), -1, -1, -1)
        maps = [told.to(u.dtype), torch.asinh(u), *energies(u, floor, known), places]
        raw = self.nets[index](torch.cat(maps, dim=1)).to(u.dtype)
        raw = raw.view(len(u), -1, 3 * COMPONENTS, *u.shape[2:]).movedim(2, 0).contiguous()
        weights, means, log_scales = raw.chunk(3)
        offsets, usual = (v.view(-1, 1, 1, 1, 1) for v in (self.offsets, self.log_scales))
        scales = bounded(log_scales + usual, BOUND).exp() + LEAST_SCALE / self.spread
        return Mixture(weights - torch.logsumexp(weights, 0), means + offsets, scales.log())


def _into(part: Tensor, channels: slice, like: Tensor) -> Tensor:
    """Some channels -> all of them, the others 0."""
    whole = range(like.shape[1])[channels]
    return F.pad(part, (0, 0, 0, 0, whole.start, like.shape[1] - whole.stop))


def _net(inputs: int, width: int, outputs: int) -> nn.Sequential:
    last = zeroed(nn.Conv2d(width, outputs, 1))
    return nn.Sequential(conv3(inputs, width), nn.SiLU(), nn.Conv2d(width, width, 1), nn.SiLU(), last)
