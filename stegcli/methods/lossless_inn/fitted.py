"""A trained density as arrays: what hiding needs of it, without torch, which takes longer to load than all else here.

It gives the same numbers as `density.Density` but for the last bits, and only the sender uses them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

COLOURS = 3
MIDDLE = 127.5  # levels are counted from here: their squares, and what rounding takes from these, stay small
FLOOR = 0.5
"""Least spread of the surroundings, in grey levels: that of rounding, and a little."""
MOST = 80.0  # exp(MOST) is still a float32
RANGE = 5.0  # how far the logarithm of the scale may be from that of the spread


@dataclass(frozen=True)
class Fitted:
    """The parameters, float32.

    filters (3 width, 3 side^2): the first convolution, hole and all. think (3, width, width + 1), say (3, 2, width):
    the 1x1 convolutions of each colour, with their biases.
    """

    filters: np.ndarray
    think: np.ndarray
    think_bias: np.ndarray
    say: np.ndarray
    say_bias: np.ndarray
    side: int
    _scratch: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], width: int = 32, side: int = 7) -> Fitted:
        """The parameters of a `Density`, by name. Raises ValueError if they do not have its shapes."""
        held = {name.removeprefix("density."): np.asarray(array, np.float32) for name, array in arrays.items()}
        shapes = {
            "see": (COLOURS, width, COLOURS, side, side),
            "think.weight": (COLOURS * width, width + 1, 1, 1),
            "think.bias": (COLOURS * width,),
            "say.weight": (COLOURS * 2, width, 1, 1),
            "say.bias": (COLOURS * 2,),
        }
        found = {name: array.shape for name, array in held.items()}
        if found != shapes:
            raise ValueError(f"expected the tensors {shapes}, found {found}")
        return cls(
            _balanced(held["see"]).reshape(COLOURS * width, COLOURS * side**2),
            held["think.weight"].reshape(COLOURS, width, width + 1),
            held["think.bias"].reshape(COLOURS, width, 1),
            held["say.weight"].reshape(COLOURS, 2, width),
            held["say.bias"].reshape(COLOURS, 2, 1),
            side,
        )

    @property
    def reach(self) -> int:
        return self.side // 2

    def __call__(self, padded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Grey levels with `reach` more on each side, float32 (3, h + side - 1, w + side - 1) -> mean and scale of the
        logistic density of each sample inside, float32 (3, h, w)."""
        inside = (COLOURS, padded.shape[1] - self.side + 1, padded.shape[2] - self.side + 1)
        scratch = self._scratch_for(inside[1] * inside[2])
        columns = scratch.columns.reshape(COLOURS, self.side**2, -1)
        windows = sliding_window_view(padded - np.float32(MIDDLE), (self.side, self.side), axis=(1, 2))
        columns.reshape(COLOURS, self.side, self.side, *inside[1:])[...] = windows.transpose(0, 3, 4, 1, 2)
        middle, spread = _surroundings(columns)
        answers = np.matmul(self.filters, scratch.columns, out=scratch.answers)
        np.divide(answers.reshape(scratch.share.shape), spread[:, None], out=scratch.seen[:, :-1])
        _silu(scratch.seen[:, :-1], scratch.share)
        np.log(spread, out=scratch.seen[:, -1])
        thought = np.matmul(self.think, scratch.seen, out=answers.reshape(scratch.share.shape))
        thought += self.think_bias
        _silu(thought, scratch.share)
        said = self.say @ thought + self.say_bias
        mean = np.float32(MIDDLE) + middle + spread * said[:, 0]
        scale = spread * np.exp(said[:, 1].clip(-RANGE, RANGE))
        return mean.reshape(inside), scale.reshape(inside)

    def _scratch_for(self, count: int) -> Scratch:
        """This thread's arrays for so many pixels."""
        kept: Scratch | None = getattr(self._scratch, "kept", None)
        if kept is None or kept.columns.shape[1] != count:
            kept = Scratch.of(count, self.think.shape[1], self.side)
            self._scratch.kept = kept
        return kept


@dataclass(frozen=True)
class Scratch:
    """Arrays that a thread uses again for each tile: to get them anew from the system took longer than to fill them."""

    columns: np.ndarray
    answers: np.ndarray
    seen: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, count: int, width: int, side: int) -> Scratch:
        shapes = (
            (COLOURS * side**2, count),
            (COLOURS * width, count),
            (COLOURS, width + 1, count),
            (COLOURS, width, count),
        )
        return cls(*(np.empty(shape, np.float32) for shape in shapes))


def losses(levels: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grey levels and their density -> nats of likelihood that a level up and a level down take.

    The mass that a logistic density has within half a level of x is sinh(h) / (cosh(h) + cosh((x - mean) / scale)),
    with h = 1 / (2 scale): only the denominator changes.
    """
    away, step = (levels - mean) / scale, 1 / scale
    here = _denominator(away, step / 2)
    return _denominator(away + step, step / 2) - here, _denominator(away - step, step / 2) - here


def _denominator(away: np.ndarray, half: np.ndarray) -> np.ndarray:
    """log(2 cosh(half) + 2 cosh(away)), which neither overflows nor cancels."""
    away = np.abs(away)
    most = np.maximum(away, half)
    terms = np.exp(away - most) + np.exp(half - most) + np.exp(-away - most) + np.exp(-half - most)
    found: np.ndarray = most + np.log(terms)
    return found


def _balanced(see: np.ndarray) -> np.ndarray:
    """The filters with their hole, made to sum to 0 over each colour that they look at."""
    colours, _, _, side, _ = see.shape
    hole = np.ones((colours, 1, colours, side, side), np.float32)
    every = range(colours)
    hole[every, 0, every, side // 2, side // 2] = 0
    kept = see * hole
    balanced: np.ndarray = kept - hole * kept.sum((-2, -1), keepdims=True) / hole.sum((-2, -1), keepdims=True)
    return balanced


def _surroundings(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Windows (3, taps, n) -> mean and standard deviation of each without its middle, (3, n)."""
    taps = columns.shape[1]
    own = columns[:, taps // 2]
    middle = (columns.sum(axis=1) - own) / np.float32(taps - 1)
    square = (np.einsum("ctn,ctn->cn", columns, columns) - own * own) / np.float32(taps - 1)
    return middle, np.sqrt(np.maximum(square - middle * middle, 0) + np.float32(FLOOR**2))


def _silu(x: np.ndarray, share: np.ndarray) -> None:
    """x / (1 + exp(-x)), in place; `share` has its shape and is overwritten. A third of the time goes here."""
    np.clip(x, -MOST, MOST, out=share)
    np.negative(share, out=share)
    np.exp(share, out=share)
    share += 1
    x /= share
