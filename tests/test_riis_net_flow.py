"""Couplings and CANP: bijections, the identity at the start."""

from __future__ import annotations

import pytest
import torch
from riis_net_helpers import coefficients, stirred

from stegcli.methods.riis.net.flow import Coupling, Projection, secret_spreads
from stegcli.methods.riis.net.surface import condition
from stegcli.pictures.channel import parse

TOLD = condition(parse("jpeg:80"))
SHAPE = (1, 4, 4, 1, True)


def test_couplings_are_bijections_and_start_as_the_identity() -> None:
    secret, host = coefficients("chelsea"), coefficients()
    fresh = Coupling(*SHAPE).requires_grad_(False)
    assert all(torch.equal(a, b) for a, b in zip(fresh(secret, host, TOLD), (secret, host), strict=True))
    coupling = stirred(fresh)
    a, b = coupling(secret, host, TOLD)
    assert (a - secret).abs().max() > 0.1
    assert (b - host).abs().max() > 0.1
    back = coupling.inverse(a, b, TOLD)
    assert torch.allclose(back[0], secret, atol=0.02)
    assert torch.allclose(back[1], host, atol=0.02)


@pytest.mark.parametrize("secrets", [1, 2])
def test_canp_is_a_bijection_given_the_stego(secrets: int) -> None:
    projection = stirred(Projection(secrets, 4, 4, 1, True))
    u, stego = coefficients("chelsea").repeat(1, secrets, 1, 1), coefficients()
    read = u / 2
    z, _ = projection(u, stego, read, TOLD)
    assert torch.allclose(projection.inverse(z, stego, read, TOLD), u, atol=0.02)
    assert (projection(u, 2 * stego, read, TOLD)[0] - z).abs().max() > 1e-3
    assert (projection(u, stego, 2 * read, TOLD)[0] - z).abs().max() > 1e-3


def test_canp_knows_its_log_determinant() -> None:
    projection = stirred(Projection(*SHAPE))
    u, stego = coefficients("chelsea")[..., :1, :1], coefficients()[..., :1, :1]
    spread = secret_spreads(u, 1)
    start = (u / spread).flatten()

    def run(x: torch.Tensor) -> torch.Tensor:
        return projection(x.view_as(u) * spread, stego, u / 2, TOLD)[0].flatten()

    jacobian = torch.autograd.functional.jacobian(run, start)
    told = projection(u, stego, u / 2, TOLD)[1]
    assert torch.allclose(torch.linalg.slogdet(jacobian)[1], told[0], atol=1e-3)
