"""Attacks on many stegos of one key: they find nothing here, and what they are after where it is to be found.

Each attack is run on 200 stegos of the layout, and on 200 of the kind of layout that this one replaced, built here:
places and mask from the key alone, a header code whose parity rows hold one information bit each.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from secrecy_helpers import constant_relations, unevenness

from stegcli.coding import coset, direct, ldpc, payload, trellis
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream

STEGOS = 200
DIRECT_SLOTS = 1200
COSET_SLOTS = 1200
OLD_HEADER_BITS = 136
OLD_COSET_HEADER = 300


@dataclass(frozen=True)
class Stegos:
    """Covers and stegos of one key, bool (STEGOS, slots), and where each stego's header lies."""

    covers: np.ndarray
    stegos: np.ndarray
    headers: np.ndarray

    @property
    def changed(self) -> np.ndarray:
        return self.covers != self.stegos


class EvenPlanes:
    """Random bits, where every change costs the same."""

    def __init__(self, bits: np.ndarray):
        self.bits = bits

    def __len__(self) -> int:
        return len(self.bits)

    def share(self, bits: int, slots: int) -> int:
        return 0

    def plane(self, index: int, lower: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        return self.bits, np.ones(len(self.bits), np.float32)


@pytest.fixture(scope="module")
def fixed() -> Iterator[None]:
    """The sender's chance, the same in every run."""
    stream = Stream(b"chance for tests".ljust(32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "token_bytes", stream.bytes)
        patch.setattr(secrets, "randbelow", lambda n: int(stream.integers(1, n)[0]))
        yield


def covers(slots: int) -> np.ndarray:
    return np.random.default_rng(slots).integers(0, 2, (STEGOS, slots), np.uint8)


def marked(places: np.ndarray, slots: int) -> np.ndarray:
    found = np.zeros(slots, bool)
    found[places] = True
    return found


@pytest.fixture(scope="module")
def in_words(key: Key, fixed: None) -> Stegos:
    """The direct layout."""
    natural, stegos, headers = covers(DIRECT_SLOTS), [], []
    for number, bits in enumerate(natural):
        plan = payload.write(bytes(number % 20), key, bits)
        stegos.append(plan.bits)
        headers.append(plan.used)
    return Stegos(natural > 0, np.array(stegos) > 0, np.array(headers))


@pytest.fixture(scope="module")
def in_old_rows(key: Key) -> Stegos:
    """The layout before: places and mask from the key alone, the header in the ladder's strongest code."""
    natural, stegos = covers(DIRECT_SLOTS), []
    length = ldpc.coded_length(OLD_HEADER_BITS, len(ldpc.RATES) - 1)
    places = key.stream("slots").permutation(DIRECT_SLOTS)[:length]
    mask = key.stream("mask").bits(length)
    for number, bits in enumerate(natural):
        header = np.random.default_rng(number).integers(0, 2, OLD_HEADER_BITS, np.uint8)
        written = bits.copy()
        written[places] = ldpc.encode(header, len(ldpc.RATES) - 1) ^ mask
        stegos.append(written)
    return Stegos(natural > 0, np.array(stegos) > 0, np.array([marked(places, DIRECT_SLOTS)] * STEGOS))


@pytest.fixture(scope="module")
def in_syndromes(key: Key, fixed: None) -> Stegos:
    """The coset layout, its lower plane."""
    natural, stegos, headers = covers(COSET_SLOTS), [], []
    for number, bits in enumerate(natural):
        lower = payload.write_coset(bytes(number % 40), key, EvenPlanes(bits)).bits[0]
        (header,) = coset._headers(lower, key)
        stegos.append(lower)
        headers.append(marked(header.slots, COSET_SLOTS))
    return Stegos(natural > 0, np.array(stegos) > 0, np.array(headers))


@pytest.fixture(scope="module")
def in_old_places(key: Key) -> Stegos:
    """The layout before: the header in the same few slots for all messages of a key."""
    natural, stegos = covers(COSET_SLOTS), []
    places = key.stream("slots").permutation(COSET_SLOTS)
    for number, bits in enumerate(natural):
        draw, lower = np.random.default_rng(number), bits.copy()
        for part, count in ((places[:OLD_COSET_HEADER], OLD_HEADER_BITS), (places[OLD_COSET_HEADER:], 160)):
            code, ones = trellis.Code(len(part), count), np.ones(len(part), np.float32)
            lower[part] = trellis.embed(code, bits[part], ones, draw.integers(0, 2, count, np.uint8))
        stegos.append(lower)
    headers = marked(places[:OLD_COSET_HEADER], COSET_SLOTS)
    return Stegos(natural > 0, np.array(stegos) > 0, np.array([headers] * STEGOS))


# Attack 1: relations between slots


def test_relations_are_found_in_the_old_layout(in_old_rows: Stegos) -> None:
    found = constant_relations(in_old_rows.stegos)
    assert len(found) > 300
    assert in_old_rows.headers[0][np.unique(found)].all()


def test_direct_layout_holds_no_relation(in_words: Stegos) -> None:
    assert constant_relations(in_words.stegos) == []


def test_coset_layout_holds_no_relation(in_syndromes: Stegos) -> None:
    assert constant_relations(in_syndromes.stegos) == []


# Attack 2: places, by who has the covers as well


def found_places(stegos: Stegos) -> float:
    """Share of the header's slots among those that changed most often, over the share that chance gives."""
    often = np.argsort(-stegos.changed.sum(0), kind="stable")[:200]
    return float(stegos.headers[:, often].mean() / stegos.headers.mean())


def test_places_are_found_in_the_old_layouts(in_old_places: Stegos, in_old_rows: Stegos) -> None:
    for old in (in_old_places, in_old_rows):
        assert unevenness(old.changed) > 1.5
        assert found_places(old) > 2


@pytest.mark.parametrize("layout", ["in_words", "in_syndromes"])
def test_no_place_stands_out(layout: str, request: pytest.FixtureRequest) -> None:
    stegos = request.getfixturevalue(layout)
    assert abs(unevenness(stegos.changed) - 1) < 5 * np.sqrt(2 / stegos.changed.shape[1])
    assert found_places(stegos) < 1.15


def test_slots_of_headers_change_as_often_as_others(in_syndromes: Stegos, in_old_places: Stegos) -> None:
    def ratio(stegos: Stegos) -> float:
        """Changes in headers, over what the rate of each stego's other slots would give there."""
        others = (stegos.changed & ~stegos.headers).sum(1) / (~stegos.headers).sum(1)
        return float((stegos.changed & stegos.headers).sum() / (others * stegos.headers.sum(1)).sum())

    assert ratio(in_old_places) > 1.5
    assert abs(ratio(in_syndromes) - 1) < 0.1


@pytest.mark.parametrize("layout", ["in_words", "in_syndromes"])
def test_stegos_agree_by_chance_alone(layout: str, request: pytest.FixtureRequest) -> None:
    """No two messages of a key change the same slots, as two with one salt and fixed places would."""
    changed = request.getfixturevalue(layout).changed.astype(np.float64)
    rates = changed.mean(1)
    both = changed @ changed.T / changed.shape[1]
    spread = np.sqrt(np.outer(rates * (1 - rates), rates * (1 - rates)) / changed.shape[1])
    off = ((both - np.outer(rates, rates)) / spread)[np.triu_indices(STEGOS, 1)]
    assert abs(off).max() < 6
    assert off.std() < 1.1


def test_headers_of_one_salt_are_rare(key: Key) -> None:
    """The control of the last test: with the same salt, messages do change the same slots."""
    sealed = [direct.Header(bytes(16), 3, 0), direct.Header(bytes(15) + b"\1", 3, 0)]
    places = [direct._header(h, key, 5000)[0] for h in sealed]
    assert np.array_equal(*places)
    other = direct._header(direct.Header(b"\1" + bytes(15), 3, 0), key, 5000)[0]
    assert len(np.intersect1d(other, places[0])) < direct.HEADER_SLOTS / 3
