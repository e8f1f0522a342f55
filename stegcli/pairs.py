"""Files for detectors to tell apart: stegos of a method, and files without a message of the same kind.

A method that is compared otherwise than here has a module `measure_pairs` with

    source(method, wanted) -> Source

Every file is made as a sender makes it: from the method's first draft, and sent through the channel that it is to
survive. A draft is not revealed again here, since that would double the time; few first drafts fail.
"""

from __future__ import annotations

import abc
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from stegcli.errors import CapacityError, FileError, UsageError
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream
from stegcli.method import Draft, Method, Request, Secret
from stegcli.pictures import channel, image, lattice, metrics
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

Unit = Literal["bpp", "bpnzAC"]
"""Bits per pixel, or per AC coefficient that is not zero."""
COVERS, DRAWS, REAL = "covers", "innocent draws", "real pictures"
COLOURINGS = "innocent colourings"
REDUCED = 7 / 8


@dataclass(frozen=True)
class Wanted:
    """rate: message bits in the unit of the source; None for all that fits. weights: their name, for the keys.

    size: width and height of generated pictures. secrets: pictures to hide, for methods that carry them; random bytes
    without. options: an instance of `about.evaluate`.
    """

    rate: float | None
    survive: Channel
    weights: str
    seed: int = 0
    size: tuple[int, int] | None = None
    secrets: Sequence[Picture] = ()
    options: Any = None


@dataclass(frozen=True)
class Cover:
    """A picture of the user's. name: of its file. file: the bytes of the file, if the pixels are still those of it."""

    name: str
    picture: Picture
    file: bytes | None = field(default=None, repr=False)

    def written(self) -> bytes:
        return self.file if self.file is not None else image.encode(self.picture)


@dataclass(frozen=True)
class Made:
    """A stego's file, and files without a message by what they are; those that it claims to be like come first.

    bits: of the message. psnr: of the stego to its cover, in dB, where there is one.
    """

    stego: bytes
    innocents: Mapping[str, bytes]
    bits: int
    psnr: float | None = None


class Source(abc.ABC):
    """Where pairs come from. unit: of payloads. rates: the payloads if none is asked for. channel: of the files.

    needs_covers: whether each pair needs a cover. side_by_side: whether `make` may run in several threads at a time.
    """

    unit: Unit = "bpp"
    rates: Sequence[float | None] = (0.4,)
    needs_covers = True
    side_by_side = False

    def __init__(self, method: Method, wanted: Wanted):
        self.method, self.wanted = method, wanted

    @property
    def channel(self) -> str:
        return str(self.wanted.survive)

    def ready(self, cover: Cover) -> Cover:
        """A cover as it is hidden in: one that was compressed with loss is reduced, which ends that past, for changed
        pixels of such a picture are found with certainty. Raises FileError for one that cannot be used."""
        if not (cover.picture.lossy or lattice.examine(cover.picture.pixels).history in ("jpeg", "mixed")):
            return cover
        return Cover(cover.name, reduced(cover.picture))

    @abc.abstractmethod
    def make(self, cover: Cover | None, rng: np.random.Generator) -> Made:
        """Raises CapacityError, FileError: the pair is then left out."""

    def setting(self) -> str:
        """A name for all that its pairs depend on, but for their covers."""
        w = self.wanted
        told = [self.method.name, w.weights, str(w.survive), w.rate, w.size, w.seed, len(w.secrets), repr(w.options)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]

    def key(self) -> Key:
        """One key for all messages, as in use."""
        secret = np.random.default_rng([self.wanted.seed, 1]).bytes(32)
        return Key(self.method.name, self.wanted.weights, secret)

    def sent(self, picture: Picture, rng: np.random.Generator) -> bytes:
        """The file that arrives through the channel."""
        return self.wanted.survive.file(picture, rng)

    def data(self, room: int, units: int, rng: np.random.Generator) -> bytes:
        """Random bytes for a message at the rate. units: pixels or coefficients that the rate counts.

        Raises CapacityError if they do not fit.
        """
        size = room if self.wanted.rate is None else int(self.wanted.rate * units / 8)
        if size > room or room <= 0:
            raise CapacityError(max(0, room), size)
        return rng.bytes(size)


