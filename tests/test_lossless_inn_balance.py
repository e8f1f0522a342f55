"""lossless-inn: costs under which the expected counts of a stego are those of its cover."""

import numpy as np
import pytest
from skimage import data as samples

from stegcli.methods.lossless_inn import balance, cooccurrences, wet
from stegcli.methods.lossless_inn.balance import BalancedPlanes
from stegcli.methods.lossless_inn.cooccurrences import COUNTED
from stegcli.methods.lossless_inn.directed import DirectedPlanes
from stegcli.methods.lossless_inn.method import build
from stegcli.pictures.image import Picture

SIDE = 96
BITS = int(0.4 * SIDE**2)


def photo():
    """A crop of a photo, reduced, so that nothing of its JPEG past is left."""
    whole = samples.coffee()[: 4 * SIDE, 100 : 100 + 4 * SIDE].reshape(SIDE, 4, SIDE, 4, 3).mean((1, 3))
    return np.ascontiguousarray(whole.transpose(2, 0, 1).round().astype(np.int16))


def pixels_of(levels):
    return np.ascontiguousarray(levels.transpose(1, 2, 0).astype(np.uint8))


def flat(levels):
    """Costs under which every move costs the same: told most easily."""
    return np.ones((2, levels.size), np.float16)


def balanced(levels, costs):
    return BalancedPlanes(levels.ravel(), *costs.copy(), *levels.shape[1:])


def drift(planes, levels, draws=12):
    """Mean changes of the counts, squared, in terms of what chance makes of a count. Two halves of the draws are
    multiplied, so that what chance does to either is 0 on average."""
    draw = np.random.default_rng(5)
    p, q = (np.exp(-planes.rate * cost).reshape(levels.shape) for cost in planes.inside(slice(None)))
    before = [cooccurrences.counts(cooccurrences.codes(levels, s), s) for s in COUNTED]
    halves = [[np.zeros_like(b) for b in before] for _ in range(2)]
    for i in range(draws):
        drawn = draw.random(levels.shape) * (1 + p + q)
        moved = levels + (drawn < p) - ((drawn >= p) & (drawn < p + q))
        for change, old, s in zip(halves[i % 2], before, COUNTED, strict=True):
            change += (cooccurrences.counts(cooccurrences.codes(moved, s), s) - old) * (2 / draws)
    return [float((a * b / (old + 20)).sum()) for a, b, old in zip(*halves, before, strict=True)]


def test_counts_drift_less():
    levels = photo()
    plain, better = DirectedPlanes(levels.ravel(), *flat(levels)), balanced(levels, flat(levels))
    for planes in (plain, better):
        planes.share(BITS, levels.size)
    for before, after in zip(drift(plain, levels), drift(better, levels), strict=True):
        assert after < 0.6 * before


def test_the_payload_is_met():
    levels = photo()
    planes = balanced(levels, flat(levels))
    planes.share(BITS, levels.size)
    p, q = (np.exp(-planes.rate * cost.astype(float)) for cost in planes.inside(slice(None)))
    z = 1 + p + q
    bits = -sum((x / z * np.log2(np.maximum(x / z, 1e-30))).sum() for x in (np.ones_like(p), p, q))
    assert bits == pytest.approx(BITS, rel=0.01)


def test_costs_do_not_depend_on_strips(monkeypatch):
    levels = photo()
    whole, cut = balanced(levels, flat(levels)), balanced(levels, flat(levels))
    whole.share(BITS, levels.size)
    monkeypatch.setattr(balance, "STRIP", 7)
    cut.share(BITS, levels.size)
    assert np.allclose(whole.up, cut.up, rtol=2e-3)
    assert np.allclose(whole.down, cut.down, rtol=2e-3)


@pytest.mark.parametrize("bits", [8, BITS, 3 * SIDE**2])
def test_costs_stay_positive_and_finite_and_what_is_to_stay_stays_dear(bits):
    levels = photo()
    costs = flat(levels)
    costs[:, ::5] = wet.COST
    planes = balanced(levels, costs)
    planes.share(bits, levels.size)
    for cost in (planes.up, planes.down):
        assert np.isfinite(cost).all()
        assert (cost > 0).all()
        assert (cost[::5] > 100).all()


def test_a_second_message_adds_nothing():
    levels = photo()
    planes = balanced(levels, flat(levels))
    first = planes.share(BITS, levels.size), planes.up.copy()
    assert planes.share(BITS, levels.size) == first[0]
    assert np.array_equal(planes.up, first[1])


@pytest.mark.parametrize(("height", "width"), [(700, 1000), (40, 9000)])
def test_large_pictures_are_measured_on_blocks_of_one_size_inside_them(height, width):
    cut = [np.arange(height)[y].size * np.arange(width)[x].size for y, x in balance._blocks(height, width)]
    assert cut == [min(height, balance.SIDE) * balance.SIDE] * balance.BLOCKS
    assert len(set(map(str, balance._blocks(height, width)))) == balance.BLOCKS


def test_small_pictures_are_measured_as_a_whole():
    assert list(balance._blocks(SIDE, SIDE)) == [(slice(None), slice(None))]


def test_blocks_stand_for_the_whole(monkeypatch):
    levels = photo()
    plain, better = DirectedPlanes(levels.ravel(), *flat(levels)), balanced(levels, flat(levels))
    monkeypatch.setattr(balance, "SIDE", 16)
    for planes in (plain, better):
        planes.share(BITS, levels.size)
    before, after = (sum(drift(p, levels)) for p in (plain, better))
    assert after < before / 2


def test_covers_in_colour_are_balanced():
    method = build(coder="coset", costs="density", width=4, side=5)
    planes = method.planes(Picture(pixels_of(photo())))
    assert isinstance(planes, BalancedPlanes)
    before = planes.up.astype(np.float32)
    planes.share(BITS, len(planes))
    assert np.abs(planes.up - before).max() > 0


def test_covers_in_grey_have_the_costs_of_hill_whatever_the_weights():
    grey = Picture(pixels_of(np.repeat(photo()[1:2], 3, axis=0)))
    density, hill = (build(**c).planes(grey) for c in ({"coder": "coset", "costs": "density"}, {"coder": "coset"}))
    assert len(density) == len(hill) == SIDE**2
    assert np.array_equal(density.up, density.down)
    assert np.array_equal(density.up, hill.costs)
