"""The first bits of a message, which a receiver can read with the key alone.

    stage 1..4   16 bits of the nonce each
    stage 5, 6   16 bits of the descriptor each
    check        no bits: confirms the other stages

Each stage is written in the signs of SIGNS latents. Its 2^16 code words (`coding.words`) are drawn from the key and all
stages before it, so they are independent fair signs: two messages share signs only by chance, unless their nonces start
with the same stages. The magnitudes are not changed, so the latents stay N(0, 1).

From the nonce on, all randomness is fresh for each message, and one key serves any number of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from stegcli.coding import words as code_words
from stegcli.errors import RevealError
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream

SIGNS = 96
STAGE_BITS = 16
NONCE_STAGES, DESCRIPTOR_STAGES = 4, 2
STAGES = NONCE_STAGES + DESCRIPTOR_STAGES
SLOTS = SIGNS * (STAGES + 1)
EVIDENCE = 16.0
"""Nats by which all stages and the check together must favour "there is a message", after subtracting the gain of
choosing the best of 2^16 words. Without a message each word's likelihood ratio has mean 1, so false alarms occur less
than once in e^16 = 9 million."""
CHECK = 6.0
"""Nats that the check alone must give: it rejects a header with one stage read wrongly."""


def write(nonce: int, descriptor: int, key: Key) -> np.ndarray:
    """A nonce of 64 bits and a descriptor of 32 -> the signs of SLOTS latents, +1 and -1."""
    words = code_words.split(nonce, STAGE_BITS, NONCE_STAGES)
    words += code_words.split(descriptor, STAGE_BITS, DESCRIPTOR_STAGES)
    signs = [_book(key, i, words[:i])[word] for i, word in enumerate(words)]
    return np.concatenate([*signs, _check(key, words)]).astype(np.float64) * 2 - 1


def read(odds: np.ndarray, key: Key) -> tuple[int, int]:
    """Log-odds that each of SLOTS latents is positive -> nonce and descriptor. Raises RevealError without a header."""
    stages = odds.clip(-code_words.MOST_ODDS, code_words.MOST_ODDS).reshape(STAGES + 1, SIGNS)
    words: list[int] = []
    evidence = 0.0
    for index in range(STAGES):
        book = _book(key, index, words)
        words.append(code_words.likeliest(book, stages[index]))
        evidence += _evidence(book[words[-1]], stages[index]) - STAGE_BITS * math.log(2)
    check = _evidence(_check(key, words), stages[-1])
    if evidence + check < EVIDENCE or check < CHECK:
        raise RevealError
    nonce, descriptor = words[:NONCE_STAGES], words[NONCE_STAGES:]
    return code_words.join(nonce, STAGE_BITS), code_words.join(descriptor, STAGE_BITS)


def _evidence(word: np.ndarray, odds: np.ndarray) -> float:
    """Nats by which these log-odds favour the word over fair signs."""
    return float(np.sum(math.log(2) - np.logaddexp(0, -(2.0 * word - 1) * odds)))


def _book(key: Key, stage: int, before: list[int]) -> np.ndarray:
    """The code words of a stage, uint8 (2^16, SIGNS)."""
    return code_words.book(_stream(key, f"header {stage}", before), STAGE_BITS, SIGNS)


def _check(key: Key, words: list[int]) -> np.ndarray:
    return _stream(key, "header check", words).bits(SIGNS)


def _stream(key: Key, purpose: str, before: list[int]) -> Stream:
    return key.stream(purpose, code_words.join([1, *before], STAGE_BITS))


def shares(most: int) -> Iterator[tuple[int, int]]:
    """All (index, number of receivers) that a receiver may have: (0, 1), (0, 2), (1, 2), ..."""
    yield from ((i, n) for n in range(1, most + 1) for i in range(n))
