"""A linear detector on features: Fisher's discriminant with a ridge, solved for pictures rather than features.

The ridge stands in for the shrinkage of a covariance, or for the ensemble of Ensemble classifiers for steganalysis of
digital media (Kodovsky, Fridrich, Holub, 2012): it is chosen on a quarter of what is learnt from.
"""

from __future__ import annotations

import numpy as np

RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
USUAL_RIDGE, LEAST_TO_CHOOSE = 0.1, 8  # where there are fewer pairs to choose a ridge by
SPLITS = 6
LEAST_SPREAD = 1e-8


def scores(
    innocent: np.ndarray, stego: np.ndarray, learn: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, k) of both sides, pair by pair, and the pairs to learn from and to judge -> the scores of the judged
    innocent pictures and stegos, above 0 for what it takes for a stego. Nothing of `test` is used in learning."""
    ridge = USUAL_RIDGE
    if len(learn) >= LEAST_TO_CHOOSE:
        inner = len(learn) * 3 // 4
        right = [_right(*both) for both in _scores(innocent, stego, learn[:inner], learn[inner:], RIDGES)]
        ridge = RIDGES[int(np.argmax(right))]
    (found,) = _scores(innocent, stego, learn, test, (ridge,))
    return found


def told_apart(innocent: np.ndarray, stego: np.ndarray, splits: int = SPLITS) -> tuple[float, float]:
    """Features (n, k) of covers and their stegos -> mean accuracy over splits by cover, and its deviation."""
    found = []
    for split in range(splits):
        order = np.random.default_rng(split).permutation(len(innocent))
        half = len(order) // 2
        found.append(_right(*scores(innocent, stego, order[:half], order[half:])))
    return float(np.mean(found)), float(np.std(found))


def told_in_folds(innocent: np.ndarray, stego: np.ndarray, fold: np.ndarray) -> float:
    """Features (n, k) of both sides, and each pair's fold (n,) -> the share told rightly, each fold by the others."""
    right = 0.0
    for k in range(int(fold.max()) + 1):
        learn, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        right += _right(*scores(innocent, stego, learn, test)) * len(test)
    return right / len(innocent)


def _right(innocent: np.ndarray, stego: np.ndarray) -> float:
    """The share told rightly, both sides counting alike."""
    return float(((innocent <= 0).mean() + (stego > 0).mean()) / 2)


def _scores(
    innocent: np.ndarray, stego: np.ndarray, learn: np.ndarray, test: np.ndarray, ridges: tuple[float, ...]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each ridge."""
    known, asked = (np.concatenate([innocent[i], stego[i]]).astype(np.float64) for i in (learn, test))
    mean, spread = known.mean(axis=0), known.std(axis=0) + LEAST_SPREAD
    known, asked = (known - mean) / spread, (asked - mean) / spread
    label = np.repeat([-1.0, 1.0], len(learn))
    values, vectors = np.linalg.eigh(known @ known.T / known.shape[1])
    projected, target = asked @ known.T / known.shape[1] @ vectors, vectors.T @ label
    found = [projected @ (target / (values + ridge)) for ridge in ridges]
    return [(f[: len(test)], f[len(test) :]) for f in found]
