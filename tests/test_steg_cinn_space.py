import hashlib

import numpy as np
import pytest
from skimage import color, data

from stegcli.methods.steg_cinn import space

GOLDEN = "34da19779fb60229f6d63030c088a2e366dc8663a247909901ae5678402fc67c"


@pytest.fixture(scope="module")
def every_colour():
    """Which (g, q, p) some of the 2^24 RGB colours has, bool (256, 511, 511); checks the round trip on the way."""
    found = np.zeros((256, 511, 511), bool)
    green, blue = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    for red in range(256):
        pixels = np.stack([np.full_like(green, red), green, blue], axis=-1).astype(np.uint8)
        grey, colours = space.split(pixels)
        found[grey, colours[0] + 255, colours[1] + 255] = True
    return found


def test_tables_are_these_and_no_others():
    weights, bounds, _ = space._tables()
    data = weights.astype("<i8").tobytes() + bounds.astype("<i8").tobytes()
    assert hashlib.sha256(data).hexdigest() == GOLDEN


def test_no_entry_of_a_table_lies_near_a_rounding_boundary():
    light = space.linear(np.arange(256))
    exact = [c / sum(space.COEFFICIENTS) * light * space.SCALE for c in space.COEFFICIENTS]
    exact.append(space.linear(np.arange(1, 256) - 0.5) * space.SCALE)
    for values in exact:
        assert np.abs(values % 1 - 0.5).min() > 1e-5  # float64 is exact to 1e-6 here


def test_the_gamut_is_that_of_all_colours(every_colour):
    table = space.gamut()
    some = every_colour.any(axis=2)
    q = np.arange(-255, 256)
    assert np.array_equal(table.q_low, np.where(some, q, 999).min(axis=1))
    assert np.array_equal(table.q_high, np.where(some, q, -999).max(axis=1))
    least, most = every_colour.argmax(axis=2) - 255, 255 - every_colour[:, :, ::-1].argmax(axis=2)
    assert np.array_equal(table.p_low[some], least[some])
    assert np.array_equal(table.p_high[some], most[some])
    assert (table.p_low > table.p_high)[~some].all()


def test_between_the_least_and_the_most_only_dark_colours_are_missing(every_colour):
    table = space.gamut()
    some, p = every_colour.any(axis=2), np.arange(-255, 256)
    between = (p >= table.p_low[:, :, None]) & (p <= table.p_high[:, :, None]) & some[:, :, None]
    holes = between & ~every_colour
    assert not holes[space.DARKEST_WITHOUT_HOLES :].any()
    assert not (holes[:, :, 1:] & holes[:, :, :-1]).any()  # never two in a row: the next one can take its place
    # and no q between the least and the most is missing
    inside = (p >= table.q_low[:, None]) & (p <= table.q_high[:, None])
    assert (some | ~inside).all()


def test_all_colours_come_back_with_the_same_luminance_and_differences():
    rng = np.random.default_rng(0)
    for red in range(256):
        # All greens, a sixteenth of the blues, others for each red: every kind of colour, in a second or two.
        blues = rng.permutation(256)[:16]
        green, blue = np.meshgrid(np.arange(256), blues, indexing="ij")
        pixels = np.stack([np.full_like(green, red), green, blue], axis=-1).astype(np.uint8)
        grey, colours = space.split(pixels)
        again = space.split(space.join(grey, colours, rng.random(grey.shape)))
        assert np.array_equal(again[0], grey)
        assert np.array_equal(again[1], colours)


def test_the_choice_reaches_both_green_levels():
    grey, colours = space.split(data.astronaut()[:256, :256])
    start, count = space.greens(grey, colours)
    assert (count >= 1).all()
    assert 0.005 < (count > 1).mean() < 0.2
    last = space.join(grey, colours, np.full(grey.shape, 1 - 2.0**-53))[..., 1]
    assert np.array_equal(last, start + count - 1)
    assert np.array_equal(space.join(grey, colours)[..., 1], start)


def test_a_triple_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="no RGB pixel"):
        space.join(np.zeros((1, 1), np.uint8), np.full((2, 1, 1), 200, np.int16))


def test_lightness_stays_within_half_a_unit():
    pixels = data.astronaut()[:256, :256]
    grey, colours = space.split(pixels)
    rng = np.random.default_rng(1)
    q = rng.permutation(colours[0].reshape(-1)).reshape(grey.shape)
    table = space.gamut()
    q = q.clip(table.q_low[grey], table.q_high[grey])
    p = colours[1].clip(table.p_low[grey, q + 255], table.p_high[grey, q + 255])
    possible = space.exists(grey, np.stack([q, p]))
    p = p + ~possible
    other = space.join(grey, np.stack([q, p]))
    difference = np.abs(color.rgb2lab(pixels)[..., 0] - color.rgb2lab(other)[..., 0])
    assert difference.max() < 0.62
    assert difference.mean() < 0.2
