"""Which latents of a secret picture glow2's cascade should put where: the lines `carries` of the tables.

    python benchmarks/glow2_carriers.py WEIGHTS --photos DIR [--draws 16] [--secrets 24] [--size 128] [--tables OUT]

Two things are measured. cost: by how much the squared error of a revealed picture grows with the error of one latent of
each of G1's bands, as multiples of a latent's variance. signal: how much stronger than noise each of G2's bands arrives
through each channel, r^2 / (1 - r^2). A number in places with the signals s comes back with the variance 1 / (1 + sum
of s). Bands are then named one after the other for the places, the sturdiest first, each time the one that wins most
for each place; at last bands are inserted, removed and replaced as long as that wins something. `--tables` writes the
tables of the weights with these lines, for `training/assemble.py --config`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from glow2_latents import transmit

from stegcli import weights
from stegcli.data import list_pictures
from stegcli.measuring.pictures import square
from stegcli.methods.glow2 import authentic, header, noise
from stegcli.methods.glow2.layout import CHANNELS, LOSSLESS_CHANNEL, Share, Table, header_pool
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.pictures import inverse
from stegcli.nn.wavelet import Band
from stegcli.pictures import image

MOVED = 0.05
"""Part of a latent's variance that is lost when its cost is measured."""
LEAST = 0.01
"""Signal below which a band of the stego is left out: the receiver would take noise for it."""
MOST_NAMED = 40
Costs = Mapping[str, float]
Sizes = Mapping[str, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", default="default")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=16)
    parser.add_argument("--secrets", type=int, default=24)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--tables", type=Path)
    options = parser.parse_args()
    method = weights.load("glow2", options.weights)
    assert isinstance(method, Glow2)
    bands = method.secrets_flow().bands(options.size, options.size)
    cost = costs(method, bands, options.photos, options.secrets, options.size)
    print("cost", *(f"{name} {c:.3g}" for name, c in cost.items()), flush=True)
    tables = {}
    for channel in CHANNELS:
        table = method.tables[channel]
        signal = signals(method, channel, table, options.draws, options.size)
        names, error = plan(signal, cost, {b.name: b.size for b in bands})
        print(channel, f"expected {10 * np.log10(1 / error):.2f} dB:", *names, flush=True)
        tables[channel] = asdict(replace(table, carries=names))
    if options.tables:
        options.tables.write_text(json.dumps({"tables": tables}))


@torch.no_grad()
def costs(method: Glow2, bands: Sequence[Band], photos: Path, count: int, side: int) -> dict[str, float]:
    """Name of a band of the secret -> mean squared error of the picture, whose samples lie in [0, 1], for each of its
    latents that is lost; those of finer bands are lost already."""
    files, rng, g1 = list_pictures(photos), np.random.default_rng(0), method.secrets_flow()
    chosen = files[:: max(1, len(files) // count)][:count]
    pictures = [image.resized(square(image.load(f)).pixels, side, side) for f in chosen]
    x = torch.cat([noise.from_pixels(p) for p in pictures])
    z = g1(x)[0]
    found = {}
    for band in sorted(bands, key=lambda b: -b.level):
        lost = z.clone()
        for finer in bands:
            if finer.level < band.level:
                finer.of(lost).zero_()
        before = (inverse(g1, lost) - x).square().mean()
        some = lost.flatten(1)[:, band.stretch]
        moved = torch.from_numpy(rng.standard_normal(some.shape, np.float32)) * (MOVED * (1 - MOVED)) ** 0.5
        lost.flatten(1)[:, band.stretch] = (1 - MOVED) * some + moved
        after = (inverse(g1, lost) - x).square().mean()
        found[band.name] = max(0.0, float(after - before)) / MOVED / band.size
    return found


@torch.no_grad()
def signals(method: Glow2, channel: str, table: Table, draws: int, side: int) -> np.ndarray:
    """The signal of each place that a cascade may take, the sturdiest first."""
    bands = method.bands(side, side)
    r: dict[str, list[float]] = {b.name: [] for b in bands}
    for draw in range(draws):
        sent, arrived = transmit(method, channel, side, method.temperature, np.random.default_rng([draw, 7]))
        for b in bands:
            r[b.name].append(float(np.corrcoef(sent[b.stretch], arrived.z[b.stretch])[0, 1]))
    taken = np.concatenate(header_pool(bands, Share()))[: header.SLOTS]
    left = {b.name: len(np.setdiff1d(Share().of_band(b), taken)) for b in bands}
    found = [np.full(left[b.name], max(0.0, np.mean(r[b.name])) ** 2) for b in table.sturdiest_first(bands)]
    all_places = np.concatenate(found)
    free = np.delete(all_places, authentic.pilots(0 if channel == LOSSLESS_CHANNEL else len(all_places)))
    signal: np.ndarray = free / (1 - free)
    return signal[: np.flatnonzero(signal >= LEAST)[-1] + 1]


# -- who takes which places


def plan(signal: np.ndarray, cost: Costs, sizes: Sizes) -> tuple[list[str], float]:
    """-> names of the secret's bands in their order, and the mean squared error that is expected."""
    names = greedy(signal, cost, sizes)
    least = error(names, signal, cost, sizes)
    while True:
        best = min(changed(names, list(sizes)), key=lambda n: error(n, signal, cost, sizes))
        if (found := error(best, signal, cost, sizes)) > least * (1 - 1e-4):
            return reached(names, len(signal), sizes), least
        names, least = best, found


def greedy(signal: np.ndarray, cost: Costs, sizes: Sizes) -> list[str]:
    names: list[str] = []
    while len(reached(names, len(signal), sizes)) == len(names) < MOST_NAMED:
        now, used = error(names, signal, cost, sizes), sum(sizes[n] for n in names)

        def gain(name: str, now: float = now, used: int = used) -> float:
            took = min(sizes[name], len(signal) - used)
            return (now - error([*names, name], signal, cost, sizes)) / took if took > 0 else 0.0

        names.append(max(sizes, key=gain))
    return names[:-1] if len(names) < MOST_NAMED else names


def changed(names: list[str], bands: list[str]) -> Iterator[list[str]]:
    """Yields all plans with one name more, fewer or another."""
    for at in range(len(names) + 1):
        for band in bands:
            yield [*names[:at], band, *names[at:]]
            yield [*names[:at], band, *names[at + 1 :]]
        yield [*names[:at], *names[at + 1 :]]


def error(names: Sequence[str], signal: np.ndarray, cost: Costs, sizes: Sizes) -> float:
    heard = {name: np.zeros(size) for name, size in sizes.items()}
    start = 0
    for name in names:
        took = signal[start : start + sizes[name]]
        heard[name][: len(took)] += took
        start += len(took)
    return float(sum((cost[n] / (1 + s)).sum() for n, s in heard.items()))


def reached(names: Sequence[str], places: int, sizes: Sizes) -> list[str]:
    """Those that take a place."""
    starts = np.cumsum([0, *(sizes[n] for n in names)])
    return [n for n, start in zip(names, starts, strict=False) if start < places]


if __name__ == "__main__":
    main()
