"""Can a trained detector tell cs-fnns' stegos from covers that hold nothing?

    python benchmarks/cs_fnns_detector.py --photos DIR [--train 1000] [--test 500] [--size 128] [--psnr 46] [--grain G]
    python benchmarks/cs_fnns_detector.py --photos DIR --evade WEIGHTS --train 0 --judges WEIGHTS OTHER ...

Stegos carry photos, each under a key of its own, all verified. Covers are drawn as the method draws them, with the full
grain that covers without a message have. The detectors learn on as many stegos as covers, those of the same keys, which
is what an attacker can make who has the program; they are tested on other stegos, and on covers of other keys again.

Detectors: LDA on histograms and on SPAM; a CNN with batch norm; the method's own, trained anew. `--judges`: some that
are there already judge the same pictures. `--evade`: stegos are to mislead the detector of these weights. 50 % is
chance; its standard error is printed.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from _detectors import Network, best_accuracy, histogram, lda_accuracy, train
from torch import Tensor, nn

from stegcli import api, weights
from stegcli.data import list_pictures
from stegcli.detectors import spam
from stegcli.detectors.network import accuracy
from stegcli.keys import key as keys
from stegcli.method import Request, Secret
from stegcli.methods.cs_fnns import cover
from stegcli.methods.cs_fnns.cover import Textures
from stegcli.methods.cs_fnns.detector import Detector
from stegcli.methods.cs_fnns.method import CsFnns
from stegcli.methods.cs_fnns.options import HideOptions
from stegcli.nn.wavelet import Pyramid
from stegcli.pictures import image
from stegcli.pictures.image import Picture

EVERY = 100
"""Stegos from one word of progress to the next."""


class OnLevels(nn.Module):
    """A detector that judges grey levels -> one that judges pictures in [0, 1]."""

    def __init__(self, detector: nn.Module):
        super().__init__()
        self.detector = detector

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.detector(255 * x))


@dataclass
class Pictures:
    """Stegos, and covers that hold nothing, uint8 (n, 3, h, w); what came back of the secrets, and the stegos' PSNR."""

    stegos: Tensor
    covers: Tensor
    secrets: float
    psnr: float


class Maker:
    """Draws covers and makes stegos, all with the same options. grain: of covers without a message, in grey levels."""

    def __init__(self, method: CsFnns, photos: Sequence[Path], options: HideOptions):
        self.method, self.photos, self.request = method, photos, Request(options=options)
        self.size = cast(tuple[int, int], options.size)
        self.grain = cover.GRAIN if options.grain is None else options.grain
        self.textures = Textures(copy.deepcopy(cast(Pyramid, method.g2)), method.temperature)

    def pictures(self, first: int, count: int, same_keys: bool) -> Pictures:
        """Stegos of photos from `first` on; covers of the very keys, or of others."""
        stegos, plain, back, psnrs = [], [], [], []
        for i in range(first, first + count):
            key = keys.generate("cs-fnns", "detector")
            made = api.hide(replace(self.request, secrets=(self._secret(i),), keys=(key,)), self.method)
            stegos.append(image.decode(made.file).pixels)
            plain.append(
                self._cover(key if same_keys else keys.generate("cs-fnns", "detector"), made.draft.number or 0)
            )
            back.append(cast(float, made.psnrs[0]))
            psnrs.append(cast(float, made.cover_psnr))
            if (i + 1) % EVERY == 0:
                print(f"{i + 1} stegos", flush=True)
        return Pictures(_stacked(stegos), _stacked(plain), float(np.mean(back)), float(np.mean(psnrs)))

    def _secret(self, index: int) -> Secret:
        width, height = self.size
        pixels = image.resized(image.load(self.photos[index % len(self.photos)]).pixels, width // 2, height // 2)
        return Secret(image.encode(Picture(pixels), "PNG"), Picture(pixels))

    def _cover(self, key: keys.Key, number: int) -> np.ndarray:
        width, height = self.size
        return cover.ground(self.textures, key, number, height, width).cover(self.grain).pixels


def _stacked(pictures: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def told_by_lda(features: Callable[[np.ndarray], np.ndarray], learn: Pictures, test: Pictures) -> float:
    sides = [[features(p) for p in torch.cat(s).permute(0, 2, 3, 1).numpy()] for s in (
        (learn.covers, test.covers), (learn.stegos, test.stegos)
    )]  # fmt: skip
    return lda_accuracy(np.stack(sides[0]), np.stack(sides[1]), len(learn.covers))


def told_by(network: nn.Module, learn: Pictures, test: Pictures, epochs: int) -> float:
    trained = train(network, learn.stegos, learn.covers, epochs, np.random.default_rng(0), paired=True)
    return accuracy(trained, test.stegos, test.covers)


def detector_of(path: str) -> nn.Module:
    method = weights.load("cs-fnns", path)
    assert isinstance(method, CsFnns)
    assert method.detector is not None, f"{path} holds no detector"
    return method.detector


def report(name: str, right: float, test: Pictures) -> None:
    tested = 2 * len(test.stegos)
    print(f"{name:24} {100 * right:5.1f} % right of {tested}; chance 50 +- {50 / tested**0.5:.1f} %", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--psnr", type=float, default=46.0)
    parser.add_argument("--grain", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--epochs", type=int, default=8, help="of the networks; 0: LDA alone")
    parser.add_argument("--evade", metavar="WEIGHTS")
    parser.add_argument("--judges", nargs="*", metavar="WEIGHTS", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    method = weights.load("cs-fnns", options.weights)
    assert isinstance(method, CsFnns)
    if options.evade:
        cast(nn.ModuleDict, method.networks)["detector"] = detector_of(options.evade)
    asked = HideOptions(
        size=(options.size, options.size), psnr=options.psnr, grain=options.grain, steps=options.steps,
        evade=bool(options.evade),
    )  # fmt: skip
    started = time.monotonic()
    maker = Maker(method, list_pictures(options.photos), asked)
    with torch.no_grad():
        learn = maker.pictures(0, options.train, same_keys=True) if options.train else None
        test = maker.pictures(options.train, options.test, same_keys=False)
    seconds = time.monotonic() - started
    print(
        f"{options.train} + {options.test} stegos of {options.size}x{options.size} at {test.psnr:.2f} dB, grain "
        f"{maker.grain:g}, secrets back at {test.secrets:.2f} dB, {seconds:.0f} s", flush=True,
    )  # fmt: skip
    for path in options.judges:
        judge = OnLevels(detector_of(path))
        report(Path(path).stem, accuracy(judge, test.stegos, test.covers), test)
        report("  at its best threshold", best_accuracy(judge, test.stegos, test.covers), test)
    if learn is not None:
        report("histogram, LDA", told_by_lda(histogram, learn, test), test)
        report("SPAM, LDA", told_by_lda(spam.mean, learn, test), test)
        networks = {"CNN": Network(), "own detector, anew": OnLevels(Detector())} if options.epochs else {}
        for name, network in networks.items():
            report(name, told_by(network, learn, test, options.epochs), test)


if __name__ == "__main__":
    main()
