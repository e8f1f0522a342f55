"""The sender's rounding and refinement, through real files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from riis_net_helpers import coefficients, network, stirred

from stegcli.methods.riis.net import blocks, sender
from stegcli.methods.riis.net.surface import surface
from stegcli.pictures.channel import Channel, parse


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return 10 * float(torch.log10(255**2 / (a - b).square().mean()))


@pytest.mark.parametrize(("name", "least"), [("png", 33.0), ("jpeg:80", 14.0), ("jpeg:70", 13.0), ("noise:4", 13.0)])
def test_the_analytic_start_alone_reveals(name: str, least: float) -> None:
    net, channel = network(), parse(name)
    host, secret = coefficients(side=128), coefficients("chelsea", side=128)
    y, _ = net.hide(host, secret, channel)
    levels = sender.written(y, channel, net.mixing(channel))
    assert torch.equal(levels, levels.round())
    assert levels.min() >= 0
    assert levels.max() <= 255
    back, _ = net.reveal(sender.sent(levels, channel, np.random.default_rng(0)), channel)
    assert psnr(back, secret) > least


def test_rounding_for_the_secret_beats_rounding_each_sample() -> None:
    net, channel = network(), parse("png")
    host, secret = coefficients(), coefficients("chelsea")
    y, _ = net.hide(host, secret, channel)
    ours = blocks.forward(sender.written(y, channel, net.mixing(channel)))
    plain = blocks.forward(blocks.inverse(y).round().clamp(0, 255))
    assert psnr(net.reveal(ours, channel)[0], secret) > psnr(net.reveal(plain, channel)[0], secret) + 10


def test_a_stego_for_jpeg_keeps_its_luminance_through_it() -> None:
    net, channel = network(), parse("jpeg:80")
    y, _ = net.hide(coefficients(), coefficients("chelsea"), channel)
    levels = sender.written(y, channel, net.mixing(channel))
    found = surface(channel)
    steps = found.lattice.diagonal().float()
    sent, arrived = blocks.forward(levels), sender.sent(levels, channel, np.random.default_rng(0))
    read = [blocks.rows(blocks.apply(found.view, c)) / steps for c in (sent, arrived)]
    assert (read[0].round() != read[1].round()).float().mean() < 0.02


def cost(net, y: torch.Tensor, host: torch.Tensor, secret: torch.Tensor, channel: Channel) -> float:
    error = (net.reveal(y, channel)[0] - secret).square().sum()
    return float(error + net.mixing(channel).weight * (y - host).square().sum())


@pytest.mark.parametrize("name", ["png", "jpeg:80"])
def test_refinement_lowers_the_cost_and_leaves_an_optimum_alone(name: str) -> None:
    net, channel = network(), parse(name)
    host, secret = coefficients(), coefficients("chelsea")
    y, _ = net.hide(host, secret, channel)
    alone = sender.refined(net, y, host, secret, channel, 1)
    assert torch.allclose(alone, y, atol=0.05)
    stirred(net.apart, 0.02)  # the receiver now reads otherwise than the sender writes
    steps = [cost(net, sender.refined(net, y, host, secret, channel, n, 0.5), host, secret, channel) for n in range(3)]
    assert steps[2] < steps[1] < steps[0]


def test_headroom_is_made_where_there_is_none() -> None:
    levels = torch.tensor([0.0, 100, 255]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    assert sender.shrunk(levels, parse("jpeg:80"))[0, :, 0, 0].tolist() == [12, 100, 243]
    assert torch.equal(sender.shrunk(levels, parse("noise:4")), levels)
    more = sender.shrunk(levels, parse("jpeg:80"), torch.full((1, 1, 1, 1), 8.0))
    assert more[0, :, 7, 7].tolist() == [20, 100, 235]
