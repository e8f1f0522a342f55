"""lossless-inn: counts of residuals that occur together, and what moves change in them."""

import numpy as np
import pytest

from stegcli.methods.lossless_inn import cooccurrences
from stegcli.methods.lossless_inn.cooccurrences import COUNTED

STATISTICS = [pytest.param(s, id=str(i)) for i, s in enumerate(COUNTED)]


def levels_for(statistic, shape=(9, 8)):
    """Noise whose residuals are as often small as large."""
    draw = np.random.default_rng(0)
    return (100 + draw.normal(0, 3, (statistic.taps.shape[2], *shape))).astype(np.int16)


def counted(levels, statistic):
    return cooccurrences.counts(cooccurrences.codes(levels, statistic), statistic)


def table_for(statistic):
    """Random, and the same from either end."""
    table = np.random.default_rng(1).normal(size=statistic.shape)
    back = table[:, ::-1, ::-1, ::-1]
    return table + (back.transpose(0, 3, 2, 1) if statistic.turned else back)


def triples(levels, statistic):
    """By a plain loop: group of shapes, and triple of rounded residuals."""
    for i, shape in enumerate(statistic.shapes):
        for y, x in np.ndindex(levels.shape[1:]):
            points = [(y + dy, x + dx) for dy, dx in shape]
            if all(a < levels.shape[1] and b < levels.shape[2] for a, b in points):
                around = np.array([levels[:, a, b] for a, b in points])
                exact = (statistic.taps * around).sum((1, 2)) / statistic.step
                rounded = np.sign(exact) * np.floor(np.abs(exact) + 0.5)
                yield i // 2, rounded.clip(-statistic.most, statistic.most).astype(int)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_counts_are_those_of_a_plain_loop(statistic):
    levels = levels_for(statistic)
    expected = np.zeros(statistic.shape)
    for group, triple in triples(levels, statistic):
        for seen in (triple, -triple[::-1] if statistic.turned else -triple):
            expected[(group, *(seen + statistic.most))] += 1
    assert np.array_equal(counted(levels, statistic), expected)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_what_a_move_adds_is_what_it_changes(statistic):
    levels, table = levels_for(statistic), table_for(statistic)
    added = cooccurrences.moves(levels, [table], [statistic])
    before = counted(levels, statistic)
    for way, by in enumerate((1, -1)):
        for place in np.ndindex(levels.shape):
            moved = levels.copy()
            moved[place] += by
            change = (table * (counted(moved, statistic) - before)).sum() / 2
            assert added[(way, *place)] == pytest.approx(change, abs=1e-4)


def test_statistics_add_up():
    levels, tables = levels_for(COUNTED[0]), [table_for(s) for s in COUNTED]
    single = [cooccurrences.moves(levels, [t], [s]) for t, s in zip(tables, COUNTED, strict=True)]
    assert np.allclose(cooccurrences.moves(levels, tables, COUNTED), sum(single), atol=1e-4)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_blocks_side_by_side_are_counted_each_by_itself(statistic):
    blocks = np.stack([levels_for(statistic), levels_for(statistic)[:, ::-1] + 1], axis=1)
    assert np.array_equal(counted(blocks, statistic), sum(counted(blocks[:, i], statistic) for i in range(2)))
    added = cooccurrences.moves(blocks, [table_for(statistic)], [statistic])
    for i in range(2):
        assert np.allclose(
            added[:, :, i], cooccurrences.moves(blocks[:, i], [table_for(statistic)], [statistic]), atol=1e-4
        )


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (9, 3)])
@pytest.mark.parametrize("statistic", STATISTICS)
def test_pictures_that_are_too_small_have_no_triples(statistic, shape):
    levels = levels_for(statistic, shape)
    assert counted(levels, statistic).sum() == 2 * len(list(triples(levels, statistic)))
    assert cooccurrences.moves(levels, [table_for(statistic)], [statistic]).shape == (2, *levels.shape)


def test_no_triple_reaches_farther_than_is_said():
    assert max(np.max(shape) for s in COUNTED for shape in s.shapes) == cooccurrences.FARTHEST
