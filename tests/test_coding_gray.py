"""Gray's code: every position has bits of its own, and neighbours differ in one of them."""

import numpy as np
import pytest

from stegcli.coding import gray


@pytest.mark.parametrize("m", [1, 2, 3, 5])
def test_neighbours_on_the_circle_differ_in_one_bit(m: int) -> None:
    bits = gray.ones(m).T.astype(np.uint8)
    assert (gray.positions(bits) == np.arange(2**m)).all()
    assert ((bits != np.roll(bits, 1, axis=0)).sum(axis=1) == 1).all()


def test_it_is_the_code_that_is_written_down() -> None:
    bits = np.array([[0, 0], [0, 1], [1, 1], [1, 0]], np.uint8)
    assert gray.positions(bits).tolist() == [0, 1, 2, 3]
