"""Costs that were tried: parts of the density, the payload, and that changes follow their neighbours'."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data as samples

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))

import _coordinated as tried

from stegcli.methods.lossless_inn.density import Density


@pytest.fixture(scope="module")
def density() -> Density:
    torch.manual_seed(0)
    return Density(width=8, side=5).requires_grad_(False)


@pytest.fixture(scope="module")
def covers() -> torch.Tensor:
    photo = samples.coffee()[60:124, 200:296]
    return torch.from_numpy(np.ascontiguousarray(photo)).permute(2, 0, 1)[None].float()


@pytest.mark.parametrize("part", [*tried.COLOURS, *tried.CHESS])
def test_a_part_has_the_density_that_the_whole_gives_it(
    density: Density, covers: torch.Tensor, part: tried.Part
) -> None:
    for whole, own in zip(density(covers), tried.part_of_density(density, covers, part), strict=True):
        assert torch.allclose(part.of(whole), own, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("parts", [tried.COLOURS, tried.CHESS])
def test_parts_are_all_samples_once(parts: tuple[tried.Part, ...]) -> None:
    counted = torch.zeros(1, 3, 64, 96)
    for part in parts:
        part.of(counted).add_(1)
    assert (counted == 1).all()


def test_the_rate_carries_the_payload() -> None:
    up, down = (torch.rand(2, 64, 96, generator=torch.Generator().manual_seed(s)) + 0.2 for s in (0, 1))
    costs = tried.Costs(up, down, torch.zeros_like(up), torch.zeros_like(up))
    bits = torch.tensor([500.0, 4000.0])
    assert costs.bits(costs.rate(bits)).tolist() == pytest.approx([500, 4000], rel=1e-3)


@pytest.mark.parametrize("name", tried.SCHEMES)
def test_every_scheme_moves_samples_by_one(density: Density, covers: torch.Tensor, name: str) -> None:
    stego = tried.embed(tried.SCHEMES[name], density, covers, 0.4, torch.Generator().manual_seed(0))
    assert 0.005 < (stego != covers).float().mean() < 0.12
    assert (stego - covers).abs().max() == 1


def test_changes_follow_those_of_the_other_colours(density: Density, covers: torch.Tensor) -> None:
    """Red goes the way in which green went far oftener than in one pass."""
    led = replace(tried.SCHEMES["near"], near=0.1)
    shares = []
    for scheme in (tried.SCHEMES["plain"], led):
        moves = tried.embed(scheme, density, covers, 1.0, torch.Generator().manual_seed(0)) - covers
        red, green = moves[0, 0], moves[0, 1]
        shares.append(float((red == green)[green != 0].float().mean()))
    assert shares[1] > 1.5 * shares[0]
