"""Flows as tests need them."""

import math

import numpy as np
import torch

from stegcli.recipe import seeded


def settled(module, scale=0.3):
    """The same weights on every run, and away from where couplings do nothing. ActNorm stays about where it began."""
    rng = np.random.default_rng(1)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            drawn = scale * torch.from_numpy(rng.standard_normal(parameter.shape)).to(parameter)
            if name.endswith(("shift", "log_scale")):
                parameter.add_(drawn)
            else:
                parameter.copy_(drawn / math.sqrt(parameter[0].numel()))
    return module


def untrained(method, seed=0):
    """The method with networks that never learnt anything, the same on every run, as loaded weights would be."""
    _, networks = seeded(lambda: method, seed)
    networks.eval().requires_grad_(False)
    return method


def with_tensors(method, tensors):
    """The method with these tensors for its networks, as if they had come from a weights file."""
    method.tensors = lambda: tensors
    return method
