"""Scores that a detector gave -> how well it tells stegos from others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

POINTS = 50
"""Most points of a ROC curve that are kept."""
NORMAL = 1.959964  # 95 % of a normal distribution lie within so many standard deviations


@dataclass(frozen=True)
class Verdict:
    """accuracy: the share of pictures told rightly; low, high: its 95 % interval. auc: area under the ROC curve.

    p_e: the least mean of false alarms and misses that any threshold gives for these very pictures. roc: shares of
    false alarms and of hits, from (0, 0) to (1, 1).
    """

    accuracy: float
    low: float
    high: float
    auc: float
    p_e: float
    roc: tuple[tuple[float, float], ...]


def verdict(innocent: np.ndarray, stego: np.ndarray) -> Verdict:
    """Scores of both sides (n,), (m,); above 0 is taken for a stego."""
    right = int((innocent <= 0).sum() + (stego > 0).sum())
    low, high = interval(right, len(innocent) + len(stego))
    alarms, hits = _curve(innocent, stego)
    p_e = float(((alarms + 1 - hits) / 2).min())
    area = float(np.sum(np.diff(alarms) * (hits[1:] + hits[:-1]) / 2))
    return Verdict(right / (len(innocent) + len(stego)), low, high, area, p_e, _thinned(alarms, hits))


def interval(right: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share.

    It counts the pictures as independent. A stego and its own cover are not: their errors tend to cancel, so that the
    true interval is rather smaller.

    Reference: Probable inference, the law of succession, and statistical inference (Wilson, 1927).
    """
    share, z = right / of, NORMAL
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * np.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def _curve(innocent: np.ndarray, stego: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of false alarms and of hits, for every threshold from the highest to the lowest."""
    thresholds = np.unique(np.concatenate([innocent, stego]))[::-1]
    above = [1 - np.searchsorted(np.sort(side), thresholds, "left") / len(side) for side in (innocent, stego)]
    alarms, hits = (np.concatenate([[0.0], side]) for side in above)
    return alarms, hits


def _thinned(alarms: np.ndarray, hits: np.ndarray) -> tuple[tuple[float, float], ...]:
    kept = np.unique(np.linspace(0, len(alarms) - 1, min(POINTS, len(alarms))).round().astype(int))
    return tuple((round(float(a), 4), round(float(h), 4)) for a, h in zip(alarms[kept], hits[kept], strict=True))
