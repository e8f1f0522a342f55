import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from steg_cinn_helpers import small_codec, small_photo

from stegcli.methods.steg_cinn import codec as codecs
from stegcli.methods.steg_cinn import nets, space
from stegcli.methods.steg_cinn.codec import EVERYTHING, Drawing
from stegcli.methods.steg_cinn.nets import Window, compress, statistics

TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=[(), (1, 2)], ids=["whole", "split"])
def codec(request):
    return small_codec(request.param)


def drawn(codec, pixels, drawing, seed=0):
    """-> the stego, the numbers that it was drawn from, the cells."""
    rng = np.random.default_rng(seed)
    grey, colours = space.split(pixels)
    sheet = codec.sheet(grey, colours)
    u = rng.random(codec.order(*grey.shape, drawing.top)[-1].stop)
    cells = codec.draw(sheet, drawing, u)
    new = sheet.colours[0].numpy().astype(np.int16)
    return space.join(grey, new, rng.random(grey.shape)), u, cells


def read(codec, pixels, drawing):
    return codec.read(codec.sheet(*space.split(pixels)), drawing)


@pytest.mark.parametrize("top", [1, 2, 3, EVERYTHING])
@pytest.mark.parametrize("size", [(64, 64), (77, 101)])
def test_every_number_lies_in_its_cell_after_rounding_to_8_bits(codec, top, size):
    drawing = Drawing(top, 0.5, 0.7)
    pixels = small_photo(*size)
    stego, u, cells = drawn(codec, pixels, drawing)
    found = read(codec, stego, drawing)
    assert (found.low - TOLERANCE <= u).all()
    assert (u <= found.high + TOLERANCE).all()
    assert np.abs(found.low - cells.low).max() < TOLERANCE
    assert np.array_equal(space.split(stego)[0], space.split(pixels)[0])


