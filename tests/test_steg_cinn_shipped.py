"""What the shipped weights must hold, on two photos that they never saw."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri
from skimage import data

from stegcli import api, weights
from stegcli.keys.key import Key
from stegcli.method import Asked, Request, Secret
from stegcli.methods.steg_cinn import space
from stegcli.methods.steg_cinn.codec import Drawing
from stegcli.methods.steg_cinn.options import HideOptions
from stegcli.pictures import image
from stegcli.pictures.image import Picture

KEY = Key("steg-cinn", "photos-2", bytes(range(32)))


@pytest.fixture(scope="module")
def method():
    return weights.load("steg-cinn", weights.default_name("steg-cinn"), "cpu")


def photo(name, width=128, height=128):
    return image.resized(np.ascontiguousarray(getattr(data, name)()), width, height)


def hidden(method, pixels, room_of=1.0, **options):
    """A message as long as is promised -> the stego, and bits per pixel; it came back."""
    wishes, rng = HideOptions(**options), np.random.default_rng(1)
    room = method.capacity(Request(cover=Picture(pixels), options=wishes))
    secret = rng.bytes(int(room * room_of))
    made = api.hide(Request((Secret(secret),), (KEY,), Picture(pixels), options=wishes), method)
    (back,) = api.reveal(image.decode(made.file), method, Asked(KEY))
    assert back.data == secret
    return made, 8 * len(secret) / pixels[..., 0].size


@pytest.mark.parametrize(("name", "options", "least"), [
    ("astronaut", {"top": 2}, 1.9), ("coffee", {"top": 3}, 2.4), ("coffee", {"mode": "recolour"}, 2.4),
])  # fmt: skip
def test_capacity_is_that_of_the_page_and_exact(method, name, options, least):
    made, bpp = hidden(method, photo(name), **options)
    assert bpp >= least
    assert made.draws <= 2  # one first draft in some hundreds is not revealed, and the next taken


def test_the_papers_form_reads_more_than_nine_bits_of_ten_before_the_code(method):
    made, bpp = hidden(method, photo("astronaut"), top=3, bits=1, gap=0.1)
    assert made.draft.measured["wrong_bits"] < 0.1
    assert bpp > 1.0


def test_latents_of_a_full_stego_are_normal(method):
    made, _ = hidden(method, photo("astronaut"), top=2)
    drawing = Drawing(2, made.draft.measured["grain"])
    cells = method.codec.read(method.codec.sheet(*space.split(made.picture.pixels)), drawing)
    inside = np.random.default_rng(0).random(len(cells.low)) * (cells.high - cells.low)
    u = np.clip(cells.low + inside, 1e-12, 1 - 1e-12)
    assert stats.kstest(ndtri(u), "norm").pvalue > 0.001
