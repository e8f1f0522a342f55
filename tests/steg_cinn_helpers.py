"""Small networks of steg-cinn whose weights are not those that training begins with."""

from __future__ import annotations

import numpy as np
import torch
from skimage import data

from stegcli import methods
from stegcli.methods.steg_cinn.codec import Codec
from stegcli.pictures import image


def small_method(split=()):
    """A method with both parts, each weight stirred, so that everything that a network sees matters."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        method = methods.build("steg-cinn", fine={"width": 8, "split": list(split)}, coarse={"width": 8, "features": 4})
        networks = method.networks
    stir = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in networks.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=stir))
    networks.eval().requires_grad_(False)
    return method


def small_codec(split=()):
    networks = small_method(split).networks
    return Codec(networks["fine"], networks["coarse"])


def small_photo(height=64, width=64):
    return image.resized(np.ascontiguousarray(data.astronaut()), width, height)
