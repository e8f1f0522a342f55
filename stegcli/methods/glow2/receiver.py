"""A received picture -> its secret for one key."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import log_ndtr

from stegcli.errors import RevealError, UsageError
from stegcli.keys.key import Key
from stegcli.method import Asked, Revealed
from stegcli.methods.glow2 import authentic, bits, cascade, header, layout, pictures
from stegcli.methods.glow2.carriers import Carriers, carriers
from stegcli.methods.glow2.descriptor import COMPRESSED, PICTURES, TOKEN, Descriptor, from_int
from stegcli.methods.glow2.layout import CHANNELS, LOSSLESS_CHANNEL, Share
from stegcli.methods.glow2.noise import Arrived
from stegcli.methods.glow2.sender import header_places
from stegcli.nn.wavelet import Band
from stegcli.pictures import compress, image
from stegcli.pictures.channel import parse
from stegcli.pictures.image import Picture

if TYPE_CHECKING:
    from stegcli.methods.glow2.method import Glow2


class Receiver:
    """Reads one stego with one key. Raises RevealError for a size that no stego has."""

    def __init__(self, method: Glow2, stego: Picture, asked: Asked):
        if asked.key is None or not method.has_size(stego.height, stego.width):
            raise RevealError
        self.method, self.stego, self.key, self.token = method, stego, asked.key, asked.token
        self.bands = method.bands(stego.height, stego.width)

    def reveal(self) -> Revealed:
        for arrived in self._readings():
            if found := self._find_header(arrived.at(self.method.temperature)):
                return self.read(arrived, *found)
        raise RevealError

    def _readings(self) -> Iterator[Arrived]:
        """The latents of the file; if it is not a JPEG, also as if it had been a low-quality JPEG before."""
        stego = self.stego
        yield self.method.read(stego)
        if stego.jpeg is None:
            harshest = image.quantisation_of(round(parse(CHANNELS[-1]).strength))
            yield self.method.latents(stego.pixels, harshest)

    def _find_header(self, latents: tuple[np.ndarray, np.ndarray]) -> tuple[int, int, Share] | None:
        """Latents and their correlations -> nonce, descriptor and the receiver's share, or None."""
        for index, of in header.shares(self.method.about.most_secrets):
            share = Share(index, of)
            with contextlib.suppress(RevealError, UsageError):  # no header in this share, or no room for it
                return *read_header(*latents, self.bands, self.key, share), share
        return None

    def read(self, arrived: Arrived, nonce: int, described: int, share: Share) -> Revealed:
        """The received latents, and the header's nonce and description -> the secret."""
        descriptor = from_int(described)
        if descriptor.form in PICTURES:
            sent = self.carried(nonce, descriptor, share)
            return Revealed(None, self.picture(self._authentic(arrived, sent, nonce), sent))
        read = functools.partial(self._read_data, nonce, described, share)
        try:
            data = read(arrived)
        except RevealError:
            data = read(self._as_promised(descriptor))
        if descriptor.form != COMPRESSED:
            return Revealed(data)
        return Revealed(data, compress.unpack(data), compress.whole_file(data))

    def _as_promised(self, descriptor: Descriptor) -> Arrived:
        """The latents if the stego was, on its way, a JPEG of the quality that it had to survive.

        Raises RevealError if it is a JPEG still, or had to survive none.
        """
        quality = round(parse(descriptor.channel).strength)
        if self.stego.jpeg is not None or not quality:
            raise RevealError
        return self.method.latents(self.stego.pixels, image.quantisation_of(quality))

    def _read_data(self, nonce: int, described: int, share: Share, arrived: Arrived) -> bytes:
        descriptor = from_int(described)
        table = self.method.tables[descriptor.channel]
        room = layout.stretches(self.bands, table, share, header_places(self.bands, self.key, share))
        return bits.read(*arrived.at(descriptor.temperature), descriptor.length, described, nonce, self.key, room)

    def carried(self, nonce: int, descriptor: Descriptor, share: Share) -> Sent:
        """Where a picture lies, and under which pads. Raises RevealError if these cannot be had."""
        method, key, token = self.method, self.key, self.token
        if method.g1 is None or (descriptor.form == TOKEN) != (token is not None):
            raise RevealError
        if token is None:
            taken = header_places(self.bands, key, share)
            at = carriers(method, self.bands, descriptor, taken, key, nonce)
            return Carried(descriptor, at, cascade.Keyed(at, key, nonce))
        if token.size != 3 * self.stego.height * self.stego.width:
            raise RevealError
        at = carriers(method, self.bands, descriptor, np.arange(0), key, nonce)
        pads = token.reshape(-1)[at.places].astype(np.float64)
        return ByToken(descriptor, at, pads, authentic.signs(key, nonce, at.used.size))

    def _authentic(self, arrived: Arrived, sent: Sent, nonce: int) -> Arrived:
        """The latents as the picture is to be read from. Raises RevealError if it is not the sender's."""
        if sent.descriptor.channel == LOSSLESS_CHANNEL:
            tag = authentic.tag_of(self.key, nonce, self.stego.height, self.stego.width)
            if not tag.holds(self.stego.pixels):
                raise RevealError
            return arrived
        if not sent.is_authentic(arrived):
            arrived = self._as_promised(sent.descriptor)
            if not sent.is_authentic(arrived):
                raise RevealError
        return arrived

    def picture(self, arrived: Arrived, sent: Sent) -> Picture:
        """The received latents -> the picture. Nothing is checked here."""
        method, stego, descriptor = self.method, self.stego, sent.descriptor
        inner = min(stego.height, stego.width)
        latents, deviation = sent.read(arrived, 3 * inner**2)
        restore = None
        if method.refiner is not None and method.refines:
            off = torch.from_numpy(deviation).view(1, 3, inner, inner).to(method.device)
            restore = functools.partial(method.refiner.restore, method.secrets_flow(), deviation=off)
        width, height = descriptor.width, descriptor.height
        return pictures.to_picture(method.secrets_flow(), method.sr, latents, inner, width, height, restore)


