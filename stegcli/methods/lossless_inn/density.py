"""What a photo's samples could have been: a density of each one, given all that surrounds it.

    levels (b, 3, h, w) -> mean and scale of a logistic density, each (b, 3, h, w), in grey levels

A sample that its surroundings foretell well has a small scale; to change it shows. The network is blind to the sample
that it judges: the first convolution has a hole there, all behind it are 1x1. The two other colours of the same place
are seen, since who looks for changes sees them too.

Reference: the blind spot is that of Noise2Void (Krull, Buchholz, Jug, CVPR 2019), made here by one convolution with a
hole in place of masked inputs; the discretised logistic likelihood is that of PixelCNN++ (Salimans et al., ICLR 2017,
section 2.1), with one component, and without its special case for 0 and 255.

This is what is trained. To hide, `fitted` computes the same on arrays.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.methods.lossless_inn.fitted import COLOURS, FLOOR, MIDDLE, RANGE


class Density(nn.Module):
    """width: hidden numbers per colour. side: of the window that is seen, odd.

    The result moves along with the picture's brightness and contrast: the filters sum to 0, their answers are divided
    by the spread of the window, and mean and scale are given in its terms.
    """

    def __init__(self, width: int = 32, side: int = 7):
        super().__init__()
        self.width, self.side = width, side
        self.see = nn.Parameter(torch.randn(COLOURS, width, COLOURS, side, side) / side)
        self.think = nn.Conv2d(COLOURS * (width + 1), COLOURS * width, 1, groups=COLOURS)
        self.say = nn.Conv2d(COLOURS * width, COLOURS * 2, 1, groups=COLOURS)
        with torch.no_grad():
            self.say.weight.mul_(0.1)
            self.say.bias.zero_()  # type: ignore[union-attr]
        hole = torch.ones(COLOURS, 1, COLOURS, side, side)
        every = range(COLOURS)
        hole[every, 0, every, side // 2, side // 2] = 0
        self.register_buffer("hole", hole, persistent=False)

    @property
    def reach(self) -> int:
        return self.side // 2

    def forward(self, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Grey levels (b, 3, h, w) -> mean and scale (b, 3, h, w). At the border the picture is reflected."""
        levels = levels - MIDDLE
        padded = F.pad(levels, (self.reach,) * 4, mode="reflect")
        middle, spread = self._surroundings(levels, padded)
        seen = F.silu(self._by_colour(F.conv2d(padded, self._filters())) / spread.unsqueeze(2))
        seen = torch.cat([seen, spread.log().unsqueeze(2)], dim=2).flatten(1, 2)
        said = self._by_colour(self.say(F.silu(self.think(seen))))
        return MIDDLE + middle + spread * said[:, :, 0], spread * said[:, :, 1].clamp(-RANGE, RANGE).exp()

    @staticmethod
    def _by_colour(x: Tensor) -> Tensor:
        """(b, 3 n, h, w) -> (b, 3, n, h, w)."""
        return x.view(x.shape[0], COLOURS, -1, *x.shape[2:])

    def _filters(self) -> Tensor:
        hole: Tensor = self.hole  # type: ignore[assignment]
        kept = self.see * hole
        kept = kept - hole * kept.sum((-2, -1), keepdim=True) / hole.sum((-2, -1), keepdim=True)
        return kept.flatten(0, 1)

    def _surroundings(self, levels: Tensor, padded: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each colour over the window without its middle."""
        taps = self.side**2
        middle = (F.avg_pool2d(padded, self.side, 1) * taps - levels) / (taps - 1)
        square = (F.avg_pool2d(padded.square(), self.side, 1) * taps - levels.square()) / (taps - 1)
        return middle, ((square - middle.square()).clamp(min=0) + FLOOR**2).sqrt()


def log_likelihood(levels: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Whole grey levels -> log of the mass that the logistic density has within half a level of each, in nats."""
    above, below = (levels + 0.5 - mean) / scale, (levels - 0.5 - mean) / scale
    # sigmoid(above) - sigmoid(below), as a product of what does not cancel.
    return torch.log(-torch.expm1(-1 / scale)) + F.logsigmoid(above) + F.logsigmoid(-below)
