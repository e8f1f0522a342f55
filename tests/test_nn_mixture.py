"""Mixtures of logistic distributions as a way to normal numbers: against SciPy, in the tails, and back."""

import math

import pytest
import torch
from scipy import stats

from stegcli.nn.mixture import Mixture


def mixture(*shape, components=3, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    logits, means, log_scales = (torch.randn(components, *shape, generator=generator, dtype=dtype) for _ in range(3))
    return Mixture(torch.log_softmax(logits, 0), 2 * means, log_scales - 1)


def numbers(*shape, seed=1):
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_normal_numbers_are_those_of_the_distribution_function():
    found, x = mixture(50), numbers(50)
    z, ladj = found.forward(x)
    for i in range(50):
        parts = zip(found.log_weights[:, i].exp(), found.means[:, i], found.log_scales[:, i].exp(), strict=True)
        parts = [(float(w), stats.logistic(float(m), float(s))) for w, m, s in parts]
        below = sum(w * d.cdf(float(x[i])) for w, d in parts)
        density = sum(w * d.pdf(float(x[i])) for w, d in parts)
        assert z[i].item() == pytest.approx(stats.norm.ppf(below), abs=1e-6)
        assert ladj[i].item() == pytest.approx(math.log(density) - stats.norm.logpdf(z[i].item()), abs=1e-6)


def test_log_derivative_is_autograds():
    found, x = mixture(40), numbers(40).requires_grad_(True)
    z, ladj = found.forward(x)
    (slope,) = torch.autograd.grad(z.sum(), x)
    assert torch.allclose(slope.log(), ladj, atol=1e-7)


def test_one_component_in_the_middle_is_a_logistic_number():
    single = Mixture(torch.zeros(1, 1), torch.full((1, 1), 0.3), torch.full((1, 1), -0.7))
    assert single.forward(torch.tensor([0.3]))[0].abs() < 1e-6
    assert single.inverse(torch.zeros(1)).item() == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_inverse_undoes_forward(dtype, error):
    found, z = mixture(2000, dtype=dtype), torch.randn(2000, generator=torch.Generator().manual_seed(2), dtype=dtype)
    assert (found.forward(found.inverse(z))[0] - z).abs().max() < error
    x = numbers(2000).to(dtype)
    there = found.forward(x)[0]
    likely = found.forward(x)[1] > -1  # between two narrow components a number hardly matters, nor is it told exactly
    assert likely.float().mean() > 0.5
    assert (found.inverse(there) - x)[likely].abs().max() < error


def test_inverse_of_components_far_apart():
    """Between narrow components F is flat, and Newton's steps alone would leave it."""
    wide = Mixture(
        torch.log(torch.tensor([[0.3], [0.7]], dtype=torch.float64)).expand(2, 999),
        torch.tensor([[-40.0], [40.0]], dtype=torch.float64).expand(2, 999),
        torch.log(torch.tensor([[1e-3], [2.0]], dtype=torch.float64)).expand(2, 999),
    )
    z = torch.linspace(-5, 5, 999, dtype=torch.float64)
    assert (wide.forward(wide.inverse(z))[0] - z).abs().max() < 1e-8


def test_both_tails_are_kept_in_single_precision():
    """As far as seven, which one draw in 10^12 passes; and beyond that numbers stay finite and in order."""
    single = Mixture(torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1, 1))
    z = torch.tensor([-7.0, -5.0, -3.0, 3.0, 5.0, 7.0])
    assert torch.allclose(single.forward(single.inverse(z))[0], z, rtol=1e-4)
    far = torch.tensor([-1e4, -70.0, -60.0, 60.0, 70.0, 1e4])
    found, ladj = single.forward(far)
    assert found.isfinite().all()
    assert ladj.isfinite().all()
    assert (found.diff() >= 0).all()
    assert torch.allclose(found, -found.flip(0), rtol=1e-5)


def test_gradients_are_finite_far_out():
    logits, means, log_scales = (torch.zeros(3, 4, requires_grad=True) for _ in range(3))
    x = torch.tensor([-1e3, -30.0, 30.0, 1e3])
    z, ladj = Mixture(torch.log_softmax(logits, 0), means, log_scales).forward(x)
    (0.5 * z.square() - ladj).sum().backward()
    for parameter in (logits, means, log_scales):
        assert parameter.grad.isfinite().all()


@pytest.mark.parametrize("which", ["z", "log_weights", "means", "log_scales"])
def test_derivatives_of_the_inverse_are_those_of_finite_differences(which):
    found, z = mixture(20), torch.randn(20, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    values = {"z": z, "log_weights": found.log_weights, "means": found.means, "log_scales": found.log_scales}

    def inverse(of):
        given = values | {which: of}
        weights = torch.log_softmax(given["log_weights"], 0)
        return Mixture(weights, given["means"], given["log_scales"]).inverse(given["z"])

    at = values[which].clone().requires_grad_(True)
    direction = torch.randn(at.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    (slope,) = torch.autograd.grad(inverse(at).sum(), at)
    with torch.no_grad():
        moved = (inverse(at + 1e-5 * direction) - inverse(at - 1e-5 * direction)).sum() / 2e-5
    assert (slope * direction).sum().item() == pytest.approx(moved.item(), rel=1e-4, abs=1e-5)
