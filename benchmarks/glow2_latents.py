"""How much the latents of glow2 carry through each channel, and the tables that follow from it.

    python benchmarks/glow2_latents.py [WEIGHTS] [--draws 24] [--size 128] [--temperature T] [--tables OUT.json]

For every channel and band: the correlation of the latents that arrive with those sent; the correlation that the
receiver expects from what the file leaves open; and bits per latent that soft decisions carry (generalised mutual
information), for the number of bits that a table would give it. `--tables` writes tables for the configuration of
weights (`training/assemble.py --config`): as many bits as gain something, a rate that three draws of four allow (the
rule for draws passes over the others), and which bands are the sturdiest. With a robust inverse it also writes what the
spread of each of its bands is to be multiplied by; join these, and then measure the tables anew.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from scipy.special import ndtr

from stegcli import weights
from stegcli.coding import gray
from stegcli.methods.glow2 import noise, torus
from stegcli.methods.glow2.inverse import RobustInverse
from stegcli.methods.glow2.layout import CHANNELS, LOSSLESS_CHANNEL
from stegcli.methods.glow2.method import Glow2
from stegcli.nn.drawing import acceptable
from stegcli.nn.wavelet import Band
from stegcli.pictures import channel, image
from stegcli.pictures.image import Picture

MOST_BITS = 7
MOST_LATENTS = 2048  # of a band and draw, that are read
GAIN = 0.07  # share of a band's best figure that a further bit per latent must add
LEAST = 0.12  # information per coded bit below which a band is left out
WEAK = 0.1  # a correlation of bands that are as good as lost; its logarithm would be noise
PASSED_OVER = 0.25  # share of draws that may not carry a full message; more room for a longer search
EFFICIENCY = 0.9  # of the code, at the rates that come out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", default="default")
    parser.add_argument("--draws", type=int, default=24)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--channels", nargs="*", default=list(CHANNELS))
    parser.add_argument("--tables", type=Path)
    options = parser.parse_args()
    method = weights.load("glow2", options.weights)
    assert isinstance(method, Glow2)
    temperature = options.temperature or method.temperature
    tables, correlations = {}, {}
    for name in options.channels:
        tables[name], correlations[name] = measure(method, name, options.draws, options.size, temperature)
    config: dict[str, object] = {"temperature": temperature, "tables": tables}
    if method.inverse is not None:
        spread = calibrated(method.inverse, [c for n, c in correlations.items() if n != LOSSLESS_CHANNEL])
        print("spread", spread)
        config["inverse"] = method.config["inverse"] | {"spread": spread}
    if options.tables:
        options.tables.write_text(json.dumps(config))


@torch.no_grad()
def measure(
    method: Glow2, name: str, draws: int, side: int, temperature: float
) -> tuple[dict[str, object], dict[str, tuple[float, float]]]:
    """One channel -> its table, as the configuration holds it, and for each band the mean correlation and the one that
    the receiver expects. Prints what they are based on."""
    bands = method.bands(side, side)
    information: dict[tuple[str, int], list[float]] = defaultdict(list)
    correlation: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for draw in range(draws):
        rng = np.random.default_rng([draw, 1])
        sent, arrived = transmit(method, name, side, temperature, rng)
        z, r = arrived.at(temperature)
        for b in bands:
            true = float(np.corrcoef(sent[b.stretch], z[b.stretch])[0, 1])
            correlation[b.name].append((true, float(r[b.stretch].mean())))
            for m in range(1, MOST_BITS + 1):
                some = rng.permutation(b.size)[:MOST_LATENTS] + b.start
                carried = gmi(sent[some], z[some], r[some], m, rng)
                information[b.name, m].append(carried * b.size / len(some))
    chosen = {b.name: choose(information, b) for b in bands}
    per_draw = [sum(information[b.name, chosen[b.name]][d] for b in bands if chosen[b.name]) for d in range(draws)]
    coded = sum(chosen[b.name] * b.size for b in bands)
    report(name, bands, chosen, information, correlation, per_draw)
    rate = round(EFFICIENCY * float(np.quantile(per_draw, PASSED_OVER)) / coded, 3)
    order = sorted(correlation, key=lambda n: -np.mean([true for true, _ in correlation[n]]))
    means = {n: tuple(np.mean(pairs, axis=0)) for n, pairs in correlation.items()}
    return {"y": row("y", chosen), "c": row("c", chosen), "base": chosen["base"], "rate": rate, "order": order}, means


def calibrated(inverse: RobustInverse, correlations: list[dict[str, tuple[float, float]]]) -> dict[str, float]:
    """Correlations by band of each JPEG channel -> factors of spread under which the receiver expects what comes."""
    found = {}
    for name in inverse.flows:
        ratios = [np.log(c[name][0]) / np.log(c[name][1]) for c in correlations if min(c[name]) > WEAK]
        found[name] = round(inverse.spread.get(name, 1.0) * float(np.median(ratios)) if ratios else 1.0, 3)
    return found


def transmit(
    method: Glow2, name: str, side: int, temperature: float, rng: np.random.Generator
) -> tuple[np.ndarray, noise.Arrived]:
    """A draw of G2, through the channel -> its latents, and what arrived of them."""
    while True:
        z = rng.standard_normal(3 * side * side)
        x = method.draw(torch.from_numpy(z), side, side, temperature)
        if acceptable(x):
            break
    picture = Picture(noise.to_pixels(x))
    way = channel.parse(name)
    if way.kind == "jpeg":
        picture = image.decode(image.encode(picture, "JPEG", round(way.strength)))
    return z, method.latents(picture.pixels, picture.jpeg)


def gmi(sent: np.ndarray, z: np.ndarray, r: np.ndarray, m: int, rng: np.random.Generator) -> float:
    """Generalised mutual information of all these latents, in bits, if each holds m.

    Any latent may be taken for a carrier of any bits: the dither is whatever makes it so.
    Reference: Martinez, Guillen i Fabregas, Caire, Willems, "Bit-interleaved coded modulation revisited" (2009), Eq. 5.
    """
    bits = rng.integers(0, 2, (len(sent), m), np.uint8)
    dither = (ndtr(sent) - gray.positions(bits) / 2**m) % 1.0
    odds = torus.read_bits(z, r, dither, m)
    return float(odds.size - np.logaddexp(0, -odds * (2.0 * bits - 1)).sum() / np.log(2))


def choose(information: dict[tuple[str, int], list[float]], band: Band) -> int:
    """-> the fewest bits per latent that lose little; 0 where too little arrives."""
    carried = {m: float(np.mean(information[band.name, m])) / band.size for m in range(1, MOST_BITS + 1)}
    worth = {m: c for m, c in carried.items() if c >= LEAST * m}
    return min((m for m, c in worth.items() if c >= (1 - GAIN) * max(worth.values())), default=0)


def row(kind: str, chosen: dict[str, int]) -> list[int]:
    return [m for name, m in chosen.items() if name[0] == kind]


def report(
    name: str, bands: list[Band], chosen: dict[str, int], information: dict[tuple[str, int], list[float]],
    correlation: dict[str, list[tuple[float, float]]], per_draw: list[float],
) -> None:  # fmt: skip
    for b in bands:
        true, expected = np.mean(correlation[b.name], axis=0)
        m = chosen[b.name]
        carried = np.mean(information[b.name, m]) / b.size if m else 0.0
        print(f"{name:8} {b.name:5} r {true:.3f}  expected {expected:.3f}  {m} bits carry {carried:.2f}")
    mean, least, quarter = np.mean(per_draw) / 8, min(per_draw) / 8, np.quantile(per_draw, PASSED_OVER) / 8
    of_all = f"{mean:.0f} bytes, a quarter below {quarter:.0f}, least {least:.0f} of {len(per_draw)} draws"
    print(f"{name:8} all: {of_all}\n", flush=True)


if __name__ == "__main__":
    main()
