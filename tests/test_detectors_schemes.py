"""Ways to hide in pixels, to compare with: as much as is asked, few changes, none past black and white."""

from __future__ import annotations

import numpy as np
import pytest
from detector_helpers import parts

from stegcli.detectors import bound, schemes
from stegcli.errors import CapacityError

BITS = 3000


@pytest.fixture(scope="module")
def cover() -> np.ndarray:
    (pixels,) = parts(1, 96)
    return pixels


@pytest.mark.parametrize(("name", "least", "most"), [
    ("LSB replacement", 0.45, 0.55), ("LSB matching", 0.45, 0.55), ("HILL", 0.08, 0.35), ("S-UNIWARD", 0.08, 0.35),
])  # fmt: skip
def test_schemes_change_few_samples_by_one(cover: np.ndarray, name: str, least: float, most: float) -> None:
    """least, most: changes per bit."""
    stego = schemes.SCHEMES[name](cover, BITS, np.random.default_rng(0))
    steps = np.abs(stego.astype(int) - cover)
    assert stego.dtype == np.uint8
    assert steps.max() == 1
    assert least * BITS < steps.sum() < most * BITS


@pytest.mark.parametrize("name", schemes.SCHEMES)
@pytest.mark.parametrize("level", [0, 255])
def test_no_scheme_goes_past_black_and_white(name: str, level: int) -> None:
    pixels = np.full((32, 32, 3), level, np.uint8)
    pixels[::2] = 128
    stego = schemes.SCHEMES[name](pixels, 500, np.random.default_rng(0))
    assert np.abs(stego.astype(int) - pixels).max() == 1


@pytest.mark.parametrize("name", schemes.SCHEMES)
def test_too_much_is_refused(name: str) -> None:
    pixels = np.full((16, 16, 3), 100, np.uint8)
    with pytest.raises(CapacityError):
        schemes.SCHEMES[name](pixels, 2000, np.random.default_rng(0))


def test_replacement_holds_the_lowest_bits_alone(cover: np.ndarray) -> None:
    stego = schemes.lsb_replacement(cover, BITS, np.random.default_rng(0))
    assert np.array_equal(stego >> 1, cover >> 1)
    matched = schemes.lsb_matching(cover, BITS, np.random.default_rng(0))
    assert not np.array_equal(matched >> 1, cover >> 1)


@pytest.mark.parametrize("name", ["hill", "suniward"])
def test_costs_are_those_of_conseal(cover: np.ndarray, name: str) -> None:
    """But for a factor, and the border."""
    conseal = pytest.importorskip("conseal")
    channel = np.ascontiguousarray(cover[..., 1])
    up, down = getattr(conseal, name).compute_cost_adjusted(channel)
    ours = getattr(schemes, f"{name}_costs")(channel)
    inner = np.zeros(channel.shape, bool)
    inner[20:-20, 20:-20] = True
    inner &= up == down
    ratio = (up / ours)[inner]
    assert inner.sum() > 2000
    assert ratio == pytest.approx(np.median(ratio), rel=1e-3)


# -- the bound


def test_moves_carry_the_payload() -> None:
    """As many bits as the entropy of the changes, if all cost the same."""
    costs = np.ones(90_000)
    moves = bound.moves(costs, costs, 20_000, np.random.default_rng(0))
    shares = np.array([(moves == k).mean() for k in (-1, 0, 1)])
    assert -(shares * np.log2(shares)).sum() * costs.size == pytest.approx(20_000, rel=0.02)
    assert shares[0] == pytest.approx(shares[2], rel=0.1)


def test_moves_keep_to_what_is_cheap() -> None:
    costs = np.repeat([1.0, 8.0, np.inf], 5000)
    moves = bound.moves(costs, costs, 3000, np.random.default_rng(0)) != 0
    cheap, dear, never = moves.reshape(3, -1).sum(axis=1)
    assert cheap > 20 * dear
    assert never == 0
    with pytest.raises(CapacityError):
        bound.moves(costs, costs, 30_000, np.random.default_rng(0))
