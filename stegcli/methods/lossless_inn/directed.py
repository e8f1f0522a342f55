"""Changes that cost more one way than the other, as the two planes of the coset layout.

A sample moves up, down or not at all with the probabilities p that a perfect code would give it:

    p(up) = exp(-r up) / z,  p(down) = exp(-r down) / z,  p(not) = 1 / z

Their entropy must be the message's length, which sets r. The lower plane then carries whether a sample moves, the upper
one which way, and each gets the part of the message that its own entropy has room for.

Reference: Minimizing additive distortion functions with non-binary embedding operation in steganography (Filler,
Fridrich, 2010). Difference: moves by two are not forbidden but cost four times as much, by three nine times, so that a
picture carries 3 bits per pixel.
"""

from __future__ import annotations

import numpy as np

FORBIDDEN = 64  # a distance no sample moves by: past 0 or 255
LOOKED_AT = 30_000  # samples that r and the upper plane's part are found from
RATE = 8.0  # where nobody asked for the share: about what 0.4 bits per pixel need
STEPS = 20  # of bisection


PIECE = 1 << 20  # samples that are worked on together: this bounds memory


class DirectedPlanes:
    """samples: grey levels int16 (n,). up, down: cost of moving each by one, (n,), positive; float16 will do."""

    def __init__(self, samples: np.ndarray, up: np.ndarray, down: np.ndarray):
        self.samples, self.up, self.down = samples, up, down
        self.rate = RATE  # r above; `share` sets it

    def __len__(self) -> int:
        return len(self.samples)

    def share(self, bits: int, slots: int) -> int:
        """Message bits and the slots that carry them -> the part that the upper plane should carry, in 256ths."""
        up, down = self.inside(self._some())
        wanted = bits / slots
        low, high = -20.0, 20.0  # of log r
        for _ in range(STEPS):
            middle = (low + high) / 2
            moves, ways = _entropies(np.exp(middle) * up, np.exp(middle) * down)
            low, high = (middle, high) if moves + ways > wanted else (low, middle)
        self.rate = float(np.exp(high))
        return min(255, round(256 * ways / (moves + ways)))

    def _some(self) -> slice:
        """Samples that stand for all, evenly spread."""
        return slice(None, None, -(-len(self) // LOOKED_AT))

    def plane(self, index: int, lower: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """-> the bits that cost least, uint8 (n,), and what each costs to flip, float32 (n,)."""
        bits, costs = np.empty(len(self), np.uint8), np.empty(len(self), np.float32)
        for first in range(0, len(self), PIECE):
            some = slice(first, first + PIECE)
            upper = None if index == 0 or lower is None else lower[some]
            bits[some], costs[some] = self._lower(some) if upper is None else self._upper(some, upper)
        return bits, costs

    def _lower(self, some: slice) -> tuple[np.ndarray, np.ndarray]:
        up, down = self.inside(some)
        gain = np.logaddexp(-self.rate * up, -self.rate * down)  # log of how much likelier a move is than none
        return (self.samples[some] & 1) ^ (gain > 0), np.abs(gain)

    def _upper(self, some: slice, lower: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        zero, one = (self._cost(some, lower | upper << 1) for upper in (0, 1))
        own = (self.samples[some] >> 1 & 1).astype(np.uint8)
        return np.where(zero == one, own, one < zero), np.abs(zero - one) * np.float32(self.rate)

    def inside(self, some: slice) -> tuple[np.ndarray, np.ndarray]:
        """The costs of moves by one; past 0 and 255 there is no way."""
        samples, up, down = self.samples[some], self._up(some), self._down(some)
        far = np.float32(FORBIDDEN**2)
        return np.where(samples == 255, far * up, up), np.where(samples == 0, far * down, down)

    def _up(self, some: slice) -> np.ndarray:
        return self.up[some].astype(np.float32)

    def _down(self, some: slice) -> np.ndarray:
        return self.down[some].astype(np.float32)

    def _cost(self, some: slice, wanted: np.ndarray) -> np.ndarray:
        """What it costs some samples to be `wanted` modulo 4, by the cheaper of the nearest ways."""
        down, up = distances(self.samples[some], wanted)
        down_cost = np.where(down <= up, down.astype(np.float32) ** 2 * self._down(some), np.inf)
        up_cost = np.where(up <= down, up.astype(np.float32) ** 2 * self._up(some), np.inf)
        cheaper: np.ndarray = np.minimum(down_cost, up_cost)
        return cheaper


def _entropies(up: np.ndarray, down: np.ndarray) -> tuple[float, float]:
    """Costs times r -> mean bits of whether a sample moves, and of which way."""
    up, down = np.exp(-up), np.exp(-down)
    z = 1 + up + down
    moves = (up + down) / z
    return _binary(moves), float(np.mean(moves * _binary_of(up / np.maximum(up + down, 1e-30))))


def _binary(p: np.ndarray) -> float:
    return float(np.mean(_binary_of(p)))


def _binary_of(p: np.ndarray) -> np.ndarray:
    """Probability -> entropy in bits."""
    p = np.clip(p, 1e-12, 1 - 1e-7)
    entropy: np.ndarray = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
    return entropy


def distances(samples: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Samples and what they must be modulo 4 -> how far it is down, and up, int16; FORBIDDEN past the range."""
    up = (wanted - samples) & 3
    down = (samples - wanted) & 3
    up = np.where(samples + up > 255, FORBIDDEN, up)
    return np.where(samples - down < 0, FORBIDDEN, down), up
