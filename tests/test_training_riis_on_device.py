"""training/riis_on_device.py sends stegos as a sender and the real channels do, and training/ablate_riis.py's rows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from riis_helpers import photo
from riis_net_helpers import coefficients, network

from stegcli.methods.riis.net import blocks, sender
from stegcli.methods.riis.net.surface import surface

sys.path.append(str(Path(__file__).parent.parent / "training"))
import ablate_riis
from ablate_riis import Phased, Row
from riis_on_device import Way, freeze

CPU = torch.device("cpu")
NET = network(depth=0, canp=False, cem=False)
SMALL = {"depth": 1, "width": 4, "growth": 4, "layers": 1}


@pytest.mark.parametrize("channel", NET.channels, ids=str)
def test_stegos_are_written_and_sent_as_by_the_sender(channel) -> None:
    y, _ = NET.hide(coefficients("coffee"), coefficients("chelsea"), channel)
    way = Way.of(NET, channel, CPU)
    levels = sender.written(y, channel, NET.mixing(channel))
    # What libjpeg would write otherwise is pushed by the sender alone.
    assert (way.written(y) != levels).float().mean() < (0.1 if channel.kind == "jpeg" else 1e-9)
    real = sender.sent(levels, channel, np.random.default_rng(0))
    ours = way.sent(levels, torch.randn(levels.shape, generator=torch.Generator().manual_seed(0)))
    if channel.kind == "noise":
        own = blocks.forward(levels)
        assert (ours - own).std() == pytest.approx(float((real - own).std()), rel=0.05)
        return
    assert (ours - real).square().mean() < 2
    view = surface(channel).view
    read, wanted = (blocks.apply(view, t) for t in (ours, real))
    assert (read - wanted).abs().gt(0.01).float().mean() < 0.01


def test_frozen_optima_are_what_they_were() -> None:
    own = network(depth=0, canp=False, cem=False)
    channel = own.channels[0]
    wanted = own.hide(coefficients("coffee"), coefficients("chelsea"), channel)
    freeze(own, CPU)
    found = own.hide(coefficients("coffee"), coefficients("chelsea"), channel)
    assert all(torch.allclose(a, b, atol=1e-3) for a, b in zip(found, wanted, strict=True))


def test_phases_add_nothing_at_first_and_then_by_place() -> None:
    layer = torch.nn.Conv2d(3, 2, 1)
    phased, x = Phased(layer), torch.rand(1, 3, 4, 6)
    assert torch.equal(phased(x), layer(x))
    with torch.no_grad():
        phased.table[0, :, 1, 0] = 5.0
    added = (phased(x) - layer(x)).detach()
    assert torch.allclose(added[..., 1::2, ::2], torch.tensor(5.0))
    assert float(added.abs().sum()) == pytest.approx(5.0 * 2 * 6, rel=1e-5)


def test_a_curriculum_begins_with_the_mildest_channel(tmp_path: Path) -> None:
    photos = ablate_riis.Photos.read(folder(tmp_path), CPU, None, with_parts=False)
    names = ["a", "b", "c", "d", "e"]
    early = {ablate_riis.drawn(photos, True, names, 1, 0.0)[0] for _ in range(30)}
    late = {ablate_riis.drawn(photos, True, names, 1, 1.0)[0] for _ in range(60)}
    assert early == {"a"}
    assert late == set(names)


def test_a_row_is_trained_judged_and_compared(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = folder(tmp_path)
    rows = {"linear": Row(ablate_riis.BARE), "with phases": Row(phases=True)}
    monkeypatch.setattr(ablate_riis, "ROWS", rows)
    asked = argparse.Namespace(
        data=data, val=data, out=tmp_path, seconds=60.0, steps=2, start="network", rows=list(rows), network=SMALL,
        batch=1, limit=None, pictures=4, judges=0, device="cpu", graph=False,
    )  # fmt: skip
    ablate_riis.ablate(asked)
    for name in rows:
        ablate_riis.judge(argparse.Namespace(**vars(asked), judge=name))
    linear, phased = [line for line in capfd.readouterr().out.splitlines() if "steps)" in line]
    assert linear.startswith("linear (0 steps): png ")
    assert phased.startswith("with phases (4 steps): png ")
    assert phased.count("+-") == 2 * 5
    assert "(" not in linear.split(": ", 1)[1]


def folder(path: Path) -> Path:
    """Four photos of 256x256."""
    found = path / "photos"
    found.mkdir()
    for name in ("coffee", "chelsea", "astronaut", "rocket"):
        Pillow.fromarray(photo(256, name)).save(found / f"{name}.png")
    return found
