"""What a flow of glow2 is worth: how much its latents carry past a file, and whether its draws hold.

    python benchmarks/glow2_capacity.py [--weights W] [--draws 100] [--drawn 1000] [--size 128] [--temperature T]

Capacity: 1/2 log2 1/(1 - r^2) bits for each latent, r the correlation of those that arrive with those sent, measured in
every band of every draw: mean and least bytes of so many draws. It is what a Gaussian channel of that correlation could
carry, not what a code and its check do carry (`python benchmarks/glow2_recovery.py`). Then, of more draws, how many are
not finite and how many have over 2 % of samples beyond black and white, before any is passed over.
"""

from __future__ import annotations

import argparse

import torch

from stegcli import weights
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.recipe_flow import capacity, through
from stegcli.nn.drawing import clipped
from stegcli.recipe import Noise

CHANNELS = {"PNG": None, "JPEG 90": 90, "JPEG 80": 80, "JPEG 40": 40}
MOST_CLIPPED = 0.02


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--drawn", type=int, default=1000)
    parser.add_argument("--size", type=int)
    parser.add_argument("--temperature", type=float)
    options = parser.parse_args()
    torch.set_num_threads(1)
    method = weights.load("glow2", options.weights)
    assert isinstance(method, Glow2)
    assert method.g2 is not None
    side, temperature = options.size or method.side, options.temperature or method.temperature
    bands = method.g2.bands(side, side)
    found: dict[str, list[float]] = {name: [] for name in CHANNELS}
    infinite = beyond = 0
    for draw in range(max(options.drawn, options.draws)):
        noise = Noise.of(6, 0, range(draw, draw + 1))
        z = noise.normal(3, side, side)
        x = method.g2.inverse(temperature * z)
        infinite += not bool(torch.isfinite(x).all())
        beyond += clipped(x) > MOST_CLIPPED
        if draw < options.draws:
            for name, quality in CHANNELS.items():
                arrived = method.g2(through(x.clamp(0, 1), [quality], noise))[0]
                found[name].append(capacity(bands, z, arrived))
    for name, carried in found.items():
        mean, least = sum(carried) / len(carried), min(carried)
        print(f"{name:8} {mean:6.0f} bytes, least {least:6.0f} of {len(carried)} draws of {side}x{side}, "
              f"temperature {temperature:g}", flush=True)  # fmt: skip
    print(f"of {options.drawn} draws {infinite} not finite, {beyond} with over 2 % beyond black and white")


if __name__ == "__main__":
    main()
