"""What steg-cinn makes of photos: a sheet of the cover, keep top 1, 2 and 3, and recoloured from its luminance alone.

    python benchmarks/steg_cinn_pictures.py COVER... -o SHEET.png [--weights FILE] [--side 192] [--recoloured-only]

Every picture but the first of a row is a stego that holds a random message of the size that fits; none is left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from stegcli import api, weights
from stegcli.keys.key import Key
from stegcli.method import Request, Secret
from stegcli.methods.steg_cinn.options import HideOptions
from stegcli.pictures import image
from stegcli.pictures.image import Picture

MODES = [HideOptions(mode="keep", top=t) for t in (1, 2, 3)]
RECOLOUR = HideOptions(mode="recolour")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("covers", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--weights")
    parser.add_argument("--side", type=int, default=192)
    parser.add_argument("--recoloured-only", action="store_true")
    options = parser.parse_args()
    method = weights.load("steg-cinn", options.weights, "cpu")
    rng = np.random.default_rng(0)
    rows = []
    for path in options.covers:
        cover = square(image.load(path).pixels, options.side)
        modes = [RECOLOUR] if options.recoloured_only else [*MODES, RECOLOUR]
        row = [cover]
        for mode in modes:
            room = method.capacity(Request(cover=Picture(cover), options=mode))
            key = Key("steg-cinn", "benchmark", rng.bytes(32))
            made = api.hide(Request((Secret(rng.bytes(room)),), (key,), Picture(cover), options=mode), method)
            row.append(made.picture.pixels)
            print(f"{path.name} {mode.mode} {mode.top or ''}: {room} bytes, {8 * room / cover[..., 0].size:.2f} bpp")
        rows.append(np.concatenate(row, axis=1))
    options.output.write_bytes(image.encode(Picture(np.concatenate(rows))))


def square(pixels: np.ndarray, side: int) -> np.ndarray:
    """The middle of a picture, made so small."""
    least = min(pixels.shape[:2])
    top, left = ((n - least) // 2 for n in pixels.shape[:2])
    return image.resized(np.ascontiguousarray(pixels[top : top + least, left : left + least]), side, side)


if __name__ == "__main__":
    main()
