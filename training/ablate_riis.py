"""The ablation of the paper's Table 1: each part of riis's network left out, trained for the same time.

    python training/ablate_riis.py --data TRAIN --val VAL --start LINEAR.safetensors --steps N [--batch 8]

LINEAR holds trained linear optima (`stego train riis --part network/linear`). From these each variant trains its
couplings for N steps, and the receiver's apart for half as many; without decoupled tuning the couplings for all of
them. Printed: dB of stego and secret for each channel, on
the first pictures of VAL, each hidden in the one before it and sent through the real channel; without refinement.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from stegcli import methods, training, weights
from stegcli.data import Pictures
from stegcli.methods.riis import recipe
from stegcli.recipe import seeded
from stegcli.schedule import Budget

PARTS = ("decoupled", "canp", "cem", "modulated")
"""2DT, CANP, CEM, DGM."""
PAPER = {
    "without 2DT": "noise:10 27.61, jpeg:40 26.77, jpeg:80 27.55, jpeg:90 27.88, png 42.91",
    "without CANP": "noise:10 27.38, jpeg:40 26.40, jpeg:80 27.28, jpeg:90 27.72, png 42.74",
    "without CEM": "noise:10 27.82, jpeg:40 26.64, jpeg:80 27.46, jpeg:90 27.96, png 43.21",
    "complete": "noise:10 28.08, jpeg:40 27.32, jpeg:80 28.25, jpeg:90 28.71, png 44.19",
}
"""The paper's Table 1, on DIV2K. It has no row without DGM."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--batch", type=int)
    asked = parser.parse_args()
    pictures = Pictures(asked.val).centres(asked.pictures, asked.side)
    for without in ("couplings", *PARTS, None):
        steps = 0 if without == "couplings" else asked.steps
        figures = measured(asked.data, asked.start, steps, without, pictures, asked.batch)
        label = "complete" if without is None else f"without {without}"
        print(label + ": " + ", ".join(f"{n} {v:.2f}" for n, v in figures.items()), flush=True)
    print("the paper, dB of the secret: " + "; ".join(f"{n}: {row}" for n, row in PAPER.items()))


def measured(
    data: Path, start: Path, steps: int, without: str | None, pictures: torch.Tensor, batch: int | None
) -> dict[str, float]:
    """Train one variant -> its figures."""
    own = weights.read(start)
    shape: dict[str, Any] = dict(own.config["network"])
    if without in PARTS:
        shape[without] = False
    with tempfile.TemporaryDirectory() as folder:
        begin, end = Path(folder) / "start.safetensors", Path(folder) / "end.safetensors"
        begin.write_bytes(weights.pack("riis", config(shape), started(own, shape), {}))
        if steps:
            # Without decoupled tuning nothing is left to train in the second stage.
            stages = (recipe.COUPLINGS,) if without == "decoupled" else (recipe.COUPLINGS, recipe.APART)
            flow = replace(recipe.RECIPES["network/flow"], config=config(shape), stages=stages)
            recipe.RECIPES["network/flow"] = flow
            training.train(
                "riis", "network/flow", data, end, Budget(steps=steps * 3 // 2), device="cpu", start=begin, batch=batch
            )
        method = weights.load("riis", end if steps else start)
        with torch.no_grad():
            return recipe.validate(method, pictures)


def config(shape: dict[str, Any]) -> dict[str, object]:
    return {"form": "network", "network": shape}


def started(own: weights.Trained, shape: dict[str, Any]) -> dict[str, torch.Tensor]:
    """A fresh network with the linear optima that were trained."""
    _, networks = seeded(lambda: methods.build("riis", **config(shape)), 0)
    assert networks is not None
    kept = ("network.linear.", "network.seen.")
    return dict(networks.state_dict()) | {n: t.contiguous() for n, t in own.tensors().items() if n.startswith(kept)}


if __name__ == "__main__":
    main()
