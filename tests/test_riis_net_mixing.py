"""The linear optimum: a bijection whose cost is known in closed form."""

from __future__ import annotations

import pytest
import torch

from stegcli.methods.riis.net import blocks
from stegcli.methods.riis.net.mixing import Mixing
from stegcli.pictures.channel import parse

CHANNELS = ("png", "jpeg:80", "noise:5")


def made(name: str, secrets: int = 1) -> Mixing:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return Mixing(parse(name), 2.0, secrets).requires_grad_(False)


def photos(count: int, channels: int, seed: int) -> torch.Tensor:
    """Coefficients that are independent, of the strength of photos."""
    drawn = torch.randn(1, channels, count, 1, generator=torch.Generator().manual_seed(seed))
    return drawn * blocks.spreads().repeat(channels // 192).float()[:, None, None]


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("secrets", [1, 2])
def test_is_a_bijection(name: str, secrets: int) -> None:
    mixing = made(name, secrets)
    secret, host = photos(4, 192 * secrets, 0), photos(4, 192, 1)
    back, cover = mixing.inverse(*mixing(secret, host))
    assert torch.allclose(back, secret, atol=0.02)
    assert torch.allclose(cover, host, atol=0.02)


@pytest.mark.parametrize("name", CHANNELS)
def test_writes_the_least_of_what_it_costs(name: str) -> None:
    """The measured cost is the one in closed form, and any other stego costs more."""
    mixing = made(name)
    secret, host = photos(3000, 192, 0), photos(3000, 192, 1)
    _, y = mixing(secret, host)

    def cost(stego: torch.Tensor) -> float:
        read = blocks.apply(mixing.matrix() @ mixing.surface.view, stego)
        each = mixing.weight * (stego - host).square() + (read - secret).square()
        return each.sum(1).mean().item() / blocks.COEFFICIENTS

    covariance = torch.diag(blocks.spreads().square())
    assert cost(y) == pytest.approx(mixing.cost(covariance)["fit"].item(), rel=0.1)
    for seed in range(3):
        moved = torch.randn(y.shape, generator=torch.Generator().manual_seed(seed))
        assert cost(y + 0.1 * moved) > cost(y)


def test_the_channel_costs_what_it_adds() -> None:
    covariance = torch.diag(blocks.spreads().square())
    assert made("png").cost(covariance)["noise"].item() == 0
    noisy = made("noise:5")
    expected = 25 * noisy.matrix().square().sum().item() / blocks.COEFFICIENTS
    assert noisy.cost(covariance)["noise"].item() == pytest.approx(expected)
