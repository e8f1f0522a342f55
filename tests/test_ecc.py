"""Error correction: what it corrects, and that its codes never change."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcli import ecc
from stegcli.key import Stream

CODES = range(len(ecc.RATES))


def random_bits(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, n, np.uint8)


def log_odds(bits: np.ndarray, error_rate: float) -> np.ndarray:
    return (2.0 * bits - 1) * math.log((1 - error_rate) / error_rate)


def with_errors(bits: np.ndarray, error_rate: float, seed: int) -> np.ndarray:
    return bits ^ (np.random.default_rng(seed).random(len(bits)) < error_rate)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 700), st.sampled_from(CODES))
def test_round_trip(n: int, code: int) -> None:
    bits = random_bits(n, n)
    coded = ecc.encode(bits, code)
    assert coded.dtype == np.uint8
    assert len(coded) == ecc.coded_length(n, code)
    assert np.array_equal(ecc.decode(log_odds(coded, 0.01), n, code), bits)


@pytest.mark.parametrize("n", [ecc.BLOCK + d for d in (-1, 0, 1)] + [2 * ecc.BLOCK + d for d in (-1, 0, 1, 9)])
@pytest.mark.parametrize("code", CODES)
def test_round_trip_around_block_borders(n: int, code: int) -> None:
    bits = random_bits(n)
    coded = ecc.encode(bits, code)
    assert len(coded) == ecc.coded_length(n, code)
    assert np.array_equal(ecc.decode(log_odds(coded, 0.01), n, code), bits)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 100_000), st.sampled_from(CODES))
def test_most_bits_is_the_most(slots: int, code: int) -> None:
    most = ecc.most_bits(slots, code)
    assert most % 8 == 0
    assert ecc.coded_length(most, code) <= slots
    assert ecc.coded_length(most + 8, code) > slots


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(1, 100_000), st.sampled_from(CODES))
def test_coded_length_keeps_the_rate(n: int, code: int) -> None:
    """Beside the rate only rounding up: one bit in each block for the information, one for the parity."""
    blocks = math.ceil(n / ecc.BLOCK)
    assert n / ecc.RATES[code] <= ecc.coded_length(n, code) <= (n + blocks) / ecc.RATES[code] + blocks


def test_rate_one_is_no_code() -> None:
    bits = random_bits(100)
    assert np.array_equal(ecc.encode(bits, 0), bits)
    assert np.array_equal(ecc.decode(log_odds(bits, 0.3), 100, 0), bits)


@pytest.mark.parametrize("code", CODES)
def test_code_is_systematic(code: int) -> None:
    bits = random_bits(1000)
    assert np.array_equal(ecc.encode(bits, code)[:1000], bits)


def test_encode_leaves_its_input() -> None:
    for code in CODES:
        bits = random_bits(100)
        ecc.encode(bits, code)[:] = 7
        assert np.array_equal(bits, random_bits(100))


# Bit error rates with margin below the point where each code breaks down at full blocks.
STANDS = {1: 0.0002, 2: 0.001, 3: 0.004, 4: 0.016, 5: 0.055, 6: 0.14}


@pytest.mark.parametrize(("code", "error_rate"), STANDS.items())
def test_corrects_errors(code: int, error_rate: float) -> None:
    corrected = 0
    for seed in range(4):
        bits = random_bits(ecc.BLOCK, seed)
        received = with_errors(ecc.encode(bits, code), error_rate, seed)
        corrected += not np.array_equal(received[: ecc.BLOCK], bits)
        assert np.array_equal(ecc.decode(log_odds(received, error_rate), ecc.BLOCK, code), bits)
    assert corrected >= 3


@pytest.mark.parametrize("code", [5, 6])
def test_soft_decisions_help(code: int) -> None:
    """A third of the slots erased: far beyond what hard decisions stand at these rates, were erasures coin tosses."""
    bits = random_bits(2000)
    soft = log_odds(ecc.encode(bits, code), 0.001)
    erased = np.random.default_rng(0).random(len(soft)) < 0.33
    soft[erased] = np.random.default_rng(1).normal(0, 1e-3, erased.sum())
    assert not np.array_equal((soft > 0)[:2000], bits)
    assert np.array_equal(ecc.decode(soft, 2000, code), bits)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("n", [1, 2, 9, 100])
def test_garbage_decodes_to_something(n: int, code: int) -> None:
    soft = np.random.default_rng(0).normal(0, 3, ecc.coded_length(n, code))
    for values in (soft, np.zeros_like(soft), np.full_like(soft, np.inf)):
        decoded = ecc.decode(values, n, code)
        assert decoded.shape == (n,)
        assert set(decoded.tolist()) <= {0, 1}


GOLDEN = {
    0: "f26f342d7ae611fec37cf5cfb1be7a433e0e2f8ef416bff04a3298377380bea6",
    1: "191be3907da73a1889ab9d2163c054d2a1da3b06842946df5113d11b5435a94d",
    2: "b5899458df4765f461b3bec6a40449093bdf2ba704924b56ddcd2ada1cf1a035",
    3: "5ccd6cf11239ed5db18571ab6dc672ffd584b9a38eac34db7baea25db931bb08",
    4: "aabeb2c3c4d9b66d0bf8170dacd3fe526a28d06914c4716601509f4dc207507c",
    5: "6a5bc59a4e45b08f1d494ecf63feacbd74462a2d18ffed9c474b758cd832b4e1",
    6: "7a1655f4f4c41e79c8917abc6313c44846d38df53d051bd65a1b1ae0a616b4b3",
}


@pytest.mark.parametrize(("code", "digest"), GOLDEN.items())
def test_codes_never_change(code: int, digest: str) -> None:
    """Three blocks. A new code gets a new index: what was hidden under an old one must still reveal."""
    coded = ecc.encode(Stream(bytes(32)).bits(20001), code)
    assert hashlib.sha256(np.packbits(coded).tobytes()).hexdigest() == digest


def test_no_rate_is_without_golden_hash() -> None:
    assert list(GOLDEN) == list(CODES)
