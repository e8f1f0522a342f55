"""What a channel leaves of a stego."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from riis_helpers import recoded
from riis_net_helpers import coefficients

from stegcli.methods.riis.net import blocks
from stegcli.methods.riis.net.surface import condition, snapped, surface
from stegcli.nn.tensors import from_levels, to_levels
from stegcli.pictures.channel import parse


@pytest.mark.parametrize("name", ["png", "noise:3", "jpeg:75"])
def test_a_lift_is_the_least_change_that_is_read_as_asked(name: str) -> None:
    found = surface(parse(name))
    assert torch.allclose(found.view @ found.lift, torch.eye(found.size, dtype=torch.float64), atol=1e-12)
    change = torch.randn(found.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = found.lift @ change
    assert torch.isclose(moved.square().sum(), found.power * change.square().sum())
    assert found.noise == (9 if name == "noise:3" else 0)


def test_snapping_undoes_the_rounding_of_a_decoder() -> None:
    sent = from_levels(blocks.inverse(coefficients()))
    arrived = blocks.forward(to_levels(recoded(sent, 80)))
    found, channel = surface(parse("jpeg:80")), parse("jpeg:80")
    steps = found.lattice.diagonal().float()
    read = blocks.rows(blocks.apply(found.view, snapped(arrived, channel))) / steps
    assert (read - read.round()).abs().max() < 1e-3
    before = blocks.rows(blocks.apply(found.view, arrived)) / steps
    assert 0.01 < (before - before.round()).abs().max() < 0.5
    assert torch.equal(snapped(arrived, parse("png")), arrived)


def test_conditions_differ() -> None:
    told = [tuple(condition(parse(n)).tolist()) for n in ("png", "jpeg:90", "jpeg:40", "noise:1", "noise:10")]
    assert len(set(told)) == 5
    assert np.abs(told).max() < 3
