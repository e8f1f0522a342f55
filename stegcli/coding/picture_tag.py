"""A tag of a picture that travels without loss: any changed sample makes it wrong.

Samples are whole numbers v of 8 bits. With a secret key and a secret word w of 64 bits for each sample, a picture is
authentic if

    HMAC-SHA256(key, height | width | v // 2 of all samples), its first 8 bytes  xor  the words of all odd samples  =  0

The sender makes it so by moving a few samples to the other value of their pair, 2k or 2k + 1: half of 64 for each
receiver. It takes those that cost least, for a generator's picture those that lie at a border of rounding anyway.

A picture with other upper bits is accepted with a chance of 2^-64, since HMAC is; one with the same upper bits too,
since the words are uniform and secret. What was sent tells nothing about the words but that one sum.

Reference: the sum of secret words is the hash of Carter and Wegman, New hash functions and their use in authentication
and set equality (1981).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

import numpy as np

from stegcli.keys.stream import Stream

KEY_BYTES = 32
BITS = 64
SPARE = 64
"""Candidates besides one for each bit: random words of 64 bits depend on each other with a chance of 2^-SPARE."""


class PictureTag:
    """The tag of one message in pictures of height x width. stream: of this message and no other."""

    def __init__(self, stream: Stream, height: int, width: int):
        self._size = height.to_bytes(4, "little") + width.to_bytes(4, "little")
        self._key = stream.bytes(KEY_BYTES)
        self.words = stream.words(3 * height * width)

    def remainder(self, pixels: np.ndarray) -> int:
        """uint8 (h, w, 3) -> what is to be 0, 64 bits."""
        upper = hmac.new(self._key, self._size + (pixels >> 1).tobytes(), hashlib.sha256).digest()
        lower = np.bitwise_xor.reduce(self.words[(pixels.reshape(-1) & 1).astype(bool)], initial=np.uint64(0))
        return int.from_bytes(upper[: BITS // 8], "little") ^ int(lower)

    def holds(self, pixels: np.ndarray) -> bool:
        return self.remainder(pixels) == 0


def tagged(pixels: np.ndarray, costs: np.ndarray, tags: Sequence[PictureTag]) -> np.ndarray:
    """uint8 (h, w, 3), and what it costs to move each sample to the other value of its pair -> the same with all tags.

    Moves about half of 64 samples for each tag, the cheapest that do.
    """
    missing = sum(tag.remainder(pixels) << (BITS * i) for i, tag in enumerate(tags))
    candidates = np.argsort(costs.reshape(-1), kind="stable")[: BITS * len(tags) + SPARE]
    words = [sum(int(tag.words[c]) << (BITS * i) for i, tag in enumerate(tags)) for c in candidates]
    moved = pixels.reshape(-1).copy()
    moved[candidates[solve(words, missing)]] ^= 1
    return moved.reshape(pixels.shape)


def solve(words: Sequence[int], wanted: int) -> list[int]:
    """Words, and what some of them are to add up to without carry -> the indices of such words, the first that do.

    Raises ValueError if there are none.
    """
    reduced: dict[int, tuple[int, int]] = {}  # highest bit -> a sum of words with it, and which words, one bit for each
    for index, word in enumerate(words):
        left, used = _reduce(word, 1 << index, reduced)
        if left:
            reduced[left.bit_length()] = (left, used)
            rest, found = _reduce(wanted, 0, reduced)
            if not rest:
                return [i for i in range(index + 1) if found >> i & 1]
    if not wanted:
        return []
    raise ValueError("no such words")


def _reduce(word: int, used: int, reduced: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Subtract the sums found so far, the highest bit first."""
    while word and word.bit_length() in reduced:
        other, with_ = reduced[word.bit_length()]
        word, used = word ^ other, used ^ with_
    return word, used
