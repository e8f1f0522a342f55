"""What a receiver is to decode, as losses of a search; and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli.coding import gray
from stegcli.methods.cs_fnns.decoder import Decoder, PaperDecoder
from stegcli.methods.cs_fnns.spectrum import Head


@dataclass(frozen=True)
class PictureGoal:
    """Numbers that the head makes into the secret; errors count as they do in the picture."""

    net: Decoder
    target: Tensor
    importance: Tensor

    @classmethod
    def of(cls, net: Decoder, head: Head, picture: Tensor) -> PictureGoal:
        return cls(net, head.numbers(picture), head.importance())

    def loss(self, perturbation: Tensor) -> Tensor:
        """Mean squared error of the picture, values in [0, 1]."""
        return ((self.net(perturbation) - self.target).square() * self.importance).mean()


@dataclass(frozen=True)
class PaperGoal:
    """The paper's decoder emits the secret itself."""

    net: PaperDecoder
    picture: Tensor

    def loss(self, perturbation: Tensor) -> Tensor:
        return F.mse_loss(self.net(perturbation), self.picture)


@dataclass(frozen=True)
class BytesGoal:
    """Numbers near the levels that stand for bits, where they are `used` (bool); the outermost may overshoot."""

    net: Decoder
    levels: Tensor
    used: Tensor

    def loss(self, perturbation: Tensor) -> Tensor:
        numbers = self.net(perturbation)
        missing = numbers - self.levels
        outermost = self.levels.abs() >= self.levels.abs().max() * 0.99
        beyond = outermost & (missing * self.levels > 0)
        return torch.where(beyond | ~self.used, 0.0, missing).square().mean()


def to_levels(bits: np.ndarray, depth: int) -> Tensor:
    """Bits (n depth,) -> amplitudes (n,) of mean square 1, neighbours of which differ in one bit."""
    return _amplitudes(depth)[torch.from_numpy(gray.positions(bits.reshape(-1, depth)))]


def to_log_odds(numbers: Tensor, depth: int) -> np.ndarray:
    """Numbers (n,) -> ln P(1)/P(0) of each bit (n depth,), float32; the noise is judged by the numbers themselves."""
    amplitudes = _amplitudes(depth)
    distance = (numbers[:, None] - amplitudes).square()
    noise = distance.min(dim=1).values.mean().clamp(min=1e-6)
    fit = -distance / (2 * noise)
    masks = torch.from_numpy(gray.ones(depth))
    odds = [torch.logsumexp(fit[:, ones], 1) - torch.logsumexp(fit[:, ~ones], 1) for ones in masks]
    found: np.ndarray = torch.stack(odds, dim=1).flatten().numpy().astype(np.float32)
    return found


def _amplitudes(depth: int) -> Tensor:
    levels = torch.arange(2**depth) * 2.0 - (2**depth - 1)
    found: Tensor = levels / levels.square().mean().sqrt()
    return found
