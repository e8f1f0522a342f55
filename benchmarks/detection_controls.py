"""Controls of `stego evaluate --detect`: halves of innocent covers, and a leak that is planted in a generator's stegos.

    python benchmarks/detection_controls.py halves --photos DIR [--limit 3000] [--side 128]
    python benchmarks/detection_controls.py planted --weights landscapes --size 64x64 [--limit 60] [--cache DIR]

halves: photos are reduced to SIDE x SIDE and split at random into innocent pictures and "stegos" that hold nothing; two
thirds are learnt from, the others judged. Detectors must be right about half of them. The mean over splits is printed
with the deviation of a split.

planted: glow2 with an additive pad in place of its torus: the latents of a message are the normal numbers of its
symbols plus those of the key, so that their variance is 2 and not 1. Detectors must find such stegos among innocent
draws. glow2's rule for draws, which refuses nearly all of such pictures, is left out for them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

from stegcli import methods
from stegcli.coding import gray
from stegcli.data import list_pictures
from stegcli.detectors import linear, rich, spam
from stegcli.measuring import detection
from stegcli.methods.glow2 import sender, torus
from stegcli.methods.glow2.rule import Rule
from stegcli.options import parse_size

FEATURES = {
    "SPAM": spam.mean, "SPAM by channel": spam.by_channel, "SPAM of colour differences": spam.of_differences,
    "rich model": rich.features,
}  # fmt: skip
SPLITS = 10
PLANTED = 1_000_001  # the seed, so that a cache never takes such pairs for honest ones


def halves(options: argparse.Namespace) -> None:
    seen: dict[str, list[np.ndarray]] = {name: [] for name in FEATURES}
    for path in list_pictures(options.photos)[: options.limit]:
        photo = Image.open(path).convert("RGB").resize((options.side, options.side), Image.Resampling.LANCZOS)
        for name, of in FEATURES.items():
            seen[name].append(of(np.asarray(photo)).astype(np.float32))
    half = len(seen["SPAM"]) // 2
    learn = half * 2 // 3
    print(f"{2 * half} covers; {2 * learn} learnt from, {2 * (half - learn)} judged; {SPLITS} splits", flush=True)
    for name, found in seen.items():
        every, right = np.stack(found), []
        for split in range(SPLITS):
            order = np.random.default_rng(split).permutation(len(every))
            sides = every[order[:half]], every[order[half : 2 * half]]
            innocent, stego = linear.scores(*sides, np.arange(learn), np.arange(learn, half))
            right.append(((innocent <= 0).mean() + (stego > 0).mean()) / 2)
        print(f"{name:28} {100 * np.mean(right):5.1f} % right, deviation of a split {100 * np.std(right):.1f} %, "
              f"first split {100 * right[0]:.1f} %", flush=True)  # fmt: skip


def added(bits: np.ndarray, dither: np.ndarray) -> np.ndarray:
    """In place of `torus.write_bits`."""
    symbols = (gray.positions(bits) + 0.5) / 2 ** bits.shape[1]
    return torus.to_normal(symbols) + torus.to_normal(dither)


class NoRule(Rule):
    """In place of the sender's rule."""

    def accepts(self, z: np.ndarray, x: torch.Tensor) -> bool:
        return True


def planted(options: argparse.Namespace) -> None:
    plan = detection.Plan(
        "glow2", weights=[options.weights], limit=options.limit, size=parse_size(options.size), epochs=0,
        options=methods.about("glow2").evaluate(),
        cache=options.cache,
        seed=PLANTED,
    )  # fmt: skip
    with mock.patch.object(torus, "write_bits", added), mock.patch.object(sender, "Rule", NoRule):
        found = detection.evaluate(plan)["detection"]
    print(f"{found['covers']} pairs, {found['learn']} learnt from, {found['test']} judged")
    for row in found["rows"]:
        if row["scheme"] == "glow2":
            print(f"{row['detector']:28} {100 * row['accuracy']:5.1f} % right "
                  f"({100 * row['low']:.1f} to {100 * row['high']:.1f} %)")  # fmt: skip
    print(json.dumps(found["advice"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("halves")
    one.add_argument("--photos", type=Path, required=True)
    one.add_argument("--limit", type=int, default=3000)
    one.add_argument("--side", type=int, default=128)
    one.set_defaults(run=halves)
    other = commands.add_parser("planted")
    other.add_argument("--weights", default="default")
    other.add_argument("--size", default="64x64")
    other.add_argument("--limit", type=int, default=60)
    other.add_argument("--cache", type=Path)
    other.set_defaults(run=planted)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.run(options)


if __name__ == "__main__":
    main()
