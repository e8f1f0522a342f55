"""The contract every method keeps, found by discovery, on its smallest configurations."""

import itertools

import numpy as np
import pytest
import torch

from stegcli import image, methods
from stegcli.errors import UsageError
from stegcli.key import Key
from stegcli.method import BitMethod

CONFIGS = [(n, i) for n in methods.names() for i in range(len(methods.get(n).TINY))]


@pytest.fixture(params=CONFIGS, ids=lambda c: f"{c[0]}-{c[1]}")
def method(request):
    name, index = request.param
    return methods.get(name).build(**methods.get(name).TINY[index]).eval().requires_grad_(False)


@pytest.fixture
def cover():
    pixels = np.random.default_rng(0).integers(0, 256, (66, 71, 3), np.uint8)
    return image.to_tensor(pixels)


def shape_of(method, cover):
    slots = method.capacity(*cover.shape[2:])
    return (2, slots) if method.layout == "coset" else (slots,)


def test_every_method_is_found():
    assert "lossless-inn" in methods.names()


def test_an_unknown_method_is_a_usage_error():
    with pytest.raises(UsageError, match="no method"):
        methods.get("nonesuch")


def test_config_rebuilds_the_method(method):
    again = methods.get(method.name).build(**method.config)
    assert again.config == method.config
    assert {n: p.shape for n, p in again.state_dict().items()} == {n: p.shape for n, p in method.state_dict().items()}


def test_package_offers_what_discovery_needs():
    for name in methods.names():
        package = methods.get(name)
        assert package.__doc__
        assert "Reference" in package.__doc__
        assert package.RECIPES
        assert package.TINY


def test_reveal_has_one_log_odds_per_slot(method, cover, key):
    if not isinstance(method, BitMethod):
        return
    soft = method.reveal(cover, key)
    assert soft.shape == shape_of(method, cover)
    assert soft.dtype == np.float32
    assert np.isfinite(soft).all()


def test_stego_is_on_the_8_bit_grid_and_the_cover_untouched(method, cover, key):
    if not isinstance(method, BitMethod):
        return
    before = cover.clone()
    shape = shape_of(method, cover)
    bits = np.random.default_rng(1).integers(0, 2, shape, np.uint8)
    stego = method.hide(bits, np.ones(shape, bool), cover, key)
    assert stego.shape == cover.shape
    assert torch.allclose(stego, image.quantise(stego), atol=1e-6)
    assert stego.min() >= 0
    assert stego.max() <= 1
    assert torch.equal(cover, before)


def test_same_bits_for_one_and_two_threads(method, cover, key):
    if not isinstance(method, BitMethod):
        return
    threads = torch.get_num_threads()
    read = []
    for count in (1, 2):
        torch.set_num_threads(count)
        read.append(method.reveal(cover, key))
    torch.set_num_threads(threads)
    assert np.abs(read[0] - read[1]).max() < 1e-3


def test_names_are_unique_and_dashed():
    assert all(a != b for a, b in itertools.pairwise(methods.names()))
    assert not any("_" in n for n in methods.names())


@pytest.mark.cuda
def test_cuda_reads_what_the_cpu_wrote(method, cover):
    if not isinstance(method, BitMethod):
        return
    key = Key(method.name, "x", bytes(32))
    here = method.reveal(cover, key)
    there = method.to("cuda").reveal(cover, key)
    assert np.abs(here - there).max() < 1e-2
