"""The super-resolution module, which doubles the size of a recovered secret.

`Upscaler` is EDSR, used in the bundled weights; `rivals.swin2sr` has another network for comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.nn.nets import conv3


def bicubic(x: Tensor) -> Tensor:
    """(b, c, h, w) -> (b, c, 2h, 2w), not clipped, as Pillow's BICUBIC: `antialias` chooses its kernel, a = -1/2."""
    return F.interpolate(x, scale_factor=2, mode="bicubic", antialias=True)


class ResidualBlock(nn.Module):
    """(b, width, h, w) -> the same shape."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(conv3(width, width), nn.ReLU(), conv3(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + cast(Tensor, self.body(x))


class Upscaler(nn.Module):
    """Pictures (b, 3, h, w) in [0, 1] -> (b, 3, 2h, 2w), about [0, 1] but not clipped.

    The network adds to the bicubic enlargement, and its last layer starts at zero: it starts as bicubic.

    Reference: Enhanced Deep Residual Networks for Single Image Super-Resolution (Lim et al., 2017), Fig. 3. There
    the network makes the whole picture, not a correction of bicubic, and has 16 or more blocks of width 64 or more.
    """

    def __init__(self, blocks: int = 8, width: int = 48):
        super().__init__()
        self.head = conv3(3, width)
        self.body = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)), conv3(width, width))
        self.enlarge = nn.Sequential(conv3(width, 4 * width), nn.PixelShuffle(2))
        self.last = conv3(width, 3)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(cast(Tensor, self.last.bias))

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(x - 0.5)
        features = features + self.body(features)
        return bicubic(x) + cast(Tensor, self.last(self.enlarge(features)))


def build_upscaler(config: Mapping[str, Any]) -> nn.Module:
    """The part's configuration -> an untrained network. kind: edsr (the default) or swin2sr.

    The other entries are arguments of the network. Raises ValueError for another kind.
    """
    from stegcli.methods.glow2.rivals.swin2sr import Swin2SR  # not above: it takes `bicubic` and `conv` from here

    kinds: dict[str, Callable[..., nn.Module]] = {"edsr": Upscaler, "swin2sr": Swin2SR}
    kind, shape = config.get("kind", "edsr"), {n: v for n, v in config.items() if n != "kind"}
    if kind not in kinds:
        raise ValueError(f"no upscaler {kind!r}")
    return kinds[kind](**shape)
