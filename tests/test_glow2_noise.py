"""glow2's receiver: what a file leaves open of each latent, found from the file alone."""

import io

import numpy as np
import pytest
import torch
from flow_helpers import settled
from PIL import Image as Pillow
from skimage import data as samples

from stegcli.methods.glow2 import noise
from stegcli.methods.glow2.noise import Arrived, from_pixels, to_pixels
from stegcli.nn.wavelet import WaveletFlow
from stegcli.pictures import image

SIDE = 64
FULL, HALVED = 0, 2
"""Pillow's `subsampling`: 4:4:4 and 4:2:0."""


@pytest.fixture(scope="module")
def flow():
    return settled(WaveletFlow([4] * 4, [1] * 4)).requires_grad_(False)


@pytest.fixture(scope="module")
def pixels():
    """A photo that is nowhere black nor white."""
    return (20 + 0.8 * samples.astronaut()[:SIDE, 192 : 192 + SIDE]).astype(np.uint8)


def as_file(pixels, quality=None, subsampling=HALVED):
    """Pixels through a file, PNG if there is no quality -> what arrives."""
    options = {} if quality is None else {"quality": quality, "subsampling": subsampling}
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG" if quality is None else "JPEG", **options)
    return image.decode(buffer.getvalue())


def read(flow, pixels, quality=None, subsampling=HALVED):
    picture = as_file(pixels, quality, subsampling)
    return noise.read(flow, picture.pixels, picture.jpeg)


def by_band(flow, values):
    """(3 h w,) -> the mean of each band."""
    return {b.name: float(values[b.stretch].mean()) for b in flow.bands(SIDE, SIDE)}


# -- pixels


def test_all_levels_come_back_from_the_middle_of_their_cells():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    levels[..., 1] = levels[::-1, :, 1]
    x = from_pixels(levels)
    assert x.shape == (1, 3, 16, 16)
    assert 0 < x.min() < 0.5 / 255
    assert 1 - 0.5 / 255 < x.max() < 1
    assert np.array_equal(to_pixels(x), levels)
    assert x[0, 2, 3, 5] == (levels[3, 5, 2] + 0.5) / 256


@pytest.mark.parametrize("offset", [-0.499, 0.499])
def test_all_of_a_cell_is_its_level(offset):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert np.array_equal(to_pixels(from_pixels(levels) + offset / 256), levels)


def test_what_is_beyond_black_and_white_is_clipped():
    x = torch.tensor([-3.0, -1e-6, 0.0, 0.999999, 1.0, 7.0]).view(1, 1, 2, 3).expand(1, 3, 2, 3)
    assert to_pixels(x)[..., 0].flatten().tolist() == [0, 0, 0, 255, 255, 255]


def test_read_only_pixels_are_left_alone(pixels):
    locked = pixels.copy()
    locked.setflags(write=False)
    from_pixels(locked).zero_()
    assert np.array_equal(locked, pixels)


# -- latents and their spread


def test_latents_are_those_of_what_arrived(flow, pixels):
    picture = as_file(pixels, 80)
    arrived = noise.read(flow, picture.pixels, picture.jpeg)
    assert arrived.z.shape == arrived.spread.shape == (3 * SIDE * SIDE,)
    assert arrived.z.dtype == arrived.spread.dtype == np.float32
    assert np.array_equal(arrived.z, flow(from_pixels(picture.pixels))[0].flatten().numpy())
    assert np.isfinite(arrived.spread).all()
    assert arrived.spread.min() >= 0


def test_reading_repeats(flow, pixels):
    first, again = read(flow, pixels, 70), read(flow, pixels, 70)
    assert np.array_equal(first.spread, again.spread)
    assert np.array_equal(first.z, again.z)


def test_lower_qualities_leave_more_open(flow, pixels):
    spreads = [by_band(flow, read(flow, pixels, q).spread) for q in (None, 95, 85, 60, 30)]
    for name in ("y1", "y2", "y3", "c2", "c3", "base"):
        values = [s[name] for s in spreads]
        assert values == sorted(values), name
        assert values[-1] > 20 * values[0], name


def test_png_leaves_next_to_nothing_open(flow, pixels):
    arrived = read(flow, pixels)
    assert np.median(arrived.spread) < 0.02
    assert by_band(flow, arrived.spread)["y2"] < 1e-3
    _, r = arrived.at(0.9)
    assert np.median(r) > 0.98


