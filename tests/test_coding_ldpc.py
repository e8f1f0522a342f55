"""Error correction: what it corrects, and that its codes never change."""

from __future__ import annotations

import hashlib
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcli.coding import ldpc
from stegcli.keys.stream import Stream

CODES = range(len(ldpc.RATES))


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
    coded = ldpc.encode(bits, code)
    assert coded.dtype == np.uint8
    assert len(coded) == ldpc.coded_length(n, code)
    assert np.array_equal(ldpc.decode(log_odds(coded, 0.01), n, code), bits)


@pytest.mark.parametrize("n", [ldpc.BLOCK + d for d in (-1, 0, 1)] + [2 * ldpc.BLOCK + d for d in (-1, 0, 1, 9)])
@pytest.mark.parametrize("code", CODES)
def test_round_trip_around_block_borders(n: int, code: int) -> None:
    bits = random_bits(n)
    coded = ldpc.encode(bits, code)
    assert len(coded) == ldpc.coded_length(n, code)
    assert np.array_equal(ldpc.decode(log_odds(coded, 0.01), n, code), bits)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 100_000), st.sampled_from(CODES))
def test_most_bits_is_the_most(slots: int, code: int) -> None:
    most = ldpc.most_bits(slots, code)
    assert most % 8 == 0
    assert ldpc.coded_length(most, code) <= slots
    assert ldpc.coded_length(most + 8, code) > slots


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(1, 100_000), st.sampled_from(CODES))
def test_coded_length_keeps_the_rate(n: int, code: int) -> None:
    """Beside the rate only rounding up: one bit in each block for the information, one for the parity."""
    blocks = math.ceil(n / ldpc.BLOCK)
    assert n / ldpc.RATES[code] <= ldpc.coded_length(n, code) <= (n + blocks) / ldpc.RATES[code] + blocks


def test_rate_one_is_no_code() -> None:
    bits = random_bits(100)
    assert np.array_equal(ldpc.encode(bits, 0), bits)
    assert np.array_equal(ldpc.decode(log_odds(bits, 0.3), 100, 0), bits)


@pytest.mark.parametrize("code", CODES)
def test_code_is_systematic(code: int) -> None:
    bits = random_bits(1000)
    assert np.array_equal(ldpc.encode(bits, code)[:1000], bits)


def test_encode_leaves_its_input() -> None:
    for code in CODES:
        bits = random_bits(100)
        ldpc.encode(bits, code)[:] = 7
        assert np.array_equal(bits, random_bits(100))


# Bit error rates with margin below the point where each code breaks down at full blocks.
STANDS = {1: 0.0002, 2: 0.001, 3: 0.004, 4: 0.016, 5: 0.055, 6: 0.14}


@pytest.mark.parametrize(("code", "error_rate"), STANDS.items())
def test_corrects_errors(code: int, error_rate: float) -> None:
    corrected = 0
    for seed in range(4):
        bits = random_bits(ldpc.BLOCK, seed)
        received = with_errors(ldpc.encode(bits, code), error_rate, seed)
        corrected += not np.array_equal(received[: ldpc.BLOCK], bits)
        assert np.array_equal(ldpc.decode(log_odds(received, error_rate), ldpc.BLOCK, code), bits)
    assert corrected >= 3


@pytest.mark.parametrize("code", [5, 6])
def test_soft_decisions_help(code: int) -> None:
    """A third of the slots erased: far beyond what hard decisions stand at these rates, were erasures coin tosses."""
    bits = random_bits(2000)
    soft = log_odds(ldpc.encode(bits, code), 0.001)
    erased = np.random.default_rng(0).random(len(soft)) < 0.33
    soft[erased] = np.random.default_rng(1).normal(0, 1e-3, erased.sum())
    assert not np.array_equal((soft > 0)[:2000], bits)
    assert np.array_equal(ldpc.decode(soft, 2000, code), bits)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("n", [1, 2, 9, 100])
def test_garbage_decodes_to_something(n: int, code: int) -> None:
    soft = np.random.default_rng(0).normal(0, 3, ldpc.coded_length(n, code))
    for values in (soft, np.zeros_like(soft), np.full_like(soft, np.inf)):
        decoded = ldpc.decode(values, n, code)
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
    coded = ldpc.encode(Stream(bytes(32)).bits(20001), code)
    assert hashlib.sha256(np.packbits(coded).tobytes()).hexdigest() == digest


def test_no_rate_is_without_golden_hash() -> None:
    assert list(GOLDEN) == list(CODES)


# Irregular codes of any rate


