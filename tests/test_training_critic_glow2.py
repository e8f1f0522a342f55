"""training/critic_glow2.py: what is seen of blocks, and a run from end to end."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

sys.path.append(str(Path(__file__).parent.parent / "training"))

import critic_glow2

from stegcli import weights


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def blocky(size: int) -> torch.Tensor:
    """Blocks of one grey each, and a little noise."""
    return 0.8 * noise(4, 3, size // 8, size // 8).repeat_interleave(8, 2).repeat_interleave(8, 3) + 0.2 * noise(
        4, 3, size, size
    )


def test_borders_show_blocks_and_nothing_else() -> None:
    assert critic_glow2.borders(noise(4, 3, 64, 64)) == pytest.approx(1, abs=0.05)
    assert critic_glow2.borders(blocky(64)) > 2


def test_a_profile_is_even_without_blocks_and_has_its_peak_at_borders() -> None:
    assert critic_glow2.profile(noise(4, 3, 64, 64)).abs().max() < 0.1
    first_differences = critic_glow2.profile(blocky(64))[:, 0]
    assert (first_differences.argmax(2) == 7).all()


@pytest.mark.parametrize(("minutes", "changed"), [("0.03", {"y1"}), ("0", set())])
def test_only_the_named_bands_are_trained_and_for_no_time_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: str, changed: set[str]
) -> None:
    pixels = (noise(2, 128, 128, 3) * 255).to(torch.uint8).numpy()
    for i, picture in enumerate(pixels):
        Pillow.fromarray(np.ascontiguousarray(picture)).save(tmp_path / f"{i}.png")
    out = tmp_path / "out.safetensors"
    monkeypatch.setattr(critic_glow2, "STOCK", 2)
    monkeypatch.setattr(critic_glow2.Run, "report", lambda self, seconds, told: self.write())
    monkeypatch.setattr(
        sys, "argv",
        ["critic_glow2.py", "textures", "-o", str(out), "--data", str(tmp_path), "--val", str(tmp_path), "--minutes",
         minutes, "--batch", "2", "--warm", "2", "--width", "8", "--bands", "y1"],
    )  # fmt: skip
    critic_glow2.main()
    before, after = (weights.load("glow2", w).networks.state_dict() for w in ("textures", str(out)))
    assert {n.split(".")[2] for n, t in after.items() if not torch.equal(t, before[n])} == changed
