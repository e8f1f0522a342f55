"""How glow2's flows are trained: by the likelihood of each band, on windows, and all recipes there are."""

import json
import math

import numpy as np
import pytest
import torch
from flow_helpers import settled
from skimage import data as samples
from torch import nn

from stegcli import methods
from stegcli.methods.glow2 import recipe_flow
from stegcli.methods.glow2.method import build
from stegcli.methods.glow2.noise import from_pixels, to_pixels
from stegcli.methods.glow2.recipe import RECIPES
from stegcli.methods.glow2.recipe_flow import WINDOW, bits_per_dimension, dequantise, flow_loss, nll, turn
from stegcli.nn.tensors import to_tensor
from stegcli.nn.wavelet import WaveletFlow
from stegcli.recipe import Noise, Step

LEVELS = 2
BANDS = ["y1", "c1", "y2", "c2", "base"]


class Carrier(nn.Module):
    """Stands in for the method: all that the recipe reads of it is the flow."""

    def __init__(self, part="g2"):
        super().__init__()
        self.add_module(part, settled(WaveletFlow([6] * (LEVELS + 1), [1] * (LEVELS + 1)), 0.1))


@pytest.fixture
def carrier():
    return Carrier()


@pytest.fixture(scope="module")
def photos():
    """Float32 (3, 3, 64, 64) on the 8-bit grid."""
    whole = to_tensor(samples.astronaut())
    return torch.cat([whole[..., r : r + 64, 192:256] for r in (0, 64, 128)])


def noise(number=0, count=3):
    return Noise.of(0, number, range(count))


def total(terms):
    return torch.stack(list(terms.values())).sum()


# -- the density


def test_dequantised_pictures_stay_in_their_cells(photos):
    pixels = [np.ascontiguousarray(p.mul(255).round().byte().permute(1, 2, 0)) for p in photos]
    for u in (torch.full_like(photos, 1e-3), torch.full_like(photos, 0.999), 1e-3 + 0.998 * noise().uniform(3, 64, 64)):
        x = dequantise(photos, u)
        for shown, item in zip(pixels, x, strict=True):
            assert np.array_equal(to_pixels(item[None]), shown)
    middle = dequantise(photos, torch.full_like(photos, 0.5))
    assert torch.allclose(middle[:1], from_pixels(pixels[0]), atol=1e-6)


def test_bits_per_dimension_are_those_of_the_whole_flow(carrier, photos):
    """By hand: minus log2 of the density of what lies in [0, 1), and 8 bits for the 256 levels of each sample."""
    flow = carrier.g2.double()
    x = dequantise(photos.double(), noise().uniform(3, 64, 64).double())
    with torch.no_grad():
        losses = nll(flow, x)
        z, ladj = flow(x)
    log_density = torch.distributions.Normal(0, 1).log_prob(z).flatten(1).sum(1) + ladj
    by_hand = -(log_density / math.log(2) / (3 * 64 * 64)).mean().item() + 8
    assert bits_per_dimension(flow, losses, x) == pytest.approx(by_hand, rel=1e-9)
    assert list(losses) == BANDS


def test_bits_per_dimension_of_a_known_density():
    """All bands standard normal as they are: what is left is the colours' matrix."""
    flow = WaveletFlow([4, 4], [1, 1])
    entropy = 0.5 * math.log(2 * math.pi * math.e)
    losses = {n: torch.tensor(entropy) for n in ("y1", "c1", "base")}
    expected = (entropy - flow.ladj_of_colour / 3) / math.log(2) + 8
    assert bits_per_dimension(flow, losses, torch.rand(1, 3, 16, 16)) == pytest.approx(expected, rel=1e-6)


def test_white_noise_cannot_be_told_in_fewer_than_eight_bits(carrier):
    """Any flow's code for uniform pixels is at least their entropy; no formula may promise less."""
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32))).float() / 255
    with torch.no_grad():
        x = dequantise(pixels, noise(count=2).uniform(3, 32, 32))
        losses = nll(carrier.g2, x)
    assert bits_per_dimension(carrier.g2, losses, x) > 8


# -- windows


class Coordinates:
    """Stands in for a flow whose band shows where each position is."""

    def __init__(self, batch, height, width):
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        self.content = torch.stack([rows, columns]).float().expand(batch, 2, height, width)
        self.seen = []

    def analyse(self, x, only):
        return [("y1", self.content, self.content + 1000), ("base", self.content, None)]

    def flow(self, name):
        def noted(content, context):
            self.seen.append((name, content, context))
            return content, content.new_zeros(len(content))

        return noted


