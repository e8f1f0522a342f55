"""A received picture -> its secret for one key."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import log_ndtr

from stegcli.errors import RevealError, UsageError
from stegcli.keys.key import Key
from stegcli.method import Asked, Revealed
from stegcli.methods.glow2 import bits, cascade, header, layout, noise, pictures
from stegcli.methods.glow2.descriptor import COMPRESSED, PICTURES, TOKEN, Descriptor, from_int
from stegcli.methods.glow2.layout import CHANNELS, Share
from stegcli.methods.glow2.noise import Arrived
from stegcli.methods.glow2.sender import cascade_places, header_places, inner_side
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
        flow, stego = self.method.generator(), self.stego
        yield self.method.read(stego)
        if stego.jpeg is None:
            harshest = image.quantisation_of(round(parse(CHANNELS[-1]).strength))
            yield noise.read(flow, stego.pixels, harshest)

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
            return Revealed(None, self._read_picture(arrived, nonce, descriptor, share))
        read = functools.partial(self._read_data, nonce, described, share)
        try:
            data = read(arrived)
        except RevealError:
            quality = round(parse(descriptor.channel).strength)
            if self.stego.jpeg is not None or not quality:
                raise
            # The stego may have been a JPEG on its way: try the cells of such a file.
            data = read(noise.read(self.method.generator(), self.stego.pixels, image.quantisation_of(quality)))
        if descriptor.form != COMPRESSED:
            return Revealed(data)
        return Revealed(data, compress.unpack(data), compress.whole_file(data))

    def _read_data(self, nonce: int, described: int, share: Share, arrived: Arrived) -> bytes:
        descriptor = from_int(described)
        table = self.method.tables[descriptor.channel]
        room = layout.stretches(self.bands, table, share, header_places(self.bands, self.key, share))
        return bits.read(*arrived.at(descriptor.temperature), descriptor.length, described, nonce, self.key, room)

    def _read_picture(self, arrived: Arrived, nonce: int, descriptor: Descriptor, share: Share) -> Picture:
        method, stego, key, token = self.method, self.stego, self.key, self.token
        if method.g1 is None or (descriptor.form == TOKEN) != (token is not None):
            raise RevealError
        if token is not None:
            if token.size != arrived.z.size:
                raise RevealError
            used, ranks = cascade_places(method, self.bands, descriptor, np.arange(0), key, nonce)
            pads = token.reshape(-1)[used].astype(np.float64)
        else:
            taken = header_places(self.bands, key, share)
            used, ranks = cascade_places(method, self.bands, descriptor, taken, key, nonce)
            pads = cascade.pad(key, nonce, len(used))
        latents, deviation = cascade.read(*arrived.at(descriptor.temperature), used, ranks, pads)
        inner = inner_side(min(stego.height, stego.width), descriptor.copies)
        restore = None
        if method.refiner is not None and method.refines:
            off = torch.from_numpy(deviation).view(1, 3, inner, inner).to(method.device)
            restore = functools.partial(method.refiner.restore, method.g1, deviation=off)
        return pictures.to_picture(method.g1, method.sr, latents, inner, descriptor.width, descriptor.height, restore)


def read_header(z: np.ndarray, r: np.ndarray, bands: Sequence[Band], key: Key, share: Share) -> tuple[int, int]:
    places = header_places(bands, key, share)
    ratio = z[places] * r[places] / np.sqrt(1 - r[places] ** 2)
    return header.read(log_ndtr(ratio) - log_ndtr(-ratio), key)
