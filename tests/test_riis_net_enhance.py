"""CEM."""

from __future__ import annotations

import torch
from riis_net_helpers import coefficients, stirred

from stegcli.methods.riis.net.enhance import Enhancement
from stegcli.methods.riis.net.surface import condition
from stegcli.pictures.channel import parse


def test_starts_as_the_identity_and_then_sees_the_picture() -> None:
    arrived, told = coefficients(), condition(parse("jpeg:80"))
    module = Enhancement(4, 3, True).requires_grad_(False)
    assert torch.allclose(module(arrived, told), arrived, atol=1e-3)
    stirred(module, 0.3)
    change = module(arrived, told) - arrived
    assert change.abs().max() > 0.1
    other = arrived.clone()
    other[..., 4, 4] += 50
    assert not torch.allclose(module(other, told) - other, change, atol=1e-2)
