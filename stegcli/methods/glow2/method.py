"""Secrets <-> a generated picture.

    secret  --bits or the cascade-->  latents z, exactly N(0, 1)  --G2 at a temperature-->  stego
    stego   --G2 inverse-->  latents and how far each may have moved  -->  header  -->  secret

No cover is modified: the stego is a sample of G2 like any other. `sample` draws such pictures for whoever needs them,
under the very same rule.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import secrets as os_random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.special import log_ndtr
from torch import Tensor

from stegcli.errors import CapacityError, FileError, RevealError, UsageError, WeightsError
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream
from stegcli.method import AS_USUAL, Cover, Draft, Drawn, PictureMethod, Revealed, Secret, Wish
from stegcli.methods.glow2 import bits, cascade, compress, header, layout, noise, pictures, torus
from stegcli.methods.glow2.descriptor import (
    CASCADE,
    COMPRESSED,
    COPIES,
    FILE,
    MOST_LENGTH,
    MOST_RESTORED,
    PICTURES,
    TEMPERATURES,
    TOKEN,
    Descriptor,
    checked_temperature,
    from_int,
)  # fmt: skip
from stegcli.methods.glow2.inverse import RobustInverse
from stegcli.methods.glow2.layout import CHANNELS, Share
from stegcli.methods.glow2.noise import Arrived
from stegcli.methods.glow2.rivals.glow import Glow
from stegcli.methods.glow2.rivals.refiner import Refiner
from stegcli.methods.glow2.rivals.udm import PaperUDM
from stegcli.methods.glow2.sr import build_upscaler
from stegcli.nn import drawing, generators
from stegcli.nn.drawing import acceptable as acceptable  # the measures take it from here
from stegcli.nn.wavelet import Band, Pyramid
from stegcli.pictures import image
from stegcli.pictures.channel import parse
from stegcli.pictures.image import Picture

MOST_SIDE = 512
TRIES = 8
Normals = Callable[[int], np.ndarray]
"""How many -> standard normal numbers, float64: `Stream.normal` or a generator's `standard_normal`."""


@dataclass(frozen=True)
class Message:
    """A secret ready to travel: what the header says of it, and its bytes or its latents under G1."""

    descriptor: Descriptor
    data: bytes | None = None
    latents: np.ndarray | None = None
    note: str | None = None

    @property
    def token(self) -> bool:
        """Whether the receiver gets a pad as a file."""
        return self.descriptor.form == TOKEN


