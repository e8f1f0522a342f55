"""The coset coder: slots are the samples, read as integers; nearly every sample that changes at all changes by one.

Of a JPEG the slots are its coefficients (`jpeg_domain`). One key serves both: the file says which it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from stegcli.about import About
from stegcli.coding import payload
from stegcli.coding.payload import Layout, Plan, upper_share
from stegcli.errors import RevealError, UsageError, WeightsError
from stegcli.keys.key import Key
from stegcli.method import Asked, Draft, Request, Revealed, check_side
from stegcli.methods.lossless_inn import ABOUT
from stegcli.methods.lossless_inn.balance import BalancedPlanes
from stegcli.methods.lossless_inn.directed import PIECE, DirectedPlanes, distances
from stegcli.pictures.image import Picture
from stegcli.slots import BitMethod, codes_for

if TYPE_CHECKING:
    from torch import nn

    from stegcli.methods.lossless_inn import wet
    from stegcli.methods.lossless_inn.density import Density
    from stegcli.methods.lossless_inn.fitted import Fitted

COLOURS = 3
TRIES, FEW = 4, 8
"""How often a message is dealt anew if it changed samples that are to stay, and the most such samples to try it for."""


class CosetCoder(BitMethod):
    """Slots are the samples, in the order of a (3, h, w) array, of a grey picture (h, w); a slot holds its sample
    modulo 4.

    costs: "hill", or "density", whose configuration follows; grey pictures have those of "hill" either way. Only the
    sender needs them: stegos of either are read alike, without any network.
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

    def _fitted(self) -> Fitted:
        """Raises WeightsError if the weights do not fit."""
        from stegcli.methods.lossless_inn.fitted import Fitted

        try:
            return Fitted.of(self.trained_arrays(), **self._shape)
        except (TypeError, ValueError) as error:
            raise WeightsError("weights of the density do not fit this version") from error

    def inference(self, hiding: bool) -> AbstractContextManager[None]:
        """Sender and receiver compute on arrays: neither loads torch."""
        return nullcontext()

    def slots(self, height: int, width: int) -> int:
        return COLOURS * height * width

    def slots_in(self, cover: Picture) -> int:
        return super().slots_in(cover) // (COLOURS if _is_grey(cover) else 1)

    def capacity(self, request: Request) -> int:
        from stegcli.methods.lossless_inn import jpeg_domain

        if jpeg_domain.is_asked_for(request):
            return jpeg_domain.capacity(request)
        if request.cover is not None:
            jpeg_domain.check_pixels(request.cover, request.options)
        return super().capacity(request)

    def drafts(self, request: Request) -> Iterator[Draft]:
        from stegcli.methods.lossless_inn import jpeg_domain, wet

        if request.options.key_out is not None:
            raise UsageError("--key-out needs the paper's network", "add --weights 1bpp or 3bpp")
        if jpeg_domain.is_asked_for(request):
            yield from jpeg_domain.drafts(request, self)
            return
        cover = request.cover
        assert cover is not None
        check_side(self, cover)
        slots, data = self.slots_in(cover), request.secrets[0].data
        payload.prepare_coset(slots, data)
        notes = jpeg_domain.check_pixels(cover, request.options)
        codes_for(self, slots, len(data))  # raises where the message does not fit
        still = wet.Still.of(cover.pixels)
        planes = self._planes(cover, still)
        best, fewest = None, 0
        for _ in range(TRIES):
            draft = self.dealt(request, planes)
            count = still.broken(cover.pixels, draft.picture.pixels)
            if best is None or count < fewest:
                best, fewest = draft, count
            if not 0 < count <= FEW:
                break
        assert best is not None
        yield replace(best, notes=(*best.notes, *notes, *_told_of_wet(fewest)))

    def reveal(self, stego: Picture, asked: Asked) -> tuple[Revealed, ...]:
        if asked.key is None:
            raise RevealError
        if stego.source is not None:
            from stegcli.methods.lossless_inn import jpeg_domain  # a stego of pixels is revealed without it

            return (Revealed(jpeg_domain.reveal(stego.source, asked.key)),)
        if min(stego.height, stego.width) < self.about.min_side:
            raise RevealError
        return (Revealed(payload.read_residues(_bytes(stego) & 3, asked.key)),)

    def readings(self, stego: Picture, asked: Asked) -> Iterator[tuple[Revealed, ...]]:
        yield self.reveal(stego, asked)  # integers: nothing depends on the machine

    def log_odds(self, stego: Picture, key: Key) -> np.ndarray:
        samples = _samples(stego)
        return np.stack([samples & 1, samples >> 1 & 1]).astype(np.float32) * 2 - 1

    def wrong(self, stego: Picture, plan: Plan, key: Key) -> float:
        return float(np.mean(_bytes(stego) & 3 != (plan.bits[0] | plan.bits[1] << 1)))

    def planes(self, cover: Picture) -> SamplePlanes | DirectedPlanes:
        from stegcli.methods.lossless_inn import wet

        return self._planes(cover, wet.Still.of(cover.pixels))

    def _planes(self, cover: Picture, still: wet.Still) -> SamplePlanes | DirectedPlanes:
        from stegcli.methods.lossless_inn import costs, wet

        samples = _samples(cover)
        wet_up, wet_down = (_of_slots(_in_order(way), cover).any(axis=0) for way in (still.up, still.down))
        if self.costs == "hill":
            return SamplePlanes(samples, np.where(wet_up & wet_down, wet.COST, _hill(cover)))
        if _is_grey(cover):
            # The density takes a sample of a grey picture from its other colours, and knows nothing of texture there.
            found = _hill(cover)
            return DirectedPlanes(samples, np.where(wet_up, wet.COST, found), np.where(wet_down, wet.COST, found))
        up, down = costs.of_density(self._fitted(), cover.pixels)
        up[wet_up], down[wet_down] = wet.COST, wet.COST
        return BalancedPlanes(samples, up, down, cover.height, cover.width)

    def carry(self, plan: Plan, cover: Picture, key: Key) -> Picture:
        samples, (lower, upper) = _bytes(cover), plan.bits
        coins = plan.key.stream("direction").bits(len(samples))
        changed = np.empty(len(samples), np.uint8)
        for first in range(0, len(samples), PIECE):
            some = slice(first, first + PIECE)
            changed[some] = _moved(samples[some].astype(np.int16), lower[some] | upper[some] << 1, coins[some])
        planes = np.broadcast_to(changed.reshape(-1, cover.height, cover.width), (COLOURS, cover.height, cover.width))
        return replace(cover, pixels=np.ascontiguousarray(planes.transpose(1, 2, 0)), source=None)


