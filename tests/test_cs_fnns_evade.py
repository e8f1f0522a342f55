"""A detector as a penalty of a search: the stego that is found is taken for a cover, and still holds its message."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stegcli.keys.stream import Stream
from stegcli.methods.cs_fnns import evade
from stegcli.methods.cs_fnns.decoder import Numbers
from stegcli.methods.cs_fnns.goals import PictureGoal
from stegcli.methods.cs_fnns.search import deviation, search
from stegcli.methods.cs_fnns.spectrum import Head, measured

SIDE = 64


class Roughness(nn.Module):
    """Pictures (b, 3, h, w) -> log-odds (b,) that grow with neighbours' differences."""

    def forward(self, pictures: Tensor) -> Tensor:
        steps = pictures[..., 1:] - pictures[..., :-1]
        return 4 * (steps.square().mean(dim=(1, 2, 3)) - 2)


@pytest.fixture(scope="module")
def cover() -> Tensor:
    """Flat, grey."""
    return torch.full((1, 3, SIDE, SIDE), 128.0)


@pytest.fixture(scope="module")
def goal() -> PictureGoal:
    """A keyed decoder shall emit a smooth picture."""
    stream, half = Stream(bytes(32)), SIDE // 2
    y, x = torch.meshgrid(torch.arange(half), torch.arange(half), indexing="ij")
    picture = torch.stack([torch.sin(x / 3), torch.cos(y / 4), torch.sin((x + y) / 5)])[None] * 0.3 + 0.5
    head = Head(stream, half, half, measured(picture))
    return PictureGoal.of(Numbers(stream), head, picture)


@torch.no_grad()
def test_search_misleads_the_detector(cover: Tensor, goal: PictureGoal) -> None:
    def found(penalty: evade.Penalty | None) -> Tensor:
        result = search([goal], [], cover, 46.0, 60, np.random.default_rng(0), penalty)
        assert result is not None
        return result.perturbation

    detector = Roughness()
    plain, evading = found(None), found(evade.penalty([detector], 1e-3))
    assert detector(cover + plain) > 2
    assert detector(cover + evading) < 0
    assert evading.square().mean().sqrt() <= deviation(46.0)
    assert goal.loss(evading) < 1e-3


def test_penalty_grows_with_the_log_odds_and_the_strength(cover: Tensor) -> None:
    smooth, rough = cover, cover + 3 * torch.randn(cover.shape, generator=torch.Generator().manual_seed(0))
    weak, strong = evade.penalty([Roughness()], 1e-4), evade.penalty([Roughness()], 1e-3)
    assert weak(smooth) < weak(rough)
    assert strong(rough).item() == pytest.approx(10 * weak(rough).item())


def test_several_detectors_add_up(cover: Tensor) -> None:
    one, two = evade.penalty([Roughness()])(cover), evade.penalty([Roughness(), Roughness()])(cover)
    assert two.item() == pytest.approx(2 * one.item())


def test_a_certain_detector_still_has_a_slope(cover: Tensor) -> None:
    noise = 9 * torch.randn(cover.shape, generator=torch.Generator().manual_seed(0))
    stego = (cover + noise).requires_grad_(True)
    assert Roughness()(stego) > 100
    evade.penalty([Roughness()])(stego).backward()
    assert stego.grad is not None
    assert stego.grad.abs().mean() > 0
