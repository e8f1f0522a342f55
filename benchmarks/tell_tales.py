"""Signs that need no detector: what stegos in pixels show, counted beside what their own covers show.

    python benchmarks/tell_tales.py --photos DIR --limit 50 --bpp 0.2 1

Photos are made smaller, which ends their JPEG past, and written as PNG by several encoders' settings, in turn; every
fifth has a white or black frame. Covers that `hide` refuses are left out. Each is used in colour and in grey, with as
much data for each sample: bits per pixel are those in colour.

    file            pairs whose files differ in more than their pixels: chunks, zlib's header, chunk sizes, filters
    lone, clipped   samples one off eight equal neighbours, and of these the ones beside pure black or white
    frames          rows and columns of one value
    gaps            levels that a histogram lacks between two that it has
    coloured        pixels of grey pictures whose channels differ
    spa, ws, rs, chi  estimates of LSB replacement, and the probability of a chi-square test: change against the own
                    cover, over the channels of all pictures

The numbers are sums over all pictures: covers > stegos. `LSB` rows are plain LSB matching, written by Pillow: what
the signs look like when nobody cares.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _schemes import lsb_matching
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from stegcli import api, weights
from stegcli.data import list_pictures
from stegcli.detectors import signs
from stegcli.detectors.estimators import chi_square, rs, spa, ws
from stegcli.errors import FileError
from stegcli.keys import key as keys
from stegcli.method import Method, Request, Secret
from stegcli.methods.lossless_inn.options import HideOptions
from stegcli.pictures import image

SIDE = 160
FRAME = 6
STYLES: tuple[dict[str, object], ...] = ({}, {"optimize": True}, {"compress_level": 1}, {"compress_level": 9})
ESTIMATORS = {"spa": spa, "ws": ws, "rs": rs, "chi": chi_square}
SIGNS = ("lone", "clipped", "frames", "gaps", "coloured")


def covers(paths: list[Path], side: int = SIDE) -> Iterator[bytes]:
    """Photos -> PNG files of side x side, in colour and in grey."""
    for number, path in enumerate(paths):
        photo = Pillow.open(path).convert("RGB").resize((side, side), Pillow.Resampling.LANCZOS)
        if number % 5 == 4:
            photo = framed(photo, (0, 255)[number // 5 % 2])
        info = PngInfo()
        if number % 2:
            info.add(b"gAMA", (45455).to_bytes(4, "big"))
        for made in (photo, photo.convert("L")):
            buffer = io.BytesIO()
            made.save(buffer, "PNG", pnginfo=info, dpi=(72, 72) if number % 3 == 0 else None, **STYLES[number % 4])
            yield buffer.getvalue()


def framed(photo: Pillow.Image, level: int) -> Pillow.Image:
    pixels = np.array(photo)
    inner = pixels[FRAME:-FRAME, FRAME:-FRAME].copy()
    pixels[:] = level
    pixels[FRAME:-FRAME, FRAME:-FRAME] = inner
    return Pillow.fromarray(pixels)


def stego_of(file: bytes, bits: int, method: Method) -> bytes:
    """A cover's file -> a stego's, with random data of so many bits. Raises FileError for a cover that is refused."""
    secret = Secret(np.random.default_rng(bits).bytes(bits // 8))
    key = keys.generate(method.name, "coset-2")
    return api.hide(Request((secret,), (key,), image.decode(file), options=HideOptions()), method).file


def careless(file: bytes, bits: int) -> bytes:
    """The same by LSB matching of colour samples, written by Pillow."""
    pixels = np.asarray(Pillow.open(io.BytesIO(file)).convert("RGB"))
    buffer = io.BytesIO()
    Pillow.fromarray(lsb_matching(pixels[None], bits)[0]).save(buffer, "PNG")
    return buffer.getvalue()


def estimates(file: bytes) -> np.ndarray:
    """A picture's file -> (4, 3): each of ESTIMATORS of red, green and blue."""
    pixels = np.asarray(Pillow.open(io.BytesIO(file)).convert("RGB"))
    return np.array([[estimate(pixels[..., c]) for c in range(3)] for estimate in ESTIMATORS.values()])


def signs_of(file: bytes) -> dict[str, int]:
    """A picture's file -> how often each sign is found."""
    opened = Pillow.open(io.BytesIO(file))
    return signs.of_pixels(np.asarray(opened.convert("RGB")), opened.mode == "L")


# -- the table


def compared(pairs: list[tuple[bytes, bytes]]) -> str:
    """Files of covers and their stegos -> a row."""
    before, after = ([signs_of(file) for file in side] for side in zip(*pairs, strict=True))
    made = sum(signs.make_of(cover) != signs.make_of(stego) for cover, stego in pairs)
    counts = ", ".join(f"{s} {sum(b[s] for b in before)} > {sum(a[s] for a in after)}" for s in SIGNS)
    moved = np.concatenate([estimates(stego) - estimates(cover) for cover, stego in pairs], axis=1)
    told = ", ".join(f"{name} {_told(row[~np.isnan(row)])}" for name, row in zip(ESTIMATORS, moved, strict=True))
    return f"{len(pairs)} pairs: file {made} differ, {counts}; {told}"


def _told(changes: np.ndarray) -> str:
    error = changes.std() / len(changes) ** 0.5
    return f"{changes.mean():+.4f} (standard error {error:.4f}, worst {np.abs(changes).max():.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--bpp", type=float, nargs="+", default=[0.2, 1.0])
    parser.add_argument("--side", type=int, default=SIDE, help="of the covers")
    asked = parser.parse_args()
    method = weights.load("lossless-inn", "coset-2")
    paths = list_pictures(asked.photos)[: asked.limit]
    for bpp in asked.bpp:
        kept, plain = {}, {}
        for number, file in enumerate(covers(paths, asked.side)):
            kind = "grey" if number % 2 else "colour"
            bits = round(bpp * asked.side**2 / (3 if kind == "grey" else 1))  # as many for each sample
            try:
                kept.setdefault(kind, []).append((file, stego_of(file, bits, method)))
            except FileError:
                continue
            plain.setdefault(kind, []).append((file, careless(file, bits)))
        for name, rows in (("coset-2", kept), ("LSB", plain)):
            for kind, pairs in rows.items():
                print(f"{name:8} {kind:6} {bpp:g} bpp, {compared(pairs)}", flush=True)


if __name__ == "__main__":
    main()
