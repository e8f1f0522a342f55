"""Secrets <-> a cover drawn from the key, with a perturbation that makes keyed random decoders emit them.

    key, number  ->  cover C (texture and grain), a decoder, the places of a descriptor
    secrets, decoders, C  --search-->  perturbation d of whole grey levels  ->  stego C + d
    stego, key   ->  C again, d = stego - C  ->  descriptor  ->  decoder, head  ->  secret

There is no network to train or ship but the generator of covers; what decodes is drawn from the key.

Reference: Cover-separable Fixed Neural Network Steganography via Deep Generative Models (Li, Li, Li, Qian, Zhang, ACM
MM 2024).
"""

from __future__ import annotations

import contextlib
import copy
import functools
import secrets as os_random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

import numpy as np
from torch import Tensor, nn

from stegcli.about import About
from stegcli.errors import RevealError, UnsafeNumberError, UsageError, WeightsError
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream
from stegcli.method import Asked, Draft, Method, Request, Revealed, Secret
from stegcli.methods.cs_fnns import ABOUT, authentic, descriptor, evade, numbers, sought
from stegcli.methods.cs_fnns import cover as covers
from stegcli.methods.cs_fnns.cover import GRAIN, MARGIN, Generator, Ground, Textures
from stegcli.methods.cs_fnns.descriptor import Marks
from stegcli.methods.cs_fnns.detector import Detector
from stegcli.methods.cs_fnns.diffusion import DiffusionCovers
from stegcli.methods.cs_fnns.options import HideOptions, RevealOptions
from stegcli.methods.cs_fnns.paper import search_paper
from stegcli.methods.cs_fnns.robust import search_robust
from stegcli.methods.cs_fnns.search import Found, Goal, Marked, search
from stegcli.methods.cs_fnns.sought import Opened, is_robust, marked_for, sought_for
from stegcli.nn import generators
from stegcli.nn.tensors import to_levels
from stegcli.nn.wavelet import Pyramid
from stegcli.pictures.image import Picture

MOST_SIDE = 1024
USUAL_SIDES = (256, 512)
"""Of a stego when no size is asked for: the least whose secret need not be made smaller, else the largest."""
PSNRS = {1: 46.0, 2: 40.2, 3: 37.6, 4: 34.5}
"""dB that the stego keeps to its cover, by the number of receivers. The first is what grain hides well."""
ROBUST_PSNR = 30.0
"""The same if it must survive JPEG. The paper has 24.8."""
STEPS, ROBUST_STEPS, PAPER_STEPS = 280, 120, 1500
TRIES = 3
COVERS_TRIED = 8
"""How many numbers a sender takes if covers might be drawn differently elsewhere, which one in thousands might."""
DIFFUSERS = "diffusers:"
COVERS_KEPT = 4


