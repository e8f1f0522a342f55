"""What a sender and a channel do to riis's network in training, on the device alone, so that a GPU never waits.

    y --written--> whole samples --sent--> coefficients of what arrives

As in `stegcli.methods.riis.net.sender`, but: the linear optima do not learn, so their matrices are computed once; the
JPEG is one in floats, which differs from libjpeg's by a level in few samples; and what libjpeg would write otherwise is
not mended.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli.methods.riis.net import blocks, rounding, sender
from stegcli.methods.riis.net.model import Network
from stegcli.methods.riis.net.surface import surface
from stegcli.nn import jpeg
from stegcli.pictures.channel import Channel

# T.81, Table K.2.
CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99), (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99), *[(99,) * 8] * 4,
)  # fmt: skip
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def freeze(network: Network, device: torch.device) -> None:
    """Let the linear optima give constant matrices, computed now."""
    for channel in network.channels:
        mixing = network.mixing(channel)
        with torch.no_grad():
            pair = tuple(m.to(device, torch.float32) for m in mixing._matrices())
        mixing._matrices = lambda pair=pair: pair  # type: ignore[assignment, misc]


@dataclass(frozen=True)
class Way:
    """A channel on a device, float32. upper: triangle of the form of errors in lattice coordinates, each row divided by
    its diagonal. view, lift, steps: of `surface`, for JPEG. chroma: steps of the colours (8, 8). dct, ycc, rgb:
    matrices of JPEG."""

    channel: Channel
    upper: Tensor
    view: Tensor
    lift: Tensor
    steps: Tensor
    chroma: Tensor
    dct: Tensor
    ycc: Tensor
    rgb: Tensor

    @classmethod
    def of(cls, network: Network, channel: Channel, device: torch.device) -> Way:
        found, lossy = surface(channel), channel.kind == "jpeg"
        with torch.no_grad():
            form = network.mixing(channel).form().cpu()
        lattice = found.lattice if lossy else blocks.basis()
        upper = rounding.triangle(lattice.T @ form @ lattice)
        quality = channel.strength if lossy else 50.0
        scale = 50 / quality if quality < 50 else 2 - quality / 50
        chroma = (torch.tensor(CHROMA, dtype=torch.float64) * scale + 0.5).floor().clamp(1, 255)
        tensors = (
            upper / upper.diagonal()[:, None], found.view, found.lift, found.lattice.diagonal(), chroma,
            jpeg.dct_matrix(), torch.tensor(TO_YCC), torch.tensor(TO_RGB),
        )  # fmt: skip
        return cls(channel, *(t.to(device, torch.float32) for t in tensors))

    def written(self, y: Tensor) -> Tensor:
        """Coefficients (b, 192, h, w) -> whole grey levels (b, 3, 8h, 8w)."""
        if self.channel.kind == "jpeg":
            read = blocks.rows(y) @ self.view.T
            moved = (self._nearest(read / self.steps) * self.steps - read) @ self.lift.T
            return self._coloured(blocks.inverse(y + blocks.planes(moved, y)))
        size = blocks.SIDE
        samples = blocks.inverse(y).unfold(2, size, size).unfold(3, size, size).permute(0, 2, 3, 1, 4, 5)
        whole = self._nearest(samples.reshape(-1, blocks.COEFFICIENTS), 0, 255).view(samples.shape)
        return whole.permute(0, 3, 1, 4, 2, 5).reshape(len(y), 3, size * y.shape[2], size * y.shape[3]).round()

    def sent(self, levels: Tensor, noise: Tensor) -> Tensor:
        """Whole grey levels and standard normal noise of their shape -> coefficients of what arrives, snapped."""
        if self.channel.kind == "noise":
            levels = (levels + self.channel.strength * noise).round().clamp(0, 255)
        if self.channel.kind != "jpeg":
            return blocks.forward(levels)
        arrived = blocks.forward(self._jpeg(levels))
        read, steps = blocks.apply(self.view, arrived), self.steps[:, None, None]
        return arrived + blocks.apply(self.lift, (read / steps).round() * steps - read)

    def _nearest(self, targets: Tensor, least: float = -torch.inf, most: float = torch.inf) -> Tensor:
        """As `rounding.nearest`."""
        errors = torch.zeros_like(targets)
        for i in range(targets.shape[1] - 1, -1, -1):
            wanted = targets[:, i] - errors[:, i + 1 :] @ self.upper[i, i + 1 :]
            errors[:, i] = wanted.round().clamp(least, most) - targets[:, i]
        return targets + errors

    def _coloured(self, colour: Tensor) -> Tensor:
        """As `sender` has it: where a colour is cut, the others make up for its luminance."""
        weights = self.ycc[0][:, None, None]
        wanted = (colour * weights).sum(1, keepdim=True).clamp(0, 255)
        for _ in range(sender.ROUNDS):
            colour = colour.clamp(0, 255)
            missing = wanted - (colour * weights).sum(1, keepdim=True)
            free = weights * torch.where(missing > 0, colour < 255, colour > 0)
            colour = colour + missing * free / free.square().sum(1, keepdim=True).clamp(min=1e-9)
        return colour.round().clamp(0, 255)

    def _jpeg(self, levels: Tensor) -> Tensor:
        """A JPEG with halved colours, decoded: levels (b, 3, h, w) -> levels."""
        light, *colours = torch.einsum("oc,bchw->bohw", self.ycc, levels).round().unbind(1)
        light = (self._coded(light - 128, self.steps.view(8, 8)) + 128).clamp(0, 255)
        halves = [self._coded(jpeg.halve(c).round(), self.chroma) for c in colours]
        doubled = [F.interpolate(c[:, None], scale_factor=2.0, mode="bilinear")[:, 0].round() for c in halves]
        planes = torch.stack([light, *doubled], 1)
        return torch.einsum("oc,bchw->bohw", self.rgb, planes).round().clamp(0, 255)

    def _coded(self, plane: Tensor, steps: Tensor) -> Tensor:
        """Levels around 0 (b, h, w) -> what a decoder has of them."""
        batch, height, width = plane.shape
        cut = plane.view(batch, height // 8, 8, width // 8, 8).transpose(2, 3)
        kept = (self.dct @ cut @ self.dct.T / steps).round() * steps
        back: Tensor = (self.dct.T @ kept @ self.dct).round().clamp(-128, 127)
        return back.transpose(2, 3).reshape(plane.shape)
