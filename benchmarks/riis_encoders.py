"""Does a riis stego outlive JPEG as other programs write it?

    python benchmarks/riis_encoders.py --covers DIR [--first 3500] [--count 4] [--case jpeg:75@42] [--load 1]

Covers are mosaics of four photos, 512x512, as in `benchmarks/riis.py`. A case is a channel and the stego's PSNR; the
payload is as large as the cover's capacity, or `--load` of it. The sender verifies by Pillow alone. Each stego is
then saved by every encoder of `_encoders` that is installed, at the channel's quality, of a range at both ends and in
the middle, and revealed from the file with the key and nothing else. Printed: how many came back, of how many.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _encoders import encoders
from riis import all_covers

from stegcli import api, methods
from stegcli.errors import RevealError
from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.method import Asked, Method, Request, Secret
from stegcli.methods.riis.options import HideOptions, RevealOptions
from stegcli.pictures import channel, image
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

CASES = ("jpeg:90@42", "jpeg:75@42", "jpeg:40@42", "jpeg:75..95@42", "jpeg:40..95@40")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--covers", type=Path, required=True)
    parser.add_argument("--first", type=int, default=3500)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--case", action="append")
    parser.add_argument("--load", type=float, default=1.0)
    asked = parser.parse_args()
    covers = list(all_covers(asked.covers, asked.first, asked.count, ()))
    method, key = methods.build("riis"), keys.generate("riis", "coded-1")
    for case in asked.case or CASES:
        name, _, psnr = case.partition("@")
        survive = channel.parse_survive(name)
        stegos = [hidden(method, c, key, survive, float(psnr), asked.load, i) for i, c in enumerate(covers)]
        print(f"{case}, {np.mean([len(data) for _, data in stegos]):.0f} bytes", flush=True)
        for encoder, found in encoders().items():
            if found.missing:
                print(f"   {encoder}: {found.missing} is not installed")
                continue
            told = [
                f"{q}: {sum(comes_back(method, found.encode(p, q), key, data) for p, data in stegos)} of {len(stegos)}"
                for q in qualities(survive)
            ]
            print(f"   {encoder}: " + ", ".join(told), flush=True)


def hidden(
    method: Method, cover: np.ndarray, key: Key, survive: tuple[Channel, ...], psnr: float, load: float, index: int
) -> tuple[np.ndarray, bytes]:
    """-> a stego's samples, verified by `api.hide`, and its message."""
    request = Request((Secret(b""),), (key,), Picture(cover), survive, HideOptions("bytes", psnr))
    data = np.random.default_rng(index).bytes(int(load * method.capacity(request)))
    made = Request((Secret(data),), (key,), Picture(cover), survive, HideOptions("bytes", psnr))
    return api.hide(made, method).picture.pixels, data


def qualities(survive: Sequence[Channel]) -> list[int]:
    ends = sorted({round(c.strength) for c in survive})
    return ends if len(ends) == 1 else [ends[0], (ends[0] + ends[-1]) // 2, ends[-1]]


def comes_back(method: Method, file: bytes, key: Key, data: bytes) -> bool:
    try:
        (revealed,) = method.reveal(image.decode(file), Asked(key, options=RevealOptions()))
    except RevealError:
        return False
    return revealed.data == data


if __name__ == "__main__":
    main()
