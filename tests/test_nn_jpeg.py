"""JPEG's cells: the transform, where the original lies when only the file is left, and draws of it."""

import io

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from scipy import fft
from skimage import data as samples

from stegcli.nn import jpeg
from stegcli.pictures.image import quantisation_of

QUALITIES = [95, 75, 40, 10]
ROUNDING = torch.full((8, 8), 1.6, dtype=torch.float64)
ROUNDING[0, 0] = 4
"""By how much rounding to 8 bits after decoding may move a coefficient: five standard deviations of independent errors;
but in flat blocks all 64 go the same way."""


def luminance():
    """A photo in grey, (128, 128), neither black nor white anywhere."""
    grey = np.asarray(Pillow.fromarray(samples.astronaut()[:128, 128:256]).convert("L")).astype(int)
    return (40 + grey * 0.7).astype(np.uint8)


def decoded(plane, quality):
    """Grey plane uint8 -> what a file gives back, and its steps."""
    buffer = io.BytesIO()
    Pillow.fromarray(plane).save(buffer, "JPEG", quality=quality)
    opened = Pillow.open(buffer)
    return np.array(opened), np.array(opened.quantization[0]).reshape(8, 8)


def as_plane(pixels):
    return torch.from_numpy(pixels.astype(np.float64) - 128)[None]


def uniform(plane, seed=0):
    height, width = plane.shape[1:]
    drawn = np.random.default_rng([3, seed]).random((len(plane), height // 8, width // 8, 8, 8))
    return torch.from_numpy(drawn)


def noise(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 40, shape))


def laplacian(blocks, scale, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).laplace(0, scale, (1, blocks, blocks, 8, 8)))


# -- the transform


def test_matrix_is_orthonormal():
    matrix = jpeg.dct_matrix()
    assert matrix.dtype == torch.float64
    assert torch.allclose(matrix @ matrix.T, torch.eye(8, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 16, 40), (3, 24, 8)])
