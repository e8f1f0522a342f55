"""Coefficients in groups: which depends on which, what is told of those that are known, and how it begins."""

import math

import pytest
import torch
from flow_helpers import settled

from stegcli.nn.grouped import GroupedFlow, energies

CHANNELS, SEEN, SIZE = 5, 4, (6, 6)


@pytest.fixture
def flow():
    made = GroupedFlow(CHANNELS, 0.5, SEEN, width=6, features=4, reach=1)
    return settled(made, 0.5).double().requires_grad_(False)


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def group_of(channel, row, column):
    return 2 * (channel >= CHANNELS // 2) + (row + column) % 2


GROUPS = torch.tensor([[[group_of(c, i, j) for j in range(SIZE[1])] for i in range(SIZE[0])] for c in range(CHANNELS)])


@pytest.mark.parametrize("group", range(4))
def test_a_group_tells_later_groups_alone(flow, group):
    x, c = drawn(1, CHANNELS, *SIZE), drawn(1, SEEN, *SIZE, seed=1)
    z = flow(x, c)[0]
    moved = (flow(x + 0.3 * (group == GROUPS), c)[0] - z).abs() > 1e-9
    assert moved[0, group == GROUPS].all()
    assert not moved[0, group > GROUPS].any()
    for later in range(group + 1, 4):
        assert moved[0, later == GROUPS].any()


def test_numbers_of_a_group_do_not_meet(flow):
    x, c = drawn(1, CHANNELS, *SIZE), drawn(1, SEEN, *SIZE, seed=1)
    changed = x.clone()
    changed[0, 0, 0, 0] += 1
    moved = (flow(changed, c)[0] - flow(x, c)[0]).abs() > 1e-12
    assert moved[0, GROUPS == 0].sum() == 1
    assert moved[0, 0, 0, 0]


def test_what_is_given_reaches_all(flow):
    x, c = drawn(1, CHANNELS, *SIZE), drawn(1, SEEN, *SIZE, seed=1)
    assert ((flow(x, c + 0.5)[0] - flow(x, c)[0]).abs() > 1e-9).all()


def test_begins_with_one_spread_for_all():
    flow = GroupedFlow(3, 0.2, SEEN, width=4, features=4, reach=0).requires_grad_(False)
    x, c = 0.2 * drawn(1, 3, *SIZE).float(), drawn(1, SEEN, *SIZE, seed=1).float()
    z, ladj = flow(x, c)
    assert torch.equal(z, flow(x, 2 * c)[0])
    assert 0.5 < z.std() < 2
    assert torch.allclose(z, -flow(-x, c)[0], atol=1e-5)
    assert ladj.item() == pytest.approx(-math.log(0.2) * x.numel(), rel=0.5)


def test_all_known_energies_are_mean_squares():
    x, floor = drawn(2, 3, 6, 8), torch.tensor(1e-4)
    local, whole = energies(x, floor)
    assert local.shape == whole.shape == x.shape
    assert torch.allclose(whole[:, :, 0, 0], torch.log(x.square().mean((2, 3)) + 1e-4) / 3 + 1)
    inside = x[:, :, 1:4, 2:5].square().mean((2, 3))
    assert torch.allclose(local[:, :, 2, 3], torch.log(inside + 1e-4) / 3 + 1)
    corner = x[:, :, :2, :2].square().mean((2, 3))
    assert torch.allclose(local[:, :, 0, 0], torch.log(corner + 1e-4) / 3 + 1)


def test_what_is_not_known_has_no_part_in_energies():
    known = (drawn(1, 3, 6, 8, seed=3) > 0).double()
    x, floor = drawn(2, 3, 6, 8), torch.tensor(1e-4)
    _, whole = energies(x * known, floor, known)
    for channel in range(3):
        chosen = x[0, channel][known[0, channel] > 0]
        assert whole[0, channel, 0, 0].item() == pytest.approx(math.log(chosen.square().mean() + 1e-4) / 3 + 1)
    local, whole = energies(torch.zeros_like(x), floor, torch.zeros_like(known))
    assert torch.allclose(local, torch.full_like(local, math.log(1e-4) / 3 + 1))
    assert torch.equal(local, whole)


def test_single_precision_is_enough():
    flow = settled(GroupedFlow(CHANNELS, 0.5, SEEN, 6, 4, 1), 0.5).requires_grad_(False)
    z, c = drawn(2, CHANNELS, *SIZE).float(), drawn(2, SEEN, *SIZE, seed=1).float()
    assert (flow(flow.inverse(z, c), c)[0] - z).abs().max() < 1e-3
