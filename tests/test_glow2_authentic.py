"""Cascade pictures: altered ones are refused, honest ones are not."""

import random
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from flow_helpers import untrained
from skimage import data as samples

from stegcli import api, weights
from stegcli.coding.picture_tag import PictureTag
from stegcli.errors import RevealError
from stegcli.keys.key import Key
from stegcli.method import Asked, Request, Secret
from stegcli.methods.glow2 import authentic, sender, torus
from stegcli.methods.glow2.method import build
from stegcli.methods.glow2.options import HideOptions
from stegcli.pictures import image
from stegcli.pictures.channel import parse
from stegcli.pictures.image import Picture

KEY = Key("glow2", "x", bytes(range(32)))
FORGED = run_path(str(Path(__file__).parents[1] / "benchmarks" / "forged_pictures.py"))
SHAPE = {"widths": [4, 4, 4], "steps": [1, 1, 1]}
QUALITY = 90
SEED = 3


@pytest.fixture(scope="module", autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


# -- the statistics


def arrived(z, r, seed=0):
    return r * z + np.sqrt(1 - r**2) * np.random.default_rng([3, seed]).standard_normal(len(z))


def uniform(n, seed=0):
    return np.random.default_rng([4, seed]).random(n)


@pytest.mark.parametrize(("r", "z"), [(0.3, 0.0), (0.6, -1.3), (0.9, 2.5), (0.99, 0.7), (0.9999, -0.2)])
def test_likelihood_ratios_have_mean_one_for_whoever_lacks_the_pads(r, z):
    """Whatever arrives: so their product exceeds e^LEAST with a chance of e^-LEAST at most."""
    pads = (np.arange(2000) + 0.5) / 2000
    ratios = np.exp(authentic.nats(np.full(len(pads), z), np.full(len(pads), r), pads))
    assert ratios.mean() == pytest.approx(1, abs=0.02)


def test_forged_evidence_is_as_rare_as_the_bound():
    """So few pilots that it happens: more than e^3 in less than 1 of e^3 tries, but at times."""
    tries, n = 3000, 2
    found = authentic.nats(uniform(tries * n), np.full(tries * n, 0.95), uniform(tries * n, 1))
    passed = (found.reshape(tries, n).sum(1) > 3).mean()
    assert 0 < passed < np.exp(-3)


@pytest.mark.parametrize("r", [0.5, 0.9, 0.999])
def test_honest_pilots_give_what_is_expected(r):
    pads = uniform(4000)
    z = arrived(torus.write_numbers(np.zeros(4000), pads), r)
    found, honest = authentic.evidence(z, np.full(4000, r), pads)
    assert 0.8 < found / honest < 1.2


def test_turning_shifts_the_mean_and_nothing_else_does():
    n, r = 6000, np.full(6000, 0.97)
    numbers = np.random.default_rng(1).standard_normal(n) + 0.5  # a picture need not have mean 0
    pads, signs = uniform(n), authentic.signs(KEY, 1, n)
    u = torus.on_circle(numbers * signs) + pads
    honest, turned = (authentic.turn(arrived(torus.to_normal(u + by), r), r, pads) for by in (0, 0.05))
    assert abs(honest) < 4
    assert turned > authentic.MOST_TURN + 2


@pytest.mark.parametrize("by", [0.8, 1.0, 1.25])
def test_the_stretch_of_pilots_is_measured(by):
    pads, r = uniform(300), np.full(300, 0.95)
    found, error = authentic.stretch(by * arrived(torus.write_numbers(np.zeros(300), pads), r), r, pads)
    assert error == pytest.approx(np.sqrt(1 - 0.95**2) / 0.95 / np.sqrt(300), rel=0.2)
    assert abs(found - by) < 4 * by * error


def test_stretched_latents_are_refused():
    pads, r = uniform(300), np.full(300, 0.97)
    z = arrived(torus.write_numbers(np.zeros(300), pads), r)
    carried = (np.zeros(1), np.zeros(1), np.zeros(1))
    assert authentic.is_authentic((z, r, pads), carried)
    assert not authentic.is_authentic((0.8 * z, r, pads), carried)


def test_pilots_are_some_of_all_and_more_of_the_sturdiest():
    assert len(authentic.pilots(0)) == 0
    found = authentic.pilots(10_000)
    assert (found < 1024).sum() == 64
    assert len(found) == 64 + 141


def test_costs_are_the_way_to_the_other_value_of_the_pair():
    x = torch.tensor([10.9, 10.1, 11.2, -3.0, 255.5, 300.0]).view(1, 3, 1, 2) / 256
    pixels = np.array([[[10, 11, 255], [10, 0, 255]]], np.uint8)
    costs = authentic.rounding_costs(x, pixels)
    assert costs[0].tolist() == [pytest.approx([0.1, 0.2, 0.5], abs=1e-4), pytest.approx([0.9, 4.0, 45.0], abs=1e-4)]


# -- the whole way


def secret(number=0):
    picture = [samples.coffee, samples.chelsea][number]()
    return Secret(b"", Picture(image.resized(picture, 64, 64)))


def reveals(method, stego, token=None):
    try:
        api.reveal(stego, method, Asked(KEY, token))
    except RevealError:
        return False
    return True


def made(method, survive, number=0):
    request = Request((secret(number),), (KEY,), survive=(parse(survive),), options=HideOptions("cascade", (64, 64)))
    return api.hide(request, method).picture


def as_jpeg(pixels, quality=QUALITY):
    return image.decode(image.encode(Picture(pixels), "JPEG", quality))


@pytest.fixture(scope="module")
def landscapes():
    return weights.load("glow2", "landscapes")


@pytest.fixture(scope="module", params=["png", f"jpeg:{QUALITY}"])
def stego(landscapes, request):
    """The same stegos in every run: of some draws an altered picture reveals nothing even unchecked."""
    source = random.Random(SEED)
    fixed = SimpleNamespace(randbits=source.getrandbits, token_bytes=source.randbytes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sender, "os_random", fixed)
        pair = [made(landscapes, request.param, n) for n in (0, 1)]
    return request.param, FORGED["Stego"](pair[0], KEY, pair[1])


def test_honest_pictures_reveal(landscapes, stego):
    survive, honest = stego
    assert reveals(landscapes, honest.picture)
    if survive != "png":
        for quality in (QUALITY, 96):
            jpeg = as_jpeg(honest.picture.pixels, quality)
            assert reveals(landscapes, jpeg)
        assert reveals(landscapes, Picture(as_jpeg(honest.picture.pixels).pixels))


@pytest.mark.parametrize("way", range(5))
def test_altered_pictures_are_refused(landscapes, stego, way, monkeypatch):
    survive, honest = stego
    ways = list(FORGED["glow2_ways"](landscapes, survive != "png").values())
    alter = ways[way % len(ways)]  # a turn only where every sample counts: through JPEG another try of the first
    pixels = alter(honest, np.random.default_rng(way))
    assert not reveals(landscapes, Picture(pixels))
    if survive != "png":
        assert not reveals(landscapes, as_jpeg(pixels))
    with FORGED["unchecked"]():  # the control: the attack reaches the check
        assert reveals(landscapes, Picture(pixels))


def test_one_sample_that_moves_by_one_level_is_noticed(landscapes):
    honest = made(landscapes, "png")
    changed = honest.pixels.copy()
    changed[30, 30, 1] ^= 1
    assert reveals(landscapes, honest)
    assert not reveals(landscapes, Picture(changed))


def test_tags_move_samples_that_lay_at_a_border_of_rounding(monkeypatch):
    """Few, and so little that the stego stays a draw of the generator."""
    method = untrained(build(g1=SHAPE, g2=SHAPE))
    request = Request((secret(),), (KEY,), options=HideOptions("cascade", (64, 64)))
    costs, kept = [], authentic.rounding_costs

    def noted(x, pixels):
        costs.append((pixels, kept(x, pixels)))
        return costs[-1][1]

    monkeypatch.setattr(authentic, "rounding_costs", noted)
    stego = next(method.drafts(request)).picture.pixels
    before, price = costs[0]
    moved = before != stego
    assert 16 <= moved.sum() <= 64
    assert price[moved].max() < 0.02
    assert (stego >> 1 == before >> 1).all()


def test_receivers_with_tokens_are_checked_too():
    method = untrained(build(g1=SHAPE, g2=SHAPE))
    held = [KEY, Key("glow2", "x", bytes(32))]
    request = Request((secret(), secret(1)), tuple(held), options=HideOptions("cascade", (64, 64)))
    hidden = api.hide(request, method)
    assert reveals(method, hidden.picture, hidden.draft.tokens[0])
    changed = hidden.picture.pixels.copy()
    changed[1, 1, 1] ^= 1
    assert not reveals(method, Picture(changed), hidden.draft.tokens[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PictureTag, "holds", lambda *_: True)
        assert reveals(method, Picture(changed), hidden.draft.tokens[0])