def test_idct_undoes_dct(shape):
    plane = noise(*shape)
    coefficients = jpeg.dct(plane)
    assert coefficients.shape == (shape[0], shape[1] // 8, shape[2] // 8, 8, 8)
    assert torch.allclose(jpeg.idct(coefficients), plane, atol=1e-10)
    assert torch.allclose(jpeg.dct(jpeg.idct(coefficients)), coefficients, atol=1e-10)
    assert coefficients.square().sum().item() == pytest.approx(plane.square().sum().item())


def test_dct_is_scipys_of_each_block():
    plane = noise(1, 16, 24)
    coefficients = jpeg.dct(plane)
    for row in range(2):
        for column in range(3):
            block = plane[0, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8].numpy()
            assert coefficients[0, row, column].numpy() == pytest.approx(fft.dctn(block, norm="ortho"), abs=1e-9)


def test_vertical_frequency_comes_first():
    waves = torch.cos((2 * torch.arange(8, dtype=torch.float64) + 1) * 3 * torch.pi / 16)
    rows = waves[:, None].expand(1, 8, 8)
    found = jpeg.dct(rows)[0, 0, 0].abs()
    assert found.argmax() == 3 * 8
    assert found.sum() == pytest.approx(found[3, 0].item())


# -- the cells of real files


@pytest.mark.parametrize("quality", QUALITIES)
def test_the_original_lies_in_the_cells_of_its_file(quality):
    """Of a real file. With another order of the steps or of the frequencies it would not."""
    original = luminance()
    arrived, steps = decoded(original, quality)
    offsets = jpeg.dct(as_plane(original)) - jpeg.dct(as_plane(arrived))
    cells = torch.from_numpy(steps / 2) + ROUNDING
    assert (offsets.abs() <= cells).all()
    assert not (offsets.abs() <= 0.8 * cells).all()
    assert not (offsets.abs() <= cells.T).all()


@pytest.mark.parametrize("quality", QUALITIES)
def test_what_arrives_lies_in_the_middle_of_the_cells(quality):
    arrived, steps = decoded(luminance(), quality)
    indices = jpeg.dct(as_plane(arrived)) / torch.from_numpy(steps)
    off_middle = (indices - indices.round()).abs() * torch.from_numpy(steps)
    assert off_middle.quantile(0.99) < 1


@pytest.mark.parametrize("quality", QUALITIES)
def test_draws_lie_in_the_same_cells(quality):
    arrived, steps = decoded(luminance(), quality)
    plane, steps = as_plane(arrived), torch.from_numpy(steps)
    for seed in range(3):
        offsets = jpeg.cell_offsets(plane, steps, uniform(plane, seed))
        assert offsets.shape == plane.shape
        assert (jpeg.dct(offsets).abs() <= steps / 2 + 1e-6).all()
        assert not (jpeg.dct(offsets).abs() <= 0.9 * steps / 2).all()


@pytest.mark.parametrize("quality", [90, 75, 40])
def test_draws_are_as_far_off_as_the_original(quality):
    """Per frequency, as a mean over the file: the Laplacian knows how much of each cell is likely.

    Of frequencies that are zero in nearly all blocks it knows only that they are small, and makes them too large.
    """
    original = luminance()
    arrived, steps = decoded(original, quality)
    plane, steps = as_plane(arrived), torch.from_numpy(steps)
    truth = jpeg.dct(as_plane(original) - plane).square().mean((0, 1, 2))
    drawn = torch.stack([jpeg.cell_offsets(plane, steps, uniform(plane, s)) for s in range(4)])
    found = jpeg.dct(drawn[:, 0]).square().mean((0, 1, 2))
    ratio = found / truth
    zero = ((jpeg.dct(plane) / steps).round() == 0).double().mean((0, 1, 2))
    assert 0.8 < ratio[zero < 0.9].mean() < 1.4
    assert 0.6 < ratio[zero < 0.9].min() < ratio[zero < 0.9].max() < 2
    assert ratio.min() > 0.6
    assert ratio.max() < 40


# -- the draws


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_draws_follow_the_laplacian(scale):
    """Coefficients of a known Laplacian, rounded: drawn anew in their cells, they are that Laplacian again."""
    true = laplacian(40, scale)
    rounded = jpeg.idct(true.round())
    drawn = jpeg.dct(rounded + jpeg.cell_offsets(rounded, torch.ones(8, 8), uniform(rounded)))
    for power in (1, 2):
        assert drawn.abs().pow(power).mean().item() == pytest.approx(true.abs().pow(power).mean().item(), rel=0.03)
    quantiles = torch.tensor([0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99], dtype=torch.float64)
    assert np.quantile(drawn, quantiles) == pytest.approx(np.quantile(true, quantiles), abs=0.05 * scale)


@pytest.mark.parametrize("scale", [0.2, 1.0, 5.0])
def test_draws_grow_with_the_steps(scale):
    plane = jpeg.idct(laplacian(10, 4).round())
    one = jpeg.cell_offsets(plane, torch.ones(8, 8), uniform(plane))
    scaled = jpeg.cell_offsets(scale * plane, torch.full((8, 8), scale), uniform(plane))
    assert torch.allclose(scaled, scale * one, atol=1e-9)


def test_draws_hang_on_the_uniform_numbers_alone():
    plane = noise(2, 16, 16)
    steps = torch.full((8, 8), 12.0)
    first, again, other = (jpeg.cell_offsets(plane, steps, uniform(plane, s)) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 1


@pytest.mark.parametrize("u", [0.0, 0.5, 1 - 2.0**-24])
@pytest.mark.parametrize("level", [-128.0, 0.0, 127.0])
def test_extremes_are_finite_and_stay_in_the_cells(level, u):
    plane = torch.full((1, 16, 8), level)
    steps = torch.full((8, 8), 255.0)
    offsets = jpeg.cell_offsets(plane, steps, torch.full((1, 2, 1, 8, 8), u))
    assert offsets.isfinite().all()
    assert jpeg.dct(offsets).abs().max() <= 255 * (0.5 + 1e-4)


def test_empty_cells_hold_little():
    """A frequency that is zero in the whole file was hardly more than zero."""
    plane = torch.zeros(1, 64, 64, dtype=torch.float64)
    steps = torch.full((8, 8), 10.0)
    offsets = jpeg.dct(jpeg.cell_offsets(plane, steps, uniform(plane)))
    assert offsets.abs().mean() < 1
    assert offsets.mean().abs() < 0.1


# -- colours


def test_halving_takes_means_and_doubling_repeats():
    plane = noise(2, 8, 12)
    small = jpeg.halve(plane)
    assert small.shape == (2, 4, 6)
    assert small[1, 2, 3].item() == pytest.approx(plane[1, 4:6, 6:8].mean().item())
    assert torch.equal(jpeg.halve(jpeg.double(small)), small)
    assert torch.equal(jpeg.double(small)[:, ::2, 1::2], small)


def test_steps_of_files_have_their_frequencies_in_the_same_order():
    """T.81, Table K.1 and K.2: the first row is the horizontal frequencies."""
    found = quantisation_of(50)
    assert found.luminance[0].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]
    assert found.luminance[:, 0].tolist() == [16, 12, 14, 14, 18, 24, 49, 72]
    assert found.colours[0].tolist() == [17, 18, 24, 47, 99, 99, 99, 99]
