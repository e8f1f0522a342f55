"""glow2's up-and-down sampling as in the paper: exactly normal on the way up, and a network that finds the way down."""

import math

import pytest
import torch
from torch import nn

from stegcli.methods.glow2.recipe_udm import (
    LEAST,
    MOST,
    RECIPE,
    VALIDATED,
    sample,
    through,
    udm_loss,
    validate,
)
from stegcli.methods.glow2.rivals.udm import CHANNELS, LAYERS, MIXED, PaperUDM
from stegcli.nn.wavelet import squeeze
from stegcli.recipe import Noise, Step

HAAR = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
MATRICES = {
    "four copies side by side": torch.eye(MIXED),
    "haar": torch.kron(HAAR, torch.eye(CHANNELS)),
    "learnt": None,
}


class Carrier(nn.Module):
    """Stands in for the method: all that the recipe reads of it is `udm`."""

    def __init__(self, udm):
        super().__init__()
        self.udm = udm


def module(seed=0, **config):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PaperUDM(**{"width": 16} | config)


def drawn(count, height, width, seed=0):
    """Z1, K and N_b for `count` items of Z1's size."""
    noise = Noise.of(seed, 0, range(count))
    shapes = (CHANNELS, height, width), (CHANNELS, 2 * height, 2 * width), (MIXED, height, width)
    return [noise.normal(*s) for s in shapes]


def by_place(z2):
    """Z2 -> every value that a channel has at each of the four places of a square, (12, n)."""
    return squeeze(z2).transpose(0, 1).flatten(1)


@pytest.fixture(params=MATRICES)
def udm(request, monkeypatch):
    matrix = MATRICES[request.param]
    if matrix is not None:
        monkeypatch.setattr(torch, "matrix_exp", lambda _: matrix)
    return module()


# -- up


@torch.no_grad()
def test_z2_is_standard_normal_at_every_place(udm):
    places = by_place(udm.up(*drawn(64, 16, 16)))
    assert places.std(1).sub(1).abs().max() < 0.03
    assert places.mean(1).abs().max() < 0.03
    assert places.pow(4).mean(1).sub(3).abs().max() < 0.3  # a Gaussian's fourth moment is 3


@torch.no_grad()
def test_without_key_and_normalisation_haar_would_give_2_0_0_0():
    """The trap that the normalisation is there for."""
    z1, _, _ = drawn(64, 16, 16)
    mixed = torch.einsum("ij,bjhw->bihw", MATRICES["haar"], z1.repeat(1, 4, 1, 1))
    assert mixed.transpose(0, 1).flatten(1).std(1) == pytest.approx([2] * 3 + [0] * 9, abs=0.05)


@torch.no_grad()
def test_up_is_undone_by_linear_algebra(udm):
    """Eq. 7 and 8, read backwards: without the key, each place holds a sum of the copies and N_b."""
    z1, key_noise, nb = drawn(2, 4, 6)
    mixed = squeeze(math.sqrt(2) * udm.up(z1, key_noise, nb) - key_noise)
    copies = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(udm._normalised_matrix()), mixed) - udm.spread * nb
    assert torch.allclose(copies, z1.repeat(1, 4, 1, 1), atol=1e-4)


@pytest.mark.parametrize("spread", [0, 0.25, 1])
def test_matrix_is_orthogonal_but_for_the_length_of_its_rows(spread):
    matrix = module(spread=spread)._normalised_matrix().detach()
    gram = matrix @ matrix.T
    assert (gram - torch.diag(gram.diagonal())).abs().max() < 1e-5
    assert gram.diagonal().min() > 0


@torch.no_grad()
def test_key_and_bias_reach_every_place():
    udm, (z1, key_noise, nb) = module(), drawn(1, 3, 5)
    z2 = udm.up(z1, key_noise, nb)
    for other in (udm.up(z1, -key_noise, nb), udm.up(z1, key_noise, -nb), udm.up(-z1, key_noise, nb)):
        assert other.shape == (1, 3, 6, 10)
        assert (other - z2).abs().min() > 0


# -- down


def test_down_has_five_convolutions_and_halves():
    udm = module()
    assert sum(isinstance(m, nn.Conv2d) for m in udm.modules()) == LAYERS == 5
    assert udm.down(torch.zeros(2, 3, 12, 20), torch.zeros(2, 3, 12, 20)).shape == (2, 3, 6, 10)


