"""Does every stego reveal exactly? Random payloads of random length, up to the capacity, in unseen photos.

    python benchmarks/recovery.py --photos DIR [--weights coset] [--size 768x512] [--covers 20] [--payloads 10]

Covers larger than the photos are mosaics of them. Each stego goes through its file's bytes. Prints how many came back
exactly, and the PSNR at full payload and at 0.1 bits per pixel.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from stegcli import api, weights
from stegcli.data import list_pictures
from stegcli.keys.key import Key
from stegcli.method import Asked, Request, Secret
from stegcli.methods.lossless_inn.options import HideOptions
from stegcli.pictures import image, metrics
from stegcli.pictures.image import Picture
from stegcli.slots import BitMethod


def mosaic(photos: list[np.ndarray], width: int, height: int, index: int) -> np.ndarray:
    """The index-th cover: photos side by side, starting at another one each time, cut to size."""
    side = min(p.shape[0] for p in photos), min(p.shape[1] for p in photos)
    rows, columns = -(-height // side[0]), -(-width // side[1])
    chosen = [photos[(index * rows * columns + i) % len(photos)][: side[0], : side[1]] for i in range(rows * columns)]
    bands = [np.concatenate(chosen[r * columns : (r + 1) * columns], axis=1) for r in range(rows)]
    return np.ascontiguousarray(np.concatenate(bands)[:height, :width])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--weights", default="coset")
    parser.add_argument("--size", default="768x512")
    parser.add_argument("--covers", type=int, default=20)
    parser.add_argument("--payloads", type=int, default=10)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    photos = [image.load(p).pixels for p in list_pictures(options.photos)]
    method = weights.load("lossless-inn", options.weights)
    assert isinstance(method, BitMethod)
    key = Key("lossless-inn", weights.entry("lossless-inn", options.weights).name, bytes(32))
    room = method.room(height, width)
    rng = np.random.default_rng(0)
    exact, done, psnr = 0, 0, {"full": [], "0.1 bpp": []}
    for c in range(options.covers):
        cover = Picture(mosaic(photos, width, height, c))
        lengths = [room, int(0.1 * width * height / 8), *rng.integers(0, room + 1, options.payloads - 2)]
        for i, length in enumerate(lengths):
            data = rng.bytes(int(length))
            hidden = api.hide(Request((Secret(data),), (key,), cover, options=HideOptions()), method)
            (revealed,) = api.reveal(image.decode(hidden.file), method, Asked(key))
            exact += revealed.data == data
            done += 1
            if i < 2:
                psnr[("full", "0.1 bpp")[i]].append(metrics.psnr(cover.pixels, hidden.picture.pixels))
    print(f"{key.weights} at {options.size}: {exact} of {done} payloads in {options.covers} covers came back exactly")
    print(f"capacity {room} bytes, {8 * room / (width * height):.4f} bpp")
    for name, values in psnr.items():
        print(f"PSNR {name}: mean {np.mean(values):.2f}, worst {min(values):.2f} dB")


if __name__ == "__main__":
    main()
