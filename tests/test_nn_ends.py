"""Every real number becomes a sample in (0, 1), and comes back."""

import numpy as np
import pytest
import torch

from stegcli.nn.ends import LEAST, compressed, ladj_of_ends, widened

E = 1 / 16


def test_samples_away_from_the_ends_stay():
    u = torch.linspace(E, 1 - E, 1001, dtype=torch.float64)
    assert torch.equal(compressed(u, E), u)
    assert torch.equal(widened(u, E), u)


def test_all_numbers_become_samples_in_order():
    u = torch.linspace(-1, 2, 10_001, dtype=torch.float64)
    x = compressed(u, E)
    assert ((x > 0) & (x < 1)).all()
    assert (x.diff() > 0)[(x[1:] > 1e-12) & (x[1:] < 1 - 1e-12)].all()


def test_value_and_slope_are_continuous_where_the_ends_begin():
    for at in (E, 1 - E):
        u = torch.tensor([at - 1e-6, at, at + 1e-6], dtype=torch.float64)
        left, right = compressed(u, E).diff() / 1e-6
        assert left == pytest.approx(1, abs=1e-4)
        assert right == pytest.approx(1, abs=1e-4)


def test_widened_is_the_inverse_of_compressed():
    x = torch.linspace(LEAST, 1 - LEAST, 10_001, dtype=torch.float64)
    assert torch.allclose(compressed(widened(x, E), E), x, atol=1e-12)


def test_each_of_the_levels_comes_back():
    """In single precision, from the middle of its cell, as pictures are read."""
    levels = np.arange(256)
    x = torch.from_numpy((levels + 0.5) / 256).float()
    assert np.array_equal((compressed(widened(x, E), E) * 256).floor().numpy(), levels)


def test_black_and_white_and_what_lies_beyond_have_a_finite_place():
    x = torch.tensor([-0.2, 0.0, 1.0, 1.2])
    found = widened(x, E)
    assert torch.isfinite(found).all()
    assert found.tolist() == pytest.approx([-0.196, -0.196, 1.196, 1.196], abs=1e-3)
    assert torch.isfinite(ladj_of_ends(x.view(1, 1, 2, 2), E)).all()


def test_without_ends_nothing_changes():
    x = torch.tensor([-0.5, 0.0, 0.01, 1.0, 2.0])
    assert torch.equal(compressed(x, 0.0), x)
    assert torch.equal(widened(x, 0.0), x)
    assert ladj_of_ends(x.view(1, 1, 1, 5), 0.0).tolist() == [0.0]


def test_the_log_determinant_is_that_of_widening():
    x = torch.linspace(0.01, 0.99, 48, dtype=torch.float64).view(1, 3, 4, 4)
    jacobian = torch.autograd.functional.jacobian(lambda v: widened(v, E), x).reshape(48, 48)
    assert torch.allclose(ladj_of_ends(x, E)[0], torch.linalg.slogdet(jacobian).logabsdet, atol=1e-9)
