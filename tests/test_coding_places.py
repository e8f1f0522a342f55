"""Places: distinct, all of them, spread evenly, the same in pieces as in one go."""

from __future__ import annotations

import numpy as np
import pytest

from stegcli.coding import places, trellis
from stegcli.coding.places import MOST_DRAWN, Deal, HeaderPlaces, Strata
from stegcli.keys.key import Key


@pytest.mark.parametrize("slots", [1, 2, 7, 4096, 8191, 8192, 12_345, 100_003])
def test_a_deal_takes_every_slot_once(key: Key, slots: int) -> None:
    (dealt,) = Deal(slots, key.stream("slots")).take(np.arange(slots))
    assert len(dealt) == trellis.most_bits(slots)
    assert len(np.unique(dealt)) == len(dealt)


@pytest.mark.parametrize("slots", [5, 9000, 20_001])
def test_put_undoes_take(key: Key, slots: int) -> None:
    deal, values = Deal(slots, key.stream("slots")), np.random.default_rng(0).integers(0, 9, slots)
    (dealt,), changed = deal.take(values), values.copy()
    deal.put(dealt + 10, changed)
    assert (changed >= 10).sum() == trellis.most_bits(slots)
    deal.put(dealt, changed)
    assert np.array_equal(changed, values)


def test_deal_does_not_depend_on_how_much_is_done_at_once(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = Deal(50_000, key.stream("slots")).take(np.arange(50_000))
    monkeypatch.setattr(places, "BLOCKS_AT_ONCE", 5)
    assert np.array_equal(*Deal(50_000, key.stream("slots")).take(np.arange(50_000)), whole)


def test_neighbours_are_dealt_far_apart(key: Key) -> None:
    """Places and blocks of neighbours in the picture have nothing to do with one another."""
    (dealt,) = Deal(40_960, key.stream("slots")).take(np.arange(40_960))
    at = np.argsort(dealt)
    blocks, within = at // 4096, at % 4096
    assert 0.08 < (blocks[1:] == blocks[:-1]).mean() < 0.12
    assert abs(np.corrcoef(within[1:], within[:-1])[0, 1]) < 0.03
    assert (np.abs(np.diff(within)) == 1).mean() < 0.002


@pytest.mark.parametrize("slots", [256, 3000, MOST_DRAWN + 1, 300_000])
def test_a_draw_is_of_distinct_slots(key: Key, slots: int) -> None:
    drawn = HeaderPlaces(key, slots).drawn(3).take(MOST_DRAWN)
    assert len(np.unique(drawn)) == len(drawn) == min(slots, MOST_DRAWN)
    assert drawn.min() >= 0
    assert drawn.max() < slots


def test_a_draw_is_the_same_in_pieces(key: Key) -> None:
    header = HeaderPlaces(key, 70_000)
    draw = header.drawn(9)
    pieces = np.concatenate([draw.take(n) for n in (1, 300, 8192)])
    assert np.array_equal(header.drawn(9).take(8493), pieces)


def test_salts_and_keys_draw_differently(key: Key) -> None:
    header = HeaderPlaces(key, 5000)
    draws = [header.drawn(s).take(1000) for s in range(64)]
    draws.append(HeaderPlaces(Key(key.method, key.weights, bytes(32)), 5000).drawn(0).take(1000))
    shared = [len(np.intersect1d(a, b)) for i, a in enumerate(draws) for b in draws[:i]]
    assert abs(np.mean(shared) - 200) < 5
    assert max(shared) < 280


@pytest.mark.parametrize("slots", [100, 150, 199, 1000])
def test_no_slot_is_likelier_than_others(key: Key, slots: int) -> None:
    """Stretches of one slot and of two lie side by side in a picture that is hardly larger than their number."""
    stream, strata = key.stream("test"), Strata(slots, 100)
    counts = np.zeros(slots)
    for _ in range(2000):
        start = int(stream.integers(1, slots)[0])
        counts[strata.within(np.arange(0, 100, 7), stream.words(15), start)] += 1
    expected = 2000 * 15 / slots
    assert (abs(counts - expected) / np.sqrt(expected)).max() < 5
