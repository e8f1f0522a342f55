"""Recipes for training a method: stages, each with a loss. `training` runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from stegcli.method import Method


@dataclass(frozen=True)
class Noise:
    """Randomness of a training step, one generator per item of the batch.

    It is seeded by (seed, step, index in the whole batch). So it does not depend on the number of processes that share
    the batch, and a resumed run draws the same numbers as an uninterrupted one.
    """

    generators: tuple[np.random.Generator, ...]

    @classmethod
    def of(cls, seed: int, step: int, indices: range) -> Noise:
        return cls(tuple(np.random.default_rng([seed, step, i]) for i in indices))

    def bits(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        """Fair bits as +1 and -1, float32 (batch, *shape)."""
        drawn = np.stack([g.integers(0, 2, shape, np.int8) for g in self.generators])
        return torch.from_numpy(drawn).to(device).float().mul_(2).sub_(1)

    def uniform(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        """Uniform in [0, 1), float32 (batch, *shape)."""
        return torch.from_numpy(np.stack([g.random(shape, np.float32) for g in self.generators])).to(device)

    def normal(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        """Standard normal, float32 (batch, *shape)."""
        drawn = np.stack([g.standard_normal(shape, np.float32) for g in self.generators])
        return torch.from_numpy(drawn).to(device)


@dataclass(frozen=True)
class Step:
    """Information for a loss about the current step."""

    noise: Noise
    progress: float  # share of the stage that is done, 0 to 1


Loss = Callable[[Method, Tensor, Step], dict[str, Tensor]]
"""(method, images (b, 3, h, w) in [0, 1], step) -> named terms; the loss is their sum. Terms whose name starts with an
underscore are logged and not added."""


@dataclass(frozen=True)
class Stage:
    """A part of training with one loss and one rate schedule.

    steps: its length if no budget is given, else its share of the budget relative to the other stages.
    trains: prefix of the names of the parameters to train.
    """

    name: str
    loss: Loss
    steps: int
    lr: float
    batch: int
    crop: int
    clip: float = 10.0
    trains: str = ""
    betas: tuple[float, float] = (0.9, 0.99)


@dataclass(frozen=True)
class Recipe:
    """The stages of one part of a method, its configuration, and how its quality is measured.

    validate: (method, images) -> figures for the log; images are (n, 3, h, w) crops that are not trained on.
    sample: (method, images) -> sample images to write, (n, 3, h, w) in [0, 1].
    pictures, side: number and size of the pictures that validate and sample get.
    """

    config: dict[str, object]
    stages: tuple[Stage, ...]
    validate: Callable[[Method, Tensor], dict[str, float]]
    sample: Callable[[Method, Tensor], Tensor]
    ema: float = 0.999
    pictures: int = 16
    side: int = 128
    facts: dict[str, str] = field(default_factory=dict)


def seeded(build: Callable[[], Method], seed: int) -> tuple[Method, nn.Module | None]:
    """Build a method and its networks with torch's initialisers seeded; torch's global generator is left unchanged.

    This is only the start of training: nothing that sender and receiver share is drawn here.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        method = build()
        return method, method.networks
