"""JPEG covers: can DCTR features and a linear classifier tell stegos from covers?

    python benchmarks/jpeg_detectors.py --covers DIR --limit 400 --rates 0.1 0.4
    python benchmarks/jpeg_detectors.py --covers DIR --schemes nsF5 coded:juniward coded:side@0.4 --minutes 40

Covers are made grey, resized (which ends their own JPEG past) and saved by Pillow at `--quality`. Two thirds of them
are learnt from, with their stegos; the others are told apart. The figures are means over splits. `NAME@RATE` runs a
scheme at one rate alone. `--minutes` takes no more covers after that time. Schemes: UERD, J-UNIWARD, and J-UNIWARD with
side information, each by the product's coder (`coded:`) and as a perfect ternary code would do (`bound:`, much faster);
nsF5 at its bound, as a detector's yardstick. Chance is 50 %.

References: Low-complexity features for JPEG steganalysis using undecimated DCT (Holub, Fridrich, 2015): DCTR.
Statistically undetectable JPEG steganography: dead ends, challenges, and opportunities (Fridrich, Pevny, Kodovsky,
2007): nsF5.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from stegcli.keys.key import Key
from stegcli.methods.lossless_inn import jpeg_costs, jpeg_hiding, precover
from stegcli.pictures import image, jpeg
from stegcli.pictures.image import Picture
from stegcli.pictures.jpeg import Component, Jpeg

SIDE = 224
LEVELS = 5  # of a filtered value, 0 to T
FOLD = np.array([0, 1, 2, 3, 4, 3, 2, 1])  # places in a block that are mirrors of each other
STEP = 7  # of the coefficients that the probabilities are set by: it meets all modes alike
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
Scheme = Callable[[Jpeg, list[np.ndarray], float, np.random.Generator], np.ndarray]


def dctr(component: Component, quality: int) -> np.ndarray:
    """-> 8,000 histogram bins: of each of the 64 cosines around each pixel, by place in the block."""
    plane, basis = jpeg_costs.decoded(component), jpeg_costs.cosines().astype(np.float32)
    step = np.float32(8 * (2 - quality / 50))
    windows = np.lib.stride_tricks.sliding_window_view
    down = windows(plane, 8, axis=0) @ basis.T  # (h - 7, w, 8)
    height, width = plane.shape[0] - 7, plane.shape[1] - 7
    rows, columns = np.ogrid[:height, :width]
    place = 5 * FOLD[rows % 8] + FOLD[columns % 8]
    found = []
    for k in range(8):
        both = windows(np.ascontiguousarray(down[..., k]), 8, axis=1) @ basis.T  # (h - 7, w - 7, 8)
        level = np.minimum(np.abs(both) / step + np.float32(0.5), LEVELS - 1).astype(np.int64)
        code = (np.arange(8) * 25 + place[..., None]) * LEVELS + level
        counts = np.bincount(code.reshape(-1), minlength=8 * 25 * LEVELS).reshape(8, 25, LEVELS)
        found.append(counts / counts.sum(axis=2, keepdims=True))
    return np.stack(found).reshape(-1).astype(np.float32)


def told_apart(covers: np.ndarray, stegos: np.ndarray, splits: int = 5) -> tuple[float, float]:
    """Features (n, f) of covers and their stegos -> mean accuracy over splits by cover, and its deviation.

    The strength of the ridge is chosen on a fifth of what is learnt from.
    """
    found = []
    for split in range(splits):
        order = np.random.default_rng(split).permutation(len(covers))
        learn, test = order[: len(order) * 2 // 3], order[len(order) * 2 // 3 :]
        inner = len(learn) * 4 // 5
        scores = _accuracies(covers, stegos, learn[:inner], learn[inner:])
        found.append(_accuracies(covers, stegos, learn, test)[int(np.argmax(scores))])
    return float(np.mean(found)), float(np.std(found))


def _accuracies(covers: np.ndarray, stegos: np.ndarray, learn: np.ndarray, test: np.ndarray) -> list[float]:
    """Of a ridge-regularised linear classifier in the dual, for each of RIDGES."""
    known, asked = (np.concatenate([covers[i], stegos[i]]).astype(np.float64) for i in (learn, test))
    mean, spread = known.mean(axis=0), known.std(axis=0) + 1e-8
    known, asked = (known - mean) / spread, (asked - mean) / spread
    label, truth = (np.repeat([-1.0, 1.0], len(i)) for i in (learn, test))
    values, vectors = np.linalg.eigh(known @ known.T / known.shape[1])
    projected, target = asked @ known.T / known.shape[1] @ vectors, vectors.T @ label
    return [float((np.sign(projected @ (target / (values + ridge))) == truth).mean()) for ridge in RIDGES]


def coded(costs: jpeg_hiding.Costs, informed: bool = False) -> Scheme:
    """The product's own coder, with a message that fills the rate."""

    def scheme(cover: Jpeg, errors: list[np.ndarray], rate: float, rng: np.random.Generator) -> np.ndarray:
        key = Key("lossless-inn", "coset-2", rng.bytes(32))
        data = rng.bytes(jpeg_hiding.capacity(cover, rate))
        return jpeg_hiding.hide(data, key, cover, costs, rate, errors if informed else None).blocks[0]

    return scheme


