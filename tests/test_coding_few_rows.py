"""The Viterbi algorithm in array operations: the same flips as the compiled one, where it is worth it."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from stegcli.coding import few_rows, trellis, viterbi
from stegcli.coding.trellis import Code


@pytest.mark.parametrize("bits", [1, 9, 40, 16 * 9])
@pytest.mark.parametrize("blocks", [1, 9])
def test_the_same_flips_as_the_compiled_loops(bits: int, blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viterbi, "CHEAPEST", few_rows.CHEAPEST)
    code = Code(trellis.BLOCK * blocks, min(bits, 16 * blocks))
    random = np.random.default_rng(bits)
    rho = random.exponential(size=(code.length, code.blocks)).astype(np.float32)
    missing = random.integers(0, 2, (code.rows, code.blocks), np.uint8)
    asked = rho, missing, code.bands, code.ends, code.height
    assert few_rows.fits(code.length, code.rows, code.blocks, code.height)
    assert np.array_equal(few_rows.cheapest(*asked), viterbi.cheapest(*asked))


def test_only_short_messages_fit() -> None:
    rows = trellis.BLOCK // (2 * few_rows.CHEAPEST)
    assert few_rows.fits(trellis.BLOCK, rows, 1, trellis.HEIGHT)
    assert not few_rows.fits(trellis.BLOCK, rows + 1, 1, trellis.HEIGHT)  # too few slots for each row
    assert not few_rows.fits(trellis.BLOCK, rows, 1000, trellis.HEIGHT)  # too much to do
    assert not few_rows.fits(trellis.BLOCK, 0, 1, trellis.HEIGHT)


def test_slots_that_must_not_change_are_left_alone() -> None:
    code = Code(trellis.BLOCK, 8)
    rho = np.full((code.length, 1), np.inf, np.float32)
    rho[::16] = 1
    flips = few_rows.cheapest(rho, np.ones((code.rows, 1), np.uint8), code.bands, code.ends, code.height)
    assert flips.any()
    assert not flips[np.isinf(rho)].any()


def test_short_messages_load_no_compiled_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[None] = []
    monkeypatch.setattr(trellis, "_load_loops", lambda: loads.append(None))
    trellis.prepare(trellis.BLOCK * 100, 800)
    assert not loads
    trellis.prepare(trellis.BLOCK * 100, 2 * trellis.BLOCK * 100)  # does not fit at all
    assert not loads
    trellis.prepare(trellis.BLOCK * 100, 80_000)
    assert loads


def test_the_lowest_costs_are_sorted_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers of all costs of 50 megapixels at once would take more than a gigabyte."""
    costs = np.random.default_rng(0).random((1024, 256), np.float32)
    whole = few_rows._lowest(costs)
    monkeypatch.setattr(few_rows, "PIECE", 2**12)
    tracemalloc.start()
    try:
        assert np.array_equal(few_rows._lowest(costs), whole)
        assert tracemalloc.get_traced_memory()[1] < 2 * whole.nbytes < 8 * costs.size
    finally:
        tracemalloc.stop()
