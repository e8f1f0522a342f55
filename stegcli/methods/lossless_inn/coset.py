"""The coset coder: slots are the samples, read as integers; nearly every sample that changes at all changes by one."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from stegcli.about import About
from stegcli.coding.payload import Layout, Plan, upper_share
from stegcli.errors import WeightsError
from stegcli.keys.key import Key
from stegcli.methods.lossless_inn import ABOUT
from stegcli.methods.lossless_inn.directed import DirectedPlanes, distances
from stegcli.pictures.image import Picture
from stegcli.slots import BitMethod

if TYPE_CHECKING:
    from torch import nn

    from stegcli.methods.lossless_inn.density import Density

COLOURS = 3


class CosetCoder(BitMethod):
    """Slots are the samples, in the order of a (3, h, w) array; a slot holds its sample modulo 4.

    costs: "hill", or "density", whose configuration follows. Only the sender needs them: stegos of either are read
    alike, without any network.
    """

    about: ClassVar[About] = ABOUT
    layout: ClassVar[Layout] = "coset"

    def __init__(self, costs: str = "hill", **config: Any) -> None:
        if costs not in ("hill", "density"):
            raise WeightsError(f"this stego has no costs {costs!r} of lossless-inn", "install a newer stego")
        if costs == "hill" and config:
            raise TypeError(f"HILL costs take no {', '.join(config)}")
        super().__init__({"coder": "coset"} if costs == "hill" else {"coder": "coset", "costs": costs} | config)
        self.costs, self._shape = costs, config

    def build_networks(self) -> nn.Module | None:
        if self.costs == "hill":
            return None
        from torch import nn

        from stegcli.methods.lossless_inn.density import Density

        return nn.ModuleDict({"density": Density(**self._shape)})

    @property
    def density(self) -> Density:
        return cast("Density", cast("nn.ModuleDict", self.networks)["density"])

    def inference(self, hiding: bool) -> AbstractContextManager[None]:
        """A receiver reads integers, and loads no torch."""
        return super().inference(hiding) if hiding else nullcontext()

    def slots(self, height: int, width: int) -> int:
        return COLOURS * height * width

    def log_odds(self, stego: Picture, key: Key) -> np.ndarray:
        samples = _samples(stego)
        return np.stack([samples & 1, samples >> 1 & 1]).astype(np.float32) * 2 - 1

    def planes(self, cover: Picture) -> SamplePlanes | DirectedPlanes:
        from stegcli.methods.lossless_inn import costs
        from stegcli.nn.tensors import to_levels

        if self.costs == "hill":
            return SamplePlanes(_samples(cover), costs.hill(to_levels(cover.pixels)))
        return DirectedPlanes(_samples(cover), *costs.of_density(self.density, to_levels(cover.pixels)))

    def carry(self, plan: Plan, cover: Picture, key: Key) -> Picture:
        samples = _samples(cover)
        down, up = distances(samples, plan.bits[0] | plan.bits[1] << 1)
        coin = key.stream("direction").bits(len(samples)).astype(bool)
        rise = (up < down) | ((up == down) & coin)
        changed = (samples + np.where(rise, up, -down)).astype(np.uint8)
        planes = changed.reshape(COLOURS, cover.height, cover.width)
        return replace(cover, pixels=np.ascontiguousarray(planes.transpose(1, 2, 0)))


class SamplePlanes:
    """The samples (n,) of a cover as two planes of bits. A flip costs the squared change times the sample's cost."""

    def __init__(self, samples: np.ndarray, costs: np.ndarray):
        self.samples, self.costs = samples, costs

    def __len__(self) -> int:
        return len(self.samples)

    def share(self, bits: int, slots: int) -> int:
        return upper_share(bits, slots)

    def plane(self, index: int, lower: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        if index == 0 or lower is None:
            return (self.samples & 1).astype(np.uint8), self.costs
        zero, one = (_cheapest(self.samples, lower | upper << 1) for upper in (0, 1))
        # Where both cost the same, the cover's own bit serves: any choice would do.
        own = (self.samples >> 1 & 1).astype(np.uint8)
        natural = np.where(zero == one, own, one < zero).astype(np.uint8)
        return natural, np.abs(zero - one).astype(np.float32) * self.costs


def _cheapest(samples: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The squared change of the nearer of the two ways."""
    nearer: np.ndarray = np.minimum(*distances(samples, wanted)).astype(np.int16)
    squared: np.ndarray = nearer * nearer
    return squared


def _samples(picture: Picture) -> np.ndarray:
    """Picture -> its samples in the order of a (3, h, w) array, int16 (n,)."""
    return picture.pixels.transpose(2, 0, 1).reshape(-1).astype(np.int16)
