"""training/colours.py: what weights that are started from give to a network of another shape, and a short run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from steg_cinn_helpers import small_photo

from stegcli import weights
from stegcli.methods.steg_cinn import groups
from stegcli.methods.steg_cinn.nets import Fine

sys.path.append(str(Path(__file__).parent.parent / "training"))
import colours


def first(net: Fine, level: int, group: groups.Group) -> torch.Tensor:
    return net.level(level).phase(group).first[group.part].weight[..., 0, 0]


def test_phases_in_parts_begin_with_what_both_see() -> None:
    with torch.random.fork_rng(devices=[]):
        whole, parts = Fine(8, ()), Fine(8, (1,))
    colours.copy(whole, parts)
    for group in groups.groups(1, True):
        (source,) = (g for g in groups.groups(1, False) if g.phase == group.phase)
        mine, theirs = groups.neighbours(group), groups.neighbours(source)
        to, of = first(parts, 1, group), first(whole, 1, source)
        for i, offset in enumerate(mine):
            wanted = of[:, theirs.index(offset)] if offset in theirs else torch.zeros(len(of))
            assert torch.equal(to[:, i], wanted)
        # All that is not a neighbour's colour stands behind these, in the same order.
        assert torch.equal(to[:, 2 * len(mine) :], of[:, 2 * len(theirs) :])
    for a, b in zip(parts.level(2).parameters(), whole.level(2).parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_short_run_writes_weights_and_a_log(tmp_path: Path) -> None:
    for i in range(2):
        Pillow.fromarray(np.rot90(small_photo(256, 256), i)).save(tmp_path / f"{i}.png")
    asked = argparse.Namespace(
        part="coarse", data=tmp_path, val=tmp_path, out=tmp_path / "out.safetensors", minutes=9.0, steps=2, batch=1,
        start="none", config={"coarse": {"width": 4, "features": 4}}, lr=1e-3, limit=None, device="cpu", graph=False,
        resume=False,
    )  # fmt: skip
    colours.train(asked)
    assert weights.load("steg-cinn", asked.out).config["coarse"] == {"width": 4, "features": 4}
    lines = asked.out.with_suffix(".jsonl").read_text().splitlines()
    assert len(lines) == 2
    asked.resume, asked.steps = True, 4
    colours.train(asked)
    assert '"step": 4.0' in asked.out.with_suffix(".jsonl").read_text().splitlines()[-1]
