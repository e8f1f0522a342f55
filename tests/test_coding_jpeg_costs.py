"""What it costs to change a coefficient of a JPEG file."""

from __future__ import annotations

import io

import numpy as np
import pytest
from jpeg_helpers import photo, saved
from PIL import Image as Pillow

from stegcli.coding import jpeg_costs
from stegcli.pictures import jpeg
from stegcli.pictures.jpeg import Component


@pytest.fixture(scope="module")
def grey() -> tuple[Component, np.ndarray]:
    """A grey JPEG's only component, and its decoded pixels."""
    file = saved(photo(88, 96).convert("L"), quality=80)
    return jpeg.read(file).components[0], np.asarray(Pillow.open(io.BytesIO(file)))


def test_the_filters_are_daubechies_with_eight_vanishing_moments() -> None:
    """Orthonormal to its even shifts, and blind to polynomials of degree below 8: these fix the filter but for time."""
    low, high = jpeg_costs.LOW_PASS, jpeg_costs.HIGH_PASS
    for shift in range(8):
        overlap = low[2 * shift :] @ low[: 16 - 2 * shift]
        assert overlap == pytest.approx(float(shift == 0), abs=1e-8)
    assert low.sum() == pytest.approx(np.sqrt(2), abs=1e-8)
    place = np.linspace(-1, 1, 16)
    for degree in range(8):
        assert high @ place**degree == pytest.approx(0, abs=1e-8)
    assert abs(high @ place**8) > 1e-4


def test_decoded_is_what_a_decoder_rounds(grey: tuple[Component, np.ndarray]) -> None:
    component, pixels = grey
    plane = jpeg_costs.decoded(component) + 128
    assert plane.shape == (88, 96)
    assert np.abs(plane.clip(0, 255) - pixels).max() < 0.7  # libjpeg's transform is one of integers


def test_juniward_is_the_sum_it_stands_for(grey: tuple[Component, np.ndarray]) -> None:
    """Against the definition: change one coefficient, filter the whole picture again, add up."""
    component, _ = grey
    costs = jpeg_costs.juniward(component)
    plane = jpeg_costs.decoded(component).astype(np.float64)
    for row, column, i, j in [(5, 6, 0, 0), (3, 4, 2, 5), (7, 2, 7, 1), (0, 0, 1, 1), (10, 11, 3, 0)]:
        change = np.zeros_like(plane)
        basis = np.outer(jpeg_costs.cosines()[i], jpeg_costs.cosines()[j]) * component.steps[i, j]
        change[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = basis
        expected = 0.0
        for down, across in ("lh", "hl", "hh"):
            before = filtered(np.pad(plane, 15, mode="symmetric"), down, across)
            moved = filtered(np.pad(change, 15), down, across)
            expected += float((np.abs(moved) / (np.abs(before) + jpeg_costs.SIGMA)).sum())
        assert costs[row, column, i, j] == pytest.approx(expected, rel=2e-3)


def filtered(plane: np.ndarray, down: str, across: str) -> np.ndarray:
    taps = {"l": jpeg_costs.LOW_PASS, "h": jpeg_costs.HIGH_PASS}
    rows = np.apply_along_axis(np.correlate, 0, plane, taps[down], "valid")
    return np.apply_along_axis(np.correlate, 1, rows, taps[across], "valid")


def test_strips_do_not_change_juniward(grey: tuple[Component, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = jpeg_costs.juniward(grey[0])
    monkeypatch.setattr(jpeg_costs, "STRIP", 3)
    assert np.allclose(jpeg_costs.juniward(grey[0]), whole, rtol=1e-4)


@pytest.mark.parametrize("costs", [jpeg_costs.uerd, jpeg_costs.juniward])
def test_texture_is_cheaper_than_flat_ground(costs) -> None:
    pixels = np.full((64, 128), 128, np.uint8)
    pixels[:, 64:] = np.random.default_rng(0).integers(60, 200, (64, 64))
    found = costs(jpeg.read(saved(Pillow.fromarray(pixels), quality=85)).components[0])
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert (found > 0).all()
    assert np.median(found[:, 12:]) * 20 < np.median(found[:, :4])


def test_uerd_by_hand() -> None:
    """One block with energy: it, its neighbours, and those that touch neither."""
    blocks = np.zeros((3, 5, 8, 8), np.int16)
    blocks[1, 1, 0, 0], blocks[1, 1, 0, 1], blocks[1, 1, 2, 2] = 50, -3, 2
    steps = np.full((8, 8), 4, np.int32)
    steps[0, 1], steps[1, 0] = 6, 10
    costs = jpeg_costs.uerd(Component(blocks, steps, 1, 1))
    energy = 3 * 6 + 2 * 4
    assert costs[1, 1, 4, 4] == pytest.approx(4 / energy)
    assert costs[1, 1, 0, 0] == pytest.approx((6 + 10) / 2 / energy)
    assert costs[2, 2, 0, 1] == pytest.approx(6 / (energy / 4))
    assert costs[1, 4, 0, 1] == pytest.approx(6 / jpeg_costs.LEAST_ENERGY)


def test_side_information_cheapens_the_way_back_alone() -> None:
    costs = np.full(6, 2.0, np.float32)
    errors = np.array([0.3, -0.3, 0.0, 0.49, -0.5, 0.7])
    up, down = jpeg_costs.side_informed(costs, errors)
    assert np.allclose(up, [0.8, 2, 2, 0.4, 2, 2])
    assert np.allclose(down, [2, 0.8, 2, 2, 0.4, 2])
