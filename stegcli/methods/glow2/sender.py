"""Secrets -> drafts of a stego: fresh latents, some of which are replaced to hold the messages.

secret -> Message (the header's description, and bytes or latents under G1) -> its places in z -> G2 -> a picture
"""

from __future__ import annotations

import secrets as os_random
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from stegcli.coding.picture_tag import tagged
from stegcli.errors import CapacityError, FileError, UsageError
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream
from stegcli.method import Draft, Request, Secret
from stegcli.methods.glow2 import authentic, bits, cascade, header, layout, noise, pictures
from stegcli.methods.glow2.carriers import Carriers, carriers
from stegcli.methods.glow2.descriptor import (
    CASCADE,
    COMPRESSED,
    FILE,
    MOST_RESTORED,
    TOKEN,
    Descriptor,
    checked_temperature,
)  # fmt: skip
from stegcli.methods.glow2.layout import CHANNELS, LOSSLESS_CHANNEL, Share
from stegcli.methods.glow2.rule import Rule
from stegcli.nn.wavelet import Band
from stegcli.pictures import compress
from stegcli.pictures.channel import Channel, parse
from stegcli.pictures.image import Picture

if TYPE_CHECKING:
    from torch import Tensor

    from stegcli.methods.glow2.method import Glow2

TRIES = 4
"""Accepted draws for each size of what travels."""
LESS = (1.0, 0.9, 0.75)
"""The part of its room that a compressed picture may fill: less, once no draft came through."""


@dataclass(frozen=True)
class Message:
    """A secret ready to hide: the header's description, and its bytes or its latents under G1."""

    descriptor: Descriptor
    data: bytes | None = None
    latents: np.ndarray | None = None
    note: str | None = None

    @property
    def token(self) -> bool:
        """Whether the receiver gets a pad as a file."""
        return self.descriptor.form == TOKEN


