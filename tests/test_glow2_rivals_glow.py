"""The plain Glow: inverse, log-determinant, where its latents lie, and that it learns by likelihood."""

import math

import pytest
import torch
from skimage import data as samples
from torch import nn

from stegcli.methods.glow2 import recipe_glow
from stegcli.methods.glow2.rivals.glow import Glow, Split
from stegcli.nn.tensors import to_tensor
from stegcli.recipe import Noise, Step


def disturbed(module, scale=0.1):
    """Away from its start, where couplings and splits do nothing."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator))
    return module


def glow(levels=2, steps=1, width=6, scale=0.1):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return disturbed(Glow(levels, steps, width), scale)


def drawn(*shape):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


class Carrier(nn.Module):
    """Stands in for the method: all that the recipe reads of it is `glow`."""

    def __init__(self, flow):
        super().__init__()
        self.glow = flow


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_inverse_undoes_forward(levels):
    flow, x = glow(levels, steps=2).double(), drawn(2, 3, 16, 24)
    with torch.no_grad():
        z, ladj = flow(x)
        assert z.shape == x.shape
        assert ladj.shape == (2,)
        assert (z - x).abs().max() > 0.1
        assert torch.allclose(flow.inverse(z), x, atol=1e-9)
        assert torch.allclose(flow(flow.inverse(x))[0], x, atol=1e-9)


@pytest.mark.parametrize("levels", [1, 2])
def test_log_determinant_is_the_jacobians(levels):
    flow, x = glow(levels).double(), drawn(2, 3, 4, 8)
    _, ladj = flow(x)
    for i in range(len(x)):
        item = x[i : i + 1]
        jacobian = torch.autograd.functional.jacobian(lambda v: flow(v)[0], item).reshape(item.numel(), item.numel())
        assert torch.allclose(ladj[i], torch.linalg.slogdet(jacobian).logabsdet, atol=1e-8)


def test_split_tells_epsilon_from_what_the_kept_half_says():
    split, x = disturbed(Split(8), 0.3).double(), drawn(2, 8, 3, 5)
    kept, epsilon, ladj = split(x)
    mean, log_scale = split._mean_and_log_scale(x[:, :4])
    assert torch.equal(kept, x[:, :4])
    assert torch.allclose(epsilon, (x[:, 4:] - mean) / log_scale.exp())
    assert torch.allclose(ladj, -log_scale.sum((1, 2, 3)))
    assert torch.allclose(split.inverse(kept, epsilon), x)


def test_split_begins_as_the_identity_and_its_scale_stays_bounded():
    split, x = Split(4).double(), drawn(1, 4, 2, 2)
    kept, epsilon, ladj = split(x)
    assert torch.equal(torch.cat([kept, epsilon], dim=1), x)
    assert ladj.abs().max() == 0
    nn.init.constant_(split.prior.weight, 1e6)
    assert split(x)[2].abs().item() <= 1.5 * epsilon.numel() + 1e-9


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_bands_cover_z_once_finest_first(levels):
    flow, (height, width) = glow(levels), (16, 24)
    bands = flow.bands(height, width)
    assert [b.name for b in bands] == [f"level{i}" for i in range(1, levels + 1)]
    ends = [b.stretch.stop for b in bands]
    assert [b.start for b in bands] == [0, *ends[:-1]]
    assert ends[-1] == 3 * height * width
    assert all((b.height, b.width) == (height >> b.level, width >> b.level) for b in bands)


@torch.no_grad()
def test_fine_latents_change_nothing_that_the_coarse_were_made_of():
    """A level's epsilon leaves before the next level: changing it and going back leaves the coarser latents alone."""
    flow, x = glow(levels=2).double(), drawn(1, 3, 8, 8)
    fine, coarse = flow.bands(8, 8)
    z = flow(x)[0]
    moved = z.flatten(1).clone()
    moved[:, fine.stretch] += 1
    back = flow(flow.inverse(moved.view_as(z)))[0]
    assert torch.allclose(coarse.of(back), coarse.of(z), atol=1e-9)
    assert torch.allclose(fine.of(back), fine.of(z) + 1, atol=1e-9)


def test_fresh_flow_brings_pictures_to_order_one():
    z, _ = glow(levels=3, steps=4, scale=0)(to_tensor(samples.astronaut()[:64, :64]))
    assert 0.3 < z.std().item() < 3


# -- the recipe


def test_likelihood_is_that_of_the_change_of_variables():
    """A flow that only shifts by 1/2 and divides by a: log-density of x is that of a Gaussian of that spread."""
    flow = glow(levels=1, steps=0, scale=0).double()
    x, spread = drawn(2, 3, 4, 4), flow.flows[0].flows[0].log_scale.exp().mean().item()
    expected = -torch.distributions.Normal(0.5, spread).log_prob(x).mean()
    assert recipe_glow.nll(flow, x).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.fixture(scope="module")
def photos():
    whole = to_tensor(samples.astronaut())
    return torch.cat([whole[..., r : r + 32, 192:224] for r in (0, 64, 128)])


def test_loss_falls_and_validation_says_so(photos):
    method = Carrier(glow(levels=2, steps=2, width=8, scale=0))
    before = recipe_glow.validate(method, photos)
    optimizer = torch.optim.Adam(method.parameters(), lr=5e-3)
    for number in range(20):
        optimizer.zero_grad()
        recipe_glow.glow_loss(method, photos, Step(Noise.of(0, number, range(3)), 0.5))["nats"].backward()
        optimizer.step()
    after = recipe_glow.validate(method, photos)
    assert after == recipe_glow.validate(method, photos)
    assert 0 < after["bpd"] < before["bpd"] - 0.3
    assert before["bpd"] < 10


def test_every_parameter_learns(photos):
    method = Carrier(glow(levels=3, steps=2))
    recipe_glow.glow_loss(method, photos, Step(Noise.of(0, 0, range(3)), 0.5))["nats"].backward()
    for name, parameter in method.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_samples_are_pictures(photos):
    shown = recipe_glow.sample(Carrier(glow()), photos)
    assert shown.shape == (9, 3, 32, 32)
    assert shown.min() >= 0
    assert shown.max() <= 1


def test_recipe_builds_the_flow():
    flow = Glow(**recipe_glow.RECIPE.config["glow"])
    assert recipe_glow.RECIPE.stages[0].crop % flow.side == 0
    assert math.prod([3, 64, 64]) == flow.bands(64, 64)[-1].stretch.stop
    assert recipe_glow.RECIPE.stages[0].trains == "glow"