def test_down_learns_to_take_the_key_off():
    """After a few steps it finds most of Z1 with the right key, and less with another or with none."""
    udm, images = module(width=32), torch.zeros(8, 3, 32, 32)
    optimizer = torch.optim.Adam(udm.parameters(), lr=5e-3)
    for number in range(60):
        optimizer.zero_grad()
        udm_loss(Carrier(udm), images, Step(Noise.of(0, number, range(8)), 0.5))["error"].backward()
        optimizer.step()
    z1, key_noise, nb = drawn(8, 16, 16, seed=5)
    with torch.no_grad():
        z2 = udm.up(z1, key_noise, nb)
        right, wrong, none = (
            (udm.down(z2, k) - z1).square().mean().sqrt() for k in (key_noise, key_noise.flip(0), 0 * key_noise)
        )
    assert right < 0.45
    assert min(wrong, none) > right + 0.1


@torch.no_grad()
def test_the_key_hides_little():
    """Why this module is for comparison alone: K is as strong as one copy, and there are four. No network is needed."""
    udm, (z1, key_noise, nb) = module(), drawn(8, 16, 16)
    signal = udm._normalised_matrix().view(MIXED, 4, CHANNELS).sum(1) / math.sqrt(2)
    places = by_place(udm.up(z1, key_noise, nb))
    found = signal.T @ torch.linalg.solve(places.cov(), places)
    error = (found - z1.transpose(0, 1).flatten(1)).square().mean().sqrt()
    assert 0.4 < error < 0.5


# -- the recipe


def test_loss_hangs_on_the_step_alone_and_reaches_every_parameter():
    method, zeros = Carrier(module()), torch.zeros(2, 3, 16, 16)

    def loss(images, number):
        return udm_loss(method, images, Step(Noise.of(0, number, range(2)), 0.5))["error"]

    first = loss(zeros, 0)
    assert torch.equal(first, loss(torch.ones_like(zeros), 0))
    assert not torch.equal(first, loss(zeros, 1))
    first.backward()
    for name, parameter in method.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_each_item_has_an_error_of_its_own_size(monkeypatch):
    """DOWN is replaced by the difference of what arrived and what left: the error itself."""
    udm, seen = module(), []
    up = PaperUDM.up

    def noted_up(self, *given):
        seen.append(up(self, *given).detach())
        return seen[-1]

    def noted_down(self, z2, key_noise):
        seen[-1] = (z2 - seen[-1]).flatten(1).std(1)
        return z2[..., ::2, ::2]

    monkeypatch.setattr(PaperUDM, "up", noted_up)
    monkeypatch.setattr(PaperUDM, "down", noted_down)
    udm_loss(Carrier(udm), torch.zeros(200, 3, 32, 32), Step(Noise.of(0, 0, range(200)), 0.5))
    sizes = seen[0].log()
    assert sizes.min().exp() > 0.9 * LEAST
    assert sizes.max().exp() < 1.1 * MOST
    middle = (math.log(LEAST) + math.log(MOST)) / 2
    assert sizes.mean().item() == pytest.approx(middle, abs=0.25)
    assert (sizes < middle).float().mean().item() == pytest.approx(0.5, abs=0.1)


def test_validation_repeats_and_grows_with_the_error():
    method, images = Carrier(module()), torch.zeros(2, 3, 32, 32)
    figures = validate(method, images)
    assert figures == validate(method, images)
    assert list(figures) == [f"rms_{s:g}" for s in VALIDATED]


def test_sample_shows_z1_and_what_is_left_of_it():
    method, images = Carrier(module()), torch.zeros(1, 3, 32, 32)
    shown = sample(method, images)
    assert shown.shape == (9, 3, 16, 16)
    z1, _ = through(method.udm, Noise.of(4, 0, range(3)), 32, torch.tensor(VALIDATED))
    assert torch.allclose(shown[::3], (z1 / 6 + 0.5).clamp(0, 1))


def test_recipe_builds_the_module():
    assert PaperUDM(**RECIPE.config["udm"]).spread == 0.25
    assert RECIPE.stages[0].trains == "udm"
