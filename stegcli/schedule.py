"""Training budget and learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

WARMUP = 0.01  # share of a stage
FLOOR = 0.01  # share of the full rate that is left at the end


@dataclass(frozen=True)
class Budget:
    """How long to train: minutes, or steps, or (both None) as many steps as the recipe says."""

    minutes: float | None = None
    steps: int | None = None


def schedule(progress: float) -> float:
    """Share of the budget spent -> share of the full rate: linear warm-up, then half a cosine down to FLOOR."""
    if progress < WARMUP:
        return FLOOR + (1 - FLOOR) * progress / WARMUP
    return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
