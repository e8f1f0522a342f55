"""What a method is: the one interface between its network and everything around it."""

from __future__ import annotations

import abc
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor, nn

from stegcli.key import Key
from stegcli.payload import Layout, Planes

Carries = Literal["bits", "image"]
Cover = Literal["given", "generated"]


class Method(nn.Module, abc.ABC):
    """A way of hiding. Images are (1, 3, h, w) float32 in [0, 1] at this boundary.

    `config` rebuilds the method: `build(**method.config)`. It travels in the weights' metadata.
    """

    name: ClassVar[str]
    carries: ClassVar[Carries]
    cover: ClassVar[Cover]
    keyed: ClassVar[bool] = True
    min_side: ClassVar[int] = 64
    survives: ClassVar[tuple[str, ...]] = ("png",)
    """The channels that a stego outlives, as `--survive` names them."""
    options: ClassVar[frozenset[str]] = frozenset()
    """The options of the command line that mean something to this method."""

    def __init__(self, config: dict[str, object]):
        super().__init__()
        self.config = config

    @property
    def device(self) -> str:
        return str(next(iter(self.parameters())).device) if any(True for _ in self.parameters()) else "cpu"


class BitMethod(Method):
    """A method that carries bits, one in each slot of a cover.

    A slot may hold its bit wrongly or with doubt; `payload` adds what makes the message exact.
    """

    carries: ClassVar[Carries] = "bits"
    layout: Layout = "direct"
    weakest_code: int = 0
    """Index into ecc.RATES: the weakest code that brings a full payload through, which sets the capacity."""

    @abc.abstractmethod
    def capacity(self, height: int, width: int) -> int:
        """How many slots a picture of that size has."""

    @abc.abstractmethod
    def reveal(self, stego: Tensor, key: Key) -> np.ndarray:
        """Image -> log-odds of each slot, float32 (n,) or (2, n), positive for 1. Of a cover: its natural bits."""

    @abc.abstractmethod
    def hide(self, bits: np.ndarray, used: np.ndarray, cover: Tensor, key: Key) -> Tensor:
        """Bits uint8, which of them matter (bool), and a cover on the 8-bit grid -> a stego on that grid."""

    def mend(self, stego: Tensor, bits: np.ndarray, used: np.ndarray) -> Tensor:
        """A stego that may read wrongly in places -> one that reads better. By default there is nothing to mend."""
        return stego

    def planes(self, cover: Tensor) -> Planes:
        """Image -> what the coset layout asks of a cover. Only methods of that layout have it."""
        raise NotImplementedError
