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
import functools
import math
import secrets as os_random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from stegcli.coding import ldpc, payload
from stegcli.errors import CapacityError, FileError, RevealError, UsageError, WeightsError
from stegcli.keys.key import Key
from stegcli.method import AS_USUAL, ROBUST_QUALITIES, Cover, Draft, Drawn, PictureMethod, Revealed, Secret, Wish
from stegcli.methods.cs_fnns import cover as covers
from stegcli.methods.cs_fnns import decoder, descriptor, evade, goals, spectrum
from stegcli.methods.cs_fnns.cover import GRAIN, MARGIN, Generator, Ground, Textures
from stegcli.methods.cs_fnns.decoder import Numbers, PaperDecoder
from stegcli.methods.cs_fnns.descriptor import BITS, SIDE_BITS, Descriptor, Form, Marks
from stegcli.methods.cs_fnns.detector import Detector
from stegcli.methods.cs_fnns.diffusion import DiffusionCovers
from stegcli.methods.cs_fnns.paper import search_paper
from stegcli.methods.cs_fnns.robust import search_robust
from stegcli.methods.cs_fnns.search import Found, Goal, Marked, search
from stegcli.nn import generators, tensors
from stegcli.pictures import image
from stegcli.pictures.image import Picture

MOST_SIDE = 1024
USUAL_SIDES = (256, 512)
"""Of a stego when no size is asked for: the least whose secret need not be made smaller, else the largest."""
PSNRS = {1: 46.0, 2: 40.2, 3: 37.6, 4: 34.5}
"""dB that the stego keeps to its cover, by the number of receivers. The first is what grain hides well."""
ROBUST_PSNR = 30.0
"""The same if it must outlive JPEG. The paper has 24.8."""
STEPS, ROBUST_STEPS, PAPER_STEPS = 200, 120, 1500
TRIES = 3
NUMBERS_TRIED = 8
"""How many numbers of messages `reveal` tries when it is told none."""
DEPTHS = {1: ((1, 1), (2, 1), (3, 4)), 2: ((1, 1), (2, 3)), 3: ((1, 2),), 4: ((1, 4),)}
"""Bits in each number, by the number of receivers, with the index in ldpc.RATES of the weakest code that stands the
wrong bits at PSNRS: 0, 0.001 and 0.65 % for one receiver, none for two, 0.003 % for three, 0.6 % for four
(`python benchmarks/cs_fnns.py --bytes`)."""
SPARSE_DEPTHS = ((1, 1), (2, 4))
"""The same through JPEG, at ROBUST_PSNR."""
DIFFUSERS = "diffusers:"
COVERS_KEPT = 4


@dataclass(frozen=True)
class Sought:
    """One receiver's part of a search: what is to be decoded, the descriptor, and the bytes that must come back."""

    goal: Goal
    descriptor: Descriptor
    exact: bytes | None


@dataclass(frozen=True)
class Opened:
    """What a stego's descriptor says, the number it was found under, the cover drawn again, and the perturbation."""

    told: Descriptor
    number: int
    cover: covers.Cover
    perturbation: Tensor


