"""The spectral head: numbers to pictures and back, and the weights that make their error least."""

import numpy as np
import pytest
import torch
from skimage import data as samples

from stegcli.keys.stream import Stream
from stegcli.methods.cs_fnns import spectrum
from stegcli.methods.cs_fnns.spectrum import GROUPS, LEVELS, Head, Spectrum
from stegcli.nn import tensors
from stegcli.pictures import image


@pytest.fixture(scope="module")
def photo():
    return tensors.to_tensor(image.resized(samples.chelsea(), 64, 48))


def head_of(seed, shape, told):
    return Head(Stream(bytes([seed]) * 32), *shape[2:], told)


def test_transform_is_orthonormal(photo):
    coefficients = spectrum.to_coefficients(photo)
    assert torch.allclose(coefficients.square().sum(), photo.square().sum(), rtol=1e-5)
    assert torch.allclose(spectrum.to_picture(coefficients), photo, atol=1e-6)


def test_numbers_are_the_inverse_of_pictures(photo):
    head = head_of(1, photo.shape, spectrum.measured(photo))
    assert torch.allclose(head.picture(head.numbers(photo)), photo, atol=1e-5)


def test_numbers_of_a_photo_have_about_unit_energy(photo):
    numbers = head_of(1, photo.shape, spectrum.measured(photo)).numbers(photo)
    assert 0.8 < numbers.square().mean() < 1.25


def test_importance_is_what_an_error_does_to_the_picture(photo):
    head = head_of(1, photo.shape, spectrum.measured(photo))
    numbers = head.numbers(photo)
    error = torch.from_numpy(np.random.default_rng(0).standard_normal(len(numbers)).astype(np.float32)) * 0.01
    truly = (head.picture(numbers + error) - photo).square().mean()
    assert torch.allclose((error.square() * head.importance()).mean(), truly, rtol=1e-3)


def test_fitted_weights_beat_flat_ones(photo):
    """White errors of the same size relative to the numbers do less harm under the fitted spectrum."""
    fitted, flat = spectrum.measured(photo), Spectrum((LEVELS - 7,) * (2 * GROUPS))
    harm = {}
    for told in (fitted, flat):
        head = head_of(1, photo.shape, told)
        harm[told] = head.importance().mean() * head.numbers(photo).square().mean()
    assert harm[fitted] < 0.5 * harm[flat]


def test_another_key_gives_another_place_to_every_number(photo):
    told = spectrum.measured(photo)
    numbers = head_of(1, photo.shape, told).numbers(photo)
    other = head_of(2, photo.shape, told).picture(numbers)
    assert abs(np.corrcoef(other.flatten(), photo.flatten())[0, 1]) < 0.05


def test_what_is_told_of_a_spectrum_is_within_its_range():
    for picture in (torch.ones(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.5)):
        told = spectrum.measured(picture)
        assert all(0 <= level < LEVELS for level in told.levels)
        head = head_of(1, picture.shape, told)
        assert torch.allclose(head.picture(head.numbers(picture)), picture, atol=1e-4)
