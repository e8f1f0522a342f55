"""BRISQUE, a score of how natural a picture looks, taken without its original (Mittal et al. 2012); less is better.

The package `brisque` (the extra of that name) brings the features and the support vectors that were fitted to people's
scores. It looks at luminance only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Score = Callable[[np.ndarray], float]


def scorer() -> Score | None:
    """-> what scores a picture, uint8 (h, w, 3), about 0 (natural) to 100; None where the package is not installed."""
    try:
        from brisque import BRISQUE
    except ImportError:
        return None

    class Flat(BRISQUE):  # type: ignore[misc]
        """Its features are numbers and arrays of one number. NumPy 2.4 makes no float of the latter."""

        def scale_features(self, features: Any) -> Any:
            return super().scale_features(np.array([np.ravel(f)[0] for f in features], dtype=object))

    judge = Flat(url=False)
    return lambda pixels: float(judge.score(pixels))
