"""What receivers are to decode: bits as amplitudes, and their log-odds."""

import numpy as np
import pytest
import torch

from stegcli.keys.stream import Stream
from stegcli.methods.cs_fnns import goals
from stegcli.methods.cs_fnns.decoder import Numbers, count
from stegcli.methods.cs_fnns.goals import BytesGoal


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_bits_come_back(depth):
    bits = np.random.default_rng(0).integers(0, 2, 600 * depth).astype(np.uint8)
    levels = goals.to_levels(bits, depth)
    assert levels.shape == (600,)
    assert np.array_equal(goals.to_log_odds(levels + 0.05 * torch.randn(600), depth) > 0, bits)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_neighbouring_amplitudes_differ_in_one_bit(depth):
    values = np.array([[(k >> i) & 1 for i in reversed(range(depth))] for k in range(2**depth)], np.uint8)
    order = goals.to_levels(values.flatten(), depth).argsort().numpy()
    assert (np.diff(values[order].astype(int), axis=0) != 0).sum(1).tolist() == [1] * (2**depth - 1)


def test_doubt_shows_in_the_odds():
    odds = goals.to_log_odds(torch.tensor([1.0, 0.1, -0.1, -1.0, 1.1, -0.9]), 1)
    assert np.array_equal(odds > 0, [1, 1, 0, 0, 1, 0])
    assert abs(odds[1]) < 0.2 * abs(odds[0])


def test_only_what_is_used_counts_and_outermost_may_overshoot():
    levels = goals.to_levels(np.array([0, 1, 1, 0], np.uint8), 1)
    used = torch.tensor([True, True, True, False])

    def loss_of(*numbers):
        return BytesGoal(lambda _: torch.tensor(numbers), levels, used).loss(torch.zeros(1)).item()

    assert loss_of(-2.0, 1.5, 1.0, 9.0) == 0
    assert loss_of(-2.0, 0.5, 1.0, 9.0) == pytest.approx(0.25 / 4)


def test_as_many_levels_as_numbers():
    numbers = Numbers(Stream(bytes(32)))(torch.ones(1, 3, 64, 64))
    assert len(goals.to_levels(np.zeros(2 * count(64, 64), np.uint8), 2)) == len(numbers)
