"""training/flat.py: Adam and the average on one vector, and the way back from a checkpoint."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

sys.path.append(str(Path(__file__).parent.parent / "training"))
import flat
from flat import Plan, Trainer


def trainer(steps: int, seen: list[float], broken: int = -1) -> tuple[Trainer, nn.Linear]:
    """y = 2 x + 1 is to be learnt; at step `broken` the loss is not finite."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        net = nn.Linear(1, 1)
    generator = torch.Generator()

    def make(share: float) -> tuple[str, dict[str, Tensor]]:
        generator.manual_seed(own.step)
        x = torch.rand(16, 1, generator=generator)
        return "", {"x": x if own.step != broken else x * math.nan}

    def loss(_: str, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        error = (net(batch["x"]) - 2 * batch["x"] - 1).square().mean()
        return {"error": error, "_shown": error.detach()}

    own = Trainer(net.parameters(), make, loss, Plan(1.0, 0.05, steps, ema=0.9), lambda t: seen.append(t.last["error"]))
    return own, net


def test_it_learns_and_reports_with_the_averaged_weights() -> None:
    seen: list[float] = []
    own, net = trainer(900, seen)
    own.run()
    assert own.step == 900
    assert len(seen) == 1
    assert seen[0] < 5e-3  # 2.3 at the start
    assert torch.allclose(net.weight, torch.tensor([[2.0]]), atol=0.1)
    assert torch.allclose(own.average, own.flat, atol=0.05)


def test_adam_is_torchs() -> None:
    own, net = trainer(3, [])
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        other = nn.Linear(1, 1)
    adam = torch.optim.Adam(other.parameters(), betas=flat.BETAS)
    for step in range(3):
        generator = torch.Generator().manual_seed(step)
        x = torch.rand(16, 1, generator=generator)
        adam.param_groups[0]["lr"] = 0.05 * flat.schedule(step / 3)
        adam.zero_grad()
        (other(x) - 2 * x - 1).square().mean().backward()
        nn.utils.clip_grad_norm_(other.parameters(), own.plan.clip)
        adam.step()
    own.plan.minutes = 1e9  # the share that is spent is that of the steps
    own.run()
    assert torch.allclose(net.weight, other.weight, atol=1e-5)
    assert torch.allclose(net.bias, other.bias, atol=1e-5)


def test_a_step_that_is_not_finite_spoils_nothing() -> None:
    own, _ = trainer(20, [], broken=5)
    own.run()
    assert torch.isfinite(own.flat).all()
    assert torch.isfinite(own.average).all()


def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "_share", lambda self: self.step / 12)
    whole, _ = trainer(12, [])
    whole.run()
    monkeypatch.setattr(Trainer, "_share", lambda self: self.step / 12 if self.step < 7 else 1.0)
    first, _ = trainer(12, [])
    first.run()
    first.save(tmp_path / "state")
    monkeypatch.setattr(Trainer, "_share", lambda self: self.step / 12)
    second, _ = trainer(12, [])
    second.resume(tmp_path / "state")
    second.run()
    assert torch.equal(second.flat, whole.flat)
    assert torch.equal(second.average, whole.average)
    assert second.step == 12


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
def test_a_recorded_step_is_the_step_itself() -> None:
    results = []
    for graph in (False, True):
        net = nn.Linear(1, 1).cuda()
        with torch.no_grad():
            net.weight.fill_(0.5)
            net.bias.fill_(0.0)
        x = torch.linspace(0, 1, 16, device="cuda")[:, None]

        def loss(_: str, batch: dict[str, Tensor], net: nn.Linear = net) -> dict[str, Tensor]:
            return {"error": (net(batch["x"]) - 2 * batch["x"] - 1).square().mean()}

        own = Trainer(
            net.parameters(), lambda _, x=x: ("", {"x": x}), loss, Plan(1.0, 0.05, 50, graph=graph), lambda t: None
        )
        own.run()
        results.append(own.flat.cpu())
    assert torch.allclose(*results, atol=1e-5)
