"""In which order the slots of a picture's blocks carry a message: a matter of the key.

Each receiver has blocks of its own, by a public rule. The key orders them; the first hold the header. Neighbours in the
order lie in different blocks and at different frequencies, so that slots which are dear or damaged are scattered.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from stegcli.keys.key import Key

MOST_SHARES = 5
GOLDEN = 2654435761  # 2^32 over the golden ratio: consecutive blocks scatter


@dataclass(frozen=True)
class Share:
    """Receiver `index` among `of`."""

    index: int = 0
    of: int = 1


@dataclass(frozen=True)
class Order:
    """Indices of slots, block * per_block + frequency: those of the header, and those of the body.

    blocks, shift: a receiver's blocks in order, and where each begins in the row of its frequencies. head: how many of
    the blocks, and `most` how many of their slots, the header has.
    """

    blocks: np.ndarray
    shift: np.ndarray
    per_block: int
    head: int
    most: int

    @functools.cached_property
    def header(self) -> np.ndarray:
        return _slots(self.blocks[: self.head], self.shift[: self.head], self.per_block)[: self.most]

    @functools.cached_property
    def body(self) -> np.ndarray:
        return _slots(self.blocks[self.head :], self.shift[self.head :], self.per_block)

    @property
    def body_slots(self) -> int:
        return (len(self.blocks) - self.head) * self.per_block


def all_shares() -> list[Share]:
    """Whatever a receiver may be, the likeliest first."""
    return [Share(index, of) for of in range(1, MOST_SHARES + 1) for index in range(of)]


def own_units(units: int, share: Share) -> np.ndarray:
    """Number of units (blocks, samples) -> those of one receiver."""
    every = np.arange(units, dtype=np.int64)
    if share.of == 1:
        return every
    own: np.ndarray = every[((every * GOLDEN & 0xFFFFFFFF) >> 16) % share.of == share.index]
    return own


def arrange(key: Key, blocks: int, per_block: int, share: Share, header_slots: int) -> Order:
    """About `header_slots` slots for the header, a quarter of all at most; the rest for the body."""
    own = own_units(blocks, share)
    stream = key.stream("blocks")
    own = own[stream.permutation(len(own))]
    shift = np.frombuffer(stream.bytes(len(own)), np.uint8).astype(np.int64)
    head = min(-(-header_slots // per_block), len(own) // 4)
    return Order(own, shift, per_block, head, header_slots)


def _slots(blocks: np.ndarray, shift: np.ndarray, per_block: int) -> np.ndarray:
    frequency = (np.arange(per_block)[:, None] * _stride(per_block) + shift[None]) % per_block
    slots: np.ndarray = (blocks[None] * per_block + frequency).reshape(-1)
    return slots


def _stride(per_block: int) -> int:
    """A step through the frequencies that meets each once."""
    return next(s for s in range(max(1, per_block * 5 // 8), per_block + 1) if np.gcd(s, per_block) == 1)
