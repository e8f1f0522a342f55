"""Pictures <-> DCT coefficients of orthogonal colours."""

from __future__ import annotations

import numpy as np
import torch
from riis_helpers import photo

from stegcli.methods.riis import luma
from stegcli.methods.riis.net import blocks
from stegcli.nn.tensors import to_levels


def test_errors_are_the_same_in_coefficients_and_samples_and_come_back() -> None:
    levels = to_levels(photo(64))
    coefficients = blocks.forward(levels)
    assert coefficients.shape == (1, 192, 8, 8)
    assert torch.allclose(blocks.inverse(coefficients), levels, atol=1e-3)
    energy = (levels - blocks.MIDDLE).square().sum()
    assert torch.isclose(coefficients.square().sum(), energy, rtol=1e-5)
    assert torch.allclose(blocks.basis() @ blocks.basis().T, torch.eye(192, dtype=torch.float64), atol=1e-12)


def test_rows_are_blocks_and_the_basis_is_the_transform() -> None:
    levels = to_levels(photo(64))
    rows = blocks.rows(blocks.forward(levels)).double()
    first = (levels[0, :, :8, 8:16] - blocks.MIDDLE).reshape(-1).double()
    assert torch.allclose(blocks.basis() @ first, rows[1], atol=1e-3)
    like = blocks.forward(levels)
    assert torch.equal(blocks.planes(blocks.rows(like), like), like)


def test_luminance_is_that_of_jpeg() -> None:
    pixels = photo(64)
    read = blocks.apply(blocks.luminance(), blocks.forward(to_levels(pixels)))
    plain = luma.dct(luma.exact(luma.to_blocks(pixels)))
    assert np.allclose(blocks.rows(read).numpy(), plain.reshape(-1, 64), atol=0.01)
