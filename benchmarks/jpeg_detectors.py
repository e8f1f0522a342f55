"""JPEG covers: can DCTR features and a linear classifier tell stegos from covers? By scheme, beyond `stego evaluate`.

    python benchmarks/jpeg_detectors.py --covers DIR --limit 400 --rates 0.1 0.4
    python benchmarks/jpeg_detectors.py --covers DIR --schemes nsF5 coded:juniward coded:side@0.4 --minutes 40

Covers are made grey, resized (which ends their own JPEG past) and saved by Pillow at `--quality`. Half of them are
learnt from, with their stegos; the other half is told apart. The figures are means over splits. `NAME@RATE` runs a
scheme at one rate alone. `--minutes` takes no more covers after that time. Schemes: UERD, J-UNIWARD, and J-UNIWARD with
side information, each by the product's coder (`coded:`) and as a perfect ternary code would do (`bound:`, much faster);
nsF5 at its bound, as a detector's yardstick; steghide and conseal's J-UNIWARD where they are installed. Chance is 50 %.
`stego evaluate lossless-inn --jpeg 75` compares with outguess too, and has a CNN.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from stegcli.coding import jpeg_costs
from stegcli.detectors import dctr
from stegcli.detectors.bound import moves
from stegcli.detectors.linear import told_apart
from stegcli.methods.lossless_inn import jpeg_hiding
from stegcli.methods.lossless_inn.jpeg_rivals import Grey, Scheme, coded, juniward_by_conseal, nsf5, steghide
from stegcli.methods.lossless_inn.measure import grey
from stegcli.pictures import image, jpeg
from stegcli.pictures.jpeg import Component


def bound(model: jpeg_hiding.Costs, informed: bool = False) -> Scheme:
    """Each coefficient moves by the probabilities of a perfect ternary code."""

    def scheme(cover: Grey, rate: float, rng: np.random.Generator) -> np.ndarray:
        costs = jpeg_hiding.MODEL[model](cover.file.components[0])
        up, down = jpeg_costs.side_informed(costs, cover.errors) if informed else (costs, costs)
        moved = cover.blocks + moves(up, down, rate * cover.file.nonzero_ac, rng)
        return moved.clip(-jpeg.LARGEST, jpeg.LARGEST).astype(np.int16)

    return scheme


SCHEMES: dict[str, Scheme] = {"nsF5": nsf5, "steghide": steghide, "conseal": juniward_by_conseal} | {
    f"{how}:{name}": make(model, informed)
    for how, make in (("bound", bound), ("coded", coded))
    for name, model, informed in (("uerd", "uerd", False), ("juniward", "juniward", False), ("side", "juniward", True))
}


USUAL = [name for name in SCHEMES if name not in ("steghide", "conseal")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--covers", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.4])
    parser.add_argument("--quality", type=int, default=75)
    parser.add_argument("--schemes", nargs="+", default=USUAL, help="NAME or NAME@RATE")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    asked = parser.parse_args()
    paths = sorted(p for p in asked.covers.iterdir() if p.suffix.lower() in (*image.LOSSY, *image.LOSSLESS))
    paths = paths[:: max(1, len(paths) // asked.limit)][: asked.limit]
    covers, stegos = [], {row: [] for scheme in asked.schemes for row in rows(scheme, asked.rates)}
    started = time.monotonic()
    for number, path in enumerate(paths):
        if time.monotonic() - started > 60 * asked.minutes:
            break
        made = grey(image.load(path), asked.quality)
        if made.file.nonzero_ac < 1500:
            continue
        (component,) = made.file.components
        covers.append(dctr.features(component, asked.quality))
        for scheme, rate in stegos:
            blocks = SCHEMES[scheme](made, rate, np.random.default_rng([number, round(1000 * rate)]))
            stego = Component(blocks, component.steps, 1, 1)
            stegos[scheme, rate].append(dctr.features(stego, asked.quality))
        if number % 50 == 49:
            print(f"{number + 1} covers, {time.monotonic() - started:.0f} s", file=sys.stderr)
    print(f"{len(covers)} grey covers, quality {asked.quality}, DCTR and a linear classifier")
    for (scheme, rate), features in stegos.items():
        mean, spread = told_apart(np.stack(covers), np.stack(features))
        print(f"{scheme:14} {rate:4g} bits per non-zero AC coefficient: {100 * mean:5.1f} % (+- {100 * spread:.1f})")


def rows(scheme: str, rates: list[float]) -> list[tuple[str, float]]:
    """NAME@RATE, or NAME for all rates -> the rows to measure."""
    name, _, rate = scheme.partition("@")
    if name not in SCHEMES:
        raise SystemExit(f"no scheme {name}: {', '.join(SCHEMES)}")
    return [(name, r) for r in ([float(rate)] if rate else rates)]


if __name__ == "__main__":
    main()
