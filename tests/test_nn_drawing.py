"""Drawing from a flow: which draws are given out, and that nothing but the picture decides it."""

import pytest
import torch
from flow_helpers import settled

from stegcli.nn.drawing import acceptable, clipped, draw, extreme
from stegcli.nn.wavelet import WaveletFlow

SIDE = 16
COOL = 0.3
"""A temperature at which hardly a sample is clipped."""


@pytest.fixture(scope="module")
def flow():
    return settled(WaveletFlow([4, 4, 4], [1, 1, 1]), scale=0.03).requires_grad_(False)


def normals(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lambda n: torch.randn(n, generator=generator, dtype=torch.float64)


def test_a_draw_is_the_flows_at_that_temperature(flow):
    x = draw(flow, normals(), SIDE, 2 * SIDE, COOL, 1)
    z = normals()(6 * SIDE**2).float().view(1, 3, SIDE, 2 * SIDE)
    assert torch.equal(x, flow.inverse(z * COOL).clamp(0, 1))
    assert x.dtype == torch.float32


def test_the_flows_precision_is_the_draws(flow):
    double = settled(WaveletFlow([4, 4, 4], [1, 1, 1]), scale=0.03).requires_grad_(False).double()
    x = draw(double, normals(), SIDE, SIDE, COOL, 1)
    assert x.dtype == torch.float64
    assert torch.allclose(x.float(), draw(flow, normals(), SIDE, SIDE, COOL, 1), atol=1e-4)


def test_draws_that_are_not_acceptable_are_passed_over(flow):
    """The first two tries get numbers so large that hardly a sample stays in range."""
    calm, tries = normals(), []

    def wild(n):
        tries.append(n)
        return calm(n) * (1e3 if len(tries) < 3 else COOL)

    assert draw(flow, wild, SIDE, SIDE, 1.0, 3) is not None
    assert tries == [3 * SIDE**2] * 3
    tries.clear()
    assert draw(flow, wild, SIDE, SIDE, 1.0, 2) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_not_acceptable(value):
    x = torch.full((1, 3, 64, 64), 0.5)
    assert acceptable(x)
    x[0, 0, 0, 0] = value
    assert not acceptable(x)


@pytest.mark.parametrize(("share", "fits"), [(0.01, True), (0.011, False)])
def test_a_picture_may_be_clipped_a_little(share, fits):
    x = torch.full((1, 1, 100, 10), 0.5)
    x.view(-1)[: round(1000 * share)] = 1.5
    assert acceptable(x) == fits


def test_what_is_beyond_black_and_white_is_clipped():
    x = torch.tensor([-3.0, -1e-6, 0.0, 0.999999, 1.0, 7.0])
    assert clipped(x) == pytest.approx(4 / 6)
    assert clipped(torch.tensor([0.5 / 256, 255.5 / 256])) == 0


@pytest.mark.parametrize("level", [0.5 / 256, 255.5 / 256])
@pytest.mark.parametrize(("share", "fits"), [(0.049, True), (0.051, False)])
def test_a_picture_may_be_black_or_white_in_small_parts(share, fits, level):
    x = torch.full((1, 1, 100, 10), 0.5)
    x.view(-1)[: round(1000 * share)] = level
    assert acceptable(x) == fits


def test_what_becomes_the_first_or_last_level_is_extreme():
    assert extreme(torch.tensor([0.0, 0.99 / 256, 1.0 / 256, 254.9 / 256, 255 / 256, 0.9999])) == pytest.approx(4 / 6)
