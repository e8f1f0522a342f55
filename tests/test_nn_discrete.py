import math

import pytest
import torch

from stegcli.nn.discrete import DiscreteMixture

SEED = 5


@pytest.fixture
def mixture():
    """Six numbers with three components each, in intervals of 1 to 400 whole numbers."""
    g = torch.Generator().manual_seed(SEED)
    weights = torch.log_softmax(torch.randn(3, 6, generator=g), 0)
    means = 40 * torch.randn(3, 6, generator=g)
    scales = torch.randn(3, 6, generator=g)
    low = torch.tensor([-200.0, -3, 0, 5, -90, -1])
    high = torch.tensor([199.0, 4, 0, 60, -20, 1])
    return DiscreteMixture(weights, means, scales, low, high)


def every(mixture):
    """Each whole number of the widest interval, (n, 6), and which of them are possible."""
    x = torch.arange(-200.0, 200)[:, None].expand(-1, 6)
    return x, (x >= mixture.low) & (x <= mixture.high)


def test_probabilities_add_up_to_1_inside_the_interval(mixture):
    x, inside = every(mixture)
    mass = torch.stack([mixture.double().log_likelihood(v.double()) for v in x]).exp()
    assert torch.allclose((mass * inside).sum(0), torch.ones(6, dtype=torch.float64), atol=1e-4)


def test_cells_are_the_probabilities_one_after_the_other(mixture):
    mixture = mixture.double()
    x, inside = every(mixture)
    previous = torch.zeros(6, dtype=torch.float64)
    for v, possible in zip(x.double(), inside, strict=True):
        low, high = mixture.cells(v)
        assert torch.allclose(torch.where(possible, low, previous), previous, atol=1e-12)
        mass = mixture.log_likelihood(v).exp()
        assert torch.allclose(torch.where(possible, high - low, mass), mass, atol=2e-4)
        previous = torch.where(possible, high, previous)
    assert torch.allclose(previous, torch.ones(6, dtype=torch.float64), atol=1e-12)


def test_every_number_keeps_a_cell(mixture):
    mixture = mixture.double()
    x, inside = every(mixture)
    widths = torch.stack([high - low for low, high in (mixture.cells(v.double()) for v in x)])
    assert (widths[inside] > 1e-9).all()


def test_quantile_finds_the_cell_that_holds_u(mixture):
    mixture = mixture.double()
    g = torch.Generator().manual_seed(SEED)
    for _ in range(200):
        u = torch.rand(6, generator=g, dtype=torch.float64)
        low, high = mixture.cells(mixture.quantile(u))
        assert (low <= u).all()
        assert (u < high).all()


@pytest.mark.parametrize("u", [0.0, 1 - 2.0**-53])
def test_the_ends_of_the_unit_interval_stay_in_the_gamut(mixture, u):
    x = mixture.double().quantile(torch.full((6,), u, dtype=torch.float64))
    assert (x >= mixture.low).all()
    assert (x <= mixture.high).all()


def test_a_hole_belongs_to_the_number_above_it(mixture):
    mixture = mixture.double()
    x = torch.tensor([3.0, 2, 0, 30, -40, 1], dtype=torch.float64)
    low, high = mixture.cells(x, x - 2)
    below, own = mixture.cells(x - 1), mixture.cells(x)
    wide = mixture.low < x - 1
    assert torch.equal(low[wide], below[0][wide])
    assert torch.equal(high, own[1])


def test_means_outside_the_interval_are_clipped_into_it():
    far = DiscreteMixture(
        torch.zeros(1, 1), torch.full((1, 1), 1e4), torch.zeros(1, 1), torch.zeros(1), torch.full((1,), 9.0)
    )
    likely = torch.stack(
        [far.double().log_likelihood(torch.full((1,), float(v), dtype=torch.float64)) for v in range(10)]
    )
    assert likely.argmax() == 9
    assert math.isclose(likely.exp().sum().item(), 1, abs_tol=1e-4)


def test_the_likelihood_has_gradients_where_cells_are_narrow():
    means = torch.zeros(1, 1, requires_grad=True)
    sharp = DiscreteMixture(
        torch.zeros(1, 1), means, torch.full((1, 1), 12.0), torch.full((1,), -5.0), torch.full((1,), 5.0)
    )
    sharp.log_likelihood(torch.full((1,), 3.0)).sum().backward()
    assert torch.isfinite(means.grad).all()
