"""What the tests of riis share: covers, keys, and ways of a stego."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as Pillow

from stegcli.keys.key import Key
from stegcli.methods.riis import libjpeg
from stegcli.methods.riis.carrier import Seen

KEY = Key("riis", "coded-1", bytes(range(32)))
OTHER = Key("riis", "coded-1", bytes(range(1, 33)))


def photo(side: int = 128, name: str = "coffee", top: int = 100, left: int = 180) -> np.ndarray:
    from skimage import data

    return np.ascontiguousarray(getattr(data, name)()[top : top + side, left : left + side, :3])


def payload(count: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(count)


def recoded(pixels: np.ndarray, quality: int, subsampling: int = 2) -> np.ndarray:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Pillow.open(buffer))


def compressed(pixels: np.ndarray, quality: int, subsampling: int = 2) -> Seen:
    """Stego -> what a receiver sees of it as JPEG."""
    return Seen(recoded(pixels, quality, subsampling), libjpeg.table(quality))


def noised(pixels: np.ndarray, sigma: float, seed: int = 0) -> Seen:
    noise = np.random.default_rng(seed).normal(0, sigma, pixels.shape)
    return Seen(np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8))
