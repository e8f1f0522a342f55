"""What a sender tries on its cover before it promises room: a part of it, through a real JPEG."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as Pillow

SAMPLED, BAND = 1_000_000, 16  # pixels that a cover is judged by, in bands of so many rows


def sample(cover: np.ndarray) -> np.ndarray:
    """A cover -> bands of it, enough to tell what the whole will carry."""
    height, width = cover.shape[:2]
    every = -(-height * width // SAMPLED)
    if every == 1:
        return cover
    bands = cover[: height // BAND * BAND].reshape(-1, BAND, width, 3)
    return np.ascontiguousarray(bands[::every]).reshape(-1, width, 3)


def compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    """uint8 (h, w, 3) -> what a JPEG of that quality makes of it."""
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Pillow.open(buffer))
