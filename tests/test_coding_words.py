"""Random code words: drawn once for all, read out of noise."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from stegcli.coding import words
from stegcli.keys.stream import Stream


def book() -> np.ndarray:
    return words.book(Stream(bytes(32)), 10, 40)


def test_words_never_change() -> None:
    assert book().shape == (1024, 40)
    digest = hashlib.sha256(np.packbits(book()).tobytes()).hexdigest()
    assert digest == "c676ce2ead97cd853c306b2aa05f237d42fa106ae54113adbbbdae6d307ea768"


def test_likeliest_word_through_noise() -> None:
    rng = np.random.default_rng(0)
    for value in rng.integers(0, 1024, 50):
        signs = 2.0 * book()[value] - 1
        signs[rng.permutation(40)[:4]] *= -0.5
        assert words.likeliest(book(), signs) == value


@pytest.mark.parametrize(("value", "digits"), [(0, [0, 0]), (0x12345, [0x48, 0x345]), (2**20 - 1, [1023, 1023])])
def test_split_and_join(value: int, digits: list[int]) -> None:
    assert words.split(value, 10, 2) == digits
    assert words.join(digits, 10) == value
