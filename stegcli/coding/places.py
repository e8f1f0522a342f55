"""Which slots a header lies in, and how a body's slots are dealt to the blocks of its code.

Everything here is exact integer arithmetic on a key's streams, so that all machines agree. Nothing needs a permutation
of all slots: a picture of 12 megapixels has 36 million.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stegcli.coding import trellis
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream

MOST_DRAWN = 65_536
"""The most slots that a header of the coset layout is drawn over."""
BLOCKS_AT_ONCE = 256
"""Blocks whose slots are computed together: this bounds memory and keeps the arrays in the cache."""


class Strata:
    """`slots` slots cut into `count` stretches of nearly equal length: stretch i starts at i * slots // count."""

    def __init__(self, slots: int, count: int):
        edges = np.arange(count + 1, dtype=np.int64) * slots // count
        self.starts = edges[:-1]
        self._sizes = np.diff(edges).astype(np.uint64)

    def within(self, strata: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Indices of stretches, and a uniform 64-bit word for each -> one slot in each, int64.

        The word's upper half decides: start + (upper * length >> 32).
        """
        offsets = (words >> np.uint64(32)) * self._sizes[strata] >> np.uint64(32)
        places: np.ndarray = self.starts[strata] + offsets.astype(np.int64)
        return places


class HeaderPlaces:
    """Where a key's headers of the coset layout may lie in pictures of `slots` slots: an ordered draw for each salt.

    The slots are cut into `most` = min(65,536, slots) stretches. The k-th slot drawn for a salt lies in stretch
    first[(second[k] + rotation) % most], so that the slots of a draw are distinct. first and second are permutations of
    the key; the rotation and the place within the stretch come from key and salt.
    """

    def __init__(self, key: Key, slots: int):
        self.most = min(MOST_DRAWN, slots)
        self._key = key
        self._strata = Strata(slots, self.most)
        stream = key.stream("coset strata")
        self._first, self._second = stream.permutation(self.most), stream.permutation(self.most)

    def drawn(self, salt: int) -> Draw:
        return Draw(self, salt)

    def _places(self, start: int, rotation: int, words: np.ndarray) -> np.ndarray:
        turned = _wrapped(self._second[start : start + len(words)] + rotation, self.most)
        return self._strata.within(self._first[turned], words)


class Draw:
    """The draw of one salt, taken piece by piece."""

    def __init__(self, places: HeaderPlaces, salt: int):
        self._places, self._taken = places, 0
        self._stream = places._key.stream("coset places", salt)
        self._rotation = int(self._stream.integers(1, places.most)[0])

    def take(self, count: int) -> np.ndarray:
        """-> the next `count` slots, int64; fewer at the end of the draw."""
        count = min(count, self._places.most - self._taken)
        found = self._places._places(self._taken, self._rotation, self._stream.words(count))
        self._taken += count
        return found


class Deal:
    """Deals `slots` slots to the blocks of a trellis code: every slot goes to one place of one block.

    The slots, read from a random one on and round the end, form runs as long as a block, one for each block. Place j of
    block b is slot order[(j + turns[q]) % length] of run q = (b + shifts[j]) % blocks; the few slots after the last run
    carry nothing. All of it comes from the stream. Slots that lie side by side go to places and blocks that have
    nothing to do with one another. A uniform permutation would serve as well, but it sorts: at 36 million slots that
    takes ten times as long.
    """

    def __init__(self, slots: int, stream: Stream):
        code = trellis.Code(slots, 0)
        self.blocks, self.length = code.blocks, code.length
        self._start = int(stream.integers(1, slots)[0])
        self._order = stream.permutation(self.length)
        self._turns = stream.integers(self.blocks, self.length)
        self._shifts = stream.integers(self.length, self.blocks)

    def take(self, values: np.ndarray) -> np.ndarray:
        """Values of the slots (slots,) -> values in the code's order, block by block (blocks * length,)."""
        turned = np.roll(values, -self._start)
        return np.concatenate([turned[places] for places in self._places()])

    def put(self, dealt: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Values in the code's order, and those of all slots -> the slots' values with the dealt ones put in."""
        turned, at = np.roll(values, -self._start), 0
        for places in self._places():
            turned[places] = dealt[at : at + len(places)]
            at += len(places)
        return np.roll(turned, self._start)

    def _places(self) -> Iterator[np.ndarray]:
        """Where the code's places lie among the turned slots, for some blocks after others."""
        every = np.arange(self.length)
        for first in range(0, self.blocks, BLOCKS_AT_ONCE):
            blocks = np.arange(first, min(first + BLOCKS_AT_ONCE, self.blocks))
            runs = _wrapped(blocks[:, None] + self._shifts, self.blocks)
            within = self._order[_wrapped(every + self._turns[runs], self.length)]
            yield (runs * self.length + within).reshape(-1)


def _wrapped(values: np.ndarray, bound: int) -> np.ndarray:
    """Values in [0, 2 bound) -> modulo bound."""
    values -= bound * (values >= bound)
    return values
