"""Error correction with soft decisions: a ladder of staircase LDPC codes, and no code at all.

A code of the ladder turns k bits into n = k / rate: the bits themselves, then parity bits p with
A u + S p = 0 (mod 2), A sparse and random, S a staircase (ones on the diagonal and just below it), so that
encoding is one sparse product and one running sum. Decoding finds the likeliest error pattern from the
syndrome by belief propagation (package `ldpc`).

`encode_to` and `decode_from` are a second family, for methods whose receiver knows how many slots there are: irregular
codes of any rate, without a ladder. Some columns have many ones, most have three. On a Gaussian channel, with blocks of
8,192 bits, they reach 84 % of its capacity at rate 1/4 and 88 to 92 % from 2/5 to 3/4, where the ladder reaches less
than 70 % at 1/4 and 82 % at 1/2 (`python benchmarks/ecc.py --irregular`).

Reference: Irregular repeat-accumulate codes (Jin, Khandekar, McEliece, 2000); the weights of the columns are those of
DVB-S2 (ETSI EN 302 307, tables 5a and 5b). The comparison with Reed-Solomon codes that led to this choice is printed
by `python benchmarks/ecc.py`.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from stegcli.coding import bp
from stegcli.keys.stream import Stream

if TYPE_CHECKING:
    from scipy import sparse  # imported where a matrix is made: most messages need none, and it loads slowly

# A receiver reads the index from the header: append, never reorder.
RATES = tuple(Fraction(*r) for r in ((1, 1), (31, 32), (15, 16), (7, 8), (3, 4), (1, 2), (1, 4)))
STANDS = (0.0, 0.0003, 0.002, 0.005, 0.015, 0.05, 0.12)
"""Share of wrong bits that each code takes as a rule, when the channel is as sure of them as of the right ones."""
BLOCK = 8192  # the longest block of information bits
ITERATIONS = 60
WEIGHT = 3  # ones in each information column of the parity checks


def coded_length(bits: int, code: int) -> int:
    """Information bits -> coded bits under RATES[code]."""
    if RATES[code] == 1 or bits == 0:
        return bits
    blocks, k = _split(bits)
    return blocks * (k + _parity(k, code))


def most_bits(slots: int, code: int) -> int:
    """Slots -> the most information bits (a multiple of 8) whose coded form fits."""
    bits = int(slots * RATES[code]) // 8 * 8
    while bits > 0 and coded_length(bits, code) > slots:
        bits -= 8
    return bits


def encode(bits: np.ndarray, code: int) -> np.ndarray:
    """Information bits (uint8 0/1) -> coded bits."""
    if RATES[code] == 1 or len(bits) == 0:
        return bits.copy()
    blocks, k = _split(len(bits))
    filled = np.zeros(blocks * k, np.uint8)
    filled[: len(bits)] = bits
    u = filled.reshape(blocks, k)
    checks = (_information_part(k, code) @ u.T.astype(np.int32)) & 1
    parity = (np.cumsum(checks, axis=0) & 1).astype(np.uint8).T
    return np.concatenate([u, parity], axis=1).reshape(-1)


def decode(llr: np.ndarray, bits: int, code: int) -> np.ndarray:
    """Log-odds ln P(1)/P(0) of each coded bit -> the likeliest information bits.

    Always returns bits; whether they are right is for the caller's authentication tag to say.
    """
    hard = (llr > 0).astype(np.uint8)
    if RATES[code] == 1 or bits == 0:
        return hard[:bits]
    blocks, k = _split(bits)
    n = k + _parity(k, code)
    hard = hard.reshape(blocks, n)
    doubt = 1 / (1 + np.exp(np.abs(llr.reshape(blocks, n)).clip(1e-3, 30)))
    decoded = [_decode_block(h, d, k, code) for h, d in zip(hard, doubt, strict=True)]
    return np.concatenate(decoded)[:bits]


def _decode_block(hard: np.ndarray, doubt: np.ndarray, k: int, code: int) -> np.ndarray:
    return _correct(_matrix(k, code), hard, doubt, k, ITERATIONS)


def _correct(
    matrix: sparse.csr_matrix, hard: np.ndarray, doubt: np.ndarray, k: int, iterations: int,
    syndrome: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """The hard decisions of a block and the chance that each is wrong -> its information bits, corrected.

    syndrome: what the matrix says of the decisions, if not this matrix alone says it.
    """
    if syndrome is None:
        syndrome = ((matrix @ hard.astype(np.int32)) & 1).astype(np.uint8)
    if not syndrome.any():
        return hard[:k]
    corrected: np.ndarray = hard[:k] ^ bp.flips(matrix, syndrome, doubt, iterations)[:k]
    return corrected


def _split(bits: int) -> tuple[int, int]:
    """Bits -> number of blocks and information bits in each (the last is filled up with zeros)."""
    blocks = math.ceil(bits / BLOCK)
    return blocks, math.ceil(bits / blocks)


def _parity(k: int, code: int) -> int:
    return math.ceil(k * (1 / RATES[code] - 1))


@functools.lru_cache(maxsize=8)
def _information_part(k: int, code: int) -> sparse.csr_matrix:
    """A: (parity, k), every column with the same number of ones at random rows, the rows filled evenly."""
    from scipy import sparse

    parity = _parity(k, code)
    weight = min(parity, WEIGHT)
    stream = Stream(hashlib.sha256(f"stegcli/ldpc/{k}/{code}".encode()).digest())
    columns = np.tile(np.arange(k), weight)
    # Rows are dealt out in turn, so that all get equally many, and shuffled within each round.
    dealt = (np.arange(k * weight) % parity).reshape(weight, k)
    rows = np.concatenate([r[stream.permutation(k)] for r in dealt])
    matrix = sparse.csr_matrix((np.ones(len(rows), np.int32), (rows, columns)), shape=(parity, k))
    matrix.data[:] = 1  # a row dealt twice to one column counts once
    return matrix


@functools.lru_cache(maxsize=8)
def _matrix(k: int, code: int) -> sparse.csr_matrix:
    """The whole parity-check matrix [A | S], uint8."""
    from scipy import sparse

    return sparse.csr_matrix(sparse.hstack([_information_part(k, code), _stairs(_parity(k, code))]), dtype=np.uint8)


def _stairs(parity: int) -> sparse.dia_array:
    from scipy import sparse

    ones = np.ones(parity, np.uint8)
    return sparse.diags_array([ones, ones[1:]], offsets=[0, -1], dtype=np.uint8)


# -- irregular codes of any rate

LONG_ITERATIONS = 100
HEAVY = (
    # up to this rate, share of the columns that have this many ones
    (Fraction(45, 100), Fraction(1, 3), 12),
    (Fraction(55, 100), Fraction(2, 5), 8),
    (Fraction(63, 100), Fraction(1, 3), 12),
    (Fraction(86, 100), Fraction(1, 9), 12),
    (Fraction(1), Fraction(1, 9), 4),
)


def encode_to(bits: np.ndarray, length: int) -> np.ndarray:
    """Information bits (uint8 0/1) -> exactly `length` coded bits, more than there are information bits."""
    coded = [_encode_block(bits[a:b], d - c) for (a, b), (c, d) in _spans(len(bits), length)]
    return np.concatenate(coded)


def decode_from(llr: np.ndarray, bits: int, sure: float = np.inf) -> np.ndarray:
    """Log-odds ln P(1)/P(0) of all coded bits -> the likeliest information bits. The inverse of `encode_to`.

    sure: bits whose log-odds are beyond this are taken as known at first, and only the others are searched for. That
    is several times as fast where most bits are known. A block in which it fails is decoded as if nothing was known.
    """
    hard = (llr > 0).astype(np.uint8)
    odds = np.abs(llr)
    doubt = 1 / (1 + np.exp(odds.clip(1e-3, 30)))
    decoded = []
    for (a, b), (c, d) in _spans(bits, len(llr)):
        matrix, known = _irregular(b - a, d - c), odds[c:d] > sure
        found = _filled(matrix, hard[c:d], doubt[c:d], ~known) if known.any() else None
        every = _correct(matrix, hard[c:d], doubt[c:d], b - a, LONG_ITERATIONS) if found is None else found[: b - a]
        decoded.append(every)
    return np.concatenate(decoded)


def _filled(matrix: sparse.csr_matrix, hard: np.ndarray, doubt: np.ndarray, open_: np.ndarray) -> np.ndarray | None:
    """A block, of which the bits `open_` (bool) are not known -> all its coded bits; None if no code word was found."""
    from scipy import sparse

    syndrome = ((matrix @ hard.astype(np.int32)) & 1).astype(np.uint8)
    kept = open_[matrix.indices]
    ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    rows = np.diff(ends) > 0
    if syndrome[~rows].any():
        return None  # known bits contradict each other
    columns = (np.cumsum(open_) - 1)[matrix.indices[kept]]
    starts = np.concatenate([ends[:-1][rows], ends[-1:]])
    shape = int(rows.sum()), int(open_.sum())
    part = sparse.csr_matrix((np.ones(len(columns), np.uint8), columns, starts), shape=shape)
    found = hard.copy()
    found[open_] = _correct(part, hard[open_], doubt[open_], shape[1], LONG_ITERATIONS, syndrome[rows])
    return None if ((matrix @ found.astype(np.int32)) & 1).any() else found


def agreement(llr: np.ndarray, bits: int) -> np.ndarray:
    """Log-odds of coded bits, many times over (m, length) -> how well each fits the checks of `encode_to`, (m,).

    Of no code word's log-odds it is near 0 in `length - bits` checks, whatever they are; of a code word's far above.
    For codes of a single block: bits <= BLOCK.
    """
    if bits > BLOCK:
        raise ValueError(f"{bits} bits are more than one block")
    matrix = _irregular(bits, llr.shape[1]).astype(np.float32)
    wrong = np.rint(matrix @ (llr > 0).T.astype(np.float32)).astype(np.int32) & 1
    # A sum of bits is as sure as the product of tanh(|log-odds| / 2) over them.
    sure = np.exp(matrix @ np.log(np.tanh(np.abs(llr.astype(np.float32)).clip(1e-3, 30) / 2)).T)
    total: np.ndarray = (sure * (1 - 2 * wrong)).sum(axis=0)
    return total


def _spans(bits: int, length: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Blocks of nearly equal size: for each its stretch of information bits and its stretch of coded bits."""
    if not 0 < bits < length:
        raise ValueError(f"{bits} bits cannot be coded as {length}")
    blocks = min(math.ceil(bits / BLOCK), length - bits)
    inner = [bits * i // blocks for i in range(blocks + 1)]
    outer = [length * i // blocks for i in range(blocks + 1)]
    return list(zip(itertools.pairwise(inner), itertools.pairwise(outer), strict=True))


def _encode_block(u: np.ndarray, length: int) -> np.ndarray:
    k = len(u)
    checks = (_irregular(k, length)[:, :k].astype(np.int32) @ u.astype(np.int32)) & 1
    return np.concatenate([u, (np.cumsum(checks) & 1).astype(np.uint8)])


@functools.lru_cache(maxsize=16)
def _irregular(k: int, length: int) -> sparse.csr_matrix:
    """The parity-check matrix [A | S] of k information bits in `length` coded ones, uint8."""
    from scipy import sparse

    parity = length - k
    stream = Stream(hashlib.sha256(f"stegcli/irregular/{k}/{length}".encode()).digest())
    columns = np.repeat(np.arange(k), np.minimum(_column_weights(k, length), parity))
    columns = columns[stream.permutation(len(columns))]
    rows = np.arange(len(columns)) % parity  # every row gets equally many
    part = sparse.csr_matrix((np.ones(len(rows), np.uint8), (rows, columns)), shape=(parity, k))
    part.data[:] = 1  # a row dealt twice to one column counts once
    return sparse.csr_matrix(sparse.hstack([part, _stairs(parity)]), dtype=np.uint8)


def _column_weights(k: int, length: int) -> np.ndarray:
    share, heavy = next((s, w) for most, s, w in HEAVY if Fraction(k, length) <= most)
    weights = np.full(k, WEIGHT)
    weights[: round(k * share)] = heavy
    return weights
