"""PSNR, SSIM and the limit, against their formulas and other programs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from stegcli.pictures import metrics


def noisy(photo: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, sigma, photo.shape)
    return (photo + noise).round().clip(0, 255).astype(np.uint8)


def test_mse_and_psnr_by_hand() -> None:
    a, b = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    b[0, 0] = (255, 0, 3)
    assert metrics.mse(a, b) == (255**2 + 9) / 12
    assert metrics.psnr(a, b) == 10 * math.log10(255**2 / ((255**2 + 9) / 12))


def test_psnr_is_symmetric_and_does_not_wrap(photo: np.ndarray) -> None:
    other = noisy(photo, 20)
    expected = 10 * np.log10(255**2 / ((photo.astype(float) - other) ** 2).mean())
    assert metrics.psnr(photo, other) == pytest.approx(expected, rel=1e-12)
    assert metrics.psnr(other, photo) == metrics.psnr(photo, other)


def test_psnr_of_extremes(photo: np.ndarray) -> None:
    assert metrics.psnr(photo, photo) == math.inf
    assert metrics.psnr(np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)) == 0


def test_psnr_of_changes_by_one(photo: np.ndarray) -> None:
    assert metrics.psnr(photo, photo ^ 1) == pytest.approx(48.1308, abs=1e-4)


@pytest.mark.parametrize("sigma", [1, 10, 60])
def test_ssim_agrees_with_skimage(photo: np.ndarray, sigma: float) -> None:
    other = noisy(photo, sigma)
    expected = structural_similarity(
        photo, other, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=2
    )
    assert metrics.ssim(photo, other) == pytest.approx(expected, abs=1e-3)


def test_ssim_of_equal_and_of_inverse(photo: np.ndarray) -> None:
    assert metrics.ssim(photo, photo) == pytest.approx(1)
    assert metrics.ssim(photo, 255 - photo) < 0.5


def test_ssim_takes_arrays_that_are_read_only(photo: np.ndarray) -> None:
    photo.setflags(write=False)
    assert metrics.ssim(photo, photo) == pytest.approx(1)


LIMITS = {
    0.1: 73.2, 0.33: 67.1, 0.5: 65.0, 1: 61.2, 2: 57.2, 3: 54.6, 4.75: 50.9, 6: 48.4, 9: 42.4, 12: 36.4,
}  # fmt: skip


@pytest.mark.parametrize(("bits_per_pixel", "expected"), LIMITS.items())
def test_psnr_limit(bits_per_pixel: float, expected: float) -> None:
    assert metrics.psnr_limit(bits_per_pixel) == pytest.approx(expected, abs=0.05)


def test_limit_falls_with_the_payload() -> None:
    limits = [metrics.psnr_limit(b) for b in (0, 0.01, 0.1, 1, 5, 12)]
    assert limits[0] == math.inf
    assert limits == sorted(limits, reverse=True)


def test_limit_is_above_what_plain_lsb_reaches() -> None:
    """Replacing all lowest bits changes half of the samples by one: 51.14 dB at 3 bits a pixel."""
    assert metrics.psnr_limit(3) > metrics.psnr_of_mse(0.5)
