"""How well pictures come back through glow2's cascade, alone and at full speed: many secrets, few channels.

    python benchmarks/glow2_cascade.py --photos VAL [--limit 64] [--weights W] [--channels jpeg:90 jpeg:40]

Secrets are made 128x128, as for `stego evaluate glow2`, whose rows "cascade" are measured in the same way. Prints the
PSNR of what came back, its mean, standard error, least and median, and the mean time of hiding (verified) and of
revealing.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from stegcli import api, weights
from stegcli.data import list_pictures
from stegcli.errors import StegoError
from stegcli.keys import key as keys
from stegcli.measuring.pictures import square
from stegcli.method import Asked, Request, Secret
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.options import HideOptions
from stegcli.pictures import channel, image, metrics
from stegcli.pictures.image import Picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=64)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--channels", nargs="*", default=["png", "jpeg:90", "jpeg:80", "jpeg:40"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    method = weights.load("glow2", options.weights)
    assert isinstance(method, Glow2)
    secrets = [square(image.load(f)) for f in list_pictures(options.photos)[: options.limit]]
    for name in options.channels:
        run(method, Request(survive=(channel.parse(name),), options=HideOptions("cascade")), secrets)


def run(method: Glow2, request: Request, secrets: list[Picture]) -> None:
    psnrs, hiding, revealing = [], [], []
    for index, secret in enumerate(secrets):
        key, rng = keys.generate("glow2", "benchmark"), np.random.default_rng(index)
        started = time.monotonic()
        try:
            made = api.hide(Request((Secret(b"", secret),), (key,), None, request.survive, request.options), method)
            hid = time.monotonic()
            arrived = request.harshest.through(made.picture, rng)
            back = api.reveal(arrived, method, Asked(key))[0].picture
        except StegoError as error:
            print(f"secret {index}: {error}", flush=True)
            continue
        assert back is not None
        hiding.append(hid - started)
        revealing.append(time.monotonic() - hid)
        psnrs.append(metrics.psnr(secret.pixels, back.pixels))
    found = np.array(psnrs)
    off = found.std() / max(1, len(found) - 1) ** 0.5
    print(
        f"{request.harshest}: {len(found)} of {len(secrets)} came back, {found.mean():.2f} +- {off:.2f} dB, "
        f"least {found.min():.2f}, median {np.median(found):.2f}; "
        f"{np.mean(hiding):.1f} s to hide, {np.mean(revealing):.1f} s to reveal",
        flush=True,
    )


if __name__ == "__main__":
    main()
