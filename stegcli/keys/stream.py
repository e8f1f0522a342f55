"""A seed -> numbers that are the same on every machine.

The ChaCha20 keystream (RFC 8439) gives integers. Floats and normals are computed from these with only those operations
that IEEE 754 rounds exactly (+, -, *, /, sqrt). No library generator is used, since those may change from one version
to the next.
"""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms


class Stream:
    """A 32-byte seed -> an endless, platform-independent sequence of numbers.

    The ChaCha20 keystream with zero nonce, read as little-endian 64-bit words. Each call continues where the last one
    stopped, so sender and receiver must make the same calls in the same order.
    """

    def __init__(self, seed: bytes):
        self._keystream = Cipher(algorithms.ChaCha20(seed, bytes(16)), mode=None).encryptor()

    def bytes(self, n: int) -> bytes:
        return self._keystream.update(bytes(n))

    def words(self, n: int) -> np.ndarray:
        """n uniform 64-bit words, uint64."""
        words: np.ndarray = np.frombuffer(self.bytes(8 * n), "<u8").astype(np.uint64, copy=False)
        return words

    def bits(self, n: int) -> np.ndarray:
        """n uniform bits, uint8 in {0, 1}; takes whole bytes from the stream."""
        return np.unpackbits(np.frombuffer(self.bytes((n + 7) // 8), np.uint8))[:n]

    def integers(self, n: int, bound: int) -> np.ndarray:
        """n exactly uniform integers in [0, bound), int64. Words past the last multiple of `bound` are drawn again."""
        last = 2**64 - 2**64 % bound - 1
        accepted = np.empty(0, np.uint64)
        while len(accepted) < n:
            words = self.words(n - len(accepted))
            accepted = np.concatenate([accepted, words[words <= np.uint64(last)]])
        return (accepted % np.uint64(bound)).astype(np.int64)

    def uniform(self, n: int) -> np.ndarray:
        """n floats (word >> 12 + 1/2) / 2^52: uniform in the open interval (0, 1), float64."""
        return ((self.words(n) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52

    def normal(self, n: int) -> np.ndarray:
        """n standard normals, float64, through the inverse distribution function."""
        return inverse_normal(self.uniform(n))

    def permutation(self, n: int) -> np.ndarray:
        """A uniform permutation of range(n), int64: the stable sort order of n words."""
        words = self.words(n)
        order = np.argsort(words)  # twice as fast, and the same unless two words are equal
        ordered = words[order]
        return np.argsort(words, kind="stable") if (ordered[1:] == ordered[:-1]).any() else order


def inverse_normal(p: np.ndarray) -> np.ndarray:
    """p in (0, 1) -> the standard normal quantile, float64, relative error about 1e-16.

    Reference: Algorithm AS 241, PPND16 (Wichura, 1988). The logarithm is our own, see `_log`.
    """
    q = p - 0.5
    r = 0.180625 - q * q
    centre = q * _ratio(r, _CENTRE)
    tail_p = np.where(q < 0, p, 1.0 - p)
    t = np.sqrt(-_log(tail_p))
    tail = np.where(t <= 5, _ratio(t - 1.6, _MIDDLE), _ratio(t - 5.0, _FAR))
    return np.where(np.abs(q) <= 0.425, centre, np.where(q < 0, -tail, tail))


def _log(x: np.ndarray) -> np.ndarray:
    """Natural logarithm from exactly rounded operations alone.

    np.log differs in the last bit between processors. x = m 2^e with m in [sqrt(1/2), sqrt(2)), and
    log m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172: twelve terms reach 1e-20.
    """
    m, e = np.frexp(x)
    low = m < 0.7071067811865476
    m = np.where(low, 2.0 * m, m)
    e = e - low
    s = (m - 1.0) / (m + 1.0)
    s2 = s * s
    series = np.zeros_like(s)
    for k in range(23, 0, -2):
        series = series * s2 + 1.0 / k
    logarithm: np.ndarray = e * 0.6931471805599453 + 2.0 * s * series
    return logarithm


def _ratio(x: np.ndarray, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> np.ndarray:
    top: np.ndarray = np.zeros_like(x)
    bottom: np.ndarray = np.zeros_like(x)
    for a, b in zip(*(reversed(c) for c in coefficients), strict=True):
        top = top * x + a
        bottom = bottom * x + b
    top /= bottom
    return top


_CENTRE = (
    (
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ),
    (
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ),
)
_MIDDLE = (
    (
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ),
    (
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
)
_FAR = (
    (
        6.65790464350110377720e0,
        5.46378491116411436990e0,
        1.78482653991729133580e0,
        2.96560571828504891230e-1,
        2.65321895265761230930e-2,
        1.24266094738807843860e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ),
    (
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ),
)