def test_windows_show_the_same_place_of_content_and_context():
    flow = Coordinates(12, 3 * WINDOW, 2 * WINDOW)
    nll(flow, torch.zeros(12, 3, 8, 8), noise(count=12))
    (_, content, context), (_, base, none) = flow.seen
    assert content.shape == base.shape == (12, 2, WINDOW, WINDOW)
    assert torch.equal(context, content + 1000)
    assert none is None
    inside = content - content[:, :, :1, :1]
    assert torch.equal(inside, Coordinates(12, WINDOW, WINDOW).content)


def test_windows_reach_every_place_and_differ_from_picture_to_picture():
    flow = Coordinates(8, WINDOW + 2, WINDOW + 1)
    for number in range(12):
        nll(flow, torch.zeros(8, 3, 8, 8), noise(number, 8))
    corners = {tuple(item[:, 0, 0].int().tolist()) for _, content, _ in flow.seen for item in content}
    assert corners == {(r, c) for r in range(3) for c in range(2)}
    first = flow.seen[0][1][:, :, 0, 0]
    assert len(first.unique(dim=0)) > 1


def test_small_bands_are_shown_whole():
    flow = Coordinates(2, WINDOW, WINDOW - 5)
    nll(flow, torch.zeros(2, 3, 8, 8), noise(count=2))
    assert torch.equal(flow.seen[0][1], flow.content)


def test_without_noise_all_is_shown():
    flow = Coordinates(1, 3 * WINDOW, WINDOW)
    nll(flow, torch.zeros(1, 3, 8, 8))
    assert torch.equal(flow.seen[0][1], flow.content)


def test_windows_estimate_the_whole():
    """Of pictures that look alike everywhere, a window's nats per dimension are those of all the band."""
    flow = settled(WaveletFlow([4, 4], [1, 1]), 0.1).requires_grad_(False)
    pixels = torch.from_numpy(np.random.default_rng(0).normal(0.5, 0.1, (4, 3, 160, 160))).float()
    whole, part = nll(flow, pixels), nll(flow, pixels, noise(count=4))
    for name, value in whole.items():
        assert part[name].item() == pytest.approx(value.item(), rel=0.02), name


# -- turning


def test_turns_are_all_four_and_each_pictures_own():
    x = torch.from_numpy(np.random.default_rng(0).random((16, 3, 5, 5)))
    turned = turn(x, noise(count=16))
    counts = [0] * 4
    for before, after in zip(x, turned, strict=True):
        fits = [k for k in range(4) if torch.equal(before.rot90(k, (1, 2)), after)]
        assert len(fits) == 1
        counts[fits[0]] += 1
    assert min(counts) >= 1


def test_turns_repeat_with_the_step():
    x = torch.from_numpy(np.random.default_rng(0).random((8, 3, 4, 4)))
    assert torch.equal(turn(x, noise(1, 8)), turn(x, noise(1, 8)))
    assert not torch.equal(turn(x, noise(1, 8)), turn(x, noise(2, 8)))


# -- the loss


@pytest.mark.parametrize("turned", [False, True])
def test_loss_repeats_and_hangs_on_the_step(carrier, photos, turned):
    loss = flow_loss("g2", turned, "")
    first, again, other = (total(loss(carrier, photos, Step(noise(s), 0.5))).item() for s in (1, 1, 2))
    assert first == again != other


def test_loss_is_of_the_part_it_is_for(photos):
    loss = flow_loss("g1", False, "")
    assert list(loss(Carrier("g1"), photos, Step(noise(), 0.5))) == BANDS
    with pytest.raises(AttributeError):
        loss(Carrier("g2"), photos, Step(noise(), 0.5))