class CsFnns(Method):
    """g2: the configuration of the flow that draws textures. detector: of the network that `--evade` misleads."""

    about: ClassVar[About] = ABOUT

    def __init__(
        self, g2: dict[str, Any] | None = None, detector: dict[str, Any] | None = None, temperature: float = 0.9
    ):
        self._shapes = {n: c for n, c in {"g2": g2, "detector": detector}.items() if c}
        super().__init__(self._shapes | {"temperature": temperature})
        self.temperature = temperature
        self._known: dict[tuple[object, ...], Ground] = {}

    def build_networks(self) -> nn.Module:
        parts: dict[str, nn.Module] = {}
        if "g2" in self._shapes:
            parts["g2"] = generators.build(self._shapes["g2"])
        if "detector" in self._shapes:
            parts["detector"] = Detector(**self._shapes["detector"])
        return nn.ModuleDict(parts)

    def _part(self, name: str) -> nn.Module | None:
        return dict(cast(nn.ModuleDict, self.networks).items()).get(name)

    @property
    def g2(self) -> Pyramid | None:
        return cast("Pyramid | None", self._part("g2"))

    @property
    def detector(self) -> Detector | None:
        return cast("Detector | None", self._part("detector"))

    # -- covers

    def _generator(self, drawn: RevealOptions) -> Generator:
        named = drawn.generator or "textures"
        if named == "textures":
            return self._textures
        return _diffusion(named.removeprefix(DIFFUSERS), drawn.prompt or "", drawn.generator_steps)

    @functools.cached_property
    def _textures(self) -> Textures:
        """Always on the CPU and in float64: covers must be the same everywhere."""
        if self.g2 is None:
            raise WeightsError("these weights have no generator of covers", "use --weights textures, or --generator")
        return Textures(copy.deepcopy(self.g2).cpu(), self.temperature)

    def ground(self, drawn: RevealOptions, key: Key, number: int, height: int, width: int) -> Ground:
        """What the key draws under a number, before grain.

        The last few are kept: what is hidden is revealed at once, to verify it.
        """
        name = (replace(drawn, number=number), key.method, key.cover_secret(), height, width)
        found = self._known.get(name)
        if found is None:
            found = covers.ground(self._generator(drawn), key, number, height, width)
            if len(self._known) >= COVERS_KEPT:
                self._known.clear()
            self._known[name] = found
        return found

    def innocent(self, request: Request, stream: Stream) -> Picture:
        """A cover without a message, under a key from the stream: no rule but that of covers selects stegos."""
        height, width = self._size(request, ())
        wanted = GRAIN if request.options.grain is None else request.options.grain
        key = Key(self.name, "", stream.bytes(32))
        number = 0
        while True:
            drawn = covers.ground(self._textures, key, number, height, width)
            found = drawn.cover(0.0 if is_robust(request) else wanted)
            if found.margin > MARGIN:
                return Picture(found.pixels)
            number += 1

    # -- how much fits

    def capacity(self, request: Request) -> int:
        height, width = self._size(request, request.secrets)
        return sought.capacity(height, width, is_robust(request), request.receivers)

    def _size(self, request: Request, secrets: Sequence[Secret]) -> tuple[int, int]:
        """Height and width of the stego."""
        width, height = request.options.size or _usual_size(secrets, is_robust(request))
        step = self._generator(request.options.drawn).step
        least = self.about.min_side
        if not all(s % step == 0 and least <= s <= MOST_SIDE for s in (height, width)):
            raise UsageError(f"no size {width}x{height}", f"multiples of {step} from {least} to {MOST_SIDE}")
        return height, width

    # -- hiding

    def drafts(self, request: Request) -> Iterator[Draft]:
        _check(request)
        secrets, keys, options = request.secrets, request.keys, request.options
        height, width = self._size(request, secrets)
        psnr = _psnr(request)
        number, drawn, notes = self._cover(request, height, width, psnr)
        wanted = [sought_for(s, k, request, number, drawn) for s, k in zip(secrets, keys, strict=True)]
        forms = tuple(sought.told(w.descriptor.form) for w in wanted)
        capacity = sought.capacity(height, width, is_robust(request), len(keys))
        levels = to_levels(drawn.pixels)
        tags = sought.tags(wanted, keys, number, height, width)
        for attempt in range(TRIES):
            most = authentic.tolerance(len(keys), attempt)
            told = [replace(w.descriptor, tolerance=most) for w in wanted]
            marked = [marked_for(t, k, number, height, width) for t, k in zip(told, keys, strict=True)]
            found = self._search([w.goal for w in wanted], marked, levels, psnr, request)
            if found is not None:
                draft = Draft(
                    Picture(authentic.authenticated(levels, found.perturbation, tags, _chance())),
                    exact=tuple(w.exact for w in wanted),
                    forms=forms,
                    capacity=capacity,
                    notes=notes,
                    cover=Picture(drawn.pixels),
                    number=number,
                    told=replace(options.drawn, number=number),
                )
                if self.number_bits(options):
                    yield replace(draft, told=replace(options.drawn, number=None))
                    # A smooth cover may not tell its number through JPEG. To take another would leave a mark.
                    draft = replace(draft, notes=(*notes, f"the receiver must be told --number {number}"))
                yield draft

    def _cover(
        self, request: Request, height: int, width: int, psnr: float
    ) -> tuple[int, covers.Cover, tuple[str, ...]]:
        """-> the number, the cover, and what the user is told. Without a number asked for, the first that is safe."""
        options, key = request.options, request.keys[0]
        wanted = GRAIN if options.grain is None else options.grain
        grain = 0.0 if is_robust(request) else covers.strength(wanted, psnr)
        for number in self._candidates(options):
            found = self.ground(options.drawn, key, number, height, width).cover(grain)
            if found.margin > MARGIN:
                return number, found, self._told_of(number, options)
        raise UnsafeNumberError(
            f"the cover of number {options.number} might be drawn differently elsewhere", "take another --number"
        )

    def _candidates(self, options: HideOptions) -> Iterable[int]:
        """The numbers to hide under, in turn."""
        if options.number is not None:
            return (options.number,)
        bits = self.number_bits(options)
        return (os_random.randbits(bits) for _ in range(COVERS_TRIED)) if bits else range(COVERS_TRIED)

    def _told_of(self, number: int, options: RevealOptions) -> tuple[str, ...]:
        """What users are told of a number: nothing if the cover tells it."""
        return () if self.number_bits(options) or not number else (f"message number {number} of this key",)

    def number_bits(self, options: RevealOptions) -> int:
        return 0 if (options.generator or "").startswith(DIFFUSERS) else numbers.BITS

    def _search(
        self, goals: list[Goal], marked: list[Marked], levels: Tensor, psnr: float, request: Request
    ) -> Found | None:
        options, robust = request.options, is_robust(request)
        random = _chance()
        if options.decoder == "paper":
            return search_paper(goals, marked, levels, options.steps or PAPER_STEPS, random)
        steps = options.steps or (ROBUST_STEPS if robust else STEPS)
        penalty = None
        if options.evade:
            if self.detector is None:
                hint = "train one: stego train cs-fnns --part detector"
                raise WeightsError("these weights have no detector to evade", hint)
            penalty = evade.penalty([self.detector.cpu()])
        if robust:
            qualities = tuple(round(c.strength) for c in request.survive)
            return search_robust(goals, marked, levels, psnr, steps, random, qualities, penalty)
        return search(goals, marked, levels, psnr, steps, random, penalty)

    # -- revealing

    def reveal(self, stego: Picture, asked: Asked) -> tuple[Revealed, ...]:
        if asked.key is None:
            raise RevealError
        found = self.opened(stego, asked.key, asked.options)
        if found.told.cover != found.cover.hash:
            hint = "the key is right, but the cover drawn here is not the sender's: another generator or version"
            raise RevealError(hint)
        return (sought.read(found, asked.key, self._told_of(found.number, asked.options)),)

    def opened(self, stego: Picture, key: Key, drawn: RevealOptions) -> Opened:
        """A stego -> its perturbation and what the descriptor says. Raises RevealError."""
        height, width = stego.height, stego.width
        generator = self._generator(drawn)
        step = generator.step
        if min(height, width) < self.about.min_side or max(height, width) > MOST_SIDE or height % step or width % step:
            raise RevealError
        for number in generator.numbers(stego.pixels, key) if drawn.number is None else (drawn.number,):
            ground = self.ground(drawn, key, number, height, width)
            nearly = None
            for found in _readings(stego, key, number, ground):
                if found.told.cover == found.cover.hash:
                    return found
                nearly = nearly or found  # descriptors survive a grain, or a cover, that is a little wrong
            if nearly:
                return nearly
        raise RevealError


