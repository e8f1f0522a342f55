"""Rounding to the lattice point that costs least."""

from __future__ import annotations

import torch

from stegcli.methods.riis.net import rounding


def form(size: int = 6, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    c = torch.randn(size, size, generator=generator, dtype=torch.float64)
    c[0] *= 30  # one direction that is amplified
    return c.T @ c + torch.eye(size, dtype=torch.float64)


def cost(errors: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
    return ((errors @ of) * errors).sum(1)


def test_costs_what_the_triangle_says_and_less_than_plain_rounding() -> None:
    of = form()
    targets = 10 * torch.randn(4000, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    whole = rounding.nearest(targets, of)
    assert torch.allclose(whole, whole.round(), atol=1e-9)
    found = cost(whole - targets, of).mean()
    expected = rounding.triangle(of).diagonal().square().sum() / 12
    assert abs(found / expected - 1) < 0.1
    assert found < 0.7 * cost(targets.round() - targets, of).mean()


def test_with_independent_errors_it_is_plain_rounding_within_bounds() -> None:
    targets = torch.tensor([[-3.2, 0.4, 7.6, 300.0]], dtype=torch.float64)
    found = rounding.nearest(targets, torch.eye(4), 0, 255)
    assert found.tolist() == [[0, 0, 8, 255]]


def test_triangle_is_a_root_of_the_form() -> None:
    upper = rounding.triangle(form())
    assert torch.allclose(upper.T @ upper, form())
    assert torch.equal(upper, upper.triu())