@pytest.mark.parametrize("darker", [1, 6, 20])
def test_dark_pictures_with_holes_in_the_gamut_are_exact_too(codec, darker):
    drawing = Drawing(2)
    stego, u, _ = drawn(codec, small_photo() // darker, drawing)
    found = read(codec, stego, drawing)
    assert (found.low - TOLERANCE <= u).all()
    assert (u <= found.high + TOLERANCE).all()


@pytest.mark.parametrize("level", [0, 255])
def test_black_and_white_leave_room_for_little(codec, level):
    stego, _, cells = drawn(codec, np.full((64, 64, 3), level, np.uint8), Drawing(1))
    assert np.abs(stego.astype(int) - level).max() <= 16
    assert (cells.high > cells.low).all()


def test_a_mixture_can_be_sure_of_one_number():
    """Or white skies and black borders would get specks of colour."""
    sharp = math.exp(nets.SHARPEST)
    assert 2 * torch.sigmoid(torch.tensor(-0.5 / sharp)).item() < 1e-6


def test_what_is_kept_keeps_its_colour(codec):
    pixels = small_photo(70, 64)
    for top in (1, 2, 3):
        stego, _, _ = drawn(codec, pixels, Drawing(top))
        before, after = (space.split(p)[1][:, :: 2**top, :: 2**top] for p in (pixels, stego))
        assert np.array_equal(before, after)


def test_numbers_are_counted_once_each(codec):
    for top in (1, 3, EVERYTHING):
        order = codec.order(77, 101, top)
        assert [e.start for e in order[1:]] == [e.stop for e in order[:-1]]
        kept = 0 if top == EVERYTHING else len(range(0, 77, 2**top)) * len(range(0, 101, 2**top))
        assert order[-1].stop == 2 * (77 * 101 - kept)


def test_windows_threads_and_parts_change_the_last_bits_only(codec, monkeypatch):
    drawing = Drawing(2, 0.35)
    stego, _, cells = drawn(codec, small_photo(64, 80), drawing)
    monkeypatch.setattr(codecs, "WINDOW_PLACES", 100)
    monkeypatch.setattr(codecs, "FEWEST_ROWS", 7)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = read(codec, stego, drawing)
    finally:
        torch.set_num_threads(before)
    assert np.abs(found.low - cells.low).max() < TOLERANCE
    assert np.abs(found.high - cells.high).max() < TOLERANCE
    order = codec.order(64, 80, 1)
    windows = [(e, codecs.within(e, 16, 8, 40)) for e in order]
    part = codec.read_parts(codec.sheet(*space.split(stego)), replace(drawing, top=1), windows)
    asked = part.high > 0
    assert asked.sum() == 2 * 3 * 40 * 40 / 4
    rest = len(cells.low) - order[-1].stop
    assert np.abs(part.low - cells.low[rest:])[asked].max() < TOLERANCE


def test_within_is_the_part_of_a_lattice_in_a_square(codec):
    for entry in codec.order(77, 101, 1):
        window = codecs.within(entry, 10, 20, 30)
        y, x = codecs.pixels(entry.group, window)
        rows, columns = entry.group.places()
        expected = [[i for i in range(n)[s] if a <= i < a + 30] for n, s, a in ((77, rows, 10), (101, columns, 20))]
        assert [list(range(n)[s]) for n, s in ((77, y), (101, x))] == expected


def test_latents_of_a_drawn_picture_are_uniform_whatever_the_colours():
    """The numbers that a receiver would draw inside its cells are those of the model: uniform."""
    codec = small_codec()
    stego, _, _ = drawn(codec, small_photo(96, 96), Drawing(3))
    cells = read(codec, stego, Drawing(3))
    inside = cells.low + np.random.default_rng(1).random(len(cells.low)) * (cells.high - cells.low)
    assert stats.kstest(inside, "uniform").pvalue > 0.001
    real = read(codec, small_photo(96, 96), Drawing(3))
    other = real.low + np.random.default_rng(1).random(len(real.low)) * (real.high - real.low)
    assert stats.kstest(other, "uniform").pvalue < 1e-6  # a photo is no draw of stirred networks


def test_temperature_narrows_the_coarse_colours():
    codec = small_codec()
    corners = []
    for temperature in (0.2, 1.0):
        stegos = [drawn(codec, small_photo(), Drawing(EVERYTHING, 0.0, temperature), seed)[0] for seed in range(4)]
        corners.append(np.std([space.split(s)[1][:, 0, 0] for s in stegos]))
    assert corners[0] < 0.6 * corners[1]


def test_windows_grow_as_far_as_the_lattice_goes():
    assert Window(0, 3, 2, 5).grown(2, 10, 6) == Window(0, 5, 0, 6)
    y, x = Window(0, 3, 2, 5).inside(Window(0, 5, 0, 6))
    assert (y, x) == (slice(0, 3), slice(2, 5))


def test_compress_is_odd_and_grows():
    x = torch.linspace(-50, 50, 101)
    assert torch.allclose(compress(-x), -compress(x))
    assert (compress(x).diff() > 0).all()


def test_statistics_are_exact_in_whatever_order_they_are_added():
    """A light picture with little detail: the difference of two large means would be off by a hundredth."""
    grey = torch.from_numpy(np.random.default_rng(0).integers(249, 254, (1, 1, 40, 40)).astype(np.float32))
    exact = statistics(grey.double())
    assert torch.allclose(statistics(grey).double(), exact, atol=1e-6, rtol=1e-6)
    flipped = statistics(grey.flip(2, 3)).flip(2, 3)
    assert torch.equal(statistics(grey)[:, 2], flipped[:, 2])


def test_statistics_of_a_flat_picture():
    flat = statistics(torch.full((1, 1, 9, 9), 7.0))
    assert torch.allclose(flat[:, :2], torch.tensor(7.0))
    assert torch.allclose(flat[:, 2], torch.tensor(0.5).log())
