"""The paper's own flow: that it is a flow, how it learns, what rounding does to it."""

import numpy as np
import pytest
import torch
from skimage import color, data
from steg_cinn_helpers import small_photo

from stegcli import methods
from stegcli.methods.steg_cinn import measure, measure_rivals
from stegcli.methods.steg_cinn.rivals import lab, recipe_cinn
from stegcli.methods.steg_cinn.rivals.cinn import COUPLINGS, LEVELS, ColourFlow, Reverse
from stegcli.nn.flow import AffineCoupling
from stegcli.pictures.image import Picture
from stegcli.recipe import Noise, Step


def stirred(width=6, scale=0.05):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        flow = ColourFlow(width)
    stir = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=stir))
    return flow


@pytest.fixture(scope="module")
def method():
    method = methods.build("steg-cinn", cinn={"width": 6})
    method.networks["cinn"].load_state_dict(stirred().state_dict())
    return method


@pytest.fixture
def images():
    photos = np.stack([p[:64, 100:164] for p in (data.astronaut(), data.coffee())])
    return torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255


def test_lab_is_that_of_scikit_image_and_comes_back():
    rgb = torch.from_numpy(small_photo(32, 40).copy()).permute(2, 0, 1)[None].double() / 255
    rgb[..., 0] = 0
    found = lab.to_lab(rgb)
    assert np.allclose(found[0].permute(1, 2, 0), color.rgb2lab(rgb[0].permute(1, 2, 0).numpy()), atol=0.01)
    assert torch.allclose(lab.from_lab(found), rgb, atol=1e-9)


def test_beyond_rgb_lab_still_comes_back():
    found = torch.tensor([[60.0, 20.0], [90.0, -40.0], [-70.0, 3.0]], dtype=torch.float64).view(1, 3, 1, 2)
    rgb = lab.from_lab(found)
    assert rgb.max() > 1
    assert torch.allclose(lab.to_lab(rgb), found, atol=1e-6)


def test_it_is_a_flow_of_thirty_couplings():
    flow = stirred().double()
    assert sum(isinstance(m, AffineCoupling) for m in flow.modules()) == LEVELS * COUPLINGS == 30
    lightness = 100 * torch.rand(2, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    colours = 20 * torch.randn(2, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        z, ladj = flow(colours, lightness)
        assert torch.allclose(flow.inverse(z, lightness), colours, atol=1e-8)
        assert not torch.allclose(flow(colours, 100 - lightness)[0], z)
    jacobian = torch.autograd.functional.jacobian(lambda x: flow(x, lightness[:1])[0], colours[:1]).view(128, 128)
    assert ladj[0].item() == pytest.approx(torch.linalg.slogdet(jacobian).logabsdet.item(), rel=1e-6)


def test_reverse_undoes_itself():
    x = torch.randn(1, 8, 2, 2)
    assert torch.equal(Reverse().inverse(Reverse()(x)[0]), x)


def test_latents_keep_out_of_the_gap_and_keep_their_signs():
    normal = torch.distributions.Normal(0.0, 1.0)
    drawn = normal.icdf((torch.arange(10_000) + 0.5) / 10_000)
    z = recipe_cinn.gapped(drawn)
    assert z.abs().min() >= recipe_cinn.GAP - 1e-6
    assert torch.equal(z.sign(), drawn.sign())
    inside = [2 * normal.cdf(torch.tensor(t)).item() - 1 for t in (recipe_cinn.GAP, 1.0)]
    assert (z.abs() < 1).float().mean().item() == pytest.approx((inside[1] - inside[0]) / (1 - inside[0]), abs=1e-3)


@pytest.mark.parametrize("loss", [recipe_cinn.likelihood_loss, recipe_cinn.rounding_loss])
def test_the_loss_falls_and_every_weight_learns(loss, images):
    method = methods.build("steg-cinn", cinn={"width": 6})
    method.networks["cinn"].load_state_dict(stirred().state_dict())
    optimizer = torch.optim.Adam(method.networks.parameters(), 3e-3)
    losses = []
    for _ in range(4):
        terms = loss(method, images, Step(Noise.of(0, 0, range(2)), 0.5))
        total = sum(terms.values())
        optimizer.zero_grad()
        total.backward()
        assert all(p.grad.abs().sum() > 0 for p in method.networks.parameters())
        optimizer.step()
        losses.append(total.item())
    assert losses[-1] < losses[0]
    assert ("latents" in terms) == (loss is recipe_cinn.rounding_loss)


def test_samples_keep_the_lightness_where_rgb_has_the_colour(method, images):
    found = recipe_cinn.sample(method, images)
    assert found.shape == (4, 3, 32, 32)
    assert recipe_cinn.validate(method, images)["right"] > 0.5
    with torch.no_grad():
        free = recipe_cinn.drawn(method.networks["cinn"], torch.zeros(2, 2, 32, 32), lab.to_lab(found[:2])[:, :1])
    assert torch.allclose(lab.to_lab(free)[:, :1], lab.to_lab(found[:2])[:, :1], atol=1e-2)


def test_rounding_turns_signs_and_evaluation_says_so(method):
    covers = [Picture(small_photo(40, 48)), Picture(small_photo(44, 40)[::-1].copy())]
    found = measure_rivals.cinn(method, covers, 0)
    assert found["exact"] > 0.99
    assert 0.5 < found["right"] < found["exact"]
    assert 0 < found["bpp"] < 2
    assert 0 < found["beyond"] < 1
    assert len(found["told"]) == 4
    modes = {measure.PAPERS_FORM: {"bpp": 1.5, "right": 0.95}}
    title, columns, rows = measure._paper_table({"modes": modes, "told_paper": {}, "cinn": found})
    assert title == "flows compared"
    assert [len(r) for r in rows] == [len(columns)] * (2 + len(measure.PAPER))
    assert rows[1][3] == f"{100 * found['right']:.2f}"


def test_the_flow_is_measured_only_where_weights_hold_it(method):
    assert "cinn" in measure.parts(method, [], 0)
    assert "cinn" not in measure.parts(methods.build("steg-cinn", fine={"width": 4, "split": []}), [], 0)
