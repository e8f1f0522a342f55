"""The plan of what glow2's cascade puts where, as `benchmarks/glow2_carriers.py` makes it."""

import sys
from pathlib import Path
from runpy import run_path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SIZES = {"coarse": 2, "middle": 4, "fine": 8}
COST = {"coarse": 100.0, "middle": 10.0, "fine": 1.0}


@pytest.fixture(scope="module")
def made():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return run_path(str(BENCHMARKS / "glow2_carriers.py"))
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_the_error_is_that_of_a_linear_channel(made):
    signal = np.array([3.0, 3.0, 1.0, 1.0])
    found = made["error"](["coarse", "coarse"], signal, COST, SIZES)
    assert found == pytest.approx(2 * 100 / 5 + 4 * 10 + 8 * 1)


def test_what_costs_most_takes_the_sturdiest_places(made):
    names, _ = made["plan"](np.linspace(50, 1, 14), COST, SIZES)
    assert list(dict.fromkeys(names)) == ["coarse", "middle", "fine"]


def test_with_few_weak_places_the_coarse_is_repeated_and_the_fine_left_out(made):
    names, least = made["plan"](np.full(4, 0.5), COST, SIZES)
    assert names == ["coarse", "coarse"]
    assert least == made["error"](names, np.full(4, 0.5), COST, SIZES)


def test_no_single_change_of_the_plan_is_better(made):
    signal = np.array([9.0] * 5 + [2.0] * 6 + [0.3] * 9)
    names, least = made["plan"](signal, COST, SIZES)
    others = [made["error"](n, signal, COST, SIZES) for n in made["changed"](names, list(SIZES))]
    assert min(others) > least * (1 - 2e-4)