@pytest.mark.parametrize("only", BANDS)
def test_one_band_alone_teaches_that_band_alone(carrier, photos, only):
    """And it is the very term that it has among all."""
    terms = flow_loss("g2", False, only)(carrier, photos, Step(noise(), 0.5))
    assert list(terms) == [only]
    terms[only].backward()
    taught = {n for n, p in carrier.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert taught == {n for n, _ in carrier.named_parameters() if n.startswith(f"g2.flows.{only}.")}


@pytest.mark.parametrize("kind", ["y", "c"])
def test_all_bands_of_a_kind_learn_together(carrier, photos, kind):
    terms = flow_loss("g2", False, kind)(carrier, photos, Step(noise(), 0.5))
    assert list(terms) == [b for b in BANDS if b.startswith(kind)]
    recipe = recipe_flow.Subject("g2", {"widths": [6] * 3, "steps": [1] * 3}, 32).recipe(kind)
    assert set(recipe.validate(carrier, photos[..., :32, :32])) == {f"v_{b}" for b in terms}
    assert recipe.stages[0].trains == f"g2.flows.{kind}"


def test_every_parameter_learns(carrier, photos):
    total(flow_loss("g2", True, "")(carrier, photos, Step(noise(), 0.5))).backward()
    for name, parameter in carrier.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_bands_learn_and_validation_says_so(carrier, photos):
    recipe = recipe_flow.Subject("g2", {"widths": [6] * 3, "steps": [1] * 3}, 32).recipe()
    photos = photos[..., 16:48, 16:48]
    with torch.no_grad():
        before = recipe.validate(carrier, photos)
    optimizer = torch.optim.Adam(carrier.parameters(), lr=5e-3)
    for number in range(15):
        optimizer.zero_grad()
        total(recipe.stages[0].loss(carrier, photos, Step(noise(number), 0.5))).backward()
        optimizer.step()
    with torch.no_grad():
        after = recipe.validate(carrier, photos)
        assert after == recipe.validate(carrier, photos)
    assert set(after) == {"bpd", *(f"v_{b}" for b in BANDS), *(f"bytes_{c}" for c in ("png", "q90", "q80", "q40"))}
    assert 0 < after["bpd"] < before["bpd"] - 0.1
    for figures in (before, after):
        assert figures["bytes_png"] > figures["bytes_q90"] > figures["bytes_q80"] > figures["bytes_q40"] > 0


@torch.no_grad()
def test_samples_are_pictures(carrier, photos):
    recipe = recipe_flow.Subject("g2", {"widths": [6] * 3, "steps": [1] * 3}, 64).recipe()
    shown = recipe.sample(carrier, photos)
    assert shown.shape == (9, 3, 64, 64)
    assert shown.min() >= 0
    assert shown.max() <= 1
    assert torch.equal(shown, recipe.sample(carrier, photos))


# -- all recipes


def names(y, c):
    return ["y", "c", *(f"y{i}" for i in range(1, y + 1)), *(f"c{i}" for i in range(1, c + 1)), "base"]


BANDS_OF = {"g2": names(8, 9), "g2-landscapes": names(7, 8), "g1": names(4, 4)}


def test_recipes_are_the_flows_each_of_their_bands_and_the_other_parts():
    expected = set(BANDS_OF) | {f"{n}/{b}" for n, found in BANDS_OF.items() for b in found}
    assert set(RECIPES) == expected | {"inverse", "refiner", "sr", "sr-swin2sr", "udm", "glow"}
    assert methods.recipes("glow2") is RECIPES
    assert list(methods.about("glow2").parts) == [name for name in RECIPES if "/" not in name]


@pytest.fixture(scope="module")
def built():
    """Every configuration once -> the method."""
    configurations = {json.dumps(r.config, sort_keys=True): r.config for r in RECIPES.values()}
    return {text: build(**config) for text, config in configurations.items()}


def flow_names(method, part):
    return set(getattr(method, part).flows)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds_what_it_trains(name, built):
    recipe = RECIPES[name]
    method = built[json.dumps(recipe.config, sort_keys=True)]
    parameters = [n for n, _ in method.networks.named_parameters()]
    for stage in recipe.stages:
        part, _, band = stage.trains.partition(".flows.")
        assert part in recipe.config
        trained = [n for n in parameters if n.startswith(stage.trains)]
        assert trained
        assert {n.split(".")[0] for n in trained} == {part}
        if "/" in name:
            assert band == name.split("/")[1]
            assert {n.split(".")[2] for n in trained} == {b for b in flow_names(method, part) if b.startswith(band)}
        if hasattr(getattr(method, part), "side"):
            assert stage.crop % getattr(method, part).side == 0
    assert method.config.items() >= recipe.config.items()


@pytest.mark.parametrize("name", recipe_flow.SUBJECTS)
def test_bands_of_a_flow_cover_it(name, built):
    """Trained one by one, they are all of it."""
    subject = recipe_flow.SUBJECTS[name]
    method = built[json.dumps(RECIPES[name].config, sort_keys=True)]
    flow = getattr(method, subject.part)
    of_flow = [b.name for b in flow.bands(subject.side, subject.side)]
    assert sorted(subject.band_names()) == sorted(["y", "c", *of_flow])
    assert set(of_flow) == set(flow.flows)


def test_landscapes_are_made_at_the_side_they_are_learnt_at(built):
    assert built[json.dumps(RECIPES["g2-landscapes"].config, sort_keys=True)].side == 64
    assert built[json.dumps(RECIPES["g2"].config, sort_keys=True)].side == 128
