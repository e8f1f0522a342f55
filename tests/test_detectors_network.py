"""The convolutional detector learns what shows."""

from __future__ import annotations

import numpy as np
import torch

from stegcli.detectors import network as networks


def test_the_network_learns_what_shows() -> None:
    rng = np.random.default_rng(0)
    covers = torch.from_numpy(rng.integers(90, 92, (48, 3, 32, 32), np.uint8))
    stegos = covers + torch.from_numpy(rng.integers(0, 2, covers.shape, np.uint8)) * 2
    torch.manual_seed(0)
    network = networks.learn_pairs(networks.Residuals(4), stegos, covers, 8, rng, 32, 1e-2)
    assert networks.accuracy(network, stegos, covers) > 0.9


def test_fewer_pairs_than_a_batch_are_learnt_from() -> None:
    rng, told = np.random.default_rng(0), []
    covers = torch.from_numpy(rng.integers(0, 255, (3, 3, 20, 24), np.uint8))
    networks.learn_pairs(networks.Residuals(2), covers, covers, 2, rng, after_epoch=lambda: told.append(1))
    assert len(told) == 2