def bound(model: jpeg_hiding.Costs, informed: bool = False) -> Scheme:
    """Each coefficient moves by the probabilities of a perfect ternary code."""

    def scheme(cover: Jpeg, errors: list[np.ndarray], rate: float, rng: np.random.Generator) -> np.ndarray:
        costs = jpeg_hiding.MODEL[model](cover.components[0])
        up, down = jpeg_costs.side_informed(costs, errors[0]) if informed else (costs, costs)
        scale = np.median(costs)
        some_up, some_down = (c.reshape(-1)[::STEP] / scale for c in (up, down))
        low, high = -12.0, 12.0
        for _ in range(24):
            middle = (low + high) / 2
            p, q = _moves(some_up, some_down, middle)
            stays = 1 - p - q
            bits = -sum(float((v * np.log2(np.maximum(v, 1e-30))).sum()) for v in (p, q, stays)) * costs.size / p.size
            low, high = (middle, high) if bits > rate * cover.nonzero_ac else (low, middle)
        p, q = _moves(up / scale, down / scale, high)
        drawn = rng.random(costs.shape)
        moved = cover.components[0].blocks + (drawn < p) - ((drawn >= p) & (drawn < p + q))
        return moved.clip(-jpeg.LARGEST, jpeg.LARGEST).astype(np.int16)

    return scheme


def _moves(up: np.ndarray, down: np.ndarray, log_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Costs -> the probabilities of one up and of one down."""
    p, q = (np.exp(-np.minimum(np.exp(log_rate) * c, 80.0)) for c in (up, down))
    return p / (1 + p + q), q / (1 + p + q)


def nsf5(cover: Jpeg, errors: list[np.ndarray], rate: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitudes of non-zero AC coefficients lowered by one, as few as any code needs."""
    blocks = cover.components[0].blocks.copy()
    flat = blocks.reshape(-1)
    places = np.flatnonzero(flat)
    places = places[places % 64 != 0]
    low, high = 0.0, 0.5
    for _ in range(40):
        p = (low + high) / 2
        low, high = (p, high) if -p * np.log2(p) - (1 - p) * np.log2(1 - p) < rate else (low, p)
    chosen = places[rng.random(len(places)) < high]
    flat[chosen] -= np.sign(flat[chosen])
    return blocks


SCHEMES: dict[str, Scheme] = {"nsF5": nsf5} | {
    f"{how}:{name}": make(model, informed)
    for how, make in (("bound", bound), ("coded", coded))
    for name, model, informed in (("uerd", "uerd", False), ("juniward", "juniward", False), ("side", "juniward", True))
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--covers", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.4])
    parser.add_argument("--quality", type=int, default=75)
    parser.add_argument("--schemes", nargs="+", default=list(SCHEMES), help="NAME or NAME@RATE")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    asked = parser.parse_args()
    paths = sorted(p for p in asked.covers.iterdir() if p.suffix.lower() in (*image.LOSSY, *image.LOSSLESS))
    paths = paths[:: max(1, len(paths) // asked.limit)][: asked.limit]
    covers, stegos = [], {row: [] for scheme in asked.schemes for row in rows(scheme, asked.rates)}
    started = time.monotonic()
    for number, path in enumerate(paths):
        if time.monotonic() - started > 60 * asked.minutes:
            break
        made, errors = prepared(path, asked.quality)
        if made.nonzero_ac < 1500:
            continue
        (component,) = made.components
        covers.append(dctr(component, asked.quality))
        for scheme, rate in stegos:
            blocks = SCHEMES[scheme](made, errors, rate, np.random.default_rng([number, round(1000 * rate)]))
            stego = Component(blocks, component.steps, 1, 1)
            stegos[scheme, rate].append(dctr(stego, asked.quality))
        if number % 50 == 49:
            print(f"{number + 1} covers, {time.monotonic() - started:.0f} s", file=sys.stderr)
    print(f"{len(covers)} covers of {SIDE}x{SIDE}, quality {asked.quality}, DCTR and a linear classifier")
    for (scheme, rate), features in stegos.items():
        mean, spread = told_apart(np.stack(covers), np.stack(features))
        print(f"{scheme:14} {rate:4g} bits per non-zero AC coefficient: {100 * mean:5.1f} % (+- {100 * spread:.1f})")


def rows(scheme: str, rates: list[float]) -> list[tuple[str, float]]:
    """NAME@RATE, or NAME for all rates -> the rows to measure."""
    name, _, rate = scheme.partition("@")
    if name not in SCHEMES:
        raise SystemExit(f"no scheme {name}: {', '.join(SCHEMES)}")
    return [(name, r) for r in ([float(rate)] if rate else rates)]


def prepared(path: Path, quality: int) -> tuple[Jpeg, list[np.ndarray]]:
    """A photo -> a grey JPEG of one component, and what rounding took away."""
    grey = Pillow.open(path).convert("L").resize((SIDE, SIDE), Pillow.Resampling.LANCZOS)
    pixels = np.repeat(np.asarray(grey)[..., None], 3, axis=2)
    made, errors = precover.compressed(Picture(pixels), quality)
    if len(made.components) == 1:
        return made, errors
    import io

    buffer = io.BytesIO()
    grey.save(buffer, "JPEG", quality=quality)
    return jpeg.read(buffer.getvalue()), errors[:1]


if __name__ == "__main__":
    main()
