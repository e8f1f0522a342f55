"""training/base_glow2.py: what is changed at random, and a run from end to end."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image as Pillow

sys.path.append(str(Path(__file__).parent.parent / "training"))

import base_glow2

from stegcli import weights


def contents(count: int = 6) -> torch.Tensor:
    return torch.randn(count, 12, 2, 2, generator=torch.Generator().manual_seed(0))


def test_a_jitter_of_nothing_changes_nothing() -> None:
    assert torch.allclose(base_glow2.jittered(contents(), 0.0), contents(), atol=1e-6)


def test_jitter_keeps_how_colours_lie_to_each_other_and_grey_grey() -> None:
    """Each picture's colour differences are turned and scaled as one, and its luminance is scaled and moved."""
    torch.manual_seed(1)
    before, after = (F.pixel_shuffle(c, 2) for c in (contents(), base_glow2.jittered(contents(), 0.3)))
    for a, b in zip(before, after, strict=True):
        light = np.corrcoef(a[0].flatten(), b[0].flatten())[0, 1]
        assert light == pytest.approx(1, abs=1e-5)
        a, b = (c[1:] - c[1:].mean((1, 2), keepdim=True) for c in (a, b))
        ratios = b.square().sum(0) / a.square().sum(0)
        assert torch.allclose(ratios, ratios[:1, :1].expand_as(ratios), rtol=1e-3)
    grey = contents()
    grey[:, 4:] = 0
    assert base_glow2.jittered(grey, 0.3)[:, 4:].abs().max() == 0


def test_a_run_trains_the_base_alone_and_keeps_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), np.uint8)
    for i, picture in enumerate(pixels):
        Pillow.fromarray(picture).save(tmp_path / f"{i}.png")
    out = tmp_path / "out.safetensors"
    monkeypatch.setattr(base_glow2, "EVERY", 2)
    monkeypatch.setattr(base_glow2, "BATCH", 4)
    given = ["textures", "-o", str(out), "--data", str(tmp_path), "--val", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["base_glow2.py", *given, "--minutes", "0.03", "--width", "8", "--steps", "2"])
    base_glow2.main()
    before, after = (weights.load("glow2", w).networks.state_dict() for w in ("textures", str(out)))
    rest = {n for n in before if not n.startswith("g2.flows.base.")}
    assert all(torch.equal(after[n], before[n]) for n in rest)
    assert weights.load("glow2", str(out)).config["g2"]["base_width"] == 8
    assert any(n.startswith("g2.flows.base.") and t.abs().sum() > 0 for n, t in after.items())