@pytest.mark.parametrize("quality", [95, 80, 40])
def test_finest_colours_are_unknown_in_files_that_halve_them(flow, pixels, quality):
    """4:2:0 has no finest colours; 4:4:4 has."""
    halved, full = (read(flow, pixels, quality, s) for s in (HALVED, FULL))
    finest = next(b for b in flow.bands(SIDE, SIDE) if b.name == "c1").stretch
    assert (halved.spread[finest] == noise.UNKNOWN).all()
    assert halved.at(1.0)[1][finest].max() < 0.01
    assert (full.spread[finest] != noise.UNKNOWN).all()
    if quality == 95:
        assert full.at(1.0)[1][finest].mean() > 0.5


@pytest.mark.parametrize("quality", [95, 85, 70])
@pytest.mark.parametrize("subsampling", [FULL, HALVED], ids=["4:4:4", "4:2:0"])
def test_spread_is_what_the_file_did(flow, pixels, quality, subsampling):
    """Of luminance: the mean square by which the file moved the latents, though the receiver sees the file alone."""
    arrived = read(flow, pixels, quality, subsampling)
    true = by_band(flow, (flow(from_pixels(pixels))[0].flatten().numpy() - arrived.z) ** 2)
    found = by_band(flow, arrived.spread)
    for name in ("y1", "y2", "y3"):
        assert 0.6 < true[name] / found[name] < 2, name


def test_spread_tells_places_apart(flow, pixels):
    """Latents said to be sturdy have moved less than those said to be weak, within one band."""
    arrived = read(flow, pixels, 75)
    moved = np.abs(flow(from_pixels(pixels))[0].flatten().numpy() - arrived.z)
    band = next(b for b in flow.bands(SIDE, SIDE) if b.name == "y1").stretch
    order = np.argsort(arrived.spread[band])
    quarter = len(order) // 4
    assert moved[band][order[:quarter]].mean() < 0.7 * moved[band][order[-quarter:]].mean()


def test_coarse_latents_move_least(flow, pixels):
    found = by_band(flow, read(flow, pixels, 70).spread)
    assert found["y1"] > found["y2"] > found["y3"] > found["base"]


def test_clipped_places_are_known_to_be_unsure(flow, pixels):
    """Where it is white, the sender may have had more than white."""
    white = pixels.copy()
    white[16:48, 16:48] = 255
    black = pixels.copy()
    black[16:48, 16:48] = 0
    for shown in (white, black):
        spread = read(flow, shown).spread
        band = next(b for b in flow.bands(SIDE, SIDE) if b.name == "y1")
        plane = band.of(torch.from_numpy(spread)[None])[0].mean(0)
        assert plane[10:22, 10:22].mean() > 20 * plane[:6].mean()


def test_wide_and_high_pictures_are_read(flow, pixels):
    for shown in (pixels[:32], pixels[:, :32], np.tile(pixels, (1, 2, 1))):
        for quality in (None, 80):
            arrived = read(flow, np.ascontiguousarray(shown), quality)
            assert len(arrived.z) == len(arrived.spread) == shown.size


# -- correlations


def test_correlation_falls_with_the_spread_and_is_capped():
    spread = np.array([0, 1e-6, 0.01, 0.1, 1, 10, 100, 1e6], np.float32)
    _, r = Arrived(np.zeros(8, np.float32), spread).at(1.0)
    assert r[0] == np.float32(noise.MOST_CORRELATED)
    assert (np.diff(r) <= 0).all()
    assert r.min() >= 0
    assert r.max() < 1


def test_temperature_scales_latents_and_noise():
    """Drawn at half the temperature, latents are half as large, and the same error counts four times."""
    arrived = Arrived(np.array([1.0, -2.0]), np.array([0.02, 0.3]))
    z, r = arrived.at(0.5)
    assert z.tolist() == [2, -4]
    assert r == pytest.approx(Arrived(arrived.z, 4 * arrived.spread).at(1.0)[1])


def test_same_file_twice_is_no_surprise(flow):
    """A picture that was a JPEG of that quality already is not moved, and still its own cells are open."""
    photo = np.ascontiguousarray(samples.coffee()[100 : 100 + SIDE, 200 : 200 + SIDE])
    once = as_file(photo, 60)
    again = as_file(once.pixels, 60)
    assert np.abs(once.pixels.astype(int) - again.pixels).max() <= 6
    spread = by_band(flow, noise.read(flow, once.pixels, once.jpeg).spread)
    assert spread == pytest.approx(by_band(flow, noise.read(flow, again.pixels, again.jpeg).spread), rel=0.3)


def test_quantisation_may_be_supposed(flow, pixels):
    """A JPEG saved as PNG on its way: with the tables of its quality, it is read as the JPEG."""
    picture = as_file(pixels, 60)
    supposed = noise.read(flow, picture.pixels, image.quantisation_of(60))
    assert np.array_equal(supposed.spread, noise.read(flow, picture.pixels, picture.jpeg).spread)
