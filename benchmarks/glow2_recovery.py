"""Does every full payload come back through glow2, from real files?

    python benchmarks/glow2_recovery.py [--trials 100] [--size 128x128] [--weights W] [--receivers 1]

For each channel: random payloads at the capacity that `stego` tells; the share that came back exactly from the file and
from what the channel made of it; the share that the first draw brought through, for draws that fail are replaced, and
that should be rare; and the time of hiding, verification included, and revealing.
"""

from __future__ import annotations

import argparse
import secrets
import time
from dataclasses import replace

import numpy as np
import torch

from stegcli import api, weights
from stegcli.errors import CapacityError, RevealError
from stegcli.keys import key as keys
from stegcli.method import Asked, Request, Secret
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.options import HideOptions
from stegcli.pictures import channel, image
from stegcli.pictures.image import Picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--size")
    parser.add_argument("--receivers", type=int, default=1)
    parser.add_argument("--channels", nargs="*", default=["png", "jpeg:90", "jpeg:80", "jpeg:40"])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    method = weights.load("glow2", options.weights)
    assert isinstance(method, Glow2)
    size = None if options.size is None else (int(options.size.split("x")[0]), int(options.size.split("x")[1]))
    for name in options.channels:
        request = Request(survive=(channel.parse(name),), options=HideOptions(size=size))
        run(method, request, options.trials, options.receivers)


def run(method: Glow2, request: Request, trials: int, receivers: int) -> None:
    room, way = method.capacity(replace(request, secrets=(Secret(b""),) * receivers)), request.harshest
    exact, first, hiding, revealing = 0, 0, [], []
    for _ in range(trials):
        group = [keys.generate("glow2", "benchmark") for _ in range(receivers)]
        data = [secrets.token_bytes(room) for _ in group]
        started = time.monotonic()
        try:
            made = api.hide(replace(request, secrets=tuple(map(Secret, data)), keys=tuple(group)), method)
        except CapacityError:
            continue
        hid = time.monotonic()
        pixels = image.decode(made.file).pixels
        if way.kind == "jpeg":
            arrived = image.decode(image.encode(Picture(pixels), "JPEG", round(way.strength)))
        else:
            arrived = image.decode(made.file)
        revealed = time.monotonic()
        exact += all(_reveals(arrived, k, d, method) for k, d in zip(group, data, strict=True))
        first += made.draws == 1
        hiding.append(hid - started)
        revealing.append(time.monotonic() - revealed)
    print(
        f"{way}: {room} bytes for each of {receivers}, exact {exact} of {trials}, by the first draw {first}, "
        f"hide {np.mean(hiding):.2f} s, reveal {np.mean(revealing):.2f} s", flush=True,
    )  # fmt: skip


def _reveals(arrived: Picture, key: keys.Key, data: bytes, method: Glow2) -> bool:
    try:
        (revealed,) = api.reveal(arrived, method, Asked(key))
    except RevealError:
        return False
    return revealed.data == data


if __name__ == "__main__":
    main()
