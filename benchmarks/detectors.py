"""Can a trained detector tell stego from cover? LSB matching against the coset coder, with and without its costs.

    python benchmarks/detectors.py --photos DIR [--bpp 0.4] [--limit 900]

Photos are scaled to 128x128, which removes the traces of an earlier JPEG. Features: SPAM of second order, averaged over
the colours. Classifier: LDA with shrinkage, trained on two thirds of the covers and their stegos, tested on the
others. 50 % is chance.

Reference: Steganalysis by subtractive pixel adjacency matrix (Pevny, Bas, Fridrich, 2010).
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from stegcli import api, metrics, weights
from stegcli.data import list_pictures
from stegcli.image import Picture
from stegcli.key import Key
from stegcli.method import BitMethod
from stegcli.methods.lossless_inn.method import SamplePlanes

SIDE = 128
DIRECTIONS = (((0, 1), (1, 0), (0, -1), (-1, 0)), ((1, 1), (1, -1), (-1, 1), (-1, -1)))
T = 3
Embed = Callable[[np.ndarray, bytes, np.random.Generator], np.ndarray]


def spam(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> 686 transition probabilities of neighbouring differences, clipped to [-T, T]."""
    return np.mean([_spam_of_plane(pixels[..., c].astype(np.int16)) for c in range(3)], axis=0)


def _spam_of_plane(x: np.ndarray) -> np.ndarray:
    return np.concatenate([np.mean([_transitions(x, *d) for d in group], axis=0) for group in DIRECTIONS])


def _transitions(x: np.ndarray, dy: int, dx: int) -> np.ndarray:
    along = [np.roll(x, (-dy * k, -dx * k), (0, 1))[3:-3, 3:-3] for k in range(4)]
    steps = [a - b for a, b in itertools.pairwise(along)]
    small = np.all([np.abs(s) <= T for s in steps], axis=0)
    codes = sum((s[small] + T) * (2 * T + 1) ** (2 - i) for i, s in enumerate(steps))
    counts = np.bincount(codes, minlength=343).reshape(49, 7).astype(float)
    return (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).reshape(-1)


def lsb_matching(cover: np.ndarray, data: bytes, rng: np.random.Generator) -> np.ndarray:
    """Random places; where the lowest bit is wrong, one up or down at random."""
    samples = cover.reshape(-1).astype(np.int16)
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    places = rng.permutation(len(samples))[: len(bits)]
    chosen = samples[places]
    step = np.where(chosen == 0, 1, np.where(chosen == 255, -1, rng.integers(0, 2, len(bits)) * 2 - 1))
    samples[places] = np.where((chosen & 1) != bits, chosen + step, chosen)
    return samples.astype(np.uint8).reshape(cover.shape)


def coset(flat: bool) -> Embed:
    method = weights.load("lossless-inn", "coset")
    assert isinstance(method, BitMethod)
    key = Key("lossless-inn", "coset-1", bytes(32))
    if flat:
        planes = method.planes

        def flat_planes(cover):
            samples = planes(cover).samples
            return SamplePlanes(samples, np.ones(len(samples), np.float32))

        method.planes = flat_planes
    return lambda cover, data, rng: api.hide_bytes(data, Picture(cover), key, method).picture.pixels


def accuracy(covers: np.ndarray, stegos: np.ndarray) -> float:
    split = 2 * len(covers) // 3
    features, labels = ([np.concatenate([a[p], b[p]]) for p in (slice(split), slice(split, None))] for a, b in (
        (covers, stegos), (np.zeros(len(covers)), np.ones(len(stegos)))
    ))  # fmt: skip
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(features[0], labels[0])
    return float(model.score(features[1], labels[1]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--bpp", type=float, default=0.4)
    parser.add_argument("--limit", type=int, default=900)
    options = parser.parse_args()
    paths = list_pictures(options.photos)[: options.limit]
    covers = [np.asarray(Image.open(p).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)) for p in paths]
    clean = np.stack([spam(c) for c in covers])
    schemes = {
        "LSB matching": lsb_matching,
        "coset, flat costs": coset(flat=True),
        "coset, as shipped": coset(flat=False),
    }
    for name, embed in schemes.items():
        stegos = []
        for i, cover in enumerate(covers):
            rng = np.random.default_rng(i)
            stegos.append(embed(cover, rng.bytes(int(options.bpp * SIDE * SIDE / 8)), rng))
        psnr = np.mean([metrics.psnr(c, s) for c, s in zip(covers, stegos, strict=True)])
        told = accuracy(clean, np.stack([spam(s) for s in stegos]))
        print(
            f"{name:18} {options.bpp:g} bpp  {len(covers)} covers  told apart {100 * told:.1f} %  {psnr:.2f} dB",
            flush=True,
        )


if __name__ == "__main__":
    main()
