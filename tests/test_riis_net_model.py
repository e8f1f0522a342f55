"""The network of the paper, and what switching its parts off does."""

from __future__ import annotations

import pytest
import torch
from riis_net_helpers import coefficients, network, stirred

from stegcli.errors import UsageError
from stegcli.methods.riis.net.surface import CONDITIONS
from stegcli.pictures.channel import parse

PNG = parse("png")


def test_with_what_the_stego_lacks_everything_comes_back() -> None:
    """Nothing but u is lost on the way: the flow itself is a bijection."""
    net = stirred(network(canp=False, cem=False, decoupled=False), 0.02)
    host, secret = coefficients(), coefficients("chelsea")
    y, u = net.hide(host, secret, PNG)
    secrets, cover = net.mixing(PNG).inverse(u, y)
    secrets, cover = net._backwards(secrets, cover, torch.zeros(CONDITIONS))
    assert torch.allclose(secrets, secret, atol=0.1)
    assert torch.allclose(cover, host, atol=0.1)


@pytest.mark.parametrize("part", ["canp", "cem", "decoupled"])
def test_each_part_is_the_identity_at_the_start_and_can_be_left_out(part: str) -> None:
    with_it, without = network(), network(**{part: False})
    host, secret = coefficients(), coefficients("chelsea")
    y, _ = with_it.hide(host, secret, PNG)
    for name, parameter in without.named_parameters():
        parameter.copy_(with_it.get_parameter(name))
    assert sum(p.numel() for p in without.parameters()) < sum(p.numel() for p in with_it.parameters())
    assert torch.allclose(with_it.reveal(y, PNG)[0], without.reveal(y, PNG)[0], atol=0.05)
    stirred(with_it, 0.02)
    for name, parameter in without.named_parameters():
        parameter.copy_(with_it.get_parameter(name))
    assert not torch.allclose(with_it.reveal(y, PNG)[0], without.reveal(y, PNG)[0], atol=0.05)


def test_decoupled_weights_are_the_receivers_alone() -> None:
    net = network()
    host, secret = coefficients(), coefficients("chelsea")
    before = net.hide(host, secret, PNG)[0]
    stirred(net.apart)
    assert torch.equal(net.hide(host, secret, PNG)[0], before)


def test_several_secrets_travel_together() -> None:
    net = network(secrets=2)
    host, secrets = coefficients(), torch.cat([coefficients("chelsea"), coefficients("rocket")], dim=1)
    y, u = net.hide(host, secrets, PNG)
    assert y.shape == host.shape
    assert u.shape == secrets.shape
    assert net.reveal(y, PNG)[0].shape == secrets.shape


@pytest.mark.parametrize(("asked", "used"), [("png", "png"), ("jpeg:90", "jpeg:80"), ("jpeg:80", "jpeg:80"),
                                             ("jpeg:70", "jpeg:60"), ("noise:2", "noise:4")])  # fmt: skip
def test_a_channel_between_two_takes_the_harsher(asked: str, used: str) -> None:
    assert network().nearest(parse(asked)) == parse(used)


def test_channels_beyond_are_refused() -> None:
    for name in ("jpeg:50", "noise:5"):
        with pytest.raises(UsageError, match="not made for"):
            network().nearest(parse(name))
