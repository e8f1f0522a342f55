"""Pictures of cs-fnns: altered ones are refused, honest ones are not, and who knows the cover learns nothing."""

from pathlib import Path
from runpy import run_path

import numpy as np
import pytest
import torch
from flow_helpers import settled
from skimage import data as samples

from stegcli import api
from stegcli.errors import RevealError
from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream
from stegcli.method import Asked, Request, Secret
from stegcli.methods.cs_fnns import authentic, spectrum
from stegcli.methods.cs_fnns.decoder import Numbers
from stegcli.methods.cs_fnns.descriptor import TOLERANCES
from stegcli.methods.cs_fnns.method import build
from stegcli.methods.cs_fnns.options import HideOptions, RevealOptions
from stegcli.methods.cs_fnns.spectrum import Head
from stegcli.nn.tensors import from_levels, to_levels
from stegcli.pictures import image
from stegcli.pictures.channel import parse_survive
from stegcli.pictures.image import Picture

KEY = Key("cs-fnns", "x", bytes(range(32)))
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
QUALITY = 85


@pytest.fixture(scope="module", autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def method():
    made = build(g2={"widths": [4, 4, 4], "steps": [1, 1, 1]})
    settled(made.g2, 0.05)
    made.networks.eval().requires_grad_(False)
    return made


def photo(side: int) -> Secret:
    return Secret(b"", Picture(image.resized(samples.coffee(), side, side)))


def hidden(method, secret, survive="png", held=(KEY,), **more):
    options = HideOptions(size=(128, 128), number=0, **more)
    request = Request((secret,) * len(held), tuple(held), survive=parse_survive(survive), options=options)
    return api.hide(request, method)


@pytest.fixture(scope="module")
def exact(method):
    return hidden(method, photo(64), steps=60)


@pytest.fixture(scope="module")
def robust(method):
    return hidden(method, photo(32), f"jpeg:{QUALITY}", steps=60)


def reveals(method, pixels, key=KEY, quality=None) -> bool:
    stego = Picture(pixels)
    arrived = image.decode(image.encode(stego, "JPEG", quality)) if quality else stego
    try:
        api.reveal(arrived, method, Asked(key, options=RevealOptions(number=0)))
    except RevealError:
        return False
    return True


def altered(made, change) -> np.ndarray:
    """The descriptor's frequencies stay as they are."""
    cover = to_levels(made.draft.cover.pixels)
    mine = to_levels(made.picture.pixels) - cover
    kept, coefficients = spectrum.to_coefficients(mine), spectrum.to_coefficients(change(mine))
    coefficients[0, ..., :3, :3] = kept[0, ..., :3, :3]
    return from_levels((cover + spectrum.to_picture(coefficients)).round().clamp(0, 255))


def noise(like: torch.Tensor, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(like.shape, np.float32)) * like.std()


def test_honest_stegos_reveal(method, exact, robust):
    assert reveals(method, exact.picture.pixels)
    assert reveals(method, robust.picture.pixels)
    assert reveals(method, robust.picture.pixels, quality=QUALITY)


@pytest.mark.parametrize("seed", range(20))
def test_all_but_the_descriptor_is_noise(method, exact, robust, seed):
    assert not reveals(method, altered(exact, lambda d: noise(d, seed)))
    assert not reveals(method, altered(robust, lambda d: noise(d, seed)), quality=QUALITY if seed % 2 else None)


def test_the_attack_reaches_the_check(method, exact, robust, monkeypatch):
    """The control: without the checks these are revealed."""
    monkeypatch.setattr(authentic.PictureTag, "holds", lambda *_: True)
    monkeypatch.setattr(authentic, "accepts", lambda *_: True)
    for made in (exact, robust):
        assert reveals(method, altered(made, lambda d: noise(d, 0)))


def test_a_sample_that_moves_by_one_level_is_noticed(method, exact):
    for place in np.random.default_rng(0).integers(0, exact.picture.pixels.size, 5):
        changed = exact.picture.pixels.copy()
        changed.reshape(-1)[place] ^= 1
        assert not reveals(method, changed)


def test_each_of_several_receivers_accepts(method):
    held = [KEY, keys.beside(KEY), keys.beside(KEY)]
    made = hidden(method, photo(64), held=held, steps=100)
    assert all(reveals(method, made.picture.pixels, key) for key in held)
    assert made.cover_psnr >= 37.6


def test_the_papers_decoder_is_checked_too(method):
    made = hidden(method, photo(64), decoder="paper", travel="picture", steps=100)
    assert reveals(method, made.picture.pixels)
    changed = made.picture.pixels.copy()
    changed[70, 70, 1] ^= 1
    assert not reveals(method, changed)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (64, 64), (128, 256)])
def test_the_bound_on_false_acceptance(height, width):
    """Chernoff's bound is below 2^-40, and above what is found with so few pilots that forgeries pass at times."""
    assert authentic.false_acceptance(authentic.pilots(3 * height * width)) < -40
    draw = np.random.default_rng(0)
    errors = np.square(draw.standard_normal((200_000, 4)) - 1).mean(1)
    passed = (errors <= TOLERANCES[-1]).mean()
    assert 0 < passed < 2 ** authentic.false_acceptance(4)


def test_pilots_cost_the_finest_coefficients_alone():
    picture = torch.from_numpy(image.resized(samples.coffee(), 64, 64).copy()).permute(2, 0, 1)[None] / 255
    told = spectrum.measured(picture)
    piloted = Head(Stream(bytes(32)), 64, 64, told, authentic.pilots(3 * 64 * 64))
    numbers = piloted.numbers(picture)
    assert piloted.pilot_error(numbers) == 0
    lost = spectrum.to_coefficients(piloted.picture(numbers) - picture).abs() > 1e-4
    assert 0 < lost.sum() <= authentic.pilots(3 * 64 * 64)
    assert (piloted.picture(numbers) - picture).square().mean() < 1e-5
    assert 1 < piloted.pilot_error(torch.from_numpy(np.random.default_rng(0).standard_normal(len(numbers)))) < 3


@pytest.mark.parametrize("survive", ["png", "jpeg:85"])
def test_who_knows_the_cover_finds_no_channel(method, exact, robust, survive):
    """FastICA finds the decoder's channels if the order of cells is known (the control), and nothing otherwise."""
    attack = run_path(str(BENCHMARKS / "cs_fnns_known_cover.py"))
    is_robust, made = survive != "png", robust if survive != "png" else exact

    def likeness(made) -> float:
        change = to_levels(made.picture.pixels) - to_levels(made.draft.cover.pixels)
        found = attack["components"](attack["blocks"](change, is_robust))
        return attack["likeness"](found, Numbers(KEY.stream("decoder", 0), is_robust)(change))

    deviation = 1 / np.sqrt(64 * 4 if is_robust else 1024)
    assert likeness(made) < 4.5 * deviation
    with attack["bare"]():
        assert likeness(hidden(method, photo(32 if is_robust else 64), survive, steps=60)) > 6 * deviation
