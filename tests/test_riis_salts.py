"""Which salts a receiver decodes: only those whose checks stand out."""

from __future__ import annotations

import numpy as np
from riis_helpers import KEY

from stegcli.coding import ldpc
from stegcli.methods.riis import salts
from stegcli.methods.riis.envelope import HEADER_BITS, SALTS
from stegcli.methods.riis.order import Share, slots_of

COUNT = 1000


def noise(seed: int, spread: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, spread, (SALTS, COUNT))


def test_nothing_is_decoded_where_no_letter_lies() -> None:
    assert [salts.best(salts.scores(noise(seed))) for seed in range(20)] == [[]] * 20
    assert salts.best(salts.scores(np.zeros((SALTS, COUNT)))) == []


def test_the_salt_of_a_damaged_header_stands_out() -> None:
    rng = np.random.default_rng(0)
    coded = ldpc.encode_to(rng.integers(0, 2, HEADER_BITS, np.uint8), COUNT)
    odds = noise(1, 0.5)
    odds[9] += 2.0 * coded - 1
    wrong = (odds[9] > 0) != coded
    assert 0.01 < wrong.mean() < 0.05
    assert salts.best(salts.scores(odds)) == [9]


def test_the_draws_do_not_depend_on_what_was_asked_before() -> None:
    slots, fewer = slots_of(100, 64, Share()), slots_of(100, 32, Share(1, 2))
    for own in (slots, fewer, slots):
        found = salts.heads(KEY, own, 500)
        for salt in (0, 63):
            one = salts.head(KEY, salt, own, 500)
            assert np.array_equal(found[salt].slots, one.slots)
            assert np.array_equal(found[salt].words, one.words)
