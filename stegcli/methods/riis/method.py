"""Riis: secrets into the user's own photo by the carrier that its way calls for.

A file travels byte for byte. A picture travels as the best of AVIF, WebP and JPEG 2000 that the cover has room for at
the stego's quality; where the picture's own file fits, that travels.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from stegcli.errors import CapacityError, FileError, RevealError, UsageError, WeightsError
from stegcli.method import Asked, Draft, Method, Request, Revealed, Secret, check_side
from stegcli.methods.riis import ABOUT, choice, libjpeg, luma, trial
from stegcli.methods.riis.carrier import PSNR, Carrier, Seen
from stegcli.methods.riis.envelope import Letter
from stegcli.methods.riis.options import RevealOptions
from stegcli.methods.riis.order import Share, all_shares
from stegcli.pictures import channel, compress, image, jpeg
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

PACKED, FILE = b"\x01", b"\x00"
"""The first byte of what travels: a compressed picture, or a file."""
LESS = (1.0, 0.85, 0.7, 0.5, 0.35)
"""Shares of the room that pictures take, as drafts fail."""
ALIKE = 0.9  # share of the coefficients that decoding leaves as they were, at least
HINT = "use a larger cover, a lower --psnr or a milder --survive"


def build(form: str = "coded", **config: Any) -> Method:
    """Configuration, as weights carry it -> the method. Raises WeightsError for a form of a newer version."""
    if form == "coded":
        return Riis(**config)
    if form == "network":
        from stegcli.methods.riis.keyless import RiisNetwork

        return RiisNetwork(**config)
    raise WeightsError(f"this stego has no form {form!r} of riis", "install a newer stego")


class Riis(Method):
    """The coded carriers. It has no networks."""

    about = ABOUT

    def __init__(self) -> None:
        super().__init__({})

    def inference(self, hiding: bool) -> contextlib.AbstractContextManager[None]:
        """No network runs, so torch is not needed."""
        return contextlib.nullcontext()

    def capacity(self, request: Request) -> int:
        assert request.cover is not None
        check_side(self, request.cover)
        return max(_rooms(request).values())

    def drafts(self, request: Request) -> Iterator[Draft]:
        cover = request.cover
        assert cover is not None
        check_side(self, cover)
        notes, told = _notes(request), _told(request)
        rooms = _rooms(request)
        capacity = max(rooms.values())
        if capacity <= 0:
            raise CapacityError(0, max(len(s.data) for s in request.secrets), HINT)
        tried: list[tuple[bytes, ...]] = []
        for carrier, less in _candidates(sorted(rooms, key=lambda c: -rooms[c]), request):
            room = rooms[carrier] if carrier in rooms else _room(carrier, cover.pixels, request)
            try:
                parts = [_travelling(s, int(room * less), request) for s in request.secrets]
                letters = [Letter(data, k) for (data, _), k in zip(parts, request.keys, strict=True)]
                pixels = carrier.hide(cover.pixels, letters, _psnr(request))
            except CapacityError as error:
                refused = error
                continue
            stego = replace(cover, pixels=pixels, notes=(), jpeg=None, source=None)
            tried.append(tuple(data for data, _ in parts))
            exact = tuple(None if form == "compressed" else data[1:] for data, form in parts)
            yield Draft(stego, exact, tuple(form for _, form in parts), max(0, capacity), notes, cover=cover, told=told)
        if not tried:
            raise CapacityError(max(0, refused.capacity), refused.need, HINT)

    def reveal(self, stego: Picture, asked: Asked) -> tuple[Revealed, ...]:
        if asked.key is None:
            raise UsageError("riis needs a key")
        if getattr(asked.options, "host_out", None) is not None:
            raise UsageError("--host-out needs --as network", "other stegos do not hold their cover")
        seen = _seen(stego, asked)
        named = getattr(asked.options, "distortion", None)
        if named:
            stages = [(choice.for_sender(channel.parse_survive(named)), all_shares())]
        else:
            stages = _stages(*choice.for_receiver(seen))
        for carriers, shares in stages:
            for carrier, share in itertools.product(carriers, shares):
                with contextlib.suppress(RevealError):
                    return (_opened(carrier.reveal(seen, asked.key, share)),)
        raise RevealError


def _stages(likely: list[Carrier], others: list[Carrier]) -> list[tuple[list[Carrier], list[Share]]]:
    """Carriers and shares in the order in which a receiver tries them: most stegos have one receiver, and then two."""
    shares = all_shares()
    one, two, more = shares[:1], shares[1:3], shares[3:]
    return [(likely, one), (likely, two), (others, one), (likely, more), (others, two + more)]


def _candidates(carriers: list[Carrier], request: Request) -> Iterator[tuple[Carrier, float]]:
    """Carriers and the share of their room to use: pictures shrink, and files get more protection."""
    pictures = all(_is_picture(s, request) for s in request.secrets)
    for first in carriers:
        carrier: Carrier | None = first
        for less in LESS:
            if carrier is None:
                break
            yield carrier, less if pictures else 1.0
            carrier = carrier.stronger()


def _survive(request: Request) -> tuple[Channel, ...]:
    """What the stego must survive: a JPEG that is written comes first, if nothing harsher was asked for."""
    if request.format == "JPEG" and channel.pattern(request.survive) in ("png", "jpeg:Q"):
        return (Channel("jpeg", float(request.quality)),)
    return request.survive


def _psnr(request: Request) -> float:
    given = getattr(request.options, "psnr", None)
    return PSNR if given is None else float(given)


def _rooms(request: Request) -> dict[Carrier, int]:
    """The carriers that may serve -> bytes of a secret in this cover."""
    assert request.cover is not None
    return {c: _room(c, request.cover.pixels, request) for c in choice.for_sender(_survive(request))}


def _room(carrier: Carrier, cover: np.ndarray, request: Request) -> int:
    """Bytes of a secret; one byte says how it travels. A cover of nothing but white and black has no room."""
    if trial.free_share(cover) == 0:
        return 0
    return carrier.room(cover, request.receivers, _psnr(request)) - 1


def _is_picture(secret: Secret, request: Request) -> bool:
    travel = getattr(request.options, "travel", "auto")
    return secret.picture is not None and travel != "bytes"


def _travelling(secret: Secret, room: int, request: Request) -> tuple[bytes, str]:
    """Secret -> what travels, and the name of its form. Raises CapacityError, UsageError."""
    if _is_picture(secret, request):
        assert secret.picture is not None
        return PACKED + compress.pack(secret.data, secret.picture, room, HINT).data, "compressed"
    if request.options.travel == "compressed":
        raise UsageError("--as compressed is for pictures", "leave --as out")
    if len(secret.data) > room:
        raise CapacityError(max(0, room), len(secret.data), HINT)
    return FILE + secret.data, "bytes"


def _told(request: Request) -> RevealOptions:
    """How the sender reads its stego again. A receiver without word of the channel comes to the same carrier, later."""
    survive = _survive(request)
    first, last = str(survive[0]), survive[-1]
    return RevealOptions(distortion=first if len(survive) == 1 else f"{first}..{last.strength:g}")


def _notes(request: Request) -> tuple[str, ...]:
    if request.format == "JPEG" and channel.pattern(request.survive) == "png":
        return (f"verified as JPEG of quality {request.quality}",)
    return ()


def _seen(stego: Picture, asked: Asked) -> Seen:
    size = getattr(asked.options, "original_size", None)
    pixels = stego.pixels
    if size is not None and (stego.width, stego.height) != size:
        return Seen(image.resized(pixels, *size))
    if stego.jpeg is None:
        return Seen(pixels)
    return Seen(pixels, stego.jpeg.luminance.astype(np.int64), _levels(stego))


def _levels(stego: Picture) -> np.ndarray | None:
    """The quantised luminance in a JPEG's own bytes, (n, 8, 8); None where it cannot be read, or lies otherwise."""
    if stego.source is None:
        return None
    try:
        first = jpeg.read(stego.source).components[0]
    except FileError:
        return None
    rows, columns = luma.grid(stego.height, stego.width)
    if first.blocks.shape[0] < rows or first.blocks.shape[1] < columns:
        return None
    levels = first.blocks[:rows, :columns].reshape(-1, luma.BLOCK, luma.BLOCK)
    # A picture that was turned as its EXIF says has other blocks.
    decoded = libjpeg.quantised(luma.to_blocks(stego.pixels), first.steps)
    return levels if (decoded == levels).mean() > ALIKE else None


def _opened(data: bytes) -> Revealed:
    """What travelled -> the secret. Raises RevealError."""
    if data[:1] == FILE:
        return Revealed(data[1:])
    if data[:1] != PACKED:
        raise RevealError
    return Revealed(None, compress.unpack(data[1:]), compress.whole_file(data[1:]))
