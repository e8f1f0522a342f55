"""Schemes that the benchmarks of detection hide with."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("conseal")
pytest.importorskip("sklearn")
sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))

import _schemes as schemes
from flow_helpers import untrained

from stegcli.methods.lossless_inn.method import build

BITS = 6000


@pytest.fixture(scope="module")
def covers():
    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(128), np.arange(128))[None, ..., None] // 2 + np.array([10, 40, 70])
    return (smooth + rng.integers(-4, 5, (2, 128, 128, 3))).astype(np.uint8)


DENSITY = {"coder": "coset", "costs": "density", "width": 2, "side": 3}


def made(config):
    method = build(**config)
    return method if config == {"coder": "coset"} else untrained(method)


def coset(config):
    return schemes.coset_of(made(config))


@pytest.mark.parametrize(
    ("embed", "most"),
    [
        (schemes.lsb_matching, 0.55),
        (schemes.flat, 0.2),
        (schemes.hill, 0.3),
        (coset({"coder": "coset"}), 0.4),
        (coset(DENSITY), 0.5),
        (schemes.bound_of(made(DENSITY)), 0.4),
    ],
)
def test_schemes_change_few_samples_by_one(covers, embed, most):
    """most: changes per bit. The best possible is some 0.15 here, LSB matching makes 0.5."""
    stegos = embed(covers, BITS)
    steps = np.abs(stegos.astype(int) - covers)
    assert stegos.dtype == np.uint8
    assert stegos.shape == covers.shape
    for step in steps:
        assert 0.05 * BITS < (step > 0).sum() < most * BITS
        assert (step > 1).sum() < 0.01 * BITS


@pytest.mark.parametrize("embed", [schemes.hill, schemes.bound_of(made(DENSITY))])
def test_black_and_white_samples_stay_in_their_range(covers, embed):
    """Costs are kept in float16, which does not hold the cost of the way out of the range."""
    covers = np.where(covers > 120, 255, np.where(covers < 20, 0, covers)).astype(np.uint8)
    steps = embed(covers, BITS).astype(int) - covers
    assert np.abs(steps).max() == 1
    assert steps[covers == 255].max() <= 0 <= steps[covers == 0].min()


@pytest.mark.parametrize("config", [{"coder": "coset"}, DENSITY])
def test_covers_that_share_a_trellis_carry_their_own_message(covers, config):
    method = made(config)
    carriers = [schemes._Carrier.of(method, c, BITS, i) for i, c in enumerate(covers)]
    high = carriers[0].high
    schemes._carry(carriers, BITS - high, high)
    for index, bits in enumerate((BITS - high, high)):
        message = np.random.default_rng([index, 0]).integers(0, 2, 2 * bits, np.uint8)
        slots = np.concatenate([c.found[index, c.order] for c in carriers])
        assert np.array_equal(schemes.trellis.extract(schemes.trellis.Code(len(slots), 2 * bits), slots), message)