class Sender:
    """The hiding of one request.

    z: the latents of the last draft. used: the places of z that hold bytes, for each message of bytes; carried: where
    the latents of each picture lie. Both are for the measures of secrecy.
    """

    def __init__(self, method: Glow2, request: Request):
        self.method, self.request, self.options = method, request, request.options
        self.height, self.width = method.size(request)
        self.bands = method.bands(self.height, self.width)
        self.shares = [Share(i, len(request.keys)) for i in range(len(request.keys))]
        self.z = np.empty(0)
        self.used: list[np.ndarray] = []
        self.nonces: list[int] = []
        self.carried: list[Carriers] = []

    def drafts(self) -> Iterator[Draft]:
        """Stegos to try, each with fresh latents around the same messages. Raises CapacityError, FileError."""
        for less in LESS:
            if not (yield from self._alike(less)):
                return

    def _alike(self, less: float) -> Generator[Draft, None, bool]:
        """Drafts around one choice of messages, and whether draws were accepted. less: the part of its room that a
        compressed picture may fill."""
        request = self.request
        messages = [self._message(s, p, less) for s, p in zip(request.secrets, self.shares, strict=True)]
        exact = tuple(m.data for m in messages)
        forms = tuple(m.descriptor.form for m in messages)
        notes = tuple(dict.fromkeys(m.note for m in messages if m.note)) + _warnings(request)
        capacity = self.method.capacity(request)
        rule = Rule(self.method, request, len(self.shares), messages[0].descriptor.temperature)
        for _ in range(TRIES):
            found = rule.first(lambda: self._latents(messages))
            if found is None:
                return False
            z, x = found
            sent = zip(messages, request.keys, self.nonces, strict=True)
            tokens = tuple(self._token(z, *one).reshape(x.shape[1:]) for one in sent if one[0].token)
            yield Draft(self._picture(x, messages), exact, forms, capacity, notes, tokens)
        return True

    def _latents(self, messages: Sequence[Message]) -> np.ndarray:
        """Fresh latents (3 h w,) that hold the messages."""
        self.fresh = Stream(os_random.token_bytes(32))
        self.z, self.used, self.carried = self.fresh.normal(3 * self.height * self.width), [], []
        to = zip(messages, self.request.keys, self.shares, strict=True)
        self.nonces = [self._write(self.z, *one) for one in to]
        return self.z

    def _room(self, channel: str, share: Share) -> int:
        return self.method.room(self.height, self.width, channel, share, self.options.temperature)

    def _message(self, secret: Secret, share: Share, less: float = 1.0) -> Message:
        asked = self.options.temperature
        temperature = checked_temperature(self.method.temperature if asked is None else asked, self.method.coolest)
        channel = layout.channel_for(self.request.harshest)
        room = self._room(channel, share)
        travel = _travel(secret, self.options.travel)
        if travel == CASCADE:
            form = CASCADE if share.of == 1 else TOKEN
            return self._cascaded(secret, Descriptor(form, channel, temperature))
        data = secret.data
        if travel != FILE:
            data = compress.pack(secret.data, picture_of(secret), int(room * less), self._hint()).data
        if len(data) > room:
            raise CapacityError(max(0, room), len(data), self._hint())
        # If the data fit a harsher channel, use that: it costs nothing.
        harshest = next(c for c in reversed(CHANNELS) if len(data) <= self._room(c, share))
        return Message(Descriptor(travel, harshest, temperature, len(data)), data)

    def _hint(self) -> str:
        """What to do about a secret that does not fit."""
        own = self.request.format == "JPEG" and self.request.harshest == Channel("jpeg", self.request.quality)
        return "use a larger --size" + (", -o OUT.png or --survive png" if own else " or a milder --survive")

    def _cascaded(self, secret: Secret, descriptor: Descriptor) -> Message:
        flow, picture = self.method.secrets_flow(), picture_of(secret)
        scale = min(1.0, MOST_RESTORED / max(picture.width, picture.height))
        width, height = (max(1, round(s * scale)) for s in (picture.width, picture.height))
        note = f"the revealed picture will have at most {MOST_RESTORED} pixels per side" if scale < 1 else None
        latents = pictures.to_latents(flow, picture, min(self.height, self.width))
        return Message(replace(descriptor, width=width, height=height), None, latents, note)

    def _write(self, z: np.ndarray, message: Message, key: Key, share: Share) -> int:
        """Write a message into its receiver's latents; other latents do not change. Returns its nonce."""
        nonce, described = os_random.randbits(64), message.descriptor.to_int()
        taken = header_places(self.bands, key, share)
        z[taken] = np.abs(z[taken]) * header.write(nonce, described, key)
        if message.data is not None:
            table = self.method.tables[message.descriptor.channel]
            room = layout.stretches(self.bands, table, share, taken)
            used, latents = bits.write(message.data, described, nonce, key, room)
            z[used] = latents
            self.used.append(used)
        elif message.latents is not None and not message.token:
            at = carriers(self.method, self.bands, message.descriptor, taken, key, nonce)
            cascade.write(z, message.latents, at, cascade.Keyed(at, key, nonce))
            self.carried.append(at)
        return nonce

    def _picture(self, x: Tensor, messages: Sequence[Message]) -> Picture:
        """What G2 drew, rounded; with the tags of pictures that need not survive anything."""
        pixels = noise.to_pixels(x)
        tags = [
            authentic.tag_of(key, nonce, self.height, self.width)
            for message, key, nonce in zip(messages, self.request.keys, self.nonces, strict=True)
            if message.latents is not None and message.descriptor.channel == LOSSLESS_CHANNEL
        ]
        return Picture(tagged(pixels, authentic.rounding_costs(x, pixels), tags) if tags else pixels)

    def _token(self, z: np.ndarray, message: Message, key: Key, nonce: int) -> np.ndarray:
        assert message.latents is not None
        at = carriers(self.method, self.bands, message.descriptor, np.arange(0), key, nonce)
        signs = authentic.signs(key, nonce, at.used.size)
        return cascade.token(z, at, message.latents, signs, self.fresh.uniform(len(z)))


def header_places(bands: Sequence[Band], key: Key, share: Share) -> np.ndarray:
    """The latents that hold the header, in its order: chosen by the key from the least robust that suffice."""
    found: list[np.ndarray] = []
    need = header.SLOTS
    for index, places in enumerate(layout.header_pool(bands, share)):
        order = key.stream(f"header places {index}").permutation(len(places))[:need]
        found.append(places[order])
        need -= len(order)
    if need > 0:
        raise UsageError("the stego is too small for so many receivers", "use a larger --size")
    return np.concatenate(found)


def _warnings(request: Request) -> tuple[str, ...]:
    harshest, asked = parse(CHANNELS[-1]), request.harshest
    if asked.kind == "jpeg" and asked.strength < harshest.strength:
        return (f"{asked} is harsher than {harshest}, the harshest measured; the stego is verified for it",)
    return ()


def _travel(secret: Secret, asked: str) -> str:
    if asked in ("auto", "picture"):
        return COMPRESSED if secret.picture is not None or asked == "picture" else FILE
    return asked


def picture_of(secret: Secret) -> Picture:
    if secret.picture is None:
        raise FileError("the secret is not a picture", "use --as bytes")
    return secret.picture
