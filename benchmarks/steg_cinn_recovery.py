"""Does every stego of steg-cinn reveal exactly, and how near is it to its cover? Printed as it goes.

    python benchmarks/steg_cinn_recovery.py --covers DIR [--limit 20] [--weights FILE] [--size 128x128] [--grain G]
        [--mode MODE]...

For each cover and mode a random message of the capacity is hidden, written as a PNG file and revealed again. `1 bpp`
and `1.9 bpp` hide so much with the smallest --top that fits. The last line of a mode holds its means over all covers;
dL is the change of CIE L*. `elsewhere` is the share revealed by other kernels too, as another machine has: plain
convolutions in place of oneDNN's, which round otherwise, and another number of threads. A cover that a mode cannot use
at all is told and left out.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from stegcli import api, weights
from stegcli.data import load_pictures
from stegcli.errors import CapacityError, StegoError
from stegcli.keys.key import Key
from stegcli.method import Asked, Method, Request, Secret
from stegcli.methods.steg_cinn.measure import MODES, lightness
from stegcli.methods.steg_cinn.options import HideOptions
from stegcli.pictures import image, metrics
from stegcli.pictures.image import Picture

PAYLOADS = {"1 bpp": 1.0, "1.9 bpp": 1.9}
COLUMNS = ["exact", "elsewhere", "bpp", "right", "psnr", "dL_mean", "dL_most", "capacity_s", "hide_s", "reveal_s"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--covers", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--weights")
    parser.add_argument("--size", default="128x128")
    parser.add_argument("--mode", action="append", choices=[*PAYLOADS, *MODES])
    parser.add_argument("--grain", type=float, help="in place of the one that fits each cover")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    method = weights.load("steg-cinn", options.weights or weights.default_name("steg-cinn"), "cpu")
    found: dict[str, list[list[float]]] = {}
    covers = load_pictures(options.covers, options.limit, "cover", lambda p: p)
    for index, picture in enumerate(covers):
        cover = Picture(image.resized(picture.pixels, width, height))
        for mode in options.mode or [*PAYLOADS, *MODES]:
            try:
                found.setdefault(mode, []).append(trial(method, cover, mode, options.grain, index))
            except CapacityError as error:
                print(f"{mode}: cover {index}: {error}", flush=True)
                continue
            values = np.array(found[mode])
            means = " ".join(f"{n} {v:.3f}" for n, v in zip(COLUMNS, values.mean(0), strict=True))
            exact, elsewhere = (f"{int(n)} of {len(values)}" for n in values[:, :2].sum(0))
            exact = f"{exact} exact, {elsewhere} elsewhere, least {values[:, 2].min():.2f} bpp"
            exact += f", {values[:, 4].min():.1f} dB, most dL {values[:, 6].max():.2f}"
            print(f"{mode}: {exact}; means: {means}", flush=True)


def revealed(file: bytes, method: Method, key: Key) -> bytes | None:
    try:
        return api.reveal(image.decode(file), method, Asked(key))[0].data
    except StegoError:
        return None


@contextlib.contextmanager
def other_kernels() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if threads > 1 else 2)
    torch.backends.mkldnn.set_flags(_enabled=False)
    try:
        yield
    finally:
        torch.backends.mkldnn.set_flags(_enabled=True)
        torch.set_num_threads(threads)


def trial(method: Method, cover: Picture, mode: str, grain: float | None, index: int) -> list[float]:
    """Figures in the order of COLUMNS; seconds are those of one core's work."""
    wishes = MODES.get(mode, HideOptions())
    wishes = wishes if grain is None else replace(wishes, grain=grain)
    rng = np.random.default_rng(index)
    key, pixels = Key("steg-cinn", "benchmark", rng.bytes(32)), cover.width * cover.height
    times = [time.process_time()]
    room = method.capacity(Request(cover=cover, options=wishes))
    times.append(time.process_time())
    data = rng.bytes(min(room, int(PAYLOADS[mode] * pixels / 8)) if mode in PAYLOADS else room)
    made = api.hide(Request((Secret(data),), (key,), cover, options=wishes), method)
    times.append(time.process_time())
    exact = [revealed(made.file, method, key) == data]
    times.append(time.process_time())
    with other_kernels():
        exact.append(revealed(made.file, method, key) == data)
    psnr = metrics.psnr(cover.pixels, made.picture.pixels)
    apart = np.abs(lightness(made.picture.pixels) - lightness(cover.pixels))
    right, seconds = 1 - made.draft.measured["wrong_bits"], np.diff(times).tolist()
    return [*exact, 8 * len(data) / pixels, right, psnr, apart.mean(), apart.max(), *seconds]


if __name__ == "__main__":
    main()
