"""Crops: the same bits in every tile of the picture, found again whatever was cut off at the top and left.

A tile is SIDES x SIDES blocks. Every tile carries the same coded bits on lattices with the same dithers, all of them
drawn for the header's salt. The receiver tries the 64 places that the grid of blocks may have now, see `search`, adds
up the tiles, and decodes the header and then the body.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stegcli.coding import ldpc
from stegcli.errors import CapacityError, RevealError
from stegcli.keys.key import Key
from stegcli.methods.riis import envelope, lattice, luma, salts, search
from stegcli.methods.riis.carrier import PSNR, Carrier, Seen
from stegcli.methods.riis.envelope import HEADER_BITS, Letter
from stegcli.methods.riis.order import Share, Slots, slots_of
from stegcli.methods.riis.search import FREQUENCIES, SIDES, STEP, Found

ALPHA = 0.65
NOISES = (0.6, 1.5, 2.5, 3.5, 4.5, 6.0, 8.0, 11.0)
HEADER_SLOTS = 1008  # rate 1/6
RATES = (0.4, 0.28, 0.18)
"""Rates of a body at most. It fills its tile, whatever its length is, so that the receiver need not know the rate."""


@dataclass(frozen=True)
class Tiles(Carrier):
    """side: blocks along a tile, one of SIDES. rate: index of the highest rate that a body may have."""

    side: int = SIDES[0]
    rate: int = 0

    @property
    def _slots(self) -> Slots:
        return slots_of(self.side * self.side, FREQUENCIES, Share())

    def room(self, cover: np.ndarray, receivers: int, psnr: float = PSNR) -> int:
        rows, columns = luma.grid(*cover.shape[:2])
        if receivers > 1 or min(rows, columns) < self.side:
            return 0
        distortion = (ALPHA * STEP) ** 2 / 12 * FREQUENCIES / luma.SHADES * luma.cost(luma.to_blocks(cover)) + 1 / 12
        if distortion > 255**2 / 10 ** (psnr / 10):
            return 0
        return int((len(self._slots) - HEADER_SLOTS) * RATES[self.rate]) // 8 - envelope.TAG_BYTES

    def hide(self, cover: np.ndarray, letters: Sequence[Letter], psnr: float = PSNR) -> np.ndarray:
        (letter,) = letters
        if len(letter.data) > self.room(cover, 1, psnr):
            raise CapacityError(max(0, self.room(cover, 1, psnr)), len(letter.data))
        bits, dither = self._tile(letter)
        blocks = luma.to_blocks(cover)
        values = luma.dct(luma.exact(blocks)).reshape(len(blocks), luma.SHADES)
        where = search.tiled(*luma.grid(*cover.shape[:2]), self.side)
        use = search.frequencies()
        change = np.zeros_like(values)
        change[:, use] = lattice.embed(values[:, use], bits[where], dither[where], STEP, ALPHA)
        return luma.from_blocks(luma.moved(blocks.astype(np.float32), change.reshape(-1, 8, 8)), cover)

    def stronger(self) -> Tiles | None:
        return replace(self, rate=self.rate + 1) if self.rate + 1 < len(RATES) else None

    def reveal(self, seen: Seen, key: Key, share: Share) -> bytes:
        plane = luma.exact(seen.pixels)
        if min(luma.grid(*plane.shape)) < 2 or share.of > 1:
            raise RevealError
        for found in search.search(plane, self.side, key):
            with contextlib.suppress(RevealError):
                return self._open(plane, found, key)
        raise RevealError

    def _tile(self, letter: Letter) -> tuple[np.ndarray, np.ndarray]:
        """-> bits and dithers of a tile, (blocks, FREQUENCIES)."""
        sealed, slots = envelope.seal(letter, 0), self._slots
        salt = envelope.salt_of(sealed.nonce)
        head = salts.head(letter.key, salt, slots, HEADER_SLOTS)
        body = slots.body(sealed.message, head.slots)
        tile = np.empty(len(slots), np.uint8)
        tile[head.slots] = ldpc.encode_to(envelope.header_bits(sealed), HEADER_SLOTS) ^ head.mask
        tile[body] = ldpc.encode_to(sealed.body, len(body)) ^ sealed.message.stream("mask").bits(len(body))
        return tile.reshape(-1, FREQUENCIES), search.dither(letter.key, salt, self.side)

    def _open(self, plane: np.ndarray, found: Found, key: Key) -> bytes:
        """-> the data. Raises RevealError."""
        odds, slots = self._added(plane, found, search.dither(key, found.salt, self.side)), self._slots
        head = salts.head(key, found.salt, slots, HEADER_SLOTS)
        bits = ldpc.decode_from(head.unmasked(odds[head.slots]), HEADER_BITS)
        header = envelope.open_header(bits, found.salt, key)
        body = slots.body(header.message, head.slots)
        if header.note != 0 or header.body_bits >= len(body):
            raise RevealError
        sign = 1.0 - 2.0 * header.message.stream("mask").bits(len(body))
        return envelope.open_body(ldpc.decode_from(odds[body] * sign, header.body_bits), header)

    def _added(self, plane: np.ndarray, found: Found, dither: np.ndarray) -> np.ndarray:
        """Luminance -> log-odds of a tile's slots, those of all tiles added up."""
        plane = plane[found.down :, found.right :]
        values = search.values(luma.to_blocks(plane))
        where = search.tiled(*luma.grid(*plane.shape), self.side, found.shift)
        tile = np.zeros((self.side * self.side, FREQUENCIES))
        # JPEG's error differs from frequency to frequency.
        for frequency, column in enumerate(values.T):
            own = dither[where, frequency]
            steps = np.full(len(column), STEP)
            noise = lattice.fit(column, own, steps, ALPHA, NOISES)
            np.add.at(tile[:, frequency], where, lattice.log_odds(column, own, steps, ALPHA, 0.0, noise))
        return tile.reshape(-1)