class Glow2(PictureMethod):
    """g1, g2, sr, refiner, inverse, udm, glow: the configuration of each part that is there.

    side: of a stego when no size is asked for. temperature: the default. coolest: below it draws come apart, for nets
    are then told of neighbours such as no picture has. tables: see `layout.tables`.
    """

    name: ClassVar[str] = "glow2"
    cover: ClassVar[Cover] = "generated"
    survives: ClassVar[tuple[str, ...]] = ("png", "jpeg:Q")
    options: ClassVar[frozenset[str]] = frozenset({"as", "size", "temperature", "redundancy", "quality", "secret"})
    most_receivers: ClassVar[int] = layout.MOST_RECEIVERS

    def __init__(
        self,
        g1: dict[str, Any] | None = None,
        g2: dict[str, Any] | None = None,
        sr: dict[str, Any] | None = None,
        refiner: dict[str, Any] | None = None,
        inverse: dict[str, Any] | None = None,
        udm: dict[str, Any] | None = None,
        glow: dict[str, Any] | None = None,
        side: int = 128,
        temperature: float = 0.9,
        coolest: float | None = None,
        tables: Mapping[str, Mapping[str, object]] | None = None,
    ):
        parts: dict[str, object] = {
            "g1": g1, "g2": g2, "sr": sr, "refiner": refiner, "inverse": inverse, "udm": udm, "glow": glow,
            "coolest": coolest, "tables": tables,
        }  # fmt: skip
        super().__init__({n: c for n, c in parts.items() if c} | {"side": side, "temperature": temperature})
        self.g1 = generators.build(g1) if g1 else None
        self.g2 = generators.build(g2) if g2 else None
        self.sr = build_upscaler(sr) if sr else None
        self.refiner = Refiner(**refiner) if refiner else None
        self.inverse = RobustInverse(**inverse) if inverse else None
        self.udm = PaperUDM(**udm) if udm else None
        self.glow = Glow(**glow) if glow else None
        self.side, self.temperature, self.coolest = side, temperature, coolest or TEMPERATURES[0]
        self.tables = layout.tables(tables)

    def begin(self, given: frozenset[str]) -> None:
        if self.inverse is not None and not any(n.startswith("inverse.") for n in given):
            self.inverse.adopt(self._generator())

    # -- drawing pictures

    def sample(
        self, normals: Normals, height: int, width: int, temperature: float | None = None, double: bool = False
    ) -> Tensor:
        """Normal numbers -> a picture drawn from G2, (1, 3, h, w) in [0, 1], not rounded; float64 if `double`.

        Draws that are not finite or too much clipped are passed over, as they are for stegos: the rule
        looks at the picture alone.
        """
        flow, heat = self._generator(double), temperature or self.temperature
        x = drawing.draw(flow, lambda n: torch.from_numpy(normals(n)), height, width, heat, 100 * TRIES)
        if x is None:
            raise WeightsError("the generator draws nothing but clipped pictures", "use other weights")
        return x

    def _generator(self, double: bool = False) -> Pyramid:
        if self.g2 is None:
            raise WeightsError("these weights have no generator", "train one: stego train glow2 --part g2")
        return self._doubled if double else self.g2

    @functools.cached_property
    def _doubled(self) -> Pyramid:
        return copy.deepcopy(self._generator()).double()

    # -- how much fits

    def room(self, wish: Wish, receivers: int = 1) -> int:
        height, width = self._size(wish)
        channel = layout.channel_for(wish.survive)
        shares = [Share(i, receivers) for i in range(receivers)]
        return min(self._capacity(height, width, channel, share) for share in shares)

    def _size(self, wish: Wish) -> tuple[int, int]:
        width, height = wish.size or (self.side, self.side)
        if not self._has_size(height, width):
            raise UsageError(f"no size {width}x{height}", f"multiples of {self._step} from 64 to {MOST_SIDE}")
        return height, width

    def _has_size(self, height: int, width: int) -> bool:
        """Whether a stego may be so large."""
        return all(s % self._step == 0 and self.min_side <= s <= MOST_SIDE for s in (height, width))

    @property
    def _step(self) -> int:
        """Sides of a stego are multiples of this: for the flow, and for the blocks of a JPEG with halved colours."""
        return max(16, self._generator().side)

    def _bands(self, height: int, width: int) -> list[Band]:
        return self._generator().bands(height, width)

    def _capacity(self, height: int, width: int, channel: str, share: Share) -> int:
        table, bands = self.tables[channel], self._bands(height, width)
        pool = np.concatenate(layout.header_pool(bands, share))[: header.SLOTS]
        if len(pool) < header.SLOTS:
            return 0
        available = sum(s.size for s in layout.stretches(bands, table, share, pool))
        return min(MOST_LENGTH, layout.capacity(available, table.rate))

    # -- hiding

    def drafts(
        self, secrets: Sequence[Secret], keys: Sequence[Key], wish: Wish, cover: Picture | None = None
    ) -> Iterator[Draft]:
        height, width = self._size(wish)
        shares = [Share(i, len(keys)) for i in range(len(keys))]
        messages = [self._message(s, wish, height, width, p) for s, p in zip(secrets, shares, strict=True)]
        exact = tuple(m.data for m in messages)
        forms = tuple(m.descriptor.form for m in messages)
        notes = tuple(dict.fromkeys(m.note for m in messages if m.note)) + _warnings(wish)
        bands = self._bands(height, width)
        for _ in range(TRIES):
            fresh = Stream(os_random.token_bytes(32))
            z = fresh.normal(3 * height * width)
            nonces = [self._write(z, *to, bands) for to in zip(messages, keys, shares, strict=True)]
            x = self._draw(torch.from_numpy(z), height, width, messages[0].descriptor.temperature)
            if acceptable(x):
                sent = zip(messages, keys, nonces, strict=True)
                tokens = tuple(self._token(z, *to, bands, fresh).reshape(x.shape[1:]) for to in sent if to[0].token)
                yield Draft(noise.to_pixels(x), exact, forms, self.room(wish, len(keys)), notes, tokens)

    def _draw(self, z: Tensor, height: int, width: int, temperature: float) -> Tensor:
        flow = self._generator()
        return flow.inverse(z.to(flow.colour.device, torch.float32).view(1, 3, height, width) * temperature)

    def _message(self, secret: Secret, wish: Wish, height: int, width: int, share: Share) -> Message:
        wanted = self.temperature if wish.temperature is None else wish.temperature
        temperature = checked_temperature(wanted, self.coolest)
        channel = layout.channel_for(wish.survive)
        room = self._capacity(height, width, channel, share)
        travel = _travel(secret, wish)
        if travel == CASCADE:
            form = CASCADE if share.of == 1 else TOKEN
            return self._cascaded(secret, wish, Descriptor(form, channel, temperature), min(height, width))
        data = secret.data if travel == FILE else compress.pack(secret.data, _picture(secret), room).data
        if len(data) > room:
            raise CapacityError(max(0, room), len(data), "use a larger --size or a milder --survive")
        # What fits a harsher channel goes that way: it costs nothing.
        harshest = next(c for c in reversed(CHANNELS) if len(data) <= self._capacity(height, width, c, share))
        return Message(Descriptor(travel, harshest, temperature, len(data)), data)

    def _cascaded(self, secret: Secret, wish: Wish, descriptor: Descriptor, side: int) -> Message:
        copies = 1 if wish.redundancy is None else wish.redundancy
        if copies not in COPIES:
            raise UsageError(f"no redundancy {copies}", ", ".join(map(str, COPIES)))
        if _inner_side(side, copies) % self._secrets_flow().side:
            raise UsageError(f"a stego of side {side} is too small for redundancy {copies}", "use a larger --size")
        picture = _picture(secret)
        scale = min(1.0, MOST_RESTORED / max(picture.width, picture.height))
        width, height = (max(1, round(s * scale)) for s in (picture.width, picture.height))
        note = f"a picture of at most {MOST_RESTORED} pixels a side comes back" if scale < 1 else None
        latents = pictures.to_latents(self._secrets_flow(), picture, _inner_side(side, copies))
        return Message(replace(descriptor, copies=copies, width=width, height=height), None, latents, note)

    def _secrets_flow(self) -> Pyramid:
        if self.g1 is None:
            raise WeightsError("these weights have no G1 for pictures", "use --as compressed")
        return self.g1

    def _write(self, z: np.ndarray, message: Message, key: Key, share: Share, bands: list[Band]) -> int:
        """Put a message into its receiver's latents; all others stay as they were drawn. Returns its nonce."""
        nonce, described = os_random.randbits(64), message.descriptor.to_int()
        taken = _header_places(bands, key, share)
        z[taken] = np.abs(z[taken]) * header.write(nonce, described, key)
        if message.data is not None:
            room = layout.stretches(bands, self.tables[message.descriptor.channel], share, taken)
            used, latents = bits.write(message.data, described, nonce, key, room)
            z[used] = latents
        elif message.latents is not None and not message.token:
            used, ranks = self._cascade_places(bands, message.descriptor, taken, key, nonce)
            carried = cascade.numbers(message.latents, ranks, len(used))
            z[used] = torus.write_numbers(carried, cascade.pad(key, nonce, len(used)))
        return nonce

    def _token(
        self, z: np.ndarray, message: Message, key: Key, nonce: int, bands: list[Band], fresh: Stream
    ) -> np.ndarray:
        assert message.latents is not None
        used, ranks = self._cascade_places(bands, message.descriptor, np.arange(0), key, nonce)
        return cascade.token(z, used, cascade.numbers(message.latents, ranks, len(used)), fresh.uniform(len(z)))

    def _cascade_places(
        self, bands: list[Band], descriptor: Descriptor, taken: np.ndarray, key: Key, nonce: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """-> places of the stego's latents, and the secret's latents that take them in turn."""
        inner = _inner_side(min(_sides(bands)), descriptor.copies)
        ranks = cascade.importance(self._secrets_flow().bands(inner, inner))
        free = cascade.places(bands, self.tables[descriptor.channel], Share(), taken, key, nonce)
        return free[: descriptor.copies * len(ranks)], ranks

    # -- revealing

    def reveal(self, stego: Picture, key: Key, token: np.ndarray | None = None, drawn: Drawn = AS_USUAL) -> Revealed:
        height, width = stego.height, stego.width
        if not self._has_size(height, width):
            raise RevealError
        for arrived in self._readings(stego):
            if found := self._find_header(arrived.at(self.temperature), self._bands(height, width), key):
                return self._read(arrived, stego, *found, key, token)
        raise RevealError

    def _readings(self, stego: Picture) -> Iterator[Arrived]:
        """The latents as the file has them; and if that is no JPEG, as if it had been a poor one on its way."""
        yield noise.read(self._generator(), stego.pixels, stego.jpeg)
        if stego.jpeg is None:
            harshest = image.quantisation_of(round(parse(CHANNELS[-1]).strength))
            yield noise.read(self._generator(), stego.pixels, harshest)

    def _find_header(
        self, latents: tuple[np.ndarray, np.ndarray], bands: list[Band], key: Key
    ) -> tuple[int, int, Share] | None:
        """Latents and their correlations -> nonce, descriptor and the receiver's share, or None."""
        for index, of in header.shares(self.most_receivers):
            share = Share(index, of)
            with contextlib.suppress(RevealError, UsageError):  # nothing for that share, or no room for so many
                return *_read_header(*latents, bands, key, share), share
        return None

    def _read(
        self, arrived: Arrived, stego: Picture, nonce: int, described: int, share: Share, key: Key,
        token: np.ndarray | None,
    ) -> Revealed:  # fmt: skip
        descriptor = from_int(described)
        if descriptor.form in PICTURES:
            return Revealed(None, self._read_picture(arrived, stego, nonce, descriptor, key, share, token))
        read = functools.partial(self._read_data, stego, nonce, described, key, share)
        try:
            data = read(arrived)
        except RevealError:
            quality = round(parse(descriptor.channel).strength)
            if stego.jpeg is not None or not quality:
                raise
            # Perhaps it was a JPEG on its way: try what such a file would have left open.
            data = read(noise.read(self._generator(), stego.pixels, image.quantisation_of(quality)))
        return Revealed(data, compress.unpack(data) if descriptor.form == COMPRESSED else None)

    def _read_data(self, stego: Picture, nonce: int, described: int, key: Key, share: Share, arrived: Arrived) -> bytes:
        descriptor, bands = from_int(described), self._bands(stego.height, stego.width)
        table = self.tables[descriptor.channel]
        room = layout.stretches(bands, table, share, _header_places(bands, key, share))
        return bits.read(*arrived.at(descriptor.temperature), descriptor.length, described, nonce, key, room)

    def _read_picture(
        self, arrived: Arrived, stego: Picture, nonce: int, descriptor: Descriptor, key: Key, share: Share,
        token: np.ndarray | None,
    ) -> Picture:  # fmt: skip
        bands = self._bands(stego.height, stego.width)
        if self.g1 is None or (descriptor.form == TOKEN) != (token is not None):
            raise RevealError
        if token is not None:
            if token.size != arrived.z.size:
                raise RevealError
            used, ranks = self._cascade_places(bands, descriptor, np.arange(0), key, nonce)
            pads = token.reshape(-1)[used].astype(np.float64)
        else:
            taken = _header_places(bands, key, share)
            used, ranks = self._cascade_places(bands, descriptor, taken, key, nonce)
            pads = cascade.pad(key, nonce, len(used))
        latents, deviation = cascade.read(*arrived.at(descriptor.temperature), used, ranks, pads)
        inner = _inner_side(min(stego.height, stego.width), descriptor.copies)
        restore = None
        if self.refiner is not None:
            off = torch.from_numpy(deviation).view(1, 3, inner, inner).to(self.device)
            restore = functools.partial(self.refiner.restore, self.g1, deviation=off)
        return pictures.to_picture(self.g1, self.sr, latents, inner, descriptor.width, descriptor.height, restore)


def build(**config: Any) -> Glow2:
    """Configuration, as weights carry it -> the method, its weights not yet loaded."""
    return Glow2(**config)


def _warnings(wish: Wish) -> tuple[str, ...]:
    harshest = parse(CHANNELS[-1])
    if wish.survive.kind == "jpeg" and wish.survive.strength < harshest.strength:
        return (f"{wish.survive} is below {harshest}, the harshest measured: tried, and verified all the same",)
    return ()


def _sides(bands: Sequence[Band]) -> tuple[int, int]:
    """Height and width of the picture that has these bands."""
    base = bands[-1]
    return base.height << base.octave, base.width << base.octave


def _inner_side(side: int, copies: int) -> int:
    """Side of the stego -> side of the secret whose latents go into it: the same, or with copies half of it."""
    return side if copies == 1 else side // 2


def _travel(secret: Secret, wish: Wish) -> str:
    if wish.travel in ("auto", "picture"):
        return COMPRESSED if secret.picture is not None or wish.travel == "picture" else FILE
    return wish.travel


def _picture(secret: Secret) -> Picture:
    if secret.picture is None:
        raise FileError("the secret is not a picture", "use --as bytes")
    return secret.picture


def _header_places(bands: Sequence[Band], key: Key, share: Share) -> np.ndarray:
    """The latents that hold the header, in its order: the key takes them from the least sturdy that will do."""
    found: list[np.ndarray] = []
    need = header.SLOTS
    for index, places in enumerate(layout.header_pool(bands, share)):
        order = key.stream(f"header places {index}").permutation(len(places))[:need]
        found.append(places[order])
        need -= len(order)
    if need > 0:
        raise UsageError("the stego is too small for so many receivers", "use a larger --size")
    return np.concatenate(found)


def _read_header(z: np.ndarray, r: np.ndarray, bands: Sequence[Band], key: Key, share: Share) -> tuple[int, int]:
    places = _header_places(bands, key, share)
    ratio = z[places] * r[places] / np.sqrt(1 - r[places] ** 2)
    return header.read(log_ndtr(ratio) - log_ndtr(-ratio), key)
