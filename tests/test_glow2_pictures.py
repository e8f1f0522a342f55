"""glow2's secrets: a picture to latents under G1 and back to its size."""

import numpy as np
import pytest
from flow_helpers import settled
from skimage import data as samples
from torch import nn

from stegcli.methods.glow2 import pictures
from stegcli.methods.glow2.sr import Upscaler
from stegcli.nn import tensors
from stegcli.nn.wavelet import WaveletFlow
from stegcli.pictures import image, metrics
from stegcli.pictures.image import Picture

SIDE = 32


@pytest.fixture(scope="module")
def g1():
    return settled(WaveletFlow([4] * 3, [1] * 3)).requires_grad_(False)


class Watched(nn.Module):
    """An upscaler that notes what it is given."""

    def __init__(self):
        super().__init__()
        self.inner = Upscaler(blocks=1, width=4).requires_grad_(False)
        self.seen = []

    def forward(self, x):
        self.seen.append(x)
        return self.inner(x)


def photo(height, width):
    return Picture(np.ascontiguousarray(samples.astronaut()[:height, 150 : 150 + width]))


def test_square_pictures_of_that_side_come_back_exactly(g1):
    picture = photo(SIDE, SIDE)
    z = pictures.to_latents(g1, picture, SIDE)
    assert z.shape == (3 * SIDE * SIDE,)
    assert z.dtype == np.float32
    back = pictures.to_picture(g1, None, z, SIDE, SIDE, SIDE)
    assert np.abs(back.pixels.astype(int) - picture.pixels).max() <= 1
    assert metrics.psnr(back.pixels, picture.pixels) > 55


def test_all_levels_come_back():
    """Whatever the cells' middles lie between."""
    levels = np.resize(np.arange(256, dtype=np.uint8), (SIDE, SIDE)).reshape(SIDE, SIDE, 1).repeat(3, axis=2)
    flow = WaveletFlow([4, 4], [1, 1]).double().requires_grad_(False)
    x = flow(tensors.to_tensor(levels).double() * 255 / 256 + 0.5 / 256)[0]
    back = pictures.to_picture(flow, None, x.flatten().numpy(), SIDE, SIDE, SIDE)
    assert np.array_equal(back.pixels, levels)


@pytest.mark.parametrize(("height", "width"), [(20, 50), (90, 60), (1, 1), (200, 3), (SIDE, 2 * SIDE)])
def test_pictures_of_any_size_come_back_in_their_own(g1, height, width):
    picture = photo(height, width)
    z = pictures.to_latents(g1, picture, SIDE)
    assert z.shape == (3 * SIDE * SIDE,)
    back = pictures.to_picture(g1, None, z, SIDE, width, height)
    assert (back.height, back.width) == (height, width)
    assert back.pixels.dtype == np.uint8
    assert metrics.psnr(back.pixels, picture.pixels) > 14


def test_latents_are_of_the_picture_made_small(g1):
    """What comes back is the small picture, enlarged again: sizes are the only loss."""
    picture = photo(100, 70)
    back = pictures.to_picture(g1, None, pictures.to_latents(g1, picture, SIDE), SIDE, SIDE, SIDE)
    small = image.resized(picture.pixels, SIDE, SIDE)
    assert np.abs(back.pixels.astype(int) - small).max() <= 1


@pytest.mark.parametrize(("width", "height", "used"), [(SIDE, SIDE, 0), (10, 20, 0), (SIDE + 1, 5, 1), (9, 100, 1)])
def test_upscaler_helps_only_what_is_larger(g1, width, height, used):
    upscaler = Watched()
    z = pictures.to_latents(g1, photo(64, 64), SIDE)
    back = pictures.to_picture(g1, upscaler, z, SIDE, width, height)
    assert (back.width, back.height) == (width, height)
    assert len(upscaler.seen) == used
    for x in upscaler.seen:
        assert x.shape == (1, 3, SIDE, SIDE)
        assert x.min() >= 0
        assert x.max() <= 1


@pytest.mark.parametrize("damage", [np.nan, np.inf, -np.inf, 1e30, -1e4])
@pytest.mark.parametrize("where", [slice(None), slice(0, 1), slice(-1, None)], ids=["all", "first", "last"])
def test_latents_that_make_no_picture_still_make_one(g1, damage, where):
    """A receiver with harsh noise gets a poor picture, never an error."""
    z = pictures.to_latents(g1, photo(64, 64), SIDE)
    z[where] = damage
    back = pictures.to_picture(g1, Upscaler(blocks=1, width=4).requires_grad_(False), z, SIDE, 64, 48)
    assert back.pixels.shape == (48, 64, 3)


def test_where_nothing_arrived_there_is_the_flows_middle():
    """Latents that are not known are read as 0: of a fresh flow that is grey, all over."""
    fresh = WaveletFlow([4] * 3, [1] * 3).requires_grad_(False)
    back = pictures.to_picture(fresh, None, np.zeros(3 * SIDE * SIDE, np.float32), SIDE, 50, 40)
    assert np.ptp(back.pixels) == 0
    assert back.pixels[0, 0, 0] in (127, 128)


def test_picture_that_is_returned_knows_of_no_file(g1):
    back = pictures.to_picture(g1, None, np.zeros(3 * SIDE * SIDE, np.float32), SIDE, SIDE, SIDE)
    assert (back.alpha, back.icc_profile, back.notes, back.jpeg) == (None, None, (), None)
