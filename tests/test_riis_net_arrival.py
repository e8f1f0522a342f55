"""How a receiver knows what a stego was made for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from riis_net_helpers import coefficients, network

from stegcli.errors import RevealError
from stegcli.methods.riis.net import arrival, blocks, sender
from stegcli.nn.tensors import to_levels
from stegcli.pictures.channel import parse


def stego(name: str, net) -> torch.Tensor:
    channel = parse(name)
    y, _ = net.hide(coefficients(side=128), coefficients("chelsea", side=128), channel)
    return sender.written(y, channel, net.mixing(channel))


@pytest.mark.parametrize("name", ["png", "jpeg:80", "jpeg:75", "noise:4"])
def test_the_channel_is_found(name: str) -> None:
    net, truth = network(), coefficients("chelsea", side=128)
    levels = stego(name, net)
    (found,), _ = arrival.read(net, levels, [])
    (told,), _ = arrival.read(net, levels, [parse(name)])
    assert torch.equal(found, told)
    assert (found - blocks.inverse(truth)).square().mean() < 255**2 / 10**1.3


def test_steps_of_a_quality_are_seen_in_samples_and_not_elsewhere() -> None:
    net = network()
    assert arrival.quality_of(blocks.forward(stego("jpeg:75", net)), 60) == 75
    assert arrival.quality_of(blocks.forward(stego("png", net)), 60) is None


def test_noise_and_empty_pictures_reveal_nothing() -> None:
    """Innocent photos are not told from stegos: they may reveal something shapeless (docs/methods/riis.md)."""
    net = network()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for pixels in (noise, np.zeros((64, 64, 3), np.uint8)):
        with pytest.raises(RevealError):
            arrival.read(net, to_levels(pixels), [])