def _moved(samples: np.ndarray, wanted: np.ndarray, coins: np.ndarray) -> np.ndarray:
    """Each sample moved to the nearest that is `wanted` modulo 4; a coin of 1 goes up where both ways are as far."""
    down, up = distances(samples, wanted)
    moved: np.ndarray = samples + np.where((up < down) | ((up == down) & (coins == 1)), up, -down)
    return moved


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
        own = (self.samples >> 1 & 1).astype(np.uint8)
        natural = np.where(zero == one, own, one < zero).astype(np.uint8)
        return natural, np.abs(zero - one).astype(np.float32) * self.costs


def _cheapest(samples: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The squared change of the nearer of the two ways."""
    nearer: np.ndarray = np.minimum(*distances(samples, wanted)).astype(np.int16)
    squared: np.ndarray = nearer * nearer
    return squared


def _samples(picture: Picture) -> np.ndarray:
    """Picture -> its samples in the order of a (3, h, w) array, of a grey one (h, w), int16 (n,)."""
    return _bytes(picture).astype(np.int16)


def _bytes(picture: Picture) -> np.ndarray:
    """The same as uint8."""
    return _in_order(picture.pixels[..., :1] if _is_grey(picture) else picture.pixels)


def _in_order(pixels: np.ndarray) -> np.ndarray:
    """(h, w, channels) -> (n,), channel by channel, row by row."""
    return pixels.transpose(2, 0, 1).reshape(-1)


def _is_grey(picture: Picture) -> bool:
    """Whether all three channels are equal. They stay so: a grey picture with coloured pixels tells by them."""
    red, green, blue = (picture.pixels[..., channel] for channel in range(COLOURS))
    return bool((red == green).all() and (green == blue).all())


def _hill(picture: Picture) -> np.ndarray:
    """HILL's cost of each slot, float32 (n,)."""
    from stegcli.methods.lossless_inn import costs

    channels = picture.pixels[..., :1] if _is_grey(picture) else picture.pixels
    return costs.hill(channels.transpose(2, 0, 1).astype(np.float32))


def _of_slots(samples: np.ndarray, picture: Picture) -> np.ndarray:
    """(3 h w,) -> the values of what moves together, (1, n); in a grey picture the three channels, (3, n)."""
    return samples.reshape(COLOURS if _is_grey(picture) else 1, -1)


def _told_of_wet(count: int) -> tuple[str, ...]:
    """What is to be said if the message was so long that it went where changes can be seen."""
    note = f"{count} samples changed in even or clipped parts, or to levels that the cover has not: a shorter message"
    return (f"{note} is harder to detect",) if count else ()
