"""Crops: the same bits in every tile of the picture, found again whatever was cut off at the top and left.

A tile is SIDES x SIDES blocks. Every tile carries the same coded bits on lattices whose dither depends on the frequency
alone. The receiver tries the 64 places that the grid of blocks may have now, by how well the values fit a lattice;
folds all tiles into one; and tries every shift of the tile, by the checks of the header's code.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stegcli.coding import ldpc
from stegcli.errors import CapacityError, RevealError
from stegcli.keys.key import Key
from stegcli.methods.riis import envelope, lattice, luma
from stegcli.methods.riis.carrier import PSNR, Carrier, Seen
from stegcli.methods.riis.envelope import Letter
from stegcli.methods.riis.order import Share

SIDES = (16, 32)
"""Blocks along a tile; a receiver tries both."""
FREQUENCIES = 14
ALPHA = 0.75  # at 0.5 the two lattices together fill everything, and no grid could be found
STEP = 22.0  # the same everywhere: once the grids differ, JPEG's errors are spread over all frequencies
NOISES = (0.6, 2.0, 3.0, 4.0, 6.0)
HEADER_SLOTS = 816
RATE = 0.28  # of a body at most, for a single tile
SAMPLED = 1000  # blocks that the search for the grid looks at
GRIDS = 3  # places of the grid that are tried
SHIFTS = 3  # shifts that are decoded, those with the most checks satisfied


@dataclass(frozen=True)
class Tiles(Carrier):
    """side: blocks along a tile, one of SIDES."""

    side: int = SIDES[0]

    @property
    def _slots(self) -> int:
        return self.side * self.side * FREQUENCIES

    def room(self, cover: np.ndarray, receivers: int, psnr: float = PSNR) -> int:
        rows, columns = luma.grid(*cover.shape[:2])
        if receivers > 1 or min(rows, columns) < self.side:
            return 0
        distortion = (ALPHA * STEP) ** 2 / 12 * FREQUENCIES / luma.SHADES * luma.cost(luma.to_blocks(cover)) + 1 / 12
        if distortion > 255**2 / 10 ** (psnr / 10):
            return 0
        return int((self._slots - HEADER_SLOTS) * RATE) // 8 - envelope.TAG_BYTES

    def hide(self, cover: np.ndarray, letters: Sequence[Letter], psnr: float = PSNR) -> np.ndarray:
        (letter,) = letters
        header, body = envelope.seal(letter, 0)
        if len(body) > (self._slots - HEADER_SLOTS) * RATE:
            raise CapacityError(max(0, self.room(cover, 1, psnr)), len(letter.data))
        coded = [ldpc.encode_to(header, HEADER_SLOTS), ldpc.encode_to(body, self._slots - HEADER_SLOTS)]
        places, mask, dither = _keyed(letter.key, self._slots)
        tile = np.empty(self._slots, np.uint8)
        tile[places] = np.concatenate(coded) ^ mask
        rows, columns = luma.grid(*cover.shape[:2])
        row, column = np.divmod(np.arange(rows * columns), columns)
        bits = tile.reshape(self.side, self.side, FREQUENCIES)[row % self.side, column % self.side]
        blocks = luma.to_blocks(cover)
        values = luma.dct(luma.exact(blocks)).reshape(len(blocks), luma.SHADES)
        change = np.zeros_like(values)
        change[:, _use()] = lattice.embed(values[:, _use()], bits, dither, STEP, ALPHA)
        return luma.from_blocks(luma.moved(blocks.astype(np.float32), change.reshape(-1, 8, 8)), cover)

    def stronger(self) -> Tiles | None:
        return None

    def reveal(self, seen: Seen, key: Key, share: Share) -> bytes:
        plane = luma.exact(seen.pixels)
        if min(luma.grid(*plane.shape)) < 2 or share.of > 1:
            raise RevealError
        keyed = _keyed(key, self._slots)
        for down, right in _grids(plane, keyed[2]):
            with contextlib.suppress(RevealError):
                return self._open(_folded(plane[down:, right:], keyed[2], self.side), keyed, key)
        raise RevealError

    def _open(self, odds: np.ndarray, keyed: tuple[np.ndarray, np.ndarray, np.ndarray], key: Key) -> bytes:
        """Log-odds of a tile, shifted by any number of blocks -> the data. Raises RevealError."""
        places, mask, _ = keyed
        checks = ldpc.checks(envelope.HEADER_BITS, HEADER_SLOTS)
        shifts = [(y, x) for y in range(self.side) for x in range(self.side)]
        header_places = places[:HEADER_SLOTS]
        rolled = np.stack([np.roll(odds, s, axis=(0, 1)).reshape(-1)[header_places] for s in shifts])
        hard = (rolled > 0).astype(np.int32) ^ mask[:HEADER_SLOTS]
        unsatisfied = ((checks.astype(np.int32) @ hard.T) & 1).sum(axis=0)
        for best in np.argsort(unsatisfied, kind="stable")[:SHIFTS]:
            signed = np.roll(odds, shifts[best], axis=(0, 1)).reshape(-1)[places] * (1.0 - 2.0 * mask)
            header = envelope.open_header(ldpc.decode_from(signed[:HEADER_SLOTS], envelope.HEADER_BITS), key)
            if header.note == 0 and header.body_bits < self._slots - HEADER_SLOTS:
                return envelope.open_body(ldpc.decode_from(signed[HEADER_SLOTS:], header.body_bits), header, key)
        raise RevealError


def _folded(plane: np.ndarray, dither: np.ndarray, side: int) -> np.ndarray:
    """Luminance -> log-odds of a tile's slots, (side, side, FREQUENCIES), its first block at (0, 0)."""
    rows, columns = luma.grid(*plane.shape)
    values = _values(luma.to_blocks(plane))
    steps, shift = np.full(values.shape, STEP), np.broadcast_to(dither, values.shape)
    noise = lattice.fit(values[:SAMPLED], shift[:SAMPLED], steps[:SAMPLED], ALPHA, NOISES)
    found = lattice.log_odds(values, shift, steps, ALPHA, 0.0, noise)
    tile = np.zeros((side, side, FREQUENCIES))
    row, column = np.divmod(np.arange(rows * columns), columns)
    np.add.at(tile, (row % side, column % side), found)
    return tile


