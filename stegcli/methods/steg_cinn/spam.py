"""A classical detector: SPAM features of some planes of a picture, and a linear discriminant.

Reference: Steganalysis by subtractive pixel adjacency matrix (Pevny, Bas, Fridrich, 2010), second order, T = 3. Each
plane has features of its own. The discriminant is Fisher's with a ridge, solved for pictures rather than features.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from stegcli.methods.steg_cinn import space

PLANES = ("q and p", "RGB")
DIRECTIONS = (((0, 1), (1, 0), (0, -1), (-1, 0)), ((1, 1), (1, -1), (-1, 1), (-1, -1)))
T = 3
RIDGE = 0.1


def told_apart(stegos: Sequence[np.ndarray], others: Sequence[np.ndarray], planes: str, folds: int) -> float:
    """Pictures uint8 (h, w, 3), of the same covers in the same order -> the share told rightly, in folds by cover."""
    one, two = (np.stack([features(p, planes) for p in pictures]) for pictures in (stegos, others))
    return told_by_features(one, two, np.arange(len(one)) % folds)


def told_by_features(one: np.ndarray, two: np.ndarray, fold: np.ndarray) -> float:
    """Features (n, k) of both kinds, of the same covers in the same order, and each cover's fold (n,) -> the share told
    rightly. What is judged was never learnt from."""
    right, folds = 0.0, int(fold.max()) + 1
    for k in range(folds):
        learn, test = fold != k, fold == k
        score = _discriminant(one[learn], two[learn])
        right += (score(one[test]) > 0).sum() + (score(two[test]) <= 0).sum()
    return float(right / (2 * len(one)))


def features(pixels: np.ndarray, planes: str) -> np.ndarray:
    """uint8 (h, w, 3) -> 686 transition probabilities of each plane."""
    chosen = list(space.split(pixels)[1]) if planes == PLANES[0] else list(np.moveaxis(pixels.astype(np.int16), 2, 0))
    return np.concatenate([_of_plane(plane.astype(np.int64)) for plane in chosen])


def _of_plane(x: np.ndarray) -> np.ndarray:
    return np.concatenate([np.mean([_transitions(x, *d) for d in group], axis=0) for group in DIRECTIONS])


def _transitions(x: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """How often each difference of neighbours follows two others, in one direction."""
    along = [np.roll(x, (-dy * k, -dx * k), (0, 1))[3:-3, 3:-3] for k in range(4)]
    steps = np.stack([a - b for a, b in itertools.pairwise(along)])
    small = (np.abs(steps) <= T).all(axis=0)
    base = 2 * T + 1
    codes = ((steps[:, small] + T) * np.array([[base**2], [base], [1]])).sum(axis=0)
    counts = np.bincount(codes, minlength=base**3).reshape(base**2, base).astype(float)
    found: np.ndarray = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).reshape(-1)
    return found


def _discriminant(one: np.ndarray, two: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Features of two kinds (n, k) -> features to a score that is positive for the first kind."""
    every = np.concatenate([one, two])
    mean, spread = every.mean(0), every.std(0) + 1e-6
    known = (every - mean) / spread
    label = np.concatenate([np.ones(len(one)), -np.ones(len(two))])
    likeness = known @ known.T / known.shape[1]
    weights = known.T @ np.linalg.solve(likeness + RIDGE * np.eye(len(every)), label)
    return lambda features: ((features - mean) / spread) @ weights