class Given(Source):
    """For methods with a given cover: stegos against their own covers. Through a channel that changes pixels little
    fits, and how much differs from cover to cover: without a payload that is asked for, all that fits is hidden."""

    def __init__(self, method: Method, wanted: Wanted):
        super().__init__(method, wanted)
        if wanted.survive != channel.LOSSLESS:
            self.rates = (None,)

    def make(self, cover: Cover | None, rng: np.random.Generator) -> Made:
        assert cover is not None
        picture = cover.picture
        request = Request(cover=picture, survive=(self.wanted.survive,), options=self.method.about.hide())
        room = self.method.capacity(request)
        data = self.data(room, picture.width * picture.height, rng)
        keys = (self.key(),) if self.method.about.keyed else ()
        draft = first(self.method, Request((Secret(data),), keys, picture, request.survive, request.options))
        lossless = self.wanted.survive == channel.LOSSLESS
        innocent = cover.written() if lossless else self.sent(picture, rng)
        stego = written(draft, "PNG") if lossless else self.sent(draft.picture, rng)
        return Made(stego, {COVERS: innocent}, 8 * len(data), psnr(picture, draft))


class Drawn(Source):
    """For methods that draw their pictures: stegos against draws by the same rule, and against real pictures."""

    rates = (None,)
    needs_covers = False

    def ready(self, cover: Cover) -> Cover:
        """A real picture, and large enough for the draws if their size is asked for. Raises FileError."""
        found = super().ready(cover)
        if self.wanted.size:
            cut(found.picture, *self.wanted.size)
        return found

    def make(self, cover: Cover | None, rng: np.random.Generator) -> Made:
        about, survive = self.method.about, (self.wanted.survive,)
        sized = {"size": self.wanted.size} if self.wanted.size else {}
        request = Request(survive=survive, options=about.hide(**sized))
        with self.method.inference(hiding=True):
            drawn = self.method.innocent(Request(survive=survive, options=about.sample(**sized)), Stream(rng.bytes(32)))
        secret = self._secret(self.method.capacity(request), drawn.width * drawn.height, rng)
        draft = first(self.method, Request((secret,), (self.key(),), None, survive, request.options))
        innocents = {DRAWS: self.sent(drawn, rng)}
        return Made(self.sent(draft.picture, rng), innocents, 8 * len(secret.data), None)

    def real(self, cover: Cover, width: int, height: int) -> bytes:
        """A real picture as large as the draws, sent the same way. Raises FileError for one that is smaller."""
        return self.sent(cut(cover.picture, width, height), np.random.default_rng(0))

    def _secret(self, room: int, pixels: int, rng: np.random.Generator) -> Secret:
        secrets = self.wanted.secrets
        if "picture" in self.method.about.carries and secrets:
            chosen = secrets[int(rng.integers(len(secrets)))]
            return Secret(image.encode(chosen), chosen)
        return Secret(self.data(room, pixels, rng))


def source(method: Method, wanted: Wanted) -> Source:
    """What a method without a module of its own is compared by. Raises UsageError if there is nothing."""
    if method.about.draws:
        return Drawn(method, wanted)
    if method.about.cover == "given" and "bytes" in method.about.carries:
        return Given(method, wanted)
    raise UsageError(f"{method.name} has neither covers nor innocent draws to compare its stegos with")


def first(method: Method, request: Request) -> Draft:
    """The first draft. Raises CapacityError if there is none, FileError."""
    with method.inference(hiding=True):
        draft = next(iter(method.drafts(request)), None)
    if draft is None:
        raise CapacityError(0, max(len(s.data) for s in request.secrets))
    return draft


def written(draft: Draft, format: str) -> bytes:
    return draft.file or image.encode(draft.picture, format)


def psnr(cover: Picture, draft: Draft) -> float | None:
    found = metrics.psnr(cover.pixels, draft.picture.pixels)
    return found if np.isfinite(found) else None


def cut(picture: Picture, width: int, height: int) -> Picture:
    """The largest part from the middle with these proportions, made so large. Never enlarged: raises FileError."""
    scale = min(picture.width / width, picture.height / height)
    if scale < 1:
        raise FileError(f"a picture is smaller than {width}x{height}")
    wide, high = int(width * scale), int(height * scale)
    top, left = (picture.height - high) // 2, (picture.width - wide) // 2
    return Picture(image.resized(picture.pixels[top : top + high, left : left + wide], width, height))


def reduced(picture: Picture) -> Picture:
    """Seven eighths of each side, whole blocks of 8."""
    width, height = (max(8, int(s * REDUCED) // 8 * 8) for s in (picture.width, picture.height))
    pixels = image.resized(picture.pixels, width, height)
    grey = picture.grey and bool((pixels == pixels[..., :1]).all())
    return Picture(pixels, grey=grey)
