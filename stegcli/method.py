"""What a method is: the one interface between its networks and everything around it.

    Request  --capacity-->  bytes that fit
    Request  --drafts-->    stegos to try; `api` writes each as a file, sends it through the channels that were asked
                            for, and takes the first that reveals
    Picture, Asked  --reveal-->  what the stego holds

Bit methods implement drafts and reveal once for all, in `slots`. Nothing here imports torch: a method builds its
networks when it first needs them.
"""

from __future__ import annotations

import abc
import functools
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from stegcli.about import About
from stegcli.errors import FileError, WeightsError
from stegcli.keys.key import Key
from stegcli.options import NoOptions
from stegcli.pictures.channel import LOSSLESS, Channel
from stegcli.pictures.image import JPEG_QUALITY, Picture

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Secret:
    """What is to be hidden: the bytes of a file, and the picture that they hold if they hold one."""

    data: bytes
    picture: Picture | None = None


@dataclass(frozen=True)
class Request:
    """Everything a sender asks for.

    keys: one for each secret, or one for all of them, or none for a method without keys.
    cover: None where the method draws it. survive: the channels a stego is verified through, at least one.
    options: an instance of `about.hide`. format, quality: of the file that will be written.
    """

    secrets: tuple[Secret, ...] = ()
    keys: tuple[Key, ...] = ()
    cover: Picture | None = None
    survive: tuple[Channel, ...] = (LOSSLESS,)
    options: Any = field(default_factory=NoOptions)
    format: str = "PNG"
    quality: int = JPEG_QUALITY

    @property
    def receivers(self) -> int:
        """How many messages share the stego."""
        return max(1, len(self.secrets))

    @property
    def harshest(self) -> Channel:
        """Of the channels to survive, the one that changes most: the lowest quality, the strongest noise."""
        return max(self.survive, key=lambda channel: channel.harshness)

    def key_of(self, index: int) -> Key | None:
        """The key that reveals the secret of that index."""
        if not self.keys:
            return None
        return self.keys[0] if len(self.keys) == 1 else self.keys[index]


@dataclass(frozen=True)
class Draft:
    """A stego that is not verified yet. Tuples hold one item for each secret.

    exact: the bytes that must come back, or None for a picture that comes back with some loss.
    forms: how the secret travels. capacity: bytes of one message.
    tokens: what a receiver needs besides the key, arrays of three dimensions, or none at all.
    cover: what the stego was made of, if the user may compare them.
    number: the message number under which the cover was drawn.
    told: an instance of `about.reveal` that holds what the receiver must be told, if that is not the default.
    measured: figures for `stego evaluate`, such as the share of wrong bits before the code.
    file: the finished bytes of the stego, if the method does not leave it to `image.encode` to write it.
    """

    picture: Picture
    exact: tuple[bytes | None, ...]
    forms: tuple[str, ...]
    capacity: int
    notes: tuple[str, ...] = ()
    tokens: tuple[np.ndarray, ...] = ()
    cover: Picture | None = None
    number: int | None = None
    told: Any = None
    measured: Mapping[str, float] = field(default_factory=dict)
    file: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Asked:
    """What a receiver has besides the stego: the key, the token if one was sent, an instance of `about.reveal`."""

    key: Key | None = None
    token: np.ndarray | None = None
    options: Any = field(default_factory=NoOptions)


@dataclass(frozen=True)
class Revealed:
    """One secret that came back: its bytes or, if it came as a picture, the picture; notes for the user."""

    data: bytes | None = None
    picture: Picture | None = None
    notes: tuple[str, ...] = ()


class Method(abc.ABC):
    """A way of hiding. It has networks and is none; `build(**method.config)` makes it again.

    config travels in the weights' metadata. device: where the networks run, "cpu" or "cuda"; set it to "auto" for
    whichever is there.
    """

    about: ClassVar[About]

    def __init__(self, config: Mapping[str, object]):
        self.config = dict(config)
        self._device = "cpu"
        self.tensors: Callable[[], Mapping[str, Tensor]] | None = None  # trained weights, set by `weights.load`

    @property
    def name(self) -> str:
        return self.about.name

    @property
    def device(self) -> str:
        if self._device == "auto":
            import torch

            self._device = "cuda" if torch.cuda.is_available() else "cpu"
        return self._device

    @device.setter
    def device(self, device: str) -> None:
        self._device = device

    def build_networks(self) -> nn.Module | None:
        """-> the networks, not trained yet; None for a method that has none. Their names are those in the weights."""
        return None

    @functools.cached_property
    def networks(self) -> nn.Module | None:
        """The networks, trained if weights were loaded. Built at first use. Raises WeightsError."""
        if self.tensors is None:
            return self.build_networks()
        tensors = {name: tensor.float() for name, tensor in self.tensors().items()}
        try:
            built = self.build_networks()
            if built is None:
                return None
            built.load_state_dict(tensors, strict=True)
        except (TypeError, ValueError, RuntimeError) as error:
            said = textwrap.shorten(" ".join(str(error).split()), 200)
            raise WeightsError(f"weights do not fit this version: {said}") from error
        return built.eval().requires_grad_(False).to(self.device)

    def begin(self, given: frozenset[str]) -> None:  # noqa: B027  (most methods have nothing to do here)
        """Called before training on weights that hold only the tensors of these names: the rest may start from them."""

    def inference(self, hiding: bool) -> AbstractContextManager[None]:
        """What hiding or revealing runs under: no gradients, and float32 as such. Without networks: nothing."""
        if type(self).build_networks is Method.build_networks:
            return nullcontext()
        from stegcli.nn.inference import inference

        return inference()

    @abc.abstractmethod
    def capacity(self, request: Request) -> int:
        """The most bytes that each secret may have, before any work. The request needs no secrets yet."""

    @abc.abstractmethod
    def drafts(self, request: Request) -> Iterator[Draft]:
        """Stegos to try, until one is verified. Raises CapacityError, FileError, UsageError."""

    @abc.abstractmethod
    def reveal(self, stego: Picture, asked: Asked) -> tuple[Revealed, ...]:
        """Stego -> what it holds: one item for a key, or one for each secret without keys. Raises RevealError."""

    def readings(self, stego: Picture, asked: Asked) -> Iterator[tuple[Revealed, ...]]:
        """Everything that `reveal` may give on any machine; a stego is verified only if all of it is right."""
        yield self.reveal(stego, asked)

    def needs_larger(self) -> str:
        """The hint for a secret that does not fit."""
        return "use a larger cover" if self.about.cover == "given" else "use a larger --size"


def check_side(method: Method, cover: Picture) -> None:
    """Raises FileError if the cover is smaller than the method can use."""
    least = method.about.min_side
    if min(cover.height, cover.width) < least:
        raise FileError(f"cover is {cover.width}x{cover.height}, {method.name} needs at least {least}x{least}")
