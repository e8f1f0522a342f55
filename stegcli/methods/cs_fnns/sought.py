"""What a search is to find for each secret, and what a perturbation says.

secret, key  ->  goal of the search, descriptor
perturbation, descriptor, key  ->  the secret
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stegcli.coding import ldpc, payload
from stegcli.coding.picture_tag import PictureTag
from stegcli.errors import CapacityError, FileError, RevealError
from stegcli.keys.key import Key
from stegcli.method import Request, Revealed, Secret
from stegcli.methods.cs_fnns import authentic, decoder, goals, spectrum
from stegcli.methods.cs_fnns import cover as covers
from stegcli.methods.cs_fnns.decoder import Numbers, PaperDecoder
from stegcli.methods.cs_fnns.descriptor import BITS, SIDE_BITS, Descriptor, Form, Marks
from stegcli.methods.cs_fnns.search import Goal, Marked
from stegcli.nn.tensors import from_levels, to_levels, to_pixels, to_tensor
from stegcli.pictures import image
from stegcli.pictures.image import Picture

DEPTHS = {1: ((1, 1), (2, 1), (3, 4)), 2: ((1, 1), (2, 3)), 3: ((1, 2),), 4: ((1, 4),)}
"""Bits in each number, by the number of receivers, with the index in ldpc.RATES of the weakest code that stands the
wrong bits at PSNRS: 0, 0.001 and 0.65 % for one receiver, none for two, 0.003 % for three, 0.6 % for four
(`python benchmarks/cs_fnns.py --bytes`)."""
SPARSE_DEPTHS = ((1, 1), (2, 4))
"""The same through JPEG, at ROBUST_PSNR."""


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


def sought_for(secret: Secret, key: Key, request: Request, number: int, drawn: covers.Cover) -> Sought:
    """One secret and its key, and the cover that was drawn for all of them -> what is to be found for it."""
    options, sparse = request.options, is_robust(request)
    height, width = drawn.pixels.shape[:2]
    if options.travel == "bytes" or (options.travel == "auto" and secret.picture is None):
        return _sought_bytes(secret.data, key, number, drawn, sparse, request.receivers)
    if secret.picture is None:
        raise FileError("the secret is no picture", "use --as bytes")
    side = 4 if sparse else 2
    picture = secret.picture
    inner = to_tensor(image.resized(picture.pixels, width // side, height // side))
    told = _restored(picture.width, picture.height, inner.shape[2] * inner.shape[3])
    if options.decoder == "paper":
        paper = PaperDecoder(key.stream("paper decoder", number), sparse)
        return Sought(goals.PaperGoal(paper, inner), Descriptor("paper", sparse, drawn.hash, *told), None)
    shape = spectrum.measured(inner)
    head = _head(key, number, inner.shape, shape, sparse)
    goal = goals.PictureGoal.of(_numbers(key, number, sparse), head, inner)
    return Sought(goal, Descriptor("picture", sparse, drawn.hash, *told, spectrum=shape), None)


def _sought_bytes(data: bytes, key: Key, number: int, drawn: covers.Cover, sparse: bool, receivers: int) -> Sought:
    height, width = drawn.pixels.shape[:2]
    slots = decoder.count(height, width, sparse)
    depth, code = _code_for(len(data), slots, sparse, receivers)
    plan = payload.write(data, key, np.zeros(depth * slots, np.uint8), code)
    used = torch.from_numpy(plan.used.reshape(-1, depth).any(1))
    goal = goals.BytesGoal(_numbers(key, number, sparse), goals.to_levels(plan.bits, depth), used)
    return Sought(goal, Descriptor("bytes", sparse, drawn.hash, depth=depth), data)


def _numbers(key: Key, number: int, sparse: bool) -> Numbers:
    return Numbers(key.stream("decoder", number), sparse)


def _head(key: Key, number: int, shape: torch.Size, told: spectrum.Spectrum, sparse: bool) -> spectrum.Head:
    pilots = authentic.pilots(3 * shape[2] * shape[3]) if sparse else 0
    return spectrum.Head(key.stream("head", number), shape[2], shape[3], told, pilots)


def marked_for(told: Descriptor, key: Key, number: int, height: int, width: int) -> Marked:
    bits = told.to_bits(key, number).astype(np.float32) * 2 - 1
    return Marked(Marks(key.stream("descriptor places", number), height, width), torch.from_numpy(bits))


def tags(wanted: Sequence[Sought], keys: Sequence[Key], number: int, height: int, width: int) -> list[PictureTag]:
    """The tags of all receivers whose pictures need not survive JPEG."""
    tagged = [k for w, k in zip(wanted, keys, strict=True) if w.descriptor.form != "bytes" and not w.descriptor.sparse]
    return [authentic.tag_of(k, number, height, width) for k in tagged]


def read(found: Opened, key: Key, notes: tuple[str, ...]) -> Revealed:
    """What a perturbation carries. Raises RevealError."""
    told, number = found.told, found.number
    if told.form == "bytes":
        numbers = _numbers(key, number, told.sparse)(found.perturbation)
        data = payload.read(goals.to_log_odds(numbers, told.depth), key, "direct")
        return Revealed(data, notes=notes)
    picture, error = _decoded(told, found.perturbation, key, number)
    if error > authentic.MOST_ERROR or not (told.sparse or _has_tag(found, key)):
        raise RevealError
    pixels = to_pixels(picture.clamp(0, 1))
    return Revealed(None, Picture(image.resized(pixels, told.width, told.height)), notes=notes)


def _has_tag(found: Opened, key: Key) -> bool:
    stego = from_levels(to_levels(found.cover.pixels) + found.perturbation)
    return authentic.tag_of(key, found.number, *stego.shape[:2]).holds(stego)


def decoded(told: Descriptor, perturbation: Tensor, key: Key, number: int) -> Tensor:
    """Perturbation (1, 3, h, w) -> the picture that the key's decoder emits, at its own size, not clipped. Nothing is
    checked here."""
    return _decoded(told, perturbation, key, number)[0]


def _decoded(told: Descriptor, perturbation: Tensor, key: Key, number: int) -> tuple[Tensor, float]:
    """-> the picture, and the mean squared error of its pilots, 0 if it has none."""
    if told.form == "paper":
        return PaperDecoder(key.stream("paper decoder", number), told.sparse)(perturbation), 0.0
    side = 4 if told.sparse else 2
    shape = torch.Size((1, 3, perturbation.shape[2] // side, perturbation.shape[3] // side))
    numbers = _numbers(key, number, told.sparse)(perturbation)
    head = _head(key, number, shape, told.spectrum, told.sparse)
    return head.picture(numbers), head.pilot_error(numbers) if told.sparse else 0.0


def is_robust(request: Request) -> bool:
    """Whether the stego must survive JPEG."""
    return any(c.kind == "jpeg" for c in request.survive)


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


def capacity(height: int, width: int, sparse: bool, receivers: int) -> int:
    return _most(decoder.count(height, width, sparse), sparse, receivers)


def told(form: Form) -> str:
    return "picture, the paper's decoder" if form == "paper" else form


def hard(sums: Tensor) -> np.ndarray:
    found: np.ndarray = (sums > 0).numpy().astype(np.uint8)
    assert found.shape == (BITS,)
    return found
