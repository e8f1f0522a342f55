"""What a method is: the one interface between its network and everything around it."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor, nn

from stegcli.coding.payload import Layout, Planes
from stegcli.keys.key import Key
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

LOSSLESS = Channel("png")
ROBUST_QUALITIES = (75, 80, 85, 90, 95)
"""Of the JPEG files that a stego which is to be robust is verified through."""
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
    shares_cover: ClassVar[bool] = False
    """Whether all receivers of a stego must draw one cover from their keys (`key.beside`)."""

    def __init__(self, config: dict[str, object]):
        super().__init__()
        self.config = config

    def begin(self, given: frozenset[str]) -> None:
        """Called before training on weights that hold only the tensors of these names: the rest may start from them."""

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
        """Bits uint8, which of them matter (bool), and a cover on the 8-bit grid -> a stego on that grid.

        key: the message's own, for coins: no other message of the sender's key has it.
        """

    def mend(self, stego: Tensor, bits: np.ndarray, used: np.ndarray) -> Tensor:
        """A stego that may read wrongly in places -> one that reads better. By default there is nothing to mend."""
        return stego

    def planes(self, cover: Tensor) -> Planes:
        """Image -> what the coset layout asks of a cover. Only methods of that layout have it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Secret:
    """What is to be hidden: the bytes of a file, and the picture that they hold if they hold one."""

    data: bytes
    picture: Picture | None = None


Travel = Literal["auto", "bytes", "picture", "compressed", "cascade"]


@dataclass(frozen=True)
class Drawn:
    """How a cover is drawn again from the key.

    number: of the message under its key; None stands for 0 when hiding, and for 0 and the next few when revealing.
    generator: what draws it, None for the method's own. prompt: what the generator is told to draw.
    generator_steps: in how many steps, None for its own number.
    """

    number: int | None = None
    generator: str | None = None
    prompt: str = ""
    generator_steps: int | None = None


AS_USUAL = Drawn()


@dataclass(frozen=True)
class Wish:
    """What the user asks of a stego; None where the method is to choose.

    survive: what the stego must outlive. travel: how a secret goes: its file byte for byte, or as a picture, which may
    lose something. size: width and height of a generated stego. drawn: how its cover is drawn. psnr: dB that the stego
    should keep to its cover. steps: of a search. robust: whether it must outlive any JPEG of quality 75 to 95.
    decoder: "own" or "paper". grain: standard deviation in grey levels of the noise that the cover is given. evade:
    whether a detector is to be misled.
    """

    survive: Channel = LOSSLESS
    travel: Travel = "auto"
    size: tuple[int, int] | None = None
    temperature: float | None = None
    redundancy: int | None = None
    drawn: Drawn = AS_USUAL
    psnr: float | None = None
    steps: int | None = None
    robust: bool = False
    decoder: str | None = None
    grain: float | None = None
    evade: bool = False


@dataclass(frozen=True)
class Draft:
    """A stego not yet verified. For each receiver: `exact`, the bytes that must come back, or None for a picture that
    comes back with some loss; `forms`, how the secret travels. capacity: bytes of one receiver's message. tokens: what
    a receiver must be given besides the key, (3, h, w) in [0, 1), one each or none at all. cover: what the stego was
    made of, uint8 (h, w, 3), if it has one. number: under which its cover was drawn from the key."""

    pixels: np.ndarray
    exact: tuple[bytes | None, ...]
    forms: tuple[str, ...]
    capacity: int
    notes: tuple[str, ...] = ()
    tokens: tuple[np.ndarray, ...] = ()
    cover: np.ndarray | None = None
    number: int | None = None


@dataclass(frozen=True)
class Revealed:
    """What a receiver gets: bytes and, if they came as a picture, the picture. notes: what they are told besides."""

    data: bytes | None = None
    picture: Picture | None = None
    notes: tuple[str, ...] = ()


class PictureMethod(Method):
    """A method whose stego is made for the secret: it carries pictures, and any file if it says so."""

    carries: ClassVar[Carries] = "image"
    most_receivers: ClassVar[int] = 1

    @abc.abstractmethod
    def room(self, wish: Wish, receivers: int = 1) -> int:
        """The most bytes that a stego of that wish brings each receiver."""

    @abc.abstractmethod
    def drafts(
        self, secrets: Sequence[Secret], keys: Sequence[Key], wish: Wish, cover: Picture | None
    ) -> Iterator[Draft]:
        """Secrets, one for each key -> stegos to be tried until one is verified. Raises CapacityError, FileError."""

    @abc.abstractmethod
    def reveal(self, stego: Picture, key: Key, token: np.ndarray | None = None, drawn: Drawn = AS_USUAL) -> Revealed:
        """Stego -> what it holds for that key, and the token if the receiver got one. Raises RevealError.

        drawn: how its cover was drawn, for a method that draws covers from the key; others need not look at it.
        """
