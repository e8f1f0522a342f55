"""Every bijection: its inverse undoes it in float64, and its log-determinant is that of the autograd Jacobian."""

import pytest
import torch
from torch import nn

from stegcli.methods.lossless_inn.net import FromLevels
from stegcli.nn.flow import Flow, PairCoupling
from stegcli.nn.nets import DenseBlock, periodic_features


def disturbed(flow: Flow) -> Flow:
    """Away from its start: a coupling begins as the identity, which would prove nothing."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.1)
    return flow


def pair_coupling(message: int) -> Flow:
    return PairCoupling(DenseBlock(message, 3, 4, 2), DenseBlock(3, 2 * message, 4, 2), inputs=3).double()


def lossless_coupling(message: int) -> Flow:
    return PairCoupling(DenseBlock(message, 3, 4, 2), FromLevels(message, 4, 2, (4, 8)), inputs=3).double()


FLOWS = {
    "pair-1": (lambda: pair_coupling(1), 4),
    "pair-3": (lambda: pair_coupling(3), 6),
    "lossless-1": (lambda: lossless_coupling(1), 4),
    "lossless-3": (lambda: lossless_coupling(3), 6),
}


@pytest.fixture(params=FLOWS)
def flow_and_input(request):
    make, channels = FLOWS[request.param]
    x = torch.randn(2, channels, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return disturbed(make()), x


def test_inverse_undoes_forward(flow_and_input):
    flow, x = flow_and_input
    z, _ = flow(x)
    assert (z - x).abs().max() > 1e-2
    assert torch.allclose(flow.inverse(z), x, atol=1e-10)


def test_log_determinant_is_the_jacobians(flow_and_input):
    flow, x = flow_and_input
    _, ladj = flow(x)
    for i in range(len(x)):
        item = x[i : i + 1]
        jacobian = torch.autograd.functional.jacobian(lambda v: flow(v)[0], item).reshape(item.numel(), item.numel())
        assert torch.allclose(ladj[i], torch.linalg.slogdet(jacobian).logabsdet, atol=1e-8)


def test_coupling_starts_as_the_identity():
    x = torch.randn(1, 4, 5, 5, dtype=torch.float64)
    z, ladj = lossless_coupling(1)(x)
    assert torch.equal(z, x)
    assert ladj.abs().max() == 0


def test_scale_stays_bounded():
    net = nn.Conv2d(3, 2, 1).double()
    nn.init.constant_(net.weight, 1e6)
    flow = PairCoupling(nn.Conv2d(1, 3, 1).double(), net, inputs=3, clamp=1.5)
    _, ladj = flow(torch.ones(1, 4, 2, 2, dtype=torch.float64))
    assert ladj.abs().item() <= 1.5 * 4 + 1e-9


def test_dense_block_reach_is_what_it_says():
    block = DenseBlock(1, 1, 3, depth=4)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.fill_(0.1)
    x = torch.zeros(1, 1, 21, 21, requires_grad=True)
    block(x)[0, 0, 10, 10].backward()
    rows = x.grad[0, 0].abs().sum(1).nonzero().flatten()
    assert (rows.min().item(), rows.max().item()) == (10 - block.reach, 10 + block.reach)


def test_periodic_features_tell_neighbouring_levels_apart():
    levels = torch.arange(256.0).view(1, 1, 1, 256)
    features = periodic_features(levels, (4, 8, 16))
    assert features.shape == (1, 7, 1, 256)
    steps = (features[..., 1:] - features[..., :-1]).norm(dim=1)
    assert steps.min() > 1
    assert torch.allclose(features[:, 1:3, :, :4], features[:, 1:3, :, 4:8], atol=1e-4)
