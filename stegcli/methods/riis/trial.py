"""What a sender tries on its cover before it promises room: a part of it, through a real JPEG or WebP."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as Pillow

from stegcli.pictures import channel

NEAR = 4  # grey levels from 0 and 255 within which a change may be cut off
FEW_FREE = 0.5
"""Share of the samples that must be free of that, for noise to be survived: its codes take all samples as equal."""
SAMPLED, BAND = 1_000_000, 16  # pixels that a cover is judged by, in bands of so many rows


def sample(cover: np.ndarray) -> np.ndarray:
    """A cover -> bands of it, enough to tell what the whole will carry."""
    height, width = cover.shape[:2]
    every = -(-height * width // SAMPLED)
    if every == 1:
        return cover
    bands = cover[: height // BAND * BAND].reshape(-1, BAND, width, 3)
    return np.ascontiguousarray(bands[::every]).reshape(-1, width, 3)


def free_share(cover: np.ndarray) -> float:
    """The share of the samples whose change is not cut off at 0 or 255."""
    return float(((cover >= NEAR) & (cover <= 255 - NEAR)).mean())


def compressed(pixels: np.ndarray, format: str, quality: int) -> np.ndarray:
    """uint8 (h, w, 3) -> what a file of that quality makes of it: JPEG or WEBP."""
    return np.asarray(Pillow.open(io.BytesIO(channel.compressed(pixels, format, quality))))
