"""What single moves add to the answer of a linear detector on SPAM features of colour differences.

The detector is a linear discriminant with a ridge, learnt anew from the latest pairs of covers and stegos. Its answer
is a sum over features, and to first order over triples of neighbouring differences. A move changes at most four triples
along each line through its sample, so that what it adds is found without a gradient, and for all samples at once.

References: Steganalysis by subtractive pixel adjacency matrix (Pevny, Bas, Fridrich, 2010), for the features, which are
those of `stegcli.detectors.spam`; Using high-dimensional image models to perform highly undetectable steganography
(Pevny, Filler, Bas, 2010), for costs from what moves change in such features. Difference: here the changes are weighed
by a detector that learns, in place of fixed weights.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from stegcli.detectors import spam

MOST = 1500
"""Pairs that the detector is learnt from, the latest ones."""
EVERY = 25
"""Batches after which it is learnt anew."""
RIDGE = 0.3
"""Added to the variances of features, as a share of their mean. On 660 unseen pairs the answers were furthest apart
with 0.1 to 1 (measured once, by hand)."""
MARGIN = 6
"""Moves nearer to the border add nothing here: their triples are not counted in all directions."""
INNER = slice(MARGIN, -MARGIN)
LINES = ((0, 1), (1, 0), (1, 1), (1, -1))
WAYS = 4
"""Transitions that a feature is the mean of: of two lines, forth and back."""
SHAPE = (spam.BASE,) * 3


class SpamRewards:
    """Learns from `see`; `of` then says what moves add to the log-odds of being a stego."""

    def __init__(self) -> None:
        self._covers = np.empty((0, 2 * spam.COUNT), np.float32)
        self._stegos = self._covers
        self._seen = 0
        self.weights = np.zeros(2 * spam.COUNT)
        self._threshold = 0.0

    def see(self, covers: np.ndarray, stegos: np.ndarray) -> float:
        """Pairs of pictures, uint8 (n, h, w, 3) -> share told rightly by what was learnt before they were seen."""
        features = [np.stack([spam.of_differences(p) for p in some]).astype(np.float32) for some in (covers, stegos)]
        share = float(np.mean([np.mean((features[i] @ self.weights > self._threshold) == i) for i in (0, 1)]))
        self._covers, self._stegos = (
            np.concatenate(pair)[-MOST:] for pair in zip((self._covers, self._stegos), features, strict=True)
        )
        self._seen += 1
        if self._seen % EVERY == 0:
            self._learn()
        return share

    def _learn(self) -> None:
        means = [some.mean(axis=0) for some in (self._covers, self._stegos)]
        inside = np.concatenate([self._covers - means[0], self._stegos - means[1]])
        covariance = inside.T @ inside / len(inside)
        covariance[np.diag_indices_from(covariance)] += RIDGE * np.trace(covariance) / len(covariance)
        self.weights = np.linalg.solve(covariance, means[1] - means[0])
        self._threshold = float(self.weights @ (means[0] + means[1])) / 2

    def of(self, stego: np.ndarray) -> np.ndarray:
        """uint8 (h, w, 3) -> what a level up, and a level down, of each sample would add, float32 (2, h, w, 3)."""
        rewards = np.zeros((2, *stego.shape), np.float32)
        levels, weights = stego.astype(np.int32), self.weights.reshape(2, 2, *SHAPE)
        for plane, colour in enumerate((0, 2)):
            difference = levels[..., colour] - levels[..., 1]
            up, down = np.zeros((2, *difference.shape), np.float32)
            for i, line in enumerate(LINES):
                table = _table(difference, line, weights[plane, i // 2])
                for way, by in ((up, 1), (down, -1)):
                    way[INNER, INNER] += _added(difference, line, table, by)
            rewards[..., colour] += np.stack([up, down])
            rewards[..., 1] += np.stack([down, up])
        return rewards


def _table(plane: np.ndarray, line: tuple[int, int], weights: np.ndarray) -> np.ndarray:
    """A plane, a direction and the weights of its features (7, 7, 7) -> what one more triple adds, by its three
    differences from -4 to 4, (9, 9, 9): to first order, for the shares of all others fall by it."""
    triples = np.stack([s.ravel() for s in _steps(plane, line)]) + spam.T + 1
    counts = np.bincount(np.ravel_multi_index(triples, (spam.WIDE,) * 3), minlength=spam.WIDE**3)
    inner = counts.reshape((spam.WIDE,) * 3)[1:-1, 1:-1, 1:-1]
    added = _slopes(inner, weights) + _back(_slopes(_back(inner), weights))
    return np.pad(added / WAYS, 1)


def _slopes(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Slopes of sum(weights * shares) by each of the counts."""
    sums = np.maximum(counts.sum(axis=2, keepdims=True), 1)
    slopes: np.ndarray = (weights - (weights * counts).sum(axis=2, keepdims=True) / sums) / sums
    return slopes


def _back(table: np.ndarray) -> np.ndarray:
    """Triples seen along the way back: negated and in reverse."""
    return table[::-1, ::-1, ::-1].transpose(2, 1, 0)


def _steps(plane: np.ndarray, line: tuple[int, int]) -> list[np.ndarray]:
    """The three differences of each triple along a line, clipped to 4."""
    dy, dx = line
    plane = plane if dx >= 0 else plane[:, ::-1]
    (height, width), dx = plane.shape, abs(dx)
    points = [plane[k * dy : height - (3 - k) * dy, k * dx : width - (3 - k) * dx] for k in range(4)]
    return [np.clip(a - b, -spam.T - 1, spam.T + 1) for a, b in pairwise(points)]


def _added(plane: np.ndarray, line: tuple[int, int], table: np.ndarray, by: int) -> np.ndarray:
    """What a change `by` of each inner sample of a plane adds along one line."""
    (height, width), (dy, dx) = plane.shape, line
    values = [
        plane[MARGIN + k * dy : height - MARGIN + k * dy, MARGIN + k * dx : width - MARGIN + k * dx]
        for k in range(-3, 4)
    ]
    changed = [*values[:3], values[3] + by, *values[4:]]
    added: np.ndarray = _sum(changed, table) - _sum(values, table)
    return added


def _sum(values: list[np.ndarray], table: np.ndarray) -> np.ndarray:
    """Seven values along a line -> sum of the table over the four triples that the middle one is part of."""
    steps = [np.clip(a - b, -spam.T - 1, spam.T + 1) + spam.T + 1 for a, b in pairwise(values)]
    return sum(
        table.ravel()[(a * spam.WIDE + b) * spam.WIDE + c] for a, b, c in zip(steps, steps[1:], steps[2:], strict=False)
    )
