"""Decoders of random weights: shapes, keys, and numbers that never change once released."""

import numpy as np
import pytest
import torch

from stegcli.keys.stream import Stream
from stegcli.methods.cs_fnns import decoder
from stegcli.methods.cs_fnns.decoder import Numbers, PaperDecoder


def perturbation(height=64, width=96, seed=0):
    drawn = np.random.default_rng(seed).integers(-3, 4, (1, 3, height, width))
    return torch.from_numpy(drawn.astype(np.float32))


def stream(seed=0):
    return Stream(bytes([seed]) * 32)


@pytest.mark.parametrize("sparse", [False, True])
def test_as_many_numbers_as_counted(sparse):
    assert Numbers(stream(), sparse)(perturbation()).shape == (decoder.count(64, 96, sparse),)


@pytest.mark.parametrize(("sparse", "shape"), [(False, (1, 3, 32, 48)), (True, (1, 3, 16, 24))])
def test_the_papers_decoder_makes_a_picture(sparse, shape):
    made = PaperDecoder(stream(), sparse)(perturbation())
    assert made.shape == shape
    assert ((made > 0) & (made < 1)).all()


def test_numbers_do_not_depend_on_the_scale():
    numbers = Numbers(stream())
    assert torch.allclose(numbers(perturbation()), numbers(3 * perturbation()), atol=1e-4)


def test_another_key_is_another_decoder():
    one, other = (Numbers(stream(s))(perturbation()) for s in (0, 1))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


FIRST = {False: [0.0217498, -0.1941783, -0.1497156], True: [0.0205145, -0.1339053, -0.1460974]}


@pytest.mark.parametrize(("sparse", "size"), [(False, 48), (True, 64)])
def test_rotations_are_the_keys(sparse, size):
    """They never change once released: constants hold them."""
    numbers = Numbers(stream(), sparse)
    first = numbers._first
    assert first.shape == (size, size)
    assert torch.allclose(first @ first.T, torch.eye(size), atol=1e-5)
    assert first[0, :3].tolist() == pytest.approx(FIRST[sparse], abs=1e-6)


def test_gradients_reach_the_perturbation():
    tried = perturbation().requires_grad_(True)
    Numbers(stream())(tried).square().sum().backward()
    assert (tried.grad != 0).float().mean() > 0.9
