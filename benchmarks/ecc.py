"""Which error correction carries most at equal failure: the ladder of LDPC codes against Reed-Solomon.

    python benchmarks/ldpc.py

Both protect random bits over a channel that flips each bit with probability p. `hard` decodes from bits alone; `soft`
also knows how sure the channel is of each (Gaussian noise with the same share of wrong signs). For each p the highest
net rate is shown at which all of BLOCKS blocks came back, and the seconds to code and decode a megabit of data.

    python benchmarks/ldpc.py --irregular

shows for several rates the greatest share of a Gaussian channel's capacity (binary input, soft decisions) at which all
of BLOCKS blocks came back: irregular codes of any rate, and the ladder's where it has that rate.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from reedsolo import ReedSolomonError, RSCodec
from scipy.stats import norm

from stegcli.coding import ldpc

BITS = 8192
BLOCKS = 25
ERROR_RATES = (0.0005, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
RS_PARITY = (2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 160)


def ours(p: float, soft: bool, rng: np.random.Generator) -> tuple[float, float]:
    for code in range(1, len(ldpc.RATES)):
        started, good = time.perf_counter(), True
        for _ in range(BLOCKS):
            data = rng.integers(0, 2, BITS, np.uint8)
            sent = ldpc.encode(data, code)
            good = good and np.array_equal(ldpc.decode(log_odds(sent, p, soft, rng), BITS, code), data)
            if not good:
                break
        if good:
            return float(ldpc.RATES[code]), (time.perf_counter() - started) / BLOCKS / BITS * 1e6
    return 0.0, float("nan")


def log_odds(sent: np.ndarray, p: float, soft: bool, rng: np.random.Generator) -> np.ndarray:
    signs = sent * 2.0 - 1
    if soft:
        sigma = 1 / norm.isf(p)
        return 2 * (signs + sigma * rng.standard_normal(len(sent))) / sigma**2
    flips = rng.random(len(sent)) < p
    return np.where(flips, -signs, signs) * np.log((1 - p) / p)


def reed_solomon(p: float, rng: np.random.Generator) -> tuple[float, float]:
    """Bytes of 255, interleaved as reedsolo does; bit errors hit bytes at random."""
    for parity in RS_PARITY:
        codec = RSCodec(parity)
        started, good = time.perf_counter(), True
        for _ in range(BLOCKS):
            data = rng.bytes(BITS // 8)
            sent = np.unpackbits(np.frombuffer(codec.encode(data), np.uint8))
            received = np.packbits(sent ^ (rng.random(len(sent)) < p)).tobytes()
            try:
                good = bytes(codec.decode(received)[0]) == data
            except ReedSolomonError:
                good = False
            if not good:
                break
        if good:
            return (255 - parity) / 255, (time.perf_counter() - started) / BLOCKS / BITS * 1e6
    return 0.0, float("nan")


# -- irregular codes

SHARES = (0.97, 0.94, 0.92, 0.9, 0.88, 0.86, 0.84, 0.82, 0.8, 0.78, 0.76, 0.74, 0.72, 0.7)
GAUSSIAN_RATES = (Fraction(1, 4), Fraction(2, 5), Fraction(1, 2), Fraction(2, 3), Fraction(3, 4), Fraction(15, 16))


def capacity(sigma: float) -> float:
    """Noise of +-1 -> bits per use."""
    received = 1 + sigma * np.random.default_rng(9).standard_normal(200_000)
    return float(1 - np.mean(np.logaddexp(0, -2 * received / sigma**2)) / np.log(2))


def noise_for(wanted: float) -> float:
    low, high = 0.05, 20.0
    for _ in range(40):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if capacity(middle) > wanted else (low, middle)
    return low


def share(
    rate: Fraction, encode: Callable[[np.ndarray], np.ndarray], decode: Callable[[np.ndarray], np.ndarray]
) -> float:
    """-> the greatest of SHARES that a code of that rate reaches, 0 if none."""
    for wanted in SHARES:
        sigma, rng = noise_for(min(0.9999, float(rate) / wanted)), np.random.default_rng(0)
        if all(_back(encode, decode, sigma, rng) for _ in range(BLOCKS)):
            return wanted
    return 0.0


def _back(
    encode: Callable[[np.ndarray], np.ndarray], decode: Callable[[np.ndarray], np.ndarray], sigma: float,
    rng: np.random.Generator,
) -> bool:  # fmt: skip
    data = rng.integers(0, 2, BITS, np.uint8)
    sent = encode(data) * 2.0 - 1
    return np.array_equal(decode(2 * (sent + sigma * rng.standard_normal(len(sent))) / sigma**2), data)


def irregular() -> None:
    print("rate   irregular  ladder   (share of capacity)")
    for rate in GAUSSIAN_RATES:
        length = round(BITS / rate)
        found = share(rate, lambda u, n=length: ldpc.encode_to(u, n), lambda o: ldpc.decode_from(o, BITS))
        ladder = 0.0
        if rate in ldpc.RATES:
            code = ldpc.RATES.index(rate)
            ladder = share(rate, lambda u, c=code: ldpc.encode(u, c), lambda o, c=code: ldpc.decode(o, BITS, c))
        print(f"{float(rate):.4f}  {found:.2f}       {ladder or float('nan'):.2f}", flush=True)


def main() -> None:
    if "--irregular" in sys.argv:
        irregular()
        return
    rng = np.random.default_rng(0)
    print(f"{'wrong bits':>10} | {'LDPC soft':>18} | {'LDPC hard':>18} | {'Reed-Solomon':>18}")
    for p in ERROR_RATES:
        results = (ours(p, True, rng), ours(p, False, rng), reed_solomon(p, rng))
        cells = [f"{rate:.3f}  {seconds:5.1f} s/Mbit" for rate, seconds in results]
        print(f"{p:10.4f} | " + " | ".join(f"{c:>18}" for c in cells), flush=True)


if __name__ == "__main__":
    main()
