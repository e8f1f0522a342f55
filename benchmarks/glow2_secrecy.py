"""What many stegos of glow2 tell an attacker who has the networks and no key.

    python benchmarks/glow2_secrecy.py --photos DIR [--stegos 200] [--weights W]

For files and for the cascade: the Kolmogorov-Smirnov p-values of each stego's latents against N(0, 1), the least of
them and whether they are uniform; the greatest correlation with the secret's latents times the root of their number;
and the linear attack that lacks the pad alone, fitted on half of the stegos: PSNR of its pictures of the others above
that of the mean picture. (`stego evaluate glow2` does the same with as many stegos as secrets, at most 20.)
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from stegcli import weights
from stegcli.data import list_pictures
from stegcli.methods.glow2 import measure_secrecy
from stegcli.methods.glow2.measure_latents import Sample
from stegcli.methods.glow2.method import Glow2
from stegcli.pictures import image
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

SECRET_SIDE = 128


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--stegos", type=int, default=200)
    parser.add_argument("--weights", default="default")
    options = parser.parse_args()
    torch.set_num_threads(1)
    method = weights.load("glow2", options.weights)
    assert isinstance(method, Glow2)
    paths = list_pictures(options.photos)[: options.stegos]
    secrets = [Picture(image.resized(image.load(p).pixels, SECRET_SIDE, SECRET_SIDE)) for p in paths]
    measure_secrecy.MOST_STEGOS = len(secrets)
    found = measure_secrecy.measure(method, Sample(secrets, [Channel("png")], method.side, method.side, 0))
    for form, figures in found.items():
        print(form, "  ".join(f"{n} {v:.4g}" for n, v in figures.items() if v is not None))


if __name__ == "__main__":
    main()
