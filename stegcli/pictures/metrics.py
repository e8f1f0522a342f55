"""Quality measures: PSNR, SSIM, and an upper limit of the PSNR for any scheme."""

from __future__ import annotations

import math

import numpy as np


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Two uint8 arrays of one shape -> peak signal-to-noise ratio over all samples, dB; inf when equal."""
    return psnr_of_mse(mse(a, b))


def mse(a: np.ndarray, b: np.ndarray) -> float:
    """Two uint8 arrays of one shape -> mean squared difference, in squared grey levels."""
    total = 0
    for row_a, row_b in zip(a, b, strict=True):  # by rows: no image-sized int64 copy of a large photo
        difference = row_a.astype(np.int32) - row_b
        total += int((difference * difference).sum())
    return total / a.size


def psnr_of_mse(value: float) -> float:
    """Mean squared error in squared grey levels -> PSNR in dB."""
    return math.inf if value == 0 else 10 * math.log10(255**2 / value)


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Two uint8 (h, w, 3) arrays -> mean structural similarity over windows and channels, in [-1, 1].

    Reference: Image quality assessment: from error visibility to structural similarity (Wang, Bovik,
    Sheikh, Simoncelli, 2004), Eq. 13, with its Gaussian window of 11x11, sigma 1.5; windows that
    cross the border are left out.
    """
    x, y = a.astype(np.float64), b.astype(np.float64)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    bottom = (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    return float((top / bottom).mean())


def _blur(x: np.ndarray) -> np.ndarray:
    """(h, w, 3) -> the average under an 11x11 Gaussian window wherever that lies inside, (h - 10, w - 10, 3)."""
    from scipy.ndimage import convolve1d

    ticks = np.arange(-5, 6)
    window = np.exp(-(ticks**2) / (2 * 1.5**2))
    window /= window.sum()
    blurred: np.ndarray = convolve1d(convolve1d(x, window, axis=0), window, axis=1)
    return blurred[5:-5, 5:-5]


def psnr_limit(bits_per_pixel: float) -> float:
    """Payload in bits per RGB pixel -> the best PSNR (dB) of any stego that carries a random message.

    Each of the three samples of a pixel must carry R = bpp/3 bits. Whatever the scheme, a message of R bits
    per sample needs changes of at least that entropy; among integer changes d of given mean square, the
    discretised Gaussian p(d) ~ exp(-lambda d^2) has the most entropy. The limit is its mean square at
    entropy R.

    Reference: Minimizing additive distortion in steganography using syndrome-trellis codes (Filler, Judas,
    Fridrich, 2011), Eq. 4 and 5 with cost d^2.
    """
    if bits_per_pixel <= 0:
        return math.inf
    changes = np.arange(-255, 256, dtype=np.float64)

    def spread(log_rate: float) -> tuple[float, float]:
        weight = np.exp(-math.exp(log_rate) * changes**2)
        p = weight / weight.sum()
        entropy = -(p[p > 0] * np.log2(p[p > 0])).sum()
        return float(entropy), float((p * changes**2).sum())

    low, high = math.log(1e-5), math.log(100.0)
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if spread(middle)[0] > bits_per_pixel / 3 else (low, middle)
    return psnr_of_mse(spread(high)[1])
