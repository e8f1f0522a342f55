"""Error correction with soft decisions: a ladder of staircase LDPC codes, and no code at all.

A code of the ladder turns k bits into n = k / rate: the bits themselves, then parity bits p with
A u + S p = 0 (mod 2), A sparse and random, S a staircase (ones on the diagonal and just below it), so that
encoding is one sparse product and one running sum. Decoding finds the likeliest error pattern from the
syndrome by belief propagation (package `ldpc`).

Reference: Irregular repeat-accumulate codes (Jin, Khandekar, McEliece, 2000). The comparison with Reed-Solomon
codes that led to this choice is printed by `python benchmarks/ecc.py`.
"""

from __future__ import annotations

import functools
import hashlib
import math
from fractions import Fraction

import numpy as np
from scipy import sparse

from stegcli.key import Stream

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
    matrix = _matrix(k, code)
    syndrome = ((matrix @ hard.astype(np.int32)) & 1).astype(np.uint8)
    if not syndrome.any():
        return hard[:k]
    from ldpc.bp_decoder import BpDecoder  # imported here: most messages need no decoding, and it loads slowly

    decoder = BpDecoder(
        matrix, error_channel=doubt.tolist(), max_iter=ITERATIONS, bp_method="product_sum",
        input_vector_type="syndrome",
    )  # fmt: skip
    flips: np.ndarray = decoder.decode(syndrome)
    corrected: np.ndarray = hard[:k] ^ flips[:k]
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
    parity = _parity(k, code)
    ones = np.ones(parity, np.uint8)
    stairs = sparse.diags_array([ones, ones[1:]], offsets=[0, -1], dtype=np.uint8)
    return sparse.csr_matrix(sparse.hstack([_information_part(k, code), stairs]), dtype=np.uint8)
