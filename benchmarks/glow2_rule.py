"""What glow2's rule for draws judges by, and how many draws it accepts.

    python benchmarks/glow2_rule.py [--weights W] [--size WxH] [--draws 20] [--channels png jpeg:80 jpeg:40]

For each channel, of draws without a message: the chance that a header would not be read, and the bits that come across
for each coded bit, over the rate of the table and over what is promised at this size; the share that is accepted.
"""

from __future__ import annotations

import argparse
import secrets

import numpy as np
import torch

from stegcli import weights
from stegcli.keys.stream import Stream
from stegcli.method import Request
from stegcli.methods.glow2 import header, layout, noise, rule
from stegcli.methods.glow2.layout import Share
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.options import SampleOptions
from stegcli.methods.glow2.rule import Rule
from stegcli.options import parse_size
from stegcli.pictures.channel import parse
from stegcli.pictures.image import Picture


def judged(method: Glow2, judge: Rule, z: np.ndarray) -> tuple[float, float, bool]:
    """Latents -> risk of the header, bits across for each coded bit, and the verdict."""
    x = method.draw(torch.from_numpy(z), *judge.size, judge.temperature)
    arrived, r = method.read(judge.arrived(Picture(noise.to_pixels(x)))).at(judge.temperature)
    pool, stream = layout.header_pool(judge.bands, Share()), Stream(rule.SEED)
    risk = rule.risk(rule.agreement(z, arrived, r), pool, stream)
    room = layout.stretches(judge.bands, judge.table, Share(), np.concatenate(pool)[: header.SLOTS])
    return risk, rule.information(z, arrived, r, room, stream), judge.accepts(z, x)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--size")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--channels", nargs="*", default=["png", "jpeg:80", "jpeg:40"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    method = weights.load("glow2", options.weights)
    assert isinstance(method, Glow2)
    size = options.size and parse_size(options.size)
    for name in options.channels:
        request = Request(survive=(parse(name),), options=SampleOptions(size, options.temperature))
        judge = Rule(method, request, 1, options.temperature or method.temperature)
        count = 3 * judge.size[0] * judge.size[1]
        found = [judged(method, judge, Stream(secrets.token_bytes(32)).normal(count)) for _ in range(options.draws)]
        risks, bits, verdicts = (np.array(column) for column in zip(*found, strict=True))
        print(
            f"{name}: accepted {verdicts.sum()} of {len(verdicts)}; risk of the header, median {np.median(risks):.2g}; "
            f"bits over the table's rate, median {np.median(bits) / judge.table.rate:.2f}, least "
            f"{bits.min() / judge.table.rate:.2f}; over the promised rate, least {bits.min() / judge.rate:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
