"""The descriptor: what it says, who can read it, and what it survives."""

import dataclasses

import numpy as np
import pytest
import torch

from stegcli.errors import RevealError
from stegcli.keys.key import Key
from stegcli.methods.cs_fnns import descriptor
from stegcli.methods.cs_fnns.descriptor import BITS, Descriptor, Marks
from stegcli.methods.cs_fnns.spectrum import GROUPS, Spectrum

TOLD = Descriptor("picture", True, 0xABCDEF, 300, 8191, 2, Spectrum(tuple(range(2 * GROUPS))))


def key_of(number=0):
    return Key("cs-fnns", "x", bytes([number]) * 32)


def marks_of(seed=0, height=64, width=64):
    return Marks(key_of(seed).stream("descriptor places"), height, width)


def signs(told, key, number=0):
    return torch.from_numpy(told.to_bits(key, number).astype(np.float32) * 2 - 1)


def noise(scale, height=64, width=64, seed=0):
    drawn = np.random.default_rng(seed).standard_normal((1, 3, height, width)) * scale
    return torch.from_numpy(drawn.astype(np.float32))


def test_all_of_it_comes_back():
    assert descriptor.from_bits(TOLD.to_bits(key_of(), 3), key_of(), 3) == TOLD


@pytest.mark.parametrize(("key", "number"), [(key_of(1), 3), (key_of(), 4)])
def test_other_keys_and_numbers_read_nothing(key, number):
    with pytest.raises(RevealError):
        descriptor.from_bits(TOLD.to_bits(key_of(), 3), key, number)


@pytest.mark.parametrize("place", [0, 50, BITS - 1])
def test_one_wrong_bit_is_noticed(place):
    bits = TOLD.to_bits(key_of(), 0)
    bits[place] ^= 1
    with pytest.raises(RevealError):
        descriptor.from_bits(bits, key_of(), 0)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        dataclasses.replace(TOLD, width=8192).to_bits(key_of(), 0)


def test_a_nudge_gives_every_sum_its_sign_and_margin():
    marks, bits, before = marks_of(), signs(TOLD, key_of()), noise(2.0)
    after = before + marks.nudge(before, bits, 2.5)
    assert (marks.read(after) * bits > 2.499).all()


def test_a_nudge_changes_little():
    marks, bits, before = marks_of(height=256, width=256), signs(TOLD, key_of()), noise(2.0, 256, 256)
    assert marks.nudge(before, bits, 2.5).square().mean() < 0.003 * before.square().mean()


def test_rounding_is_survived():
    marks, bits, before = marks_of(), signs(TOLD, key_of()), noise(2.0)
    assert (marks.read((before + marks.nudge(before, bits, 2.5)).round()) * bits > 0).all()


def test_other_receivers_hardly_disturb():
    """Four receivers' directions, each set in turn a few times, hold all at once."""
    marks = [marks_of(k, 128, 128) for k in range(4)]
    bits = [signs(dataclasses.replace(TOLD, cover=k), key_of(k)) for k in range(4)]
    changed = noise(2.0, 128, 128)
    for _ in range(20):
        for m, b in zip(marks, bits, strict=True):
            changed = changed + m.nudge(changed, b, 2.5)
    assert all((m.read(changed) * b > 2).all() for m, b in zip(marks, bits, strict=True))


def test_a_stranger_sees_no_margin():
    """Along another key's directions the sums are as they were before."""
    before = noise(2.0, 256, 256)
    marks, stranger = (marks_of(k, 256, 256) for k in (0, 1))
    after = before + marks.nudge(before, signs(TOLD, key_of()), 2.5)
    assert abs(stranger.read(after).std() / stranger.read(before).std() - 1) < 0.1
