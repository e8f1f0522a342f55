"""The compiled Viterbi algorithm: the cheapest flips, whatever the number of trellises and threads."""

from __future__ import annotations

import sys
import threading

import numba
import numpy as np
import pytest

from stegcli.coding import trellis, viterbi
from stegcli.coding.trellis import Code


def flips(code: Code, seed: int = 0, blocks: int | None = None) -> np.ndarray:
    """The flips for random costs and a random missing syndrome, of the first blocks."""
    random = np.random.default_rng(seed)
    rho = random.random((code.length, code.blocks), np.float32)
    missing = random.integers(0, 2, (code.rows, code.blocks), np.uint8)
    return viterbi.cheapest(rho[:, :blocks], missing[:, :blocks], code.bands, code.ends, code.height)


@pytest.mark.parametrize("blocks", [1, viterbi.LANES - 1, viterbi.LANES, viterbi.LANES + 1])
def test_a_trellis_does_not_depend_on_those_beside_it(blocks: int) -> None:
    code = Code(trellis.BLOCK * (viterbi.LANES + 3), 900)
    assert np.array_equal(flips(code, blocks=blocks), flips(code)[:, :blocks])


@pytest.mark.parametrize("threads", ["1", "2", "3"])
def test_a_trellis_does_not_depend_on_threads(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = Code(trellis.BLOCK * viterbi.LANES * 3, 900)
    expected = flips(code)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert np.array_equal(flips(code), expected)


@pytest.mark.parametrize("bits", [80, 400])
@pytest.mark.parametrize("law", ["exponential", "lognormal"])
def test_the_cheapest_slots_of_each_row_do_as_well_as_all(law: str, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    code = Code(trellis.BLOCK * viterbi.LANES, bits)
    rho = getattr(random, law)(size=(code.length, code.blocks)).astype(np.float32)
    missing = random.integers(0, 2, (code.rows, code.blocks), np.uint8)
    left_out = np.isinf(viterbi._cheapest_only(rho, code.ends)).mean()
    costs = []
    for most in (viterbi.CHEAPEST, code.length):
        monkeypatch.setattr(viterbi, "CHEAPEST", most)
        costs.append((rho * viterbi.cheapest(rho, missing, code.bands, code.ends, code.height)).sum())
    assert left_out > 0.2
    assert costs[0] == pytest.approx(costs[1], rel=1e-4)


def test_slots_of_equal_costs_all_take_part() -> None:
    code = Code(trellis.BLOCK, 8)
    assert np.isfinite(viterbi._cheapest_only(np.ones((code.length, viterbi.LANES)), code.ends)).all()


def test_the_loops_are_loaded_beside_other_work() -> None:
    usual, before = sys.getswitchinterval(), threading.active_count()
    trellis._load_loops.__wrapped__()
    for thread in threading.enumerate()[before:]:
        thread.join()
    assert viterbi._forward.signatures  # compiled, or read from disk
    assert sys.getswitchinterval() == usual


def test_the_compiled_loops_do_what_the_same_loops_do_in_python() -> None:
    code = Code(60, 17)
    random = np.random.default_rng(3)
    rho = random.random((code.length, viterbi.LANES), np.float32)
    missing = random.integers(0, 2, (code.rows, viterbi.LANES))
    found = []
    for forward, backward in (
        (viterbi._forward, viterbi._backward),
        (viterbi._forward.py_func, viterbi._backward.py_func),
    ):
        flipped = np.zeros((code.length, 2**code.height, viterbi.LANES), np.bool_)
        forward(rho, missing, code.bands, code.ends, code.height, flipped)
        marked = np.zeros((code.length, viterbi.LANES), np.uint32)
        backward(flipped, missing, code.bands, code.ends, marked)
        found.append(marked)
    assert found[0].any()
    assert np.array_equal(*found)


def test_without_a_place_for_the_cache_it_compiles_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def njit(**options: bool):  # type: ignore[no-untyped-def]
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: ("compiled", function)

    monkeypatch.setattr(numba, "njit", njit)
    assert viterbi.compiled(flips) == ("compiled", flips)