@dataclass(frozen=True)
class Carried:
    """A picture in the stego's latents: the header's description, the places, and what the key gives."""

    descriptor: Descriptor
    at: Carriers
    keyed: cascade.Keyed

    def read(self, arrived: Arrived, count: int) -> tuple[np.ndarray, np.ndarray]:
        """-> mean and deviation of the secret's latents, (count,) each."""
        return cascade.read(arrived.at(self.descriptor.temperature), self.at, self.keyed, count)

    def is_authentic(self, arrived: Arrived) -> bool:
        return cascade.is_authentic(arrived.at(self.descriptor.temperature), self.at, self.keyed)


@dataclass(frozen=True)
class ByToken:
    """The same for one of several receivers. pads: of all places, from the token; signs: of the numbers."""

    descriptor: Descriptor
    at: Carriers
    pads: np.ndarray
    signs: np.ndarray

    def read(self, arrived: Arrived, count: int) -> tuple[np.ndarray, np.ndarray]:
        return cascade.read_numbers(*self._carried(arrived), self.at.ranks, count, self.signs)

    def is_authentic(self, arrived: Arrived) -> bool:
        (z, r), pilots = arrived.at(self.descriptor.temperature), self.at.pilots
        heard, pads = self._carried(arrived)
        some = slice(authentic.SEEN)
        turned = heard[0][some], heard[1][some], pads[some]
        return authentic.is_authentic((z[pilots], r[pilots], self.pads[len(pads) :]), turned)

    def _carried(self, arrived: Arrived) -> tuple[cascade.Latents, np.ndarray]:
        z, r = arrived.at(self.descriptor.temperature)
        used = self.at.used.ravel()
        return (z[used], r[used]), self.pads[: len(used)]


Sent = Carried | ByToken


def read_header(z: np.ndarray, r: np.ndarray, bands: Sequence[Band], key: Key, share: Share) -> tuple[int, int]:
    places = header_places(bands, key, share)
    ratio = z[places] * r[places] / np.sqrt(1 - r[places] ** 2)
    return header.read(log_ndtr(ratio) - log_ndtr(-ratio), key)
