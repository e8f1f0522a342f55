"""The network's form of riis: pictures in a picture, without a key. Whoever has these weights can read them.

hide     cover, secrets made as large as the cover's whole blocks -> Network -> refined, rounded -> stego
reveal   stego -> the channel it came through -> Network -> pictures of the stego's size
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from stegcli.errors import FileError, RevealError, UsageError
from stegcli.method import Asked, Draft, Method, Request, Revealed, Secret, check_side
from stegcli.methods.riis import NETWORK
from stegcli.pictures import channel as channels
from stegcli.pictures import image
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

if TYPE_CHECKING:
    from torch import Tensor, nn

    from stegcli.methods.riis.net.model import Network

BLOCK = 8
REFINEMENTS = 3
"""Newton steps on the stego."""
HINTS = {1: "add --weights network", 2: "add --weights pair, for hide and for reveal"}
"""What to do about the number of secrets."""
RATES = (1.0, 0.5)
"""Sizes of these steps, as drafts fail."""


class RiisNetwork(Method):
    """network: the configuration of `net.model.Network`."""

    about = NETWORK

    def __init__(self, network: dict[str, Any]):
        super().__init__({"form": "network", "network": network})

    def build_networks(self) -> nn.Module:
        from torch import nn

        from stegcli.methods.riis.net.model import Network

        return nn.ModuleDict({"network": Network(**cast(dict[str, Any], self.config["network"]))})

    @property
    def network(self) -> Network:
        return cast("Network", cast("nn.ModuleDict", self.networks)["network"])

    def capacity(self, request: Request) -> int:
        """No byte travels exactly."""
        return 0

    def drafts(self, request: Request) -> Iterator[Draft]:
        cover = request.cover
        assert cover is not None
        check_side(self, cover)
        if cover.grey:
            raise FileError("the network needs a cover in colour", "leave --as network out")
        if len(request.secrets) != self.network.secrets:
            what = f"these weights of the network hide {self.network.secrets}, not {len(request.secrets)} secrets"
            raise UsageError(what, HINTS.get(len(request.secrets), "leave --as network out"))
        channel = _channel(request)
        self.network.nearest(channel)
        notes = tuple(n for s in request.secrets for n in _fitting(s, cover))
        for rate in RATES:
            pixels = self.stego(cover.pixels, [_picture(s).pixels for s in request.secrets], channel, rate)
            forms = ("network",) * len(request.secrets)
            stego = replace(cover, pixels=pixels, notes=(), jpeg=None, source=None, palette=False)
            yield Draft(stego, (None,) * len(forms), forms, 0, notes, cover=cover)

    def stego(self, cover: np.ndarray, secrets: list[np.ndarray], channel: Channel, rate: float = 1.0) -> np.ndarray:
        """Cover uint8 (h, w, 3) and secrets of any size -> stego uint8 (h, w, 3).

        Rows and columns beyond whole blocks of 8 stay as they are.
        """
        import torch

        from stegcli.methods.riis.net import blocks, sender

        height, width = (s // BLOCK * BLOCK for s in cover.shape[:2])
        levels = self._levels(cover[:height, :width])
        told = torch.cat([blocks.forward(self._levels(image.resized(s, width, height))) for s in secrets], dim=1)
        stego = cover.copy()
        stego[:height, :width] = _pixels(sender.made(self.network, levels, told, channel, REFINEMENTS, rate))
        return stego

    def reveal(self, stego: Picture, asked: Asked) -> tuple[Revealed, ...]:
        from stegcli.methods.riis.net import arrival

        if asked.key is not None:
            raise UsageError("--as network takes no key", "leave --key out")
        size = getattr(asked.options, "original_size", None)
        if size is not None and (stego.width, stego.height) != size:
            stego = Picture(image.resized(stego.pixels, *size))
        height, width = (s // BLOCK * BLOCK for s in (stego.height, stego.width))
        if min(height, width) < self.about.min_side:
            raise RevealError
        levels = self._levels(stego.pixels[:height, :width])
        secrets, host = arrival.read(self.network, levels, self._tried(stego, asked))
        first, *others = (Revealed(None, Picture(_pixels(p))) for p in secrets)
        path = getattr(asked.options, "host_out", None)
        if path is not None:
            whole = stego.pixels.copy()
            whole[:height, :width] = _pixels(host)
            first = replace(first, besides=((path, Picture(whole)),))
        return first, *others

    def _tried(self, stego: Picture, asked: Asked) -> list[Channel]:
        """The channels that the stego may have been made for: what the receiver says, else what the file says."""
        named = getattr(asked.options, "distortion", None)
        if named is not None:
            harshest = max(channels.parse_survive(named), key=lambda c: c.harshness)
            self.network.nearest(harshest)
            return [harshest]
        return []

    def _levels(self, pixels: np.ndarray) -> Tensor:
        from stegcli.nn.tensors import to_levels

        return to_levels(pixels).to(self.device)


def _pixels(levels: Tensor) -> np.ndarray:
    from stegcli.nn.tensors import from_levels

    return from_levels(levels.cpu())


def _channel(request: Request) -> Channel:
    """The channel that the stego is made for: the JPEG that is written, if nothing harsher was asked for."""
    if request.format == "JPEG" and channels.pattern(request.survive) in ("png", "jpeg:Q"):
        return Channel("jpeg", float(request.quality))
    return request.harshest


def _picture(secret: Secret) -> Picture:
    if secret.picture is None:
        raise UsageError("--as network hides pictures, not files", "leave --as network out")
    return secret.picture


def _fitting(secret: Secret, cover: Picture) -> Iterator[str]:
    """What the user should know about a secret's size."""
    picture = _picture(secret)
    width, height = cover.width // BLOCK * BLOCK, cover.height // BLOCK * BLOCK
    if (picture.width, picture.height) != (width, height):
        yield f"a secret of {picture.width}x{picture.height} comes back as {width}x{height}, resized"
    if picture.alpha is not None:
        yield "the transparency of the secret is lost"
