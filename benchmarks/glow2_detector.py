"""Can a network tell glow2's stegos from fresh samples of its generator? And its samples from real pictures?

    python benchmarks/glow2_detector.py [--train 2000] [--test 500] [--epochs 6] [--threads 1]
    python benchmarks/glow2_detector.py --real DIR     draws against real pictures of the same size

A small CNN (fixed high-pass filters, five convolutions) learns on as many stegos as samples; its accuracy on others,
never seen, is printed with the standard error that chance alone has. Stegos carry random files at full capacity under
one key, as in use.
"""

from __future__ import annotations

import argparse
import secrets
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from _detectors import Network, train
from torch import Tensor

from stegcli import weights
from stegcli.data import Pictures
from stegcli.detectors.network import accuracy
from stegcli.keys import key as keys
from stegcli.method import Request, Secret
from stegcli.methods.glow2 import noise
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.options import HideOptions
from stegcli.pictures.channel import parse


@torch.no_grad()
def stegos(method: Glow2, count: int, survive: str) -> Tensor:
    """Pictures uint8 (count, 3, h, w) that carry random files of full size under one key."""
    key = keys.generate("glow2", "detector")
    request = Request(keys=(key,), survive=(parse(survive),), options=HideOptions())
    room = method.capacity(request)
    full = (replace(request, secrets=(Secret(secrets.token_bytes(room)),)) for _ in range(count))
    drafts = (next(method.drafts(r)) for r in full)
    return torch.stack([torch.from_numpy(d.picture.pixels).permute(2, 0, 1) for d in drafts])


@torch.no_grad()
def samples(method: Glow2, count: int, rng: np.random.Generator) -> Tensor:
    """Fresh draws of the generator, uint8 (count, 3, h, w)."""
    drawn = (method.sample(rng.standard_normal, method.side, method.side) for _ in range(count))
    return torch.stack([torch.from_numpy(noise.to_pixels(d)).permute(2, 0, 1) for d in drawn])


def real(folder: Path, count: int, side: int) -> Tensor:
    crops = Pictures(folder).centres(count, side)
    return (crops * 255).round().to(torch.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--survive", default="jpeg:80")
    parser.add_argument("--real", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    method = weights.load("glow2", options.weights)
    assert isinstance(method, Glow2)
    rng = np.random.default_rng(0)
    count = options.train + options.test
    first = real(options.real, count, method.side) if options.real else stegos(method, count, options.survive)
    count = len(first)
    learn = min(options.train, int(count * options.train / (options.train + options.test)))
    second = samples(method, count, rng)
    first, second = first[torch.from_numpy(rng.permutation(count))], second
    detector = train(Network(), first[:learn], second[:learn], options.epochs, rng)
    found = accuracy(detector, first[learn:], second[learn:])
    tested = 2 * (count - learn)
    print(f"accuracy {100 * found:.1f} % on {tested} pictures, trained on {2 * learn}; "
          f"chance 50 +- {50 / tested**0.5:.1f} %")  # fmt: skip


if __name__ == "__main__":
    main()
