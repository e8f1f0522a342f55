"""Covers: the same for all keys of a group, safe from rounding, and what their grain tells the receiver."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from flow_helpers import settled

from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.methods.cs_fnns import cover
from stegcli.methods.cs_fnns.cover import DARKEST, GRAIN, GRAIN_STEP, LIGHTEST, Ground, Textures
from stegcli.nn.wavelet import WaveletFlow

KEY = Key("cs-fnns", "x", bytes(range(32)))


@pytest.fixture(scope="module")
def textures():
    return Textures(settled(WaveletFlow([4, 4, 4], [1, 1, 1]), 0.05).requires_grad_(False), 0.9)


def smooth(side=64):
    """A ground like a sky."""
    rows = np.linspace(90, 160, side)
    texture = np.repeat(np.repeat(rows[:, None, None], side, 1), 3, 2)
    return Ground(texture, np.random.default_rng(0).standard_normal(texture.shape))


def test_keys_of_a_group_draw_the_same_others_do_not(textures):
    other, stranger = keys.beside(KEY), replace(KEY, secret=bytes(32))
    grounds = [cover.ground(textures, k, 0, 64, 64) for k in (KEY, other, stranger)]
    drawn = [g.cover(6.0) for g in grounds]
    assert np.array_equal(drawn[0].pixels, drawn[1].pixels)
    assert drawn[0].hash == drawn[1].hash != drawn[2].hash
    assert (drawn[0].pixels == drawn[2].pixels).mean() < 0.1


def test_numbers_draw_different_covers(textures):
    one, two = (cover.ground(textures, KEY, n, 64, 128) for n in (0, 1))
    assert one.texture.shape == (64, 128, 3)
    assert abs(np.corrcoef(one.grain.flatten(), two.grain.flatten())[0, 1]) < 0.05


def test_any_number_of_threads_draws_the_same(textures):
    before = torch.get_num_threads()
    try:
        drawn = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            drawn.append(cover.ground(textures, KEY, 5, 64, 64).cover(4.0))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(drawn[0].pixels, drawn[1].pixels)
    assert drawn[0].margin > cover.MARGIN


def test_margin_is_the_distance_to_the_next_rounding_boundary():
    ground = Ground(np.array([[[100.2, 100.499, 33.0], [100.9, 200.0, 222.0]]]), np.zeros((1, 2, 3)))
    made = ground.cover(0.0)
    assert made.margin == pytest.approx(0.001, abs=1e-9)
    assert made.pixels.tolist() == [[[100, 100, 33], [101, 200, 222]]]


def test_grain_is_never_cut(textures):
    """Where it were, a histogram would tell covers from stegos."""
    ground = cover.ground(textures, KEY, 0, 64, 128)
    assert ground.texture.min() >= DARKEST
    assert ground.texture.max() <= LIGHTEST
    assert DARKEST > 5 * GRAIN
    pixels = ground.cover(GRAIN).pixels
    assert pixels.min() > 0
    assert pixels.max() < 255


@pytest.mark.parametrize("strength", [0.0, 2.0, 5.875])
@pytest.mark.parametrize("psnr", [36.0, 46.0])
def test_the_receiver_finds_how_strong_the_grain_is(strength, psnr):
    ground = smooth()
    made = ground.cover(strength).pixels.astype(float)
    stego = np.clip(made + np.random.default_rng(1).normal(0, cover.deviation(psnr), made.shape).round(), 0, 255)
    assert strength in ground.strengths(stego.astype(np.uint8))


def test_grain_is_as_much_weaker_as_the_perturbation_is_strong():
    left = cover.strength(GRAIN, 46.0)
    assert left % GRAIN_STEP == 0
    assert left**2 + cover.deviation(46.0) ** 2 == pytest.approx(GRAIN**2, rel=0.02)
    assert cover.strength(GRAIN, 20.0) == GRAIN / 2
    assert cover.strength(0.0, 46.0) == 0
