"""training/style_glow2.py: what is measured, and that fitted draws have the contrasts of pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from flow_helpers import settled
from PIL import Image as Pillow

sys.path.append(str(Path(__file__).parent.parent / "training"))

import style_glow2

from stegcli import weights
from stegcli.nn.blocks import BlockFlow

SMALL = {"width": 6, "features": 4, "coarse_width": 6, "coarse_features": 4, "base_width": 4, "base_steps": 1}


def test_loadings_are_the_spread_beyond_chance() -> None:
    """Two bands that move together, one that only chance moves."""
    rng = np.random.default_rng(0)
    common, sizes = 0.2 * rng.standard_normal(20_000), [1000, 500, 100]
    told = np.stack(
        [(1, -0.5, 0)[i] * common + rng.standard_normal(20_000) / np.sqrt(2 * n) for i, n in enumerate(sizes)]
    )
    found = style_glow2.loadings(torch.from_numpy(told.T), sizes)
    covariance = found @ found.T
    expected = torch.tensor([[0.04, -0.02, 0], [-0.02, 0.01, 0], [0, 0, 0]], dtype=torch.float64)
    assert torch.allclose(covariance, expected, atol=1e-3)


def test_spreads_of_draws_are_those_of_their_temperatures() -> None:
    flow = settled(BlockFlow(1, **SMALL), 0.1).requires_grad_(False)
    flow.style = {"y1": [0.4]}
    z = torch.randn(16, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    x = flow.inverse(z)
    flow.style = {}
    told = style_glow2.spreads(flow, x)
    names = [b.name for b in flow.bands(64, 64)]
    styled, other = told[:, names.index("y1")], told[:, names.index("y2")]
    assert styled.std() > 0.2
    assert other.std() < 0.05


def test_fitted_temperatures_give_draws_the_wanted_contrasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style_glow2, "DRAWN", 8)
    flow = settled(BlockFlow(1, **SMALL), 0.1).requires_grad_(False)
    bands = [b.name for b in flow.bands(64, 64) if b.name != "base"]
    flow.heat = dict.fromkeys([*bands, "base"], 1.0)
    goal = style_glow2.contrasts(flow, style_glow2.draws(flow, 8, 64, 0)).mean(0)
    flow.heat = dict.fromkeys(bands, 1.4) | {"base": 1.0}
    off = (style_glow2.contrasts(flow, style_glow2.draws(flow, 8, 64, 1)).mean(0) - goal).abs().mean()
    style_glow2.fit(flow, goal, 64, 6)
    left = (style_glow2.contrasts(flow, style_glow2.draws(flow, 8, 64, 1)).mean(0) - goal).abs().mean()
    assert left < 0.7 * off


def test_a_run_changes_the_configuration_and_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 128, 128, 3), np.uint8)
    for i, picture in enumerate(pixels):
        Pillow.fromarray(picture).save(tmp_path / f"{i}.png")
    out = tmp_path / "out.safetensors"
    monkeypatch.setattr(style_glow2, "DRAWN", 2)
    given = ["textures", "-o", str(out), "--data", str(tmp_path), "--rounds", "1", "--base", "0.7"]
    monkeypatch.setattr(sys, "argv", ["style_glow2.py", *given])
    style_glow2.main()
    before, after = (weights.load("glow2", w) for w in ("textures", str(out)))
    shape = after.config["g2"]
    assert shape["heat"]["base"] == 0.7
    assert {len(v) for v in shape["style"].values()} == {style_glow2.STYLES}
    assert set(shape["heat"]) == {b.name for b in after.g2.bands(128, 128)}
    state = after.networks.state_dict()
    assert all(torch.equal(state[n], t) for n, t in before.networks.state_dict().items())
