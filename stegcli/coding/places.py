"""Which slots a header lies in, and how a body's slots are dealt to the blocks of its code.

Everything here is exact integer arithmetic on a key's streams, so that all machines agree. Nothing needs a permutation
of all slots: a picture of 12 megapixels has 36 million.
"""

from __future__ import annotations

import numpy as np

from stegcli import threads
from stegcli.coding import trellis
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream

MOST_DRAWN = 65_536
"""The most slots that a header of the coset layout is drawn over."""
BLOCKS_AT_ONCE = 32
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
        self.slots, self.blocks, self.length = slots, code.blocks, code.length
        whole = np.int32 if slots < 2**30 else np.int64
        start = int(stream.integers(1, slots)[0])
        order = stream.permutation(self.length).astype(whole)
        turns = stream.integers(self.blocks, self.length).astype(whole)
        self._shifts = stream.integers(self.length, self.blocks).astype(whole)
        # Twice one behind the other, as in `HeaderPlaces`.
        self._order = np.tile(order, 2)
        self._turns = np.tile(turns, 2)
        runs = np.arange(self.blocks, dtype=np.int64) * self.length + start
        self._runs = np.tile(runs.astype(whole), 2)

    def take(self, *values: np.ndarray) -> tuple[np.ndarray, ...]:
        """Values of the slots (slots,) -> values in the code's order, block by block (blocks * length,), for each."""
        dealt = tuple(np.empty(self.blocks * self.length, v.dtype) for v in values)

        def deal(first: int) -> None:
            at, places = first * self.length, self._places(first)
            for some, source in zip(dealt, values, strict=True):
                some[at : at + len(places)] = source[places]

        for _ in threads.each(deal, range(0, self.blocks, BLOCKS_AT_ONCE)):
            pass
        return dealt

    def put(self, dealt: np.ndarray, values: np.ndarray) -> None:
        """Values in the code's order are put into the slots' `values` (slots,), in place."""

        def place(first: int) -> None:
            at, places = first * self.length, self._places(first)
            values[places] = dealt[at : at + len(places)]

        for _ in threads.each(place, range(0, self.blocks, BLOCKS_AT_ONCE)):
            pass

    def _places(self, first: int) -> np.ndarray:
        """Which slots the code's places have, for BLOCKS_AT_ONCE blocks from the `first` on."""
        blocks = np.arange(first, min(first + BLOCKS_AT_ONCE, self.blocks), dtype=self._shifts.dtype)
        runs = blocks[:, None] + self._shifts
        places = self._order[np.arange(self.length, dtype=runs.dtype) + self._turns[runs]]
        places += self._runs[runs]
        return wrapped(places.reshape(-1), self.slots)