class CsFnns(PictureMethod):
    """g2: the configuration of the flow that draws textures. detector: of the network that `--evade` misleads."""

    name: ClassVar[str] = "cs-fnns"
    cover: ClassVar[Cover] = "generated"
    survives: ClassVar[tuple[str, ...]] = ("png", "jpeg:Q")
    options: ClassVar[frozenset[str]] = frozenset(
        {"as", "size", "quality", "secret", "number", "psnr", "steps", "robust", "decoder", "generator", "prompt",
         "generator-steps", "grain", "evade"}
    )  # fmt: skip
    most_receivers: ClassVar[int] = len(PSNRS)
    shares_cover: ClassVar[bool] = True

    def __init__(
        self, g2: dict[str, Any] | None = None, detector: dict[str, Any] | None = None, temperature: float = 0.9
    ):
        parts = {"g2": g2, "detector": detector}
        super().__init__({n: c for n, c in parts.items() if c} | {"temperature": temperature})
        self.g2 = generators.build(g2) if g2 else None
        self.detector = Detector(**detector) if detector else None
        self.temperature = temperature
        self._known: dict[tuple[object, ...], Ground] = {}

    # -- covers

    def _generator(self, drawn: Drawn) -> Generator:
        named = drawn.generator or "textures"
        if named == "textures":
            return self._textures
        if not named.startswith(DIFFUSERS):
            raise UsageError(f"no generator {named!r}", "textures, or diffusers:REPO")
        return _diffusion(named.removeprefix(DIFFUSERS), drawn.prompt, drawn.generator_steps)

    @functools.cached_property
    def _textures(self) -> Textures:
        """Always on the CPU and in float64: covers must be the same everywhere."""
        if self.g2 is None:
            raise WeightsError("these weights have no generator of covers", "use --weights textures, or --generator")
        flow = generators.build(self.config["g2"])  # type: ignore[arg-type]
        flow.load_state_dict(self.g2.state_dict())
        return Textures(flow.requires_grad_(False), self.temperature)

    def _ground(self, drawn: Drawn, key: Key, number: int, height: int, width: int) -> Ground:
        """The last few are kept: what is hidden is revealed at once, to verify it."""
        name = (replace(drawn, number=number), key.method, key.cover_secret(), height, width)
        found = self._known.get(name)
        if found is None:
            found = covers.ground(self._generator(drawn), key, number, height, width)
            if len(self._known) >= COVERS_KEPT:
                self._known.clear()
            self._known[name] = found
        return found

    # -- how much fits

    def room(self, wish: Wish, receivers: int = 1) -> int:
        height, width = self._size(wish, [])
        return _capacity(height, width, _is_robust(wish), receivers)

    def _size(self, wish: Wish, secrets: Sequence[Secret]) -> tuple[int, int]:
        """Height and width of the stego."""
        width, height = wish.size or _usual_size(secrets, _is_robust(wish))
        step = self._generator(wish.drawn).step
        if not all(s % step == 0 and self.min_side <= s <= MOST_SIDE for s in (height, width)):
            raise UsageError(f"no size {width}x{height}", f"multiples of {step} from {self.min_side} to {MOST_SIDE}")
        return height, width

    # -- hiding

    def drafts(
        self, secrets: Sequence[Secret], keys: Sequence[Key], wish: Wish, cover: Picture | None = None
    ) -> Iterator[Draft]:
        _check(wish, keys)
        height, width = self._size(wish, secrets)
        psnr = _psnr(wish, len(keys))
        number, drawn, notes = self._cover(wish, keys[0], height, width, psnr)
        sought = [self._sought(s, k, wish, number, drawn, len(keys)) for s, k in zip(secrets, keys, strict=True)]
        marked = [_marked(s.descriptor, k, number, height, width) for s, k in zip(sought, keys, strict=True)]
        exact = tuple(s.exact for s in sought)
        forms = tuple(_told(s.descriptor.form) for s in sought)
        capacity = _capacity(height, width, _is_robust(wish), len(keys))
        levels = to_levels(drawn.pixels)
        for _ in range(TRIES):
            found = self._search([s.goal for s in sought], marked, levels, psnr, wish)
            if found is not None:
                pixels = _to_pixels(levels + found.perturbation)
                yield Draft(pixels, exact, forms, capacity, notes, cover=drawn.pixels, number=number)

    def _cover(
        self, wish: Wish, key: Key, height: int, width: int, psnr: float
    ) -> tuple[int, covers.Cover, tuple[str, ...]]:
        """-> the number, the cover, and what the user is told. Without a number asked for, the first that is safe."""
        grain = 0.0 if _is_robust(wish) else covers.strength(GRAIN if wish.grain is None else wish.grain, psnr)
        asked = wish.drawn.number
        for number in range(NUMBERS_TRIED) if asked is None else (asked,):
            found = self._ground(wish.drawn, key, number, height, width).cover(grain)
            if found.margin > MARGIN:
                return number, found, () if not number else (f"message number {number} of this key",)
        raise UsageError(f"the cover of number {asked} might be drawn differently elsewhere", "take another --number")

    def _sought(self, secret: Secret, key: Key, wish: Wish, number: int, drawn: covers.Cover, receivers: int) -> Sought:
        height, width = drawn.pixels.shape[:2]
        sparse = _is_robust(wish)
        if wish.travel == "bytes" or (wish.travel == "auto" and secret.picture is None):
            return self._sought_bytes(secret.data, key, number, drawn, sparse, receivers)
        if secret.picture is None:
            raise FileError("the secret is no picture", "use --as bytes")
        side = 4 if sparse else 2
        picture = secret.picture
        inner = tensors.to_tensor(image.resized(picture.pixels, width // side, height // side))
        told = _restored(picture.width, picture.height, inner.shape[2] * inner.shape[3])
        if wish.decoder == "paper":
            paper = PaperDecoder(key.stream("paper decoder", number), sparse)
            return Sought(goals.PaperGoal(paper, inner), Descriptor("paper", sparse, drawn.hash, *told), None)
        shape = spectrum.measured(inner)
        goal = goals.PictureGoal.of(_numbers(key, number, sparse), _head(key, number, inner.shape, shape), inner)
        return Sought(goal, Descriptor("picture", sparse, drawn.hash, *told, spectrum=shape), None)

    def _sought_bytes(
        self, data: bytes, key: Key, number: int, drawn: covers.Cover, sparse: bool, receivers: int
    ) -> Sought:
        height, width = drawn.pixels.shape[:2]
        slots = decoder.count(height, width, sparse)
        depth, code = _code_for(len(data), slots, sparse, receivers)
        plan = payload.write(data, key, np.zeros(depth * slots, np.uint8), code)
        used = torch.from_numpy(plan.used.reshape(-1, depth).any(1))
        goal = goals.BytesGoal(_numbers(key, number, sparse), goals.to_levels(plan.bits, depth), used)
        return Sought(goal, Descriptor("bytes", sparse, drawn.hash, depth=depth), data)

    def _search(
        self, sought: list[Goal], marked: list[Marked], levels: Tensor, psnr: float, wish: Wish
    ) -> Found | None:
        random = np.random.default_rng(np.frombuffer(os_random.token_bytes(32), np.uint64))
        if wish.decoder == "paper":
            return search_paper(sought, marked, levels, wish.steps or PAPER_STEPS, random)
        steps = wish.steps or (ROBUST_STEPS if _is_robust(wish) else STEPS)
        penalty = None
        if wish.evade:
            if self.detector is None:
                raise WeightsError("these weights have no detector to evade", "train one: stego train detector")
            penalty = evade.penalty([self.detector.cpu()])
        if _is_robust(wish):
            return search_robust(sought, marked, levels, psnr, steps, random, _qualities(wish), penalty)
        return search(sought, marked, levels, psnr, steps, random, penalty)

    # -- revealing

    def reveal(self, stego: Picture, key: Key, token: np.ndarray | None = None, drawn: Drawn = AS_USUAL) -> Revealed:
        found = self.opened(stego, key, drawn)
        if found.told.cover != found.cover.hash:
            hint = "the key is right, but the cover drawn here is not the sender's: another generator or version"
            raise RevealError(hint)
        notes = (f"message number {found.number} of this key",) if found.number else ()
        return _read(found, key, notes)

    def opened(self, stego: Picture, key: Key, drawn: Drawn = AS_USUAL) -> Opened:
        """A stego -> its perturbation and what the descriptor says. Raises RevealError."""
        height, width = stego.height, stego.width
        step = self._generator(drawn).step
        if height % step or width % step or max(height, width) > MOST_SIDE:
            raise RevealError
        first = drawn.number or 0
        for number in range(first, first + NUMBERS_TRIED):
            ground = self._ground(drawn, key, number, height, width)
            nearly = None
            for found in _readings(stego, key, number, ground):
                if found.told.cover == found.cover.hash:
                    return found
                nearly = nearly or found  # descriptors outlive a grain, or a cover, that is a little wrong
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
            told = descriptor.from_bits(_hard(marks.read(perturbation)), key, number)
            yield Opened(told, number, cover, perturbation)


def build(**config: Any) -> CsFnns:
    return CsFnns(**config)


# -- what goes where


def _numbers(key: Key, number: int, sparse: bool) -> Numbers:
    return Numbers(key.stream("decoder", number), sparse)


def _head(key: Key, number: int, shape: torch.Size, spectrum_: spectrum.Spectrum) -> spectrum.Head:
    return spectrum.Head(key.stream("head", number), shape[2], shape[3], spectrum_)


def _marked(told: Descriptor, key: Key, number: int, height: int, width: int) -> Marked:
    bits = told.to_bits(key, number).astype(np.float32) * 2 - 1
    return Marked(Marks(key.stream("descriptor places", number), height, width), torch.from_numpy(bits))


def _read(found: Opened, key: Key, notes: tuple[str, ...]) -> Revealed:
    """What a perturbation carries. Raises RevealError."""
    told, number = found.told, found.number
    if told.form == "bytes":
        numbers = _numbers(key, number, told.sparse)(found.perturbation)
        data = payload.read(goals.to_log_odds(numbers, told.depth), key, "direct")
        return Revealed(data, notes=notes)
    pixels = tensors.to_pixels(decoded(told, found.perturbation, key, number).clamp(0, 1))
    return Revealed(None, Picture(image.resized(pixels, told.width, told.height)), notes)


def decoded(told: Descriptor, perturbation: Tensor, key: Key, number: int) -> Tensor:
    """Perturbation (1, 3, h, w) -> the picture that the key's decoder emits, at its own size, not clipped."""
    if told.form == "paper":
        return PaperDecoder(key.stream("paper decoder", number), told.sparse)(perturbation)
    side = 4 if told.sparse else 2
    shape = torch.Size((1, 3, perturbation.shape[2] // side, perturbation.shape[3] // side))
    numbers = _numbers(key, number, told.sparse)(perturbation)
    return _head(key, number, shape, told.spectrum).picture(numbers)


@functools.lru_cache(maxsize=1)
def _diffusion(repo: str, prompt: str, steps: int | None) -> DiffusionCovers:
    return DiffusionCovers(repo, prompt, steps)


# -- what the user wishes


def _check(wish: Wish, keys: Sequence[Key]) -> None:
    if wish.travel not in ("auto", "bytes", "picture"):
        raise UsageError(f"cs-fnns carries nothing as {wish.travel!r}", "auto, bytes or picture")
    if wish.decoder not in (None, "own", "paper"):
        raise UsageError(f"no decoder {wish.decoder!r}", "own or paper")
    if wish.decoder == "paper" and (_is_robust(wish) or wish.evade or wish.psnr is not None):
        raise UsageError("the paper's decoder is searched for in the paper's way", "without --psnr, --robust, --evade")
    if _is_robust(wish) and wish.grain:
        raise UsageError("covers of stegos that outlive JPEG have no grain", "without --grain")
    if len({k.cover_secret() for k in keys}) > 1:
        raise UsageError("the keys draw different covers", "make the others with stego keygen --with FIRST.npy")


def _is_robust(wish: Wish) -> bool:
    return wish.robust or wish.survive.kind == "jpeg"


def _qualities(wish: Wish) -> tuple[int, ...]:
    return ROBUST_QUALITIES if wish.robust else (round(wish.survive.strength),)


def _psnr(wish: Wish, receivers: int) -> float:
    if wish.psnr is not None:
        return wish.psnr
    return ROBUST_PSNR if _is_robust(wish) else PSNRS[receivers]


def _usual_size(secrets: Sequence[Secret], robust: bool) -> tuple[int, int]:
    sides = [max(s.picture.width, s.picture.height) for s in secrets if s.picture is not None]
    needed = max(sides, default=0) * (4 if robust else 2)
    side = next((s for s in USUAL_SIDES if s >= needed), USUAL_SIDES[-1])
    return side, side


def _restored(width: int, height: int, room: int) -> tuple[int, int]:
    """A secret's size, and how many pixels of it travel -> the size that is restored, of the same aspect."""
    scale = min(1.0, math.sqrt(room / (width * height)))
    most = (1 << SIDE_BITS) - 1
    return min(most, max(1, round(width * scale))), min(most, max(1, round(height * scale)))


def _code_for(size: int, slots: int, sparse: bool, receivers: int) -> tuple[int, int]:
    """-> bits in each number and the code's index: of those that bring so much through, the sturdiest.

    Raises CapacityError.
    """
    for depth, weakest in _depths(sparse, receivers):
        for code in reversed(range(weakest, len(ldpc.RATES))):
            if size <= payload.capacity(depth * slots, "direct", code):
                return depth, code
    raise CapacityError(_most(slots, sparse, receivers), size, "use a larger --size")


def _depths(sparse: bool, receivers: int) -> tuple[tuple[int, int], ...]:
    """Depths, the sturdiest first, each with the index of the weakest code that was measured to do."""
    return SPARSE_DEPTHS if sparse else DEPTHS[receivers]


def _most(slots: int, sparse: bool, receivers: int) -> int:
    return max(0, *(payload.capacity(d * slots, "direct", c) for d, c in _depths(sparse, receivers)))


def _capacity(height: int, width: int, sparse: bool, receivers: int) -> int:
    return _most(decoder.count(height, width, sparse), sparse, receivers)


def _told(form: Form) -> str:
    return "picture, the paper's decoder" if form == "paper" else form


def to_levels(pixels: np.ndarray) -> Tensor:
    """uint8 (h, w, 3) -> grey levels (1, 3, h, w), float32."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32))[None]


def _to_pixels(levels: Tensor) -> np.ndarray:
    """Whole grey levels (1, 3, h, w) -> uint8 (h, w, 3)."""
    return np.ascontiguousarray(levels[0].permute(1, 2, 0).clamp(0, 255).numpy().astype(np.uint8))


def _hard(sums: Tensor) -> np.ndarray:
    found: np.ndarray = (sums > 0).numpy().astype(np.uint8)
    assert found.shape == (BITS,)
    return found
