"""Every bijection: its inverse undoes it in float64, and its log-determinant is that of the autograd Jacobian."""

import math

import pytest
import torch
from torch import nn

from stegcli.methods.lossless_inn.net import FromLevels
from stegcli.nn.flow import (
    BOUND,
    ActNorm,
    AffineCoupling,
    Chain,
    ContextAffine,
    ContextNorm,
    Flow,
    PairCoupling,
    Rotation,
    bounded,
)
from stegcli.nn.grouped import GroupedFlow
from stegcli.nn.nets import DenseBlock, periodic_features
from stegcli.nn.wavelet import ConditionalGlow, WaveletFlow


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


def conv(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def chain() -> Flow:
    return Chain([ActNorm(4, -0.5), Rotation(4), AffineCoupling(4, conv(2, 4)), ActNorm(4)])


def chain_with_context() -> Flow:
    return Chain([Rotation(3), ContextAffine(conv(2, 6)), AffineCoupling(3, conv(3, 4)), Rotation(3)])


# A flow, the shape of an item, and how many channels its context has, if it takes one.
FLOWS = {
    "pair-1": (lambda: pair_coupling(1), (4, 4, 3), 0),
    "pair-3": (lambda: pair_coupling(3), (6, 4, 3), 0),
    "lossless-1": (lambda: lossless_coupling(1), (4, 4, 3), 0),
    "lossless-3": (lambda: lossless_coupling(3), (6, 4, 3), 0),
    "actnorm": (lambda: ActNorm(5, -1.2), (5, 4, 3), 0),
    "rotation": (lambda: Rotation(6), (6, 4, 3), 0),
    "affine": (lambda: AffineCoupling(4, conv(2, 4)), (4, 4, 3), 0),
    "affine, odd, with context": (lambda: AffineCoupling(3, conv(1 + 2, 4)), (3, 4, 3), 2),
    "context": (lambda: ContextAffine(conv(2, 6)), (3, 4, 3), 2),
    "context's moments": (lambda: ContextNorm(conv(2, 6)), (3, 4, 3), 2),
    "chain": (chain, (4, 4, 3), 0),
    "chain with context": (chain_with_context, (3, 4, 3), 2),
    "conditional glow": (lambda: ConditionalGlow(3, 3, width=4, steps=2, log_scale=-1.0), (3, 4, 3), 3),
    "grouped": (lambda: GroupedFlow(3, 0.5, 3, width=4, features=3, reach=1), (3, 4, 3), 3),
    "wavelet-1": (lambda: WaveletFlow([4, 4], [1, 1]), (3, 4, 8), 0),
    "wavelet-2": (lambda: WaveletFlow([4, 4, 4], [1, 2, 1]), (3, 8, 8), 0),
    "wavelet-2 with cues": (lambda: WaveletFlow([4, 4, 4], [1, 2, 1], cues=1), (3, 8, 8), 0),
}


@pytest.fixture(params=FLOWS)
def flow_and_input(request):
    make, shape, seen = FLOWS[request.param]
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, *shape, dtype=torch.float64, generator=generator)
    c = torch.randn(2, seen, *shape[1:], dtype=torch.float64, generator=generator) if seen else None
    return disturbed(make().double()), x, c


def test_inverse_undoes_forward(flow_and_input):
    flow, x, c = flow_and_input
    z, ladj = flow(x, c)
    assert z.shape == x.shape
    assert ladj.shape == (2,)
    assert (z - x).abs().max() > 1e-2
    assert torch.allclose(flow.inverse(z, c), x, atol=1e-10)
    assert torch.allclose(flow(flow.inverse(x, c), c)[0], x, atol=1e-10)


def test_log_determinant_is_the_jacobians(flow_and_input):
    flow, x, c = flow_and_input
    _, ladj = flow(x, c)
    for i in range(len(x)):
        item, context = x[i : i + 1], None if c is None else c[i : i + 1]
        jacobian = torch.autograd.functional.jacobian(lambda v, context=context: flow(v, context)[0], item)
        log_determinant = torch.linalg.slogdet(jacobian.reshape(item.numel(), item.numel())).logabsdet
        assert torch.allclose(ladj[i], log_determinant, atol=1e-8)


@pytest.mark.parametrize("flow_and_input", [name for name, (_, _, seen) in FLOWS.items() if seen], indirect=True)
def test_context_matters_and_each_item_has_its_own(flow_and_input):
    flow, x, c = flow_and_input
    z, _ = flow(x, c)
    exchanged, _ = flow(x, c.flip(0))
    assert (z - exchanged).abs().max() > 1e-3
    assert torch.allclose(flow(x.flip(0), c.flip(0))[0].flip(0), z, atol=1e-12)


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


def test_affine_coupling_keeps_the_smaller_half():
    flow, x = AffineCoupling(5, conv(2, 6)), torch.arange(60.0).view(1, 5, 4, 3)
    assert torch.equal(flow(x)[0][:, :2], x[:, :2])
    assert (flow(x)[0][:, 2:] != x[:, 2:]).all()


def test_log_scales_stay_bounded():
    raw = torch.tensor([-1e9, -1.0, -1e-3, 0.0, 1e-3, 1.0, 1e9], dtype=torch.float64)
    found = bounded(raw)
    assert found.abs().max() <= BOUND
    assert (found.diff() > 0).all()
    assert torch.allclose(found[2:5], raw[2:5], atol=1e-9)
    assert torch.allclose(bounded(raw, 0.2)[[0, -1]], torch.tensor([-0.2, 0.2], dtype=torch.float64))
    for flow, c in ((AffineCoupling(2, conv(1, 2)), None), (ContextAffine(conv(1, 4)), torch.ones(1, 1, 2, 2))):
        nn.init.constant_(flow.net.weight, 1e6)
        _, ladj = flow(torch.ones(1, 2, 2, 2), c)
        assert 5 < ladj.abs().item() <= BOUND * 8 + 1e-5


def test_actnorm_starts_at_its_scale():
    z, ladj = ActNorm(2, math.log(0.1))(torch.full((3, 2, 4, 5), 0.7))
    assert torch.allclose(z, torch.full_like(z, 7))
    assert torch.allclose(ladj, torch.full((3,), 2 * 20 * math.log(10)))


def test_rotation_keeps_lengths():
    x = torch.randn(2, 6, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    flow = Rotation(6).double()
    z, ladj = flow(x)
    assert torch.allclose(z.norm(dim=1), x.norm(dim=1))
    assert ladj.tolist() == [0, 0]
    matrix = flow._matrix()
    assert torch.allclose(matrix @ matrix.T, torch.eye(6, dtype=torch.float64), atol=1e-12)
    assert torch.linalg.det(matrix).item() == pytest.approx(1)


def test_chain_goes_through_its_flows_in_turn():
    first, second = ActNorm(2, 0.3), disturbed(ActNorm(2, -0.1).double()).float()
    x = torch.arange(16.0).view(1, 2, 2, 4)
    z, ladj = Chain([first, second])(x)
    middle, one = first(x)
    expected, two = second(middle)
    assert torch.equal(z, expected)
    assert torch.allclose(ladj, one + two)
    nothing, zero = Chain([])(x)
    assert torch.equal(nothing, x)
    assert zero.tolist() == [0]


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