def _readings(stego: Picture, key: Key, number: int, ground: Ground) -> Iterator[Opened]:
    """What the descriptor says over each cover that the ground may have become."""
    marks = Marks(key.stream("descriptor places", number), stego.height, stego.width)
    for grain in ground.strengths(stego.pixels):
        cover = ground.cover(grain)
        perturbation = to_levels(stego.pixels) - to_levels(cover.pixels)
        with contextlib.suppress(RevealError):
            told = descriptor.from_bits(sought.hard(marks.read(perturbation)), key, number)
            yield Opened(told, number, cover, perturbation)


def build(**config: Any) -> CsFnns:
    return CsFnns(**config)


@functools.lru_cache(maxsize=1)
def _diffusion(repo: str, prompt: str, steps: int | None) -> DiffusionCovers:
    return DiffusionCovers(repo, prompt, steps)


def _chance() -> np.random.Generator:
    """The sender's own chance, which no receiver needs."""
    return np.random.default_rng(np.frombuffer(os_random.token_bytes(32), np.uint64))


def _check(request: Request) -> None:
    """What the options' own class cannot know. Raises UsageError."""
    options = request.options
    if is_robust(request) and options.decoder == "paper":
        raise UsageError("the paper's decoder is searched for in the paper's way", "leave out --survive and --robust")
    if is_robust(request) and options.grain:
        raise UsageError("covers of stegos that survive JPEG have no grain", "leave out --grain")
    if len({k.cover_secret() for k in request.keys}) > 1:
        raise UsageError("the keys draw different covers", "make the others with stego keygen --with FIRST.npy")


def _psnr(request: Request) -> float:
    if request.options.psnr is not None:
        return float(request.options.psnr)
    return ROBUST_PSNR if is_robust(request) else PSNRS[request.receivers]


def _usual_size(secrets: Sequence[Secret], robust: bool) -> tuple[int, int]:
    sides = [max(s.picture.width, s.picture.height) for s in secrets if s.picture is not None]
    needed = max(sides, default=0) * (4 if robust else 2)
    side = next((s for s in USUAL_SIDES if s >= needed), USUAL_SIDES[-1])
    return side, side
