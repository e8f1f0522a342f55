"""training/against_detectors.py: moves at the bound, balanced costs, the gradient that keeps the payload, and a run."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from skimage import data as samples

sys.path.append(str(Path(__file__).parent.parent / "training"))

import against_detectors

from stegcli import weights
from stegcli.methods.lossless_inn import balance
from stegcli.methods.lossless_inn.costs import NATS, OWN
from stegcli.methods.lossless_inn.fitted import losses


@pytest.fixture(scope="module")
def ways() -> tuple[torch.Tensor, torch.Tensor]:
    """Costs of two pictures."""
    up, down = np.random.default_rng(0).uniform(0.5, 4, (2, 2, 3, 256, 256)).astype(np.float32)
    return torch.from_numpy(up), torch.from_numpy(down)


def test_costs_are_those_that_hiding_takes() -> None:
    rng = np.random.default_rng(0)
    levels = rng.integers(1, 255, (3, 8, 8)).astype(np.float32)
    mean, scale = levels + rng.normal(0, 2, levels.shape), rng.uniform(0.3, 3, levels.shape)
    given = (torch.from_numpy(a.astype(np.float32))[None] for a in (levels, mean, scale))
    expected = [np.minimum(OWN / scale + NATS * np.maximum(n, 0), 200) for n in losses(levels, mean, scale)]
    for found, wanted in zip(against_detectors.costs(*given), expected, strict=True):
        assert np.allclose(found[0].numpy(), wanted, rtol=1e-3)


@pytest.mark.parametrize("bpp", [0.1, 0.4, 1.0])
def test_moves_have_the_payload_as_their_entropy(ways: tuple[torch.Tensor, torch.Tensor], bpp: float) -> None:
    torch.manual_seed(0)
    moves, logs = against_detectors.moved(*ways, bpp)
    up, down, none = chances = logs.exp()
    assert torch.allclose(up + down + none, torch.ones(()))
    assert set(moves.unique().tolist()) == {-1.0, 0.0, 1.0}
    bits = -(chances * logs / np.log(2)).sum((0, 2, 3, 4)) / 256**2
    assert bits.tolist() == pytest.approx([bpp, bpp], rel=1e-3)
    for way, chance in ((1, up), (-1, down)):
        assert float((moves == way).float().mean()) == pytest.approx(float(chance.mean()), rel=0.1)


def test_payload_does_not_follow_the_costs(ways: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Dearer moves all over are no fewer moves; dearer moves in one half are fewer there and more in the other."""
    up, down = (way.clone().requires_grad_() for way in ways)
    torch.manual_seed(0)
    _, logs = against_detectors.moved(up, down, 0.4)
    logs[:2].exp().sum().backward()
    assert up.grad is not None
    assert down.grad is not None
    slope = sum(float((way.grad * way.detach()).sum()) for way in (up, down))
    steep = sum(float((way.grad * way.detach()).abs().sum()) for way in (up, down))
    assert abs(slope) < 0.05 * steep


def test_costs_are_balanced_as_the_sender_balances_them() -> None:
    """One picture, at the rate that the payload asks for."""
    picture = samples.coffee()[100:164, 100:164].transpose(2, 0, 1)
    up, down = np.random.default_rng(0).uniform(0.5, 4, (2, *picture.shape)).astype(np.float32)
    planes = balance.BalancedPlanes(picture.reshape(-1).astype(np.int16), up.flatten(), down.flatten(), 64, 64)
    given = [torch.from_numpy(a.astype(np.float32))[None] for a in (picture, up, down)]
    found = against_detectors.balanced(*given, 0.4)
    planes.share(round(0.4 * 64**2), picture.size)
    for before, mine, senders in zip((up, down), found, (planes.up, planes.down), strict=True):
        assert (senders - before.ravel()).std() > 0.1
        assert np.allclose(mine[0].numpy().ravel(), senders, atol=0.02)


def test_what_balances_has_no_gradient() -> None:
    levels = torch.from_numpy(samples.coffee()[:32, :32].transpose(2, 0, 1).copy()).float()[None]
    up, down = (torch.rand_like(levels) + 1 for _ in range(2))
    up.requires_grad_()
    found, _ = against_detectors.balanced(levels, up, down, 0.4)
    found.sum().backward()
    assert up.grad is not None
    assert set(up.grad.unique().tolist()) <= {balance.LEAST, 1.0}


def test_a_run_writes_weights_that_hide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    for number in range(4):
        Pillow.fromarray(samples.coffee()[50 * number : 128 + 50 * number, :130]).save(folder / f"{number}.png")
    out = tmp_path / "taught.safetensors"
    argv = ["--photos", str(folder), "--steps", "2", "--warm", "4", "--batch", "2", "--output", str(out)]
    monkeypatch.setattr(sys, "argv", ["against_detectors.py", *argv])
    threads = torch.get_num_threads()
    try:
        against_detectors.main()
    finally:
        torch.set_num_threads(threads)
    before, after = (weights.load("lossless-inn", w).trained_arrays() for w in ("coset", out))
    assert set(before) == set(after)
    moved = max(float(np.abs(before[n] - after[n]).max()) for n in before)
    assert 0 < moved < 0.1
