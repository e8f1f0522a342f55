import numpy as np
import pytest

from stegcli.methods.steg_cinn import still


def slow(grey):
    """Every square of one luminance, one by one."""
    found = np.zeros(grey.shape, bool)
    for y in range(grey.shape[0] - still.SIDE + 1):
        for x in range(grey.shape[1] - still.SIDE + 1):
            square = slice(y, y + still.SIDE), slice(x, x + still.SIDE)
            found[square] |= grey[square].min() == grey[square].max()
    return found


@pytest.mark.parametrize("seed", range(6))
def test_even_squares_are_found(seed):
    rng = np.random.default_rng(seed)
    grey = np.kron(rng.integers(9, 11, (6, 5)), np.ones((4, 3))).astype(np.uint8)[:, : 9 + seed]
    assert np.array_equal(still.even(grey), slow(grey))


def test_an_even_square_is_still_up_to_its_edges_and_a_smaller_one_is_not():
    grey = np.random.default_rng(0).integers(40, 200, (30, 30)).astype(np.uint8)
    grey[3:8, 4:9] = 77
    grey[20:24, 4:9] = 77
    found = still.still(grey)
    assert found[3:8, 4:9].all()
    assert not found[20:24].any()


def test_black_and_white_pixels_are_still():
    grey = np.array([[0, 255, 1, 254]], np.uint8)
    assert still.still(grey).tolist() == [[True, True, False, False]]
    assert still.clipped(grey).tolist() == still.still(grey).tolist()
