"""Syndrome-trellis codes: the message comes back, few slots change, and the codes never change."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcli.coding import trellis
from stegcli.coding.trellis import Code
from stegcli.keys.stream import Stream


def random_bits(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, n, np.uint8)


def embedded(slots: int, bits: int, costs: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """-> slots before and after, having checked that the message comes back."""
    code, x, message = Code(slots, bits), random_bits(slots, 1), random_bits(bits, 2)
    rho = np.ones(slots, np.float32) if costs is None else costs
    y = trellis.embed(code, x, rho, message)
    assert y.shape == x.shape
    assert np.array_equal(trellis.extract(code, y), message)
    return x, y


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.data())
def test_extract_gives_what_was_embedded(data: st.DataObject) -> None:
    slots = data.draw(st.integers(1, 400))
    embedded(slots, data.draw(st.integers(0, slots)))


@pytest.mark.parametrize("slots", [trellis.BLOCK - 1, trellis.BLOCK, 2 * trellis.BLOCK, 2 * trellis.BLOCK + 1])
@pytest.mark.parametrize("rate", [0.001, 0.37, 1])
def test_extract_around_block_borders(slots: int, rate: float) -> None:
    embedded(slots, min(trellis.most_bits(slots), round(rate * slots)))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_capacity_is_all_but_the_cut(slots: int) -> None:
    most = trellis.most_bits(slots)
    assert 0 <= slots - most < max(1, slots // trellis.BLOCK)
    assert Code(slots, most).bits == most


@pytest.mark.parametrize("slots", [1, 50, 4096, 8193])
def test_capacity_edge(slots: int) -> None:
    most = trellis.most_bits(slots)
    with pytest.raises(ValueError, match="do not fit"):
        Code(slots, most + 1)
    Code(slots, most)


def test_no_message_changes_nothing() -> None:
    x, y = embedded(1000, 0)
    assert np.array_equal(x, y)
    assert len(trellis.extract(Code(1000, 0), x)) == 0


def test_message_that_is_there_already_changes_nothing() -> None:
    code, x = Code(3000, 500), random_bits(3000)
    y = trellis.embed(code, x, np.ones(3000, np.float32), trellis.extract(code, x))
    assert np.array_equal(x, y)


def test_embed_leaves_its_inputs() -> None:
    x, costs, message = random_bits(500, 1), np.ones(500, np.float32), random_bits(100, 2)
    trellis.embed(Code(500, 100), x, costs, message)
    assert np.array_equal(x, random_bits(500, 1))
    assert (costs == 1).all()
    assert np.array_equal(message, random_bits(100, 2))


@pytest.mark.parametrize(("rate", "most"), [(1 / 3, 0.075), (0.1, 0.018)])
def test_few_slots_change(rate: float, most: float) -> None:
    """Bit by bit it would be half of the rate; the limits are 0.0615 and 0.0130."""
    x, y = embedded(16384, round(16384 * rate))
    assert (x != y).mean() < most


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_costly_slots_hardly_ever_change(rate: float) -> None:
    costs = np.ones(8192, np.float32)
    costly = np.random.default_rng(0).random(8192) < 0.4
    costs[costly] = 1e6
    x, y = embedded(8192, round(8192 * rate), costs)
    assert (x != y)[costly].sum() <= 1
    assert (x != y)[~costly].sum() > 10


@pytest.mark.parametrize(("costs", "at_most"), [("spread", 1.001), ("alike", 1.0)])
def test_leaving_dear_slots_out_costs_next_to_nothing(
    costs: str, at_most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short message in blocks that fill no whole number of groups."""
    blocks = trellis.TOGETHER + 3
    slots = blocks * trellis.BLOCK
    rng = np.random.default_rng(0)
    rho = np.exp(rng.normal(0, 2, slots)).astype(np.float32) if costs == "spread" else np.ones(slots, np.float32)
    spent = []
    for pays in (trellis.PAYS, 10**9):  # choose, and never choose
        monkeypatch.setattr(trellis, "PAYS", pays)
        chosen = trellis._per_row(Code(slots, slots // 200), rho)
        assert (chosen > 0) == (costs == "spread" and pays < 10**9)
        x, y = embedded(slots, slots // 200, rho)
        spent.append(float(rho[x != y].astype(float).sum()))
    assert spent[1] <= spent[0] <= at_most * spent[1]


@pytest.mark.parametrize("rate", [0.001, 0.05, 0.5, 0.99])
def test_the_slots_that_are_needed(rate: float) -> None:
    """All of them where all cost the same, and the free ones alone where they suffice."""
    assert trellis._needed_share(rate, np.ones(1000)) > 0.98
    half = np.where(np.arange(1000) % 2, 1.0, 1e9)
    assert trellis._needed_share(rate / 2, half) == pytest.approx(0.5, abs=0.02)


def test_cheap_slots_change_more() -> None:
    costs = np.where(np.arange(8192) % 2, 1, 3).astype(np.float32)
    x, y = embedded(8192, 2000, costs)
    assert (x != y)[1::2].sum() > 2 * (x != y)[::2].sum()


def test_embed_finds_the_cheapest() -> None:
    """Against all 2^12 candidates."""
    candidates = (np.arange(2**12)[:, None] >> np.arange(12) & 1).astype(np.uint8)
    for seed, bits in enumerate([1, 3, 5, 8, 12]):
        code, x, message = Code(12, bits), random_bits(12, seed), random_bits(bits, seed + 9)
        costs = np.random.default_rng(seed).integers(1, 20, 12).astype(np.float32)
        right = [c for c in candidates if np.array_equal(trellis.extract(code, c), message)]
        best = min(float(costs[c != x].sum()) for c in right)
        y = trellis.embed(code, x, costs, message)
        assert float(costs[y != x].sum()) == best


def test_every_message_bit_matters_linearly() -> None:
    """The syndrome of a sum is the sum of the syndromes."""
    code, a, b = Code(9001, 2999), random_bits(9001, 1), random_bits(9001, 2)
    assert np.array_equal(trellis.extract(code, a ^ b), trellis.extract(code, a) ^ trellis.extract(code, b))


def test_embedding_does_not_depend_on_threads() -> None:
    threads, results = torch.get_num_threads(), set()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.add(embedded(4096, 1000)[1].tobytes())
    finally:
        torch.set_num_threads(threads)
    assert len(results) == 1


def test_large_pictures_have_a_lower_trellis(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Code(trellis.LARGE - 1, 1).height, Code(trellis.LARGE, 1).height) == (10, 7)
    monkeypatch.setattr(trellis, "LARGE", 5000)
    x, y = embedded(9000, 3000)
    assert (x != y).mean() < 0.08


GOLDEN = {
    (1024, 136): "29bd1a5293e7c3af54b1f34135530ae4b586b204f1a1ad5bc52737128a7d9783",
    (5000, 1600): "204f47e875f60bc95d0a5b9eb91699fe3da3e2c90e65e51d3a688e5131dd430d",
    (12000, 12000): "3328b32254eda16b0d2c2b7acec0bdc2bca308053da5fe8ddd97384873ac48ad",
    (9001, 2999): "aa386e87ce4323525fc16222d16ed14377f8b798545f2aa5a383f2f3c2bab293",
    (trellis.LARGE, 1000): "fca89a9e4bc47d98056dd40556f664ae897c3f2de1b1e0d820bbe54c79420b46",
}


@pytest.mark.parametrize(("size", "digest"), GOLDEN.items())
def test_codes_never_change(size: tuple[int, int], digest: str) -> None:
    """What was hidden last year must reveal next year."""
    message = trellis.extract(Code(*size), Stream(bytes(32)).bits(size[0]))
    assert hashlib.sha256(np.packbits(message).tobytes()).hexdigest() == digest
