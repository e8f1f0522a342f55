"""The spectral head: numbers to pictures and back, and the weights that make their error least."""

import numpy as np
import pytest
import torch
from scipy.stats import kurtosis
from skimage import data as samples

from stegcli.keys.stream import Stream
from stegcli.methods.cs_fnns import spectrum
from stegcli.methods.cs_fnns.spectrum import GROUPS, LEVELS, Head, Spectrum
from stegcli.nn import tensors
from stegcli.pictures import image


@pytest.fixture(scope="module")
def photo():
    return tensors.to_tensor(image.resized(samples.chelsea(), 64, 48))


PILOTS = [0, 96]
"""Without and with what must survive JPEG."""


def head_of(seed, shape, told, pilots=0):
    return Head(Stream(bytes([seed]) * 32), *shape[2:], told, pilots)


def test_transform_is_orthonormal(photo):
    coefficients = spectrum.to_coefficients(photo)
    assert torch.allclose(coefficients.square().sum(), photo.square().sum(), rtol=1e-5)
    assert torch.allclose(spectrum.to_picture(coefficients), photo, atol=1e-6)


def test_numbers_are_the_inverse_of_pictures(photo):
    head = head_of(1, photo.shape, spectrum.measured(photo))
    assert torch.allclose(head.picture(head.numbers(photo)), photo, atol=1e-5)


def test_pilots_take_the_finest_coefficients_alone(photo):
    head = head_of(1, photo.shape, spectrum.measured(photo), 96)
    found = spectrum.to_coefficients(head.picture(head.numbers(photo)) - 0.5)
    expected = spectrum.to_coefficients(photo - 0.5)
    away = ((found - expected).abs() > 1e-4).flatten()
    assert 80 <= away.sum() <= 96
    assert found.flatten()[away].abs().max() < 1e-5
    assert head.pilot_error(head.numbers(photo)) < 1e-8


@pytest.mark.parametrize("pilots", PILOTS)
def test_numbers_are_as_normal_for_any_picture(photo, pilots):
    """Those of a picture that is flat but for one corner, too, whose coefficients are nearly all 0."""
    corner = torch.full_like(photo, 0.5)
    corner[..., :16, :16] = photo[..., :16, :16]
    mixed, control = [], []
    for picture in (photo, corner):
        head = head_of(1, photo.shape, spectrum.measured(picture), pilots)
        mixed.append(fourth_moment(head.numbers(picture)))
        head._mixed = []
        control.append(fourth_moment(head.numbers(picture)))
    assert mixed[1] / mixed[0] == pytest.approx(1, abs=0.25)
    assert control[1] / control[0] > 2


def fourth_moment(numbers):
    return float(kurtosis(numbers.numpy(), fisher=False))


def test_numbers_of_a_photo_have_about_unit_energy(photo):
    numbers = head_of(1, photo.shape, spectrum.measured(photo)).numbers(photo)
    assert 0.8 < numbers.square().mean() < 1.25


@pytest.mark.parametrize("pilots", PILOTS)
def test_importance_is_what_an_error_does_to_the_picture(photo, pilots):
    head = head_of(1, photo.shape, spectrum.measured(photo), pilots)
    photo = head.picture(head.numbers(photo))
    numbers = head.numbers(photo)
    error = torch.from_numpy(np.random.default_rng(0).standard_normal(len(numbers)).astype(np.float32)) * 0.01
    error[head._pilots] = 0
    truly = (head.picture(numbers + error) - photo).square().mean()
    assert torch.allclose((error.square() * head.importance()).mean(), truly, rtol=0.05 if pilots else 0.02)


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
