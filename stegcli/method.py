"""The interface that every method implements, and the types that it exchanges with the rest of the program.

    Request  --capacity-->  bytes that fit
    Request  --drafts-->    stegos to try; `api` writes each as a file, sends it through the requested channels, and
                            takes the first that reveals
    Picture, Asked  --reveal-->  the secrets in the stego

For bit methods, `slots` implements drafts and reveal. Nothing here imports torch: a method builds its networks when it
first needs them.
"""

from __future__ import annotations

import abc
import functools
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from stegcli.about import About
from stegcli.errors import FileError, WeightsError
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream
from stegcli.options import NoOptions
from stegcli.pictures.channel import LOSSLESS, Channel
from stegcli.pictures.image import JPEG_QUALITY, Picture

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Secret:
    """What to hide: the bytes of a file, and the picture in it if it is one."""

    data: bytes
    picture: Picture | None = None


@dataclass(frozen=True)
class Request:
    """Everything a sender wants.

    keys: one for each secret, or one for all of them, or none for a method without keys.
    cover: None if the method makes it. survive: one or more channels that the stego must survive.
    options: an instance of `about.hide`. format, quality: of the file to write.
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
        """The channel to survive that changes a picture most: the lowest quality, the strongest noise."""
        return max(self.survive, key=lambda channel: channel.harshness)

    def key_of(self, index: int) -> Key | None:
        """The key that reveals the secret with this index."""
        if not self.keys:
            return None
        return self.keys[0] if len(self.keys) == 1 else self.keys[index]


@dataclass(frozen=True)
class Draft:
    """A stego that is not verified yet. Tuples hold one item for each secret.

    exact: the bytes that must come back, or None for a picture that comes back with some loss.
    forms: the form in which the secret travels. capacity: most bytes of one message.
    tokens: arrays of three dimensions that receivers need besides the key, or an empty tuple.
    cover: the picture that the stego was made from, if a comparison is meaningful to the user.
    number: the message number under which the cover was drawn.
    told: an instance of `about.reveal` with the options that the receiver needs, None for the defaults.
    measured: figures for `stego evaluate`, such as the share of wrong bits before the code.
    file: the bytes of the stego, if the method writes the file itself instead of `image.encode`.
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
    """What a receiver has besides the stego: key, token if there is one, and an instance of `about.reveal`."""

    key: Key | None = None
    token: np.ndarray | None = None
    options: Any = field(default_factory=NoOptions)


@dataclass(frozen=True)
class Revealed:
    """One revealed secret: bytes, or a picture if it travelled as one; and notes for the user.

    file: the picture's own file, if that is what travelled. besides: further pictures to write, with the paths that
    options named.
    """

    data: bytes | None = None
    picture: Picture | None = None
    file: bytes | None = None
    notes: tuple[str, ...] = ()
    besides: tuple[tuple[Path, Picture], ...] = ()


class Method(abc.ABC):
    """A method of hiding. It holds networks but is not an nn.Module; `build(**method.config)` makes it again.

    config: stored in the metadata of the weights. device: where the networks run, "cpu" or "cuda"; set it to "auto" to
    take CUDA if available.
    """

    about: ClassVar[About]

    def __init__(self, config: Mapping[str, object]):
        self.config = dict(config)
        self._device = "cpu"
        # Trained weights, as tensors and as arrays, both set by `weights.load`.
        self.tensors: Callable[[], Mapping[str, Tensor]] | None = None
        self.arrays: Callable[[], Mapping[str, np.ndarray]] | None = None

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
        """The untrained networks, None for a method without any. Parameter names must match those in the weights."""
        return None

    @functools.cached_property
    def networks(self) -> nn.Module | None:
        """The networks, built at first use, with trained tensors if weights were loaded. Raises WeightsError."""
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

    def trained_arrays(self) -> Mapping[str, np.ndarray]:
        """The networks' parameters as arrays; without torch if the networks were not built. Raises WeightsError."""
        if self.arrays is not None and "networks" not in vars(self):
            return self.arrays()
        networks = self.networks
        return {} if networks is None else {n: t.detach().cpu().numpy() for n, t in networks.state_dict().items()}

    def begin(self, given: frozenset[str]) -> None:  # noqa: B027  (most methods have nothing to do here)
        """Called before training from weights that hold only these tensors; may initialise the others from them."""

    def inference(self, hiding: bool) -> AbstractContextManager[None]:
        """The context for hiding and revealing: no gradients, full float32 precision. No effect without networks."""
        if type(self).build_networks is Method.build_networks:
            return nullcontext()
        from stegcli.nn.inference import inference

        return inference()

    def number_bits(self, options: Any) -> int:
        """Of a method with message numbers: the bits of a random number, or 0 if receivers try the least numbers."""
        return 0

    @abc.abstractmethod
    def capacity(self, request: Request) -> int:
        """The most bytes that each secret may have, computed before any work. The request may lack secrets."""

    @abc.abstractmethod
    def drafts(self, request: Request) -> Iterator[Draft]:
        """Stegos to try, until one is verified. Raises CapacityError, FileError, UsageError."""

    @abc.abstractmethod
    def reveal(self, stego: Picture, asked: Asked) -> tuple[Revealed, ...]:
        """Stego -> its secrets: one with a key, or all of them for a method without keys. Raises RevealError."""

    def readings(self, stego: Picture, asked: Asked) -> Iterator[tuple[Revealed, ...]]:
        """All results that `reveal` could give on different machines; a stego is accepted only if all are right."""
        yield self.reveal(stego, asked)

    def innocent(self, request: Request, stream: Stream) -> Picture:
        """A picture without a message, drawn from the stream by the rule that stegos for this request pass.

        Methods whose ABOUT says `draws` implement it. request.options: an instance of `about.sample`. The rule depends
        on the picture alone, so that stegos differ from such pictures only by what a key tells. Raises UsageError,
        WeightsError.
        """
        raise NotImplementedError

    def needs_larger(self) -> str:
        """The hint for a secret that does not fit."""
        return "use a larger cover" if self.about.cover == "given" else "use a larger --size"


def check_side(method: Method, cover: Picture) -> None:
    """Raises FileError if the cover is too small for the method."""
    least = method.about.min_side
    if min(cover.height, cover.width) < least:
        raise FileError(f"cover is {cover.width}x{cover.height}, {method.name} needs at least {least}x{least}")
