"""Random code words under maximum likelihood: a few bits out of strong noise, and no fixed relation between them.

Each of 2^bits values has a word of fair signs of its own, drawn from a keyed stream. The receiver compares what arrived
with every word and takes the likeliest. This is the code of Shannon's proof. A linear code of that length would do as
well, but holds relations between places that are the same in all messages of a key; drawn words hold none.
"""

from __future__ import annotations

import numpy as np

from stegcli.keys.stream import Stream

MOST_ODDS = 6.0
"""Log-odds that a single sign is believed at most: one wrong sign that is too sure of itself must not decide."""


def book(stream: Stream, bits: int, signs: int) -> np.ndarray:
    """The code words of all values, uint8 0 and 1 (2^bits, signs), row by row from the stream's bits."""
    return stream.bits(2**bits * signs).reshape(2**bits, signs)


def likeliest(words: np.ndarray, odds: np.ndarray) -> int:
    """Words (k, signs) and the log-odds of each sign (positive for 1) -> index of the likeliest word."""
    return int(np.argmax(words.astype(np.float32) @ odds.astype(np.float32)))


def split(value: int, bits: int, stages: int) -> list[int]:
    """A number -> its digits of `bits` bits each, the highest first."""
    return [value >> (bits * i) & (2**bits - 1) for i in reversed(range(stages))]


def join(digits: list[int], bits: int) -> int:
    """The inverse of `split`."""
    value = 0
    for digit in digits:
        value = value << bits | digit
    return value
