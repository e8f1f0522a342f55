"""A classical detector: SPAM features of some planes of a picture, and a linear one on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stegcli.detectors import linear, spam
from stegcli.methods.steg_cinn import space

PLANES = ("q and p", "RGB")


def told_apart(stegos: Sequence[np.ndarray], others: Sequence[np.ndarray], planes: str, folds: int) -> float:
    """Pictures uint8 (h, w, 3), of the same covers in the same order -> the share told rightly, in folds by cover."""
    one, two = (np.stack([features(p, planes) for p in pictures]) for pictures in (stegos, others))
    return linear.told_in_folds(two, one, np.arange(len(one)) % folds)


def features(pixels: np.ndarray, planes: str) -> np.ndarray:
    """uint8 (h, w, 3) -> 686 transition probabilities of each plane."""
    if planes != PLANES[0]:
        return spam.by_channel(pixels)
    return np.concatenate([spam.of_plane(plane.astype(np.int64)) for plane in space.split(pixels)[1]])
