"""Toy methods: each shows one thing that the interface of methods must bear.

Toy       keyed, draws its own picture, one or two receivers; fails where it is told to
Frames    no key, a given cover, one to three pictures in one stego, several results, survives noise
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Annotated, Any, ClassVar

import numpy as np
import pytest

from stegcli import methods
from stegcli.about import LOSSLESS, About
from stegcli.errors import RevealError
from stegcli.keys.key import Key
from stegcli.method import Asked, Draft, Method, Request, Revealed
from stegcli.options import NoOptions, NumberOption, Option, SizeOption
from stegcli.pictures import image
from stegcli.pictures.image import Picture

SIDE = 64


@dataclass(frozen=True)
class ToyReveal:
    number: NumberOption = None
    lens: Annotated[str, Option("What the receiver looks through.")] = "plain"


@dataclass(frozen=True)
class ToyHide:
    size: SizeOption = None
    number: NumberOption = None


def pattern(key: Key) -> np.ndarray:
    """What a receiver looks for. It survives JPEG, for it is flat in blocks of 8x8."""
    seed = list(hashlib.sha256(key.secret).digest())
    blocks = np.random.default_rng(seed).integers(60, 196, (SIDE // 8, SIDE // 8, 1))
    return np.repeat(np.kron(blocks, np.ones((8, 8, 1))), 3, axis=2)


@dataclass
class Watched:
    """What the toy was asked for. spoilt: so many drafts show nothing; needs_quality: of JPEG files, to be read;
    cover, number, capacity: as its drafts tell them."""

    spoilt: int = 0
    needs_quality: int = 0
    drawn: int = 0
    requests: list[Request] = field(default_factory=list)
    qualities: list[int | None] = field(default_factory=list)
    options: list[Any] = field(default_factory=list)
    cover: np.ndarray | None = None
    number: int | None = None
    capacity: int = 1000


class Toy(Method):
    about: ClassVar[About] = About(
        name="toy",
        summary="a toy",
        carries=frozenset({"bytes", "picture"}),
        cover="generated",
        most_secrets=2,
        survives=("png", "jpeg:Q", "jpeg:A..B", "noise:S"),
        writes=LOSSLESS | {"JPEG"},
        hide=NoOptions,
        reveal=ToyReveal,
    )

    def __init__(self, back: Picture | None = None, **watched: Any):
        super().__init__({})
        self.back, self.seen = back, Watched(**watched)

    def capacity(self, request: Request) -> int:
        return self.seen.capacity // request.receivers

    def drafts(self, request: Request) -> Iterator[Draft]:
        seen, keys = self.seen, request.keys
        seen.requests.append(request)
        exact = tuple(None if self.back else s.data for s in request.secrets)
        self.data = {k.secret: s.data for k, s in zip(keys, request.secrets, strict=True)}
        told = None if seen.number is None else ToyReveal(seen.number, "green")
        for _ in range(4):
            seen.drawn += 1
            mean = sum(pattern(k) for k in keys) / len(keys)
            pixels = (mean if seen.drawn > seen.spoilt else 255 - mean).astype(np.uint8)
            yield Draft(
                Picture(pixels),
                exact,
                ("toy",) * len(keys),
                self.capacity(request),
                ("a note",),
                cover=None if seen.cover is None else Picture(seen.cover),
                number=seen.number,
                told=told,
            )

    def reveal(self, stego: Picture, asked: Asked) -> tuple[Revealed, ...]:
        assert asked.key is not None
        self.seen.options.append(asked.options)
        self.seen.qualities.append(stego.jpeg.quality if stego.jpeg else None)
        likeness = np.corrcoef(stego.pixels.ravel(), pattern(asked.key).ravel())[0, 1]
        if likeness < 0.5 or (stego.jpeg and stego.jpeg.quality < self.seen.needs_quality):
            raise RevealError
        return (Revealed(None, self.back) if self.back else Revealed(self.data[asked.key.secret]),)


class LargerToy(Toy):
    """A toy that takes a size and a PSNR, which help a secret through."""

    about = replace(Toy.about, hide=ToyHide)


FRAME = 16
"""Side of a frame in which one secret travels, reduced to it."""


class Frames(Method):
    """Pastes its secrets into the cover's top row; their number stands in the corner. Alpha and profile stay."""

    about: ClassVar[About] = About(
        name="frames",
        summary="pictures pasted into a picture",
        carries=frozenset({"picture"}),
        cover="given",
        keyed=False,
        most_secrets=3,
        survives=("png", "noise:S"),
        min_side=SIDE,
    )

    def __init__(self, lost: int = 0) -> None:
        super().__init__({})
        self.lost = lost  # so many of the last secrets do not come back

    def capacity(self, request: Request) -> int:
        return 3 * FRAME * FRAME

    def drafts(self, request: Request) -> Iterator[Draft]:
        assert request.cover is not None
        pixels = request.cover.pixels.copy()
        pixels[-8:, -8:] = 60 * len(request.secrets)
        for index, secret in enumerate(request.secrets):
            assert secret.picture is not None
            small = image.resized(secret.picture.pixels, FRAME, FRAME)
            pixels[:FRAME, index * FRAME : (index + 1) * FRAME] = small
        count = len(request.secrets)
        stego = replace(request.cover, pixels=pixels)
        yield Draft(stego, (None,) * count, ("frame",) * count, self.capacity(request), cover=request.cover)

    def reveal(self, stego: Picture, asked: Asked) -> tuple[Revealed, ...]:
        assert asked.key is None
        count = round(float(stego.pixels[-8:, -8:].mean()) / 60)
        if not 1 <= count <= 3:
            raise RevealError
        found = [stego.pixels[:FRAME, i * FRAME : (i + 1) * FRAME].copy() for i in range(count - self.lost)]
        return tuple(Revealed(None, Picture(f)) for f in found)


def register(patch: pytest.MonkeyPatch, method: type[Method]) -> None:
    """Make the installation have a method, as a plugin would."""
    about, package = method.about, f"toy_package_{method.about.name.replace('-', '_')}"
    parent, module = ModuleType(package), ModuleType(f"{package}.method")
    parent.ABOUT, parent.__path__, module.build = about, [], method  # type: ignore[attr-defined]
    patch.setitem(sys.modules, package, parent)
    patch.setitem(sys.modules, f"{package}.method", module)
    real = methods.registry()
    packages = dict(sorted({**real.packages, about.name: package}.items()))
    known = methods.Registry(packages, dict(sorted({**real.abouts, about.name: about}.items())), real.broken)
    patch.setattr(methods, "registry", lambda: known)
