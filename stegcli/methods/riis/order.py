"""Which slots are a receiver's, and in which order a message's body takes them.

Each receiver has units (blocks, or samples) of its own, by a public rule. The message's own key orders them. Neighbours
in the order lie in different blocks and at different frequencies, so that slots which are dear or damaged are
scattered.
"""

from __future__ import annotations

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
class Slots:
    """The slots of one receiver: slot u * per_unit + f of the picture for each of its units u, 0 <= f < per_unit.

    units: int64, ascending. per_unit: slots of a block; 1 where the units are samples.
    """

    units: np.ndarray
    per_unit: int = 1

    def __len__(self) -> int:
        return len(self.units) * self.per_unit

    def at(self, index: np.ndarray) -> np.ndarray:
        """Numbers among the receiver's slots -> slots of the picture, int64."""
        unit, within = np.divmod(index, self.per_unit)
        found: np.ndarray = self.units[unit] * self.per_unit + within
        return found

    def body(self, message: Key, header: np.ndarray) -> np.ndarray:
        """The message's own key, the slots of its header -> all other slots in the order of its body, int64."""
        stream = message.stream("places")
        units = self.units[stream.permutation(len(self.units))]
        shift = np.frombuffer(stream.bytes(len(units)), np.uint8).astype(np.int64)
        frequency = (np.arange(self.per_unit)[:, None] * _stride(self.per_unit) + shift[None]) % self.per_unit
        slots: np.ndarray = (units[None] * self.per_unit + frequency).reshape(-1)
        taken = np.zeros(((int(self.units[-1]) if len(self.units) else -1) + 1) * self.per_unit, bool)
        taken[header] = True
        free: np.ndarray = slots[~taken[slots]]
        return free


def slots_of(units: int, per_unit: int, share: Share) -> Slots:
    """Units of a picture -> the slots of one receiver."""
    return Slots(own_units(units, share), per_unit)


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


def _stride(per_unit: int) -> int:
    """A step through the frequencies that meets each once."""
    return next(s for s in range(max(1, per_unit * 5 // 8), per_unit + 1) if np.gcd(s, per_unit) == 1)
