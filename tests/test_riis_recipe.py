"""How the network is trained."""

from __future__ import annotations

import pytest
import torch
from riis_helpers import photo

from stegcli import methods
from stegcli.methods.riis import recipe
from stegcli.methods.riis.net import blocks
from stegcli.methods.riis.net.model import PRIOR
from stegcli.nn.tensors import to_tensor
from stegcli.recipe import Noise, Step, seeded

TINY = range(len(recipe.TINY))


def built(index: int = 0):
    return seeded(lambda: methods.build("riis", **recipe.TINY[index]), 0)[0]


def images(side: int = 64) -> torch.Tensor:
    return torch.cat([to_tensor(photo(side, name)) for name in ("coffee", "chelsea", "astronaut", "rocket")])


def step(number: int = 0) -> Step:
    return Step(Noise.of(0, number, range(4)), 0.5)


@pytest.mark.parametrize("index", TINY)
def test_the_linear_optima_improve_by_their_own_cost(index: int) -> None:
    method = built(index)
    parameters = list(recipe.network_of(method).linear.parameters())
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    costs = []
    for number in range(8):
        terms = recipe.linear_loss(method, images(), step(number))
        assert set(terms) == set(recipe.TINY[index]["network"]["channels"])
        loss = torch.stack(list(terms.values())).sum()
        costs.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert costs[-1] < costs[1]


def test_the_covariance_is_that_of_the_photos_and_a_little_of_where_it_began() -> None:
    seen = recipe.network_of(built()).seen
    coefficients = blocks.forward(images() * 255)
    for _ in range(45):
        seen.update(coefficients)
    rows = blocks.rows(coefficients).double()
    truth = (45 * rows.T @ rows / len(rows) + PRIOR * torch.diag(blocks.spreads().square())) / (45 + PRIOR)
    assert torch.allclose(seen.covariance().diagonal(), truth.diagonal(), rtol=0.01)


@pytest.mark.parametrize("index", TINY)
def test_every_channel_gives_gradients_to_sender_and_receiver(index: int) -> None:
    method = built(index)
    network = recipe.network_of(method)
    for channel in network.channels:
        network.zero_grad()
        terms = recipe.terms_of(network, images(), channel, lambda y: (y.round(), y.round() + 1))
        torch.stack([t for n, t in terms.items() if n[0] != "_"]).sum().backward()
        moved = {n.split(".")[0] for n, p in network.named_parameters() if p.grad is not None and p.grad.any()}
        assert "flow" in moved
        assert ("apart" in moved) == recipe.TINY[index]["network"].get("decoupled", True)
        assert all(torch.isfinite(t).all() for t in terms.values())


def test_the_loss_draws_a_channel_and_sends_through_it() -> None:
    method = built()
    terms = recipe.hide_loss(method, images(), step())
    (channel,) = (n.removeprefix("_host_") for n in terms if n.startswith("_host_"))
    assert channel in map(str, recipe.network_of(method).channels)
    assert terms[f"_secret_{channel}"] > 0


def test_secrets_are_the_pictures_that_follow() -> None:
    host, secrets = recipe._pairs(images(), 2)
    assert torch.equal(secrets[1, :192], host[2])
    assert torch.equal(secrets[1, 192:], host[3])


def test_figures_and_samples_are_told_for_every_channel() -> None:
    method = built()
    with torch.no_grad():
        figures = recipe.validate(method, images())
        assert recipe.sample(method, images()).shape == (12, 3, 64, 64)
    assert {n.split()[0] for n in figures} == {"png", "jpeg:90"}
    assert figures["png worst"] <= figures["png secret"]
    assert figures["png secret"] > 25
