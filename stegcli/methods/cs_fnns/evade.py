"""Detectors as a penalty of a search: stegos are sought that they take for covers.

Reference: Cs-FNNS (Li et al., 2024), Eq. 2: gamma * sum of j_i(C + delta), j_i the probability of holding something. A
probability close to 1 has no slope left; the softplus of the log-odds, its cross-entropy, has. What misleads one
detector need not mislead another, nor one that is trained on such stegos.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.methods.cs_fnns.search import Penalty

STRENGTH = 1e-4
"""Gamma: what one nat counts, beside a picture's mean squared error of 1e-5 to 1e-4. At 3e-5 seven stegos in ten are
still told; more than this makes log-odds lower than any cover's, which gives stegos away as well."""
MARGIN = 4.0
"""Log-odds by which a stego shall be taken for a cover."""


def penalty(detectors: Sequence[nn.Module], strength: float = STRENGTH) -> Penalty:
    """Detectors, pictures (b, 3, h, w) in grey levels -> log-odds (b,), each -> a penalty for `search`."""

    def of(stego: Tensor) -> Tensor:
        return strength * torch.cat([F.softplus(detector(stego) + MARGIN) for detector in detectors]).sum()

    return of
