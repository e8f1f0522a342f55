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
    """`slots` slots, read from some slot on and round the end, cut into `count` stretches of nearly equal length.

    Stretch i starts at i * slots // count. Where the reading starts is random, since stretches of unequal length would
    else make some slots likelier than others.
    """

    def __init__(self, slots: int, count: int):
        edges = np.arange(count + 1, dtype=np.int64) * slots // count
        self.slots, self.edges, self.sizes = slots, edges[:-1], np.diff(edges)

    def within(self, strata: np.ndarray, words: np.ndarray, start: np.ndarray | int) -> np.ndarray:
        """Indices of stretches, a uniform 64-bit word for each, and the slot that reading starts from -> one slot in
        each, int64."""
        return wrapped(self.edges[strata] + below(words, self.sizes[strata]) + start, self.slots)


def below(words: np.ndarray, bounds: np.ndarray | int) -> np.ndarray:
    """Uniform 64-bit words -> integers in [0, bound), int64: the upper half of the word times the bound, over 2^32."""
    found: np.ndarray = (words >> np.uint64(32)).astype(np.int64) * bounds >> 32
    return found


def wrapped(values: np.ndarray, bound: int) -> np.ndarray:
    """Values in [0, 2 bound) -> modulo bound, in place."""
    values -= bound * (values >= bound)
    return values


class HeaderPlaces:
    """Where a key's headers of the coset layout may lie in pictures of `slots` slots: an ordered draw for each salt.

    The slots are cut into `most` = min(65,536, slots) stretches. The k-th slot drawn for a salt lies in stretch
    first[(second[(k + turn) % most] + shift) % most], so that the slots of a draw are distinct. first and second are
    permutations of the key; turn, shift and the places within the stretches come from key and salt.

    A receiver draws for all salts, so the tables are made for speed: each is there twice, one behind the other, since a
    longer table costs less than a remainder for every slot.
    """

    def __init__(self, key: Key, slots: int):
        self.slots, self.most = slots, min(MOST_DRAWN, slots)
        self._key = key
        stream = key.stream("coset strata")
        first, second = stream.permutation(self.most), stream.permutation(self.most)
        strata = Strata(slots, self.most)
        self.second = np.tile(second, 2)
        self.edges = np.tile(strata.edges[first], 2)
        self.sizes = np.tile(strata.sizes[first], 2)

    def drawn(self, salt: int) -> Draw:
        return Draw(self, self._key.stream("coset places", salt))


class Draw:
    """The draw of one salt, taken piece by piece."""

    def __init__(self, places: HeaderPlaces, stream: Stream):
        self._places, self._stream, self._taken = places, stream, 0
        self._turn, self._shift = stream.integers(2, places.most).tolist()
        self._start = int(stream.integers(1, places.slots)[0])

    def take(self, count: int) -> np.ndarray:
        """-> the next `count` slots, int64; fewer at the end of the draw."""
        places = self._places
        first, last = self._taken, min(self._taken + count, places.most)
        self._taken = last
        stretches = places.second[first + self._turn : last + self._turn] + self._shift
        found = below(self._stream.words(last - first), places.sizes[stretches])
        found += places.edges[stretches]
        found += self._start
        return wrapped(found, places.slots)


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
            runs = wrapped(blocks[:, None] + self._shifts, self.blocks)
            within = self._order[wrapped(every + self._turns[runs], self.length)]
            yield (runs * self.length + within).reshape(-1)
