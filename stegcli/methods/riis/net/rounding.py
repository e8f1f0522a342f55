"""Rounding that costs the secret least.

The receiver amplifies some directions of a block by hundreds, since there the secret lies small. An error of rounding
each sample for itself, 1/12 in every direction, would drown it. The sender instead takes samples one after the other:
each is rounded, and those that follow are moved so that the form (y - y*)^T H (y - y*) grows least. The errors end up
in the directions that nobody amplifies.

Reference: On Lovasz' lattice reduction and the nearest lattice point problem (Babai, 1986), the nearest plane.
"""

from __future__ import annotations

import torch
from torch import Tensor


def triangle(form: Tensor) -> Tensor:
    """A positive definite form (m, m) -> upper triangular R with R^T R = form."""
    lower: Tensor = torch.linalg.cholesky(form)
    return lower.T


def nearest(targets: Tensor, form: Tensor, least: float = -torch.inf, most: float = torch.inf) -> Tensor:
    """Targets (n, m) in lattice coordinates and the form (m, m) of their errors -> whole numbers (n, m).

    least, most: bounds of each coordinate. The sum of squared diagonal entries of `triangle(form)`, over 12, is the
    expected cost of a row.
    """
    upper = triangle(form.double()).to(targets.dtype)
    upper = upper / upper.diagonal()[:, None]
    errors = torch.zeros_like(targets)
    for i in range(targets.shape[1] - 1, -1, -1):
        wanted = targets[:, i] - errors[:, i + 1 :] @ upper[i, i + 1 :]
        errors[:, i] = wanted.round().clamp(least, most) - targets[:, i]
    return targets + errors
