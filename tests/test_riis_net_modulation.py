"""Nets that a channel modulates."""

from __future__ import annotations

import torch
from riis_net_helpers import stirred

from stegcli.methods.riis.net.modulation import DenseNet, Modulation
from stegcli.methods.riis.net.surface import condition
from stegcli.pictures.channel import parse

MILD, HARSH = condition(parse("jpeg:90")), condition(parse("jpeg:40"))


def test_starts_without_effect_and_then_follows_the_channel() -> None:
    modulation = Modulation(3).requires_grad_(False)
    assert torch.equal(modulation(MILD), torch.ones(3, 1, 1))
    stirred(modulation, 0.3)
    assert not torch.equal(modulation(MILD), modulation(HARSH))


def test_nets_start_at_zero_and_see_the_channel_only_if_modulated() -> None:
    x = torch.randn(1, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    for modulated in (True, False):
        net = DenseNet(5, 2, 4, 3, 2, modulated).requires_grad_(False)
        assert torch.equal(net(x, MILD), torch.zeros(1, 2, 4, 4))
        stirred(net, 0.3)
        assert torch.equal(net(x, MILD), net(x, HARSH)) == (not modulated)
