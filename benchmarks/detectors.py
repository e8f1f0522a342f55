"""Can a trained detector tell stego from cover? The coset coder against LSB matching and HILL, at equal net payload.

    python benchmarks/detectors.py --photos DIR --cache DIR [--bpp 1 0.4 0.1] [--bound coset-3] [--coset coset-1]
    python benchmarks/detectors.py --photos DIR --cache DIR --schemes --coset coset-3 --bpp 0.4 --first NETWORK
    python benchmarks/detectors.py --photos DIR --grey --schemes hill --coset coset-3 --bpp 0.4 0.1 --epochs 0

Photos are scaled to 128x128, which removes the traces of an earlier JPEG. The detectors learn on 1,000 covers and their
stegos and are tested on 500 other covers and their stegos; 50 % is chance:

    SPAM   features of second order and LDA with shrinkage: averaged over the colours, of each colour side by side,
           and of the differences red - green and blue - green
    rich   `stegcli.detectors.rich`, a small rich model of colour pictures, and the same LDA
    CNN    `stegcli.detectors.network`. It first learns LSB matching at 1 bit per pixel; from there, for each scheme,
           its stegos of the highest payload, from there those of the next. Started at a low payload it may learn
           nothing, and a scheme would seem safe that is not. With `--epochs 0` there is no CNN

HILL and flat costs are simulated at the bound, without the loss that a real code has, and so are `--bound`: costs of
weights with a density. `--tried` simulates costs that were tried and not shipped (`_coordinated`), with `--density`.
`--coset` really codes, its header and tag counted on top. `--grey`: photos without colours, whose three channels stay
equal. `--cache`: stegos, features and the networks are kept there, for one set of photos; `--first` takes a network
from there in place of LSB matching's.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _coordinated import SCHEMES, coordinated
from _detectors import lda_accuracy
from _schemes import Embed, bound_of, coset_of, flat, hill, in_grey, lsb_matching
from PIL import Image
from torch import Tensor

from stegcli import weights
from stegcli.data import list_pictures
from stegcli.detectors import rich, spam
from stegcli.detectors.network import Residuals, accuracy, learn_pairs
from stegcli.methods.lossless_inn.coset import CosetCoder
from stegcli.pictures import metrics

SIDE = 128
CROP = 64
FIRST_EPOCHS = 2  # on LSB matching
Kinds = Mapping[str, Callable[[np.ndarray], np.ndarray]]
"""Name -> uint8 (h, w, 3) to features (k,)."""
GREY: Kinds = {"SPAM": spam.mean, "rich": rich.features}
COLOURED: Kinds = {
    "SPAM": spam.mean, "by channel": spam.by_channel, "of differences": spam.of_differences, "rich": rich.features,
}  # fmt: skip
RATE = 2e-3


def covers_of(folder: Path, count: int, mode: str = "RGB") -> np.ndarray:
    """-> uint8 (n, h, w, 3); for mode "L" the channels are equal."""
    paths = list_pictures(folder)[:count]
    opened = (Image.open(p).convert(mode).resize((SIDE, SIDE), Image.Resampling.LANCZOS) for p in paths)
    return np.stack([np.asarray(p.convert("RGB")) for p in opened])


def coset(weights_name: str) -> CosetCoder:
    method = weights.load("lossless-inn", weights_name)
    assert isinstance(method, CosetCoder)
    return method


def kept(cache: Path | None, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """What `make` gives, or what it gave at an earlier run."""
    if cache is None:
        return make()
    path = cache / f"{name}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, make())
    return np.load(path)


def features(pictures: np.ndarray, kinds: Kinds) -> dict[str, np.ndarray]:
    """uint8 (n, h, w, 3) -> for each kind, (n, k)."""
    return {name: np.stack([of(p) for p in pictures]) for name, of in kinds.items()}


def tensor(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()


class Trial:
    """learn: how many covers the detectors learn on; all others are for the test."""

    def __init__(self, covers: np.ndarray, kinds: Kinds, learn: int, epochs: int, cache: Path | None):
        self.covers, self.kinds, self.learn, self.epochs, self.cache = covers, kinds, learn, epochs, cache
        self.clean = features(covers, kinds)
        self.pictures = tensor(covers)

    def first_network(self, path: Path | None, matching: Embed) -> Residuals | None:
        if not self.epochs:
            return None
        torch.manual_seed(0)
        network = Residuals()
        if path is not None:
            network.load_state_dict(torch.load(path, weights_only=True))
            return network
        self._teach(network, tensor(matching(self.covers[: self.learn], SIDE**2)), FIRST_EPOCHS)
        return network

    def run(self, name: str, embed: Embed, bpp: float, network: Residuals | None) -> None:
        """Teach the network on, if there is one, and print a row."""
        label = f"{Path(name).stem}-{bpp:g}-{len(self.covers)}"
        stegos = kept(self.cache, label, lambda: embed(self.covers, int(bpp * SIDE**2)))
        seen = features(stegos, self.kinds)
        told = {n: lda_accuracy(self.clean[n], seen[n], self.learn) for n in self.kinds}
        if network is not None:
            told["CNN"] = self._by_network(network, tensor(stegos), label)
        psnr = np.mean([metrics.psnr(c, s) for c, s in zip(self.covers, stegos, strict=True)])
        tested = 2 * (len(stegos) - self.learn)
        figures = "  ".join(f"{n} {100 * share:5.1f} %" for n, share in told.items())
        print(
            f"{name:14} {bpp:4g} bpp  {psnr:5.2f} dB  told apart: {figures}  of {tested}; "
            f"chance 50 +- {50 / tested**0.5:.1f} %", flush=True,
        )  # fmt: skip

    def _by_network(self, network: Residuals, stegos: Tensor, label: str) -> float:
        self._teach(network, stegos[: self.learn], self.epochs)
        if self.cache is not None:
            torch.save(network.state_dict(), self.cache / f"{label}.pt")
        return accuracy(network, stegos[self.learn :], self.pictures[self.learn :])

    def _teach(self, network: Residuals, stegos: Tensor, epochs: int) -> None:
        rng = np.random.default_rng(0)
        learn_pairs(network, stegos, self.pictures[: self.learn], epochs, rng, CROP, RATE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--bpp", type=float, nargs="+", default=[1.0, 0.4, 0.1])
    parser.add_argument("--schemes", nargs="*", default=["lsb", "flat", "hill"], choices=["lsb", "flat", "hill"])
    parser.add_argument("--coset", nargs="*", default=["coset-1", "coset-3"], help="weights, or files of them")
    parser.add_argument("--bound", nargs="*", default=[], help="weights whose costs are simulated at the bound")
    parser.add_argument("--grey", action="store_true", help="photos without colours")
    parser.add_argument("--tried", nargs="*", default=[], choices=SCHEMES, help="costs of docs/research/queue.md")
    parser.add_argument("--density", default="coset", help="weights, or a file of them, for --tried")
    parser.add_argument("--first", type=Path, help="a network of an earlier run's cache to start from, for --coset")
    parser.add_argument("--learn", type=int, default=1000)
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=4, help="of the CNN, for each payload")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    if options.grey and (options.bound or options.tried):
        parser.error("--grey takes no --bound and no --tried")
    torch.set_num_threads(1)
    covers = covers_of(options.photos, options.learn + options.test, "L" if options.grey else "RGB")
    trial = Trial(covers, GREY if options.grey else COLOURED, options.learn, options.epochs, options.cache)
    simulated: dict[str, Embed] = {"lsb": lsb_matching, "flat": flat, "hill": hill}
    if options.grey:
        simulated = {name: in_grey(embed) for name, embed in simulated.items()}
    schemes = {n: simulated[n] for n in options.schemes} | {f"{n}-bound": bound_of(coset(n)) for n in options.bound}
    schemes |= {n: coset_of(coset(n)) for n in options.coset}
    schemes |= {n: partial(coordinated, SCHEMES[n], coset(options.density).density) for n in options.tried}
    first = trial.first_network(options.first, simulated["lsb"])
    for name, embed in schemes.items():
        network = copy.deepcopy(first)
        for bpp in sorted(options.bpp, reverse=True):
            trial.run(name, embed, bpp, network)


if __name__ == "__main__":
    main()