def _grids(plane: np.ndarray, dither: np.ndarray) -> list[tuple[int, int]]:
    """Where the first whole block of the sender's grid may begin, the likeliest first.

    The last JPEG's own grid is regular too, hence more than one.
    """

    def order(place: tuple[int, int]) -> float:
        """How regular the values lie: the first harmonic of both lattices together, whatever the bits are."""
        blocks = luma.to_blocks(plane[place[0] :, place[1] :])
        values = _values(blocks[:: max(1, len(blocks) // SAMPLED)])
        return float(np.cos(4 * np.pi * (values / STEP - dither)).mean())

    places = [(y, x) for y in range(luma.BLOCK) for x in range(luma.BLOCK)]
    return sorted(places, key=order, reverse=True)[:GRIDS]


def _values(blocks: np.ndarray) -> np.ndarray:
    return luma.dct(blocks).reshape(len(blocks), luma.SHADES)[:, _use()]


def _use() -> np.ndarray:
    """(FREQUENCIES,) flat indices: the lowest, without the mean, which brightness moves."""
    vertical, horizontal = np.divmod(np.arange(luma.SHADES), luma.BLOCK)
    order = np.lexsort((vertical, vertical + horizontal))
    return order[1 : 1 + FREQUENCIES]


def _keyed(key: Key, slots: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """-> the order of a tile's slots, the mask of their bits, the dither of each frequency."""
    stream = key.stream("tiles", slots)
    return stream.permutation(slots), stream.bits(slots), stream.uniform(FREQUENCIES)