def sigma_at(capacity: float) -> float:
    """Bits per coded bit that a channel with inputs +-1 and Gaussian noise lets through -> the noise's deviation."""
    noise = np.random.default_rng(0).standard_normal(20_000)
    low, high = 0.05, 10.0
    for _ in range(25):
        middle = math.sqrt(low * high)
        let_through = 1 - np.logaddexp(0, -2 * (1 + middle * noise) / middle**2).mean() / math.log(2)
        low, high = (middle, high) if let_through > capacity else (low, middle)
    return low


def through_noise(coded: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Coded bits -> honest log-odds after Gaussian noise."""
    received = 2.0 * coded - 1 + sigma * np.random.default_rng([1, seed]).standard_normal(len(coded))
    return 2 * received / sigma**2


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.integers(1, 500), st.integers(1, 2500))
def test_any_rate_round_trip(n: int, more: int) -> None:
    bits = random_bits(n, n)
    coded = ldpc.encode_to(bits, n + more)
    assert coded.dtype == np.uint8
    assert coded.shape == (n + more,)
    assert set(coded.tolist()) <= {0, 1}
    assert np.array_equal(ldpc.decode_from(log_odds(coded, 0.01), n), bits)


AROUND_BLOCKS = [(b * ldpc.BLOCK + d, extra) for b in (1, 2) for d in (-1, 0, 1) for extra in (5, 777, 9000)]


@pytest.mark.parametrize(("n", "extra"), AROUND_BLOCKS)
def test_any_rate_round_trip_around_block_borders(n: int, extra: int) -> None:
    bits = random_bits(n)
    coded = ldpc.encode_to(bits, n + extra)
    assert len(coded) == n + extra
    assert np.array_equal(ldpc.decode_from(log_odds(coded, 0.01), n), bits)


@pytest.mark.parametrize(("n", "length"), [(0, 10), (10, 10), (11, 10), (1, 0), (100, 1)])
def test_codes_that_cannot_be_are_refused(n: int, length: int) -> None:
    with pytest.raises(ValueError, match="cannot be coded"):
        ldpc.encode_to(random_bits(n), length)
    with pytest.raises(ValueError, match="cannot be coded"):
        ldpc.decode_from(np.zeros(length), n)


@pytest.mark.parametrize(("n", "length"), [(100, 450), (8192, 8193), (20_001, 50_000), (3 * 8192, 30_000)])
def test_blocks_are_nearly_equal_and_cover_all(n: int, length: int) -> None:
    spans = ldpc._spans(n, length)
    assert len(spans) == math.ceil(n / ldpc.BLOCK)
    for which, end in ((0, n), (1, length)):
        edges = [s[which] for s in spans]
        assert edges[0][0] == 0
        assert edges[-1][1] == end
        assert all(a[1] == b[0] for a, b in itertools.pairwise(edges))
        sizes = [b - a for a, b in edges]
        assert max(sizes) - min(sizes) <= 1
    assert all(b - a <= ldpc.BLOCK for (a, b), _ in spans)
    assert all(d - c > b - a for (a, b), (c, d) in spans)


def test_any_rate_is_systematic_in_every_block() -> None:
    bits = random_bits(20_000)
    coded = ldpc.encode_to(bits, 47_000)
    for (a, b), (c, _) in ldpc._spans(20_000, 47_000):
        assert np.array_equal(coded[c : c + b - a], bits[a:b])


def test_encode_to_leaves_its_input() -> None:
    bits = random_bits(100)
    ldpc.encode_to(bits, 300)[:] = 7
    assert np.array_equal(bits, random_bits(100))


def test_any_rate_is_linear() -> None:
    """Of any two code words the sum is one too: the parity is that of the sum."""
    a, b = random_bits(3000, 1), random_bits(3000, 2)
    assert np.array_equal(ldpc.encode_to(a ^ b, 8000), ldpc.encode_to(a, 8000) ^ ldpc.encode_to(b, 8000))
    assert not ldpc.encode_to(np.zeros(3000, np.uint8), 8000).any()


# Rate, and the share of a Gaussian channel's capacity that it must reach with blocks of a quarter of full length.
REACHES = {0.2: 0.75, 0.25: 0.77, 0.35: 0.8, 0.45: 0.82, 0.5: 0.85, 0.6: 0.85, 0.75: 0.87, 0.9: 0.94}


@pytest.mark.parametrize(("rate", "share"), REACHES.items())
def test_corrects_gaussian_noise_near_capacity(rate: float, share: float) -> None:
    sigma, n = sigma_at(rate / share), ldpc.BLOCK // 4
    for seed in range(2):
        bits = random_bits(n, seed)
        soft = through_noise(ldpc.encode_to(bits, round(n / rate)), sigma, seed)
        assert not np.array_equal(soft[:n] > 0, bits)
        assert np.array_equal(ldpc.decode_from(soft, n), bits)


def test_corrects_short_messages() -> None:
    """The shortest that glow2 sends: a tag alone, and a few bytes, with more distance to capacity."""
    for n in (128, 192, 512):
        for seed in range(4):
            bits = random_bits(n, seed)
            soft = through_noise(ldpc.encode_to(bits, 5 * n), sigma_at(0.4), seed)
            assert np.array_equal(ldpc.decode_from(soft, n), bits)


def test_corrects_several_blocks_with_noise_here_and_there() -> None:
    n, length = 2 * ldpc.BLOCK + 5, 5 * ldpc.BLOCK
    bits = random_bits(n)
    soft = through_noise(ldpc.encode_to(bits, length), sigma_at(0.55), 0)
    soft[::50] = 0.0  # known to be lost
    assert np.array_equal(ldpc.decode_from(soft, n), bits)


def erased(n: int, length: int, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bits, and log-odds of their coded form where so large a share is not known and the rest is sure."""
    bits = random_bits(n, seed)
    soft = log_odds(ldpc.encode_to(bits, length), 1e-5)
    soft[np.random.default_rng(seed).random(length) < share] = 0.0
    return bits, soft


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_only_what_is_not_known_is_searched_for(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    bits, soft = erased(2 * ldpc.BLOCK + 5, 5 * ldpc.BLOCK, share)
    correct, seen = ldpc._correct, []

    def watched(matrix, hard, *rest):  # type: ignore[no-untyped-def]
        seen.append(len(hard))
        return correct(matrix, hard, *rest)

    monkeypatch.setattr(ldpc, "_correct", watched)
    assert np.array_equal(ldpc.decode_from(soft, len(bits), 9.0), bits)
    assert sum(seen) == (soft == 0).sum()


def test_a_known_bit_that_is_wrong_after_all_is_corrected() -> None:
    bits, soft = erased(4000, 9000, 0.2)
    for wrong in (0, 5000):
        turned = soft.copy()
        turned[np.flatnonzero(soft)[wrong]] *= -1
        assert np.array_equal(ldpc.decode_from(turned, len(bits), 9.0), bits)


def test_beyond_capacity_it_ends_without_an_error() -> None:
    n = 2048
    bits = random_bits(n)
    decoded = ldpc.decode_from(through_noise(ldpc.encode_to(bits, 4096), sigma_at(0.35), 0), n)
    assert decoded.shape == (n,)
    assert 0 < (decoded != bits).mean() < 0.5


@pytest.mark.parametrize(("n", "length"), [(1, 2), (1, 40), (2, 3), (9, 10), (100, 101), (100, 900)])
def test_garbage_decodes_to_something_at_any_rate(n: int, length: int) -> None:
    soft = np.random.default_rng(0).normal(0, 3, length)
    for values in (soft, soft.astype(np.float32), np.zeros(length), np.full(length, np.inf), np.full(length, -np.inf)):
        for sure in (np.inf, 2.0):
            decoded = ldpc.decode_from(values, n, sure)
            assert decoded.shape == (n,)
            assert set(decoded.tolist()) <= {0, 1}


# Rates on each row of the table of column weights.
ANY_RATE_GOLDEN = {
    (1000, 5000): "d6c84924df70a815962d9c8fee8d213fabebcaf23b6e92ecf37a85b1d654cbbe",
    (1000, 2000): "4c7dc4afdbf16fd6fad4a3c237a1f2dd6afe26fee03cf3acf0cd3f5af9d0a068",
    (1000, 1650): "7027c266fd16564c17eef3c194502183c379d787db8da609b0f7cfdd6510ed97",
    (1000, 1200): "70eec3af68990842901b5b3b8cb5b7c7484f5f16b2c8af67867b0c8fd07eeb64",
    (1000, 1100): "1345066c3d52a0e5a114876039b82ff4d77a198a205900369bc0115e9e55438b",
    (20_001, 50_000): "4e3b10e3208f5830c132016b00a51a3dd9ed51a901da0379b521744b88d02a14",
}


@pytest.mark.parametrize(("size", "digest"), ANY_RATE_GOLDEN.items())
def test_codes_of_any_rate_never_change(size: tuple[int, int], digest: str) -> None:
    coded = ldpc.encode_to(Stream(bytes(32)).bits(size[0]), size[1])
    assert hashlib.sha256(np.packbits(coded).tobytes()).hexdigest() == digest
