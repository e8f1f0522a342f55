"""Can a trained detector tell stego from cover? LSB matching against the coset coder, with and without its costs.

    python benchmarks/detectors.py --photos DIR [--bpp 0.4] [--limit 900]

Photos are scaled to 128x128, which removes the traces of an earlier JPEG. Features: SPAM of second order, averaged over
the colours. Classifier: LDA with shrinkage, trained on two thirds of the covers and their stegos, tested on the
others. 50 % is chance.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _detectors import lda_accuracy, spam
from PIL import Image

from stegcli import api, metrics, weights
from stegcli.data import list_pictures
from stegcli.image import Picture
from stegcli.key import Key
from stegcli.method import BitMethod
from stegcli.methods.lossless_inn.method import SamplePlanes

SIDE = 128
Embed = Callable[[np.ndarray, bytes, np.random.Generator], np.ndarray]


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
        told = lda_accuracy(clean, np.stack([spam(s) for s in stegos]), 2 * len(covers) // 3)
        print(
            f"{name:18} {options.bpp:g} bpp  {len(covers)} covers  told apart {100 * told:.1f} %  {psnr:.2f} dB",
            flush=True,
        )


if __name__ == "__main__":
    main()
