"""Signs that need no detector: what stegos in pixels show, counted beside what their own covers show.

    python benchmarks/tell_tales.py --photos DIR --limit 50 --bpp 0.2 1
    python benchmarks/tell_tales.py --photos DIR --limit 170 --bpp 1 --stegexpose CLASSPATH --aletheia DIR

Photos are made smaller, which ends their JPEG past, and written as PNG by several encoders' settings, in turn; every
fifth has a white or black frame. Covers that `hide` refuses are left out. Each is used in colour and in grey, with as
much data for each sample: bits per pixel are those in colour.

    file            pairs whose files differ in more than their pixels: chunks, zlib's header, chunk sizes, filters
    lone, clipped   samples one off eight equal neighbours, and of these the ones beside pure black or white
    frames          rows and columns of one value
    gaps            levels that a histogram lacks between two that it has
    coloured        pixels of grey pictures whose channels differ
    spa, ws, rs, chi  estimates of LSB replacement, and the probability of a chi-square test: change against the own
                    cover, mean over the channels of a picture; then mean and standard error over the pictures

The numbers are sums over all pictures: covers > stegos. Two ways of not caring stand beside `coset-3`, written by
Pillow: `LSB` is LSB matching, and `replaced` LSB replacement, which the estimators are made for. `--stegexpose` and
`--aletheia` run these programs too: see _steganalysers.py.
"""

from __future__ import annotations

import argparse
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from _steganalysers import Tool, aletheia, colours, own, stegexpose
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from stegcli import api, weights
from stegcli.data import list_pictures
from stegcli.detectors import schemes, signs
from stegcli.errors import FileError
from stegcli.keys import key as keys
from stegcli.method import Method, Request, Secret
from stegcli.methods.lossless_inn.options import HideOptions
from stegcli.pictures import image

SIDE = 160
FRAME = 6
STYLES: tuple[dict[str, object], ...] = ({}, {"optimize": True}, {"compress_level": 1}, {"compress_level": 9})
KINDS = ("colour", "grey")
CARELESS = {"LSB": schemes.lsb_matching, "replaced": schemes.lsb_replacement}
Pair = tuple[bytes, bytes]
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
    key = keys.generate(method.name, "coset-3")
    return api.hide(Request((secret,), (key,), image.decode(file), options=HideOptions()), method).file


def kept(run: Callable[[bytes], bytes], folder: Path, bits: int) -> Callable[[bytes], bytes]:
    """The same, with the stegos kept in a folder: a longer run goes on where this one stopped."""

    def found(file: bytes) -> bytes:
        path = folder / f"{zlib.crc32(file):08x}-{bits}.png"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(run(file))
        return path.read_bytes()

    return found


def careless(file: bytes, bits: int, scheme: schemes.Scheme) -> bytes:
    """The same by a simple scheme on colour samples, written by Pillow."""
    buffer = io.BytesIO()
    Pillow.fromarray(scheme(colours(file), bits, np.random.default_rng(zlib.crc32(file)))).save(buffer, "PNG")
    return buffer.getvalue()


def signs_of(file: bytes) -> dict[str, int]:
    """A picture's file -> how often each sign is found."""
    return signs.of_pixels(colours(file), Pillow.open(io.BytesIO(file)).mode == "L")


# -- the table


def compared(pairs: Sequence[Pair], tools: Sequence[Tool]) -> str:
    """Files of covers and their stegos -> a row."""
    before, after = ([signs_of(file) for file in side] for side in zip(*pairs, strict=True))
    made = sum(signs.make_of(cover) != signs.make_of(stego) for cover, stego in pairs)
    counts = ", ".join(f"{s} {sum(b[s] for b in before)} > {sum(a[s] for a in after)}" for s in SIGNS)
    told = ", ".join(f"{name} {_told(changes)}" for tool in tools for name, changes in moved(pairs, tool).items())
    return f"{len(pairs)} pairs: file {made} differ, {counts}; {told}"


def moved(pairs: Sequence[Pair], tool: Tool) -> dict[str, np.ndarray]:
    """Name of an estimator -> how much it changes, mean over the channels, for each pair that it says something of."""
    before, after = (tool(side) for side in zip(*pairs, strict=True))
    changes = {name: (after[name] - before[name]).mean(axis=1) for name in before}
    return {name: found[~np.isnan(found)] for name, found in changes.items()}


def _told(changes: np.ndarray) -> str:
    if len(changes) < 2:
        return "nothing"
    error = changes.std(ddof=1) / len(changes) ** 0.5
    return f"{changes.mean():+.4f} (standard error {error:.4f}, worst {np.abs(changes).max():.3f}, {len(changes)})"


def main() -> None:
    asked = arguments()
    tools = [own]
    if asked.stegexpose:
        tools.append(stegexpose(asked.stegexpose))
    if asked.aletheia:
        tools.append(aletheia(asked.aletheia))
    method = weights.load("lossless-inn", "coset-3")
    files = list(covers(list_pictures(asked.photos)[asked.first :][: asked.limit], asked.side))
    for bpp in asked.bpp:
        for kind in asked.kinds:
            bits = round(bpp * asked.side**2)
            own_bits = bits // 3 if kind == "grey" else bits  # as many for each sample
            run = partial(stego_of, bits=own_bits, method=method)
            hide = {"coset-3": kept(run, asked.cache, own_bits) if asked.cache else run}
            hide |= {name: partial(careless, bits=bits, scheme=scheme) for name, scheme in CARELESS.items()}
            rows = pairs_of(files[KINDS.index(kind) :: 2], hide)
            for name, pairs in rows.items():
                print(f"{name:8} {kind:6} {bpp:g} bpp, {compared(pairs, tools)}", flush=True)


def pairs_of(files: Sequence[bytes], hide: dict[str, Callable[[bytes], bytes]]) -> dict[str, list[Pair]]:
    """Covers and what hides in them -> pairs of each, without the covers that one of them refuses."""
    rows: dict[str, list[Pair]] = {name: [] for name in hide}
    for file in files:
        try:
            stegos = [run(file) for run in hide.values()]
        except FileError:
            continue
        for pairs, stego in zip(rows.values(), stegos, strict=True):
            pairs.append((file, stego))
    return rows


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0, help="photos to leave out")
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--bpp", type=float, nargs="+", default=[0.2, 1.0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--side", type=int, default=SIDE, help="of the covers")
    parser.add_argument("--cache", type=Path, help="folder that keeps the stegos of coset-3 for later runs")
    parser.add_argument("--stegexpose", metavar="CLASSPATH", help="of StegExpose and commons-math3")
    parser.add_argument("--aletheia", metavar="DIR", help="that aletheialib is in")
    return parser.parse_args()


if __name__ == "__main__":
    main()
