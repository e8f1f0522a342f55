"""Decoders of random weights: shapes, keys, and numbers that never change once released."""

import numpy as np
import pytest
import torch

from stegcli.key import Stream
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


def test_weights_are_the_keys_bits():
    """They never change once released: constants hold them."""
    numbers = Numbers(stream())
    assert numbers._first.shape == (16, 12, 3, 3)
    scaled = numbers._first.flatten()[:12] * np.sqrt(12 * 9)
    assert scaled.round().int().tolist() == [-1, 1, 1, 1, -1, 1, 1, -1, 1, -1, 1, 1]
    assert torch.unique(numbers._second.abs()).numel() == 1


def test_gradients_reach_the_perturbation():
    tried = perturbation().requires_grad_(True)
    Numbers(stream())(tried).square().sum().backward()
    assert (tried.grad != 0).float().mean() > 0.9
