"""Where a header lies: in one of SALTS draws of slots, as its nonce says. The receiver tries them all.

The slots of a receiver are cut into as many stretches as the header has slots; a draw has one slot in each. So neither
places nor masks nor dithers return from message to message of a key, but for those whose salts happen to be the same.
Which draw it is shows by the parity checks of the header's code, before anything is decoded.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from stegcli.coding import ldpc
from stegcli.coding.places import Strata, below
from stegcli.keys.key import Key
from stegcli.methods.riis.envelope import HEADER_BITS, SALTS
from stegcli.methods.riis.order import Slots

FOLLOWED = 3  # salts that are decoded at most, those whose checks are satisfied best
CLEAR = 5.0
"""Standard deviations by which the checks of a salt stand out from those of the others, before it is worth decoding.
One wrong salt in 3 million does; where a letter could be read, its salt stood out by 20 and more."""


@dataclass(frozen=True)
class Head:
    """The slots of a header, in the order of its coded bits, and a uniform 64-bit word for each.

    slots: int64 (..., count). words: uint64 (..., count). One row for each salt if there are several.
    """

    slots: np.ndarray
    words: np.ndarray

    def __getitem__(self, salt: int) -> Head:
        return Head(self.slots[salt], self.words[salt])

    @property
    def mask(self) -> np.ndarray:
        """What the coded bits are added to modulo 2, uint8."""
        return (self.words & np.uint64(1)).astype(np.uint8)

    @property
    def dither(self) -> np.ndarray:
        """Uniform in (0, 1), float64: 8 bits of it suffice against steps of a few tens of grey levels."""
        return dither_of((self.words >> np.uint64(8)).astype(np.uint8))

    def unmasked(self, odds: np.ndarray) -> np.ndarray:
        """Log-odds of the slots -> log-odds of the coded bits."""
        result: np.ndarray = odds * (1.0 - 2.0 * self.mask)
        return result


def dither_of(drawn: np.ndarray) -> np.ndarray:
    """Uniform bytes -> uniform in (0, 1), float64."""
    result: np.ndarray = (drawn + 0.5) / 256
    return result


def head(key: Key, salt: int, slots: Slots, count: int) -> Head:
    """The header of a salt in `count` of a receiver's slots; 0 < count <= len(slots)."""
    return _placed(_words(key, salt, count), slots, count, _stretches(key, count))


def heads(key: Key, slots: Slots, count: int) -> Head:
    """The headers of all salts, one row for each."""
    words, stretches = _all_words(key, count)
    all_heads = [_placed(drawn, slots, count, stretches) for drawn in words]
    return Head(np.stack([h.slots for h in all_heads]), words[:, :count])


def scores(odds: np.ndarray) -> np.ndarray:
    """Log-odds of the headers' coded bits under each salt (SALTS, count) -> how far the checks of each salt stand out,
    in standard deviations of those of all salts but the best, (SALTS,)."""
    fit = ldpc.agreement(odds, HEADER_BITS)
    others = np.sort(fit)[:-1]
    found: np.ndarray = (fit - others.mean()) / max(float(others.std()), 1e-9)
    return found


def best(scores: np.ndarray) -> list[int]:
    """-> the few numbers that are worth decoding, that with the highest score first; none if no salt stands out."""
    found: list[int] = np.argsort(-scores, kind="stable")[:FOLLOWED].tolist()
    return [number for number in found if scores[number] > CLEAR]


def _stretches(key: Key, count: int) -> np.ndarray:
    """The stretch of each slot of a header: not in the picture's order, since a white area spoils neighbours."""
    return key.stream("stretches").permutation(count)


@functools.lru_cache(maxsize=4)
def _all_words(key: Key, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The words of all salts (SALTS, count + 1), and the stretches. A receiver needs them for each carrier it tries."""
    return np.stack([_words(key, salt, count) for salt in range(SALTS)]), _stretches(key, count)


def _words(key: Key, salt: int, count: int) -> np.ndarray:
    return key.stream("header", salt).words(count + 1)


def _placed(drawn: np.ndarray, slots: Slots, count: int, stretches: np.ndarray) -> Head:
    words, start = drawn[:count], below(drawn[count:], len(slots))[0]
    return Head(slots.at(Strata(len(slots), count).within(stretches, words, start)), words)
