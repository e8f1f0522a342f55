"""What somebody who knows the cover learns about a cs-fnns picture without its key.

    python benchmarks/cs_fnns_known_cover.py --photos DIR [--stegos 8] [--side 256] [--robust]

Every other receiver of a stego knows its cover, and so its perturbation. The attack, independent component analysis
(FastICA) on the 4x4 blocks of the perturbation, looks for the numbers that the decoder makes of it, since those of a
picture are far from normal. Printed for the method, and as a control without the keyed order of cells and the
mixing of coefficients:

    correlation   of each of the decoder's 12 channels with the component that is most like it, the mean
    rank          of the true secret among all photos of DIR, the secrets included, by how near the kurtosis of its
                  numbers is to that of the components; 0 is first. By chance: the same components given to these
                  secrets in random order, mean and standard deviation. Half the number of photos is chance for all
                  secrets together, not for a few: those that lie in the middle of the others rank better always
    told          Spearman's correlation of the kurtosis of secrets and components, and how often chance gives as much
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import kurtosis, spearmanr
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from stegcli import weights
from stegcli.cli.console import table
from stegcli.data import load_pictures
from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.method import Request, Secret
from stegcli.methods.cs_fnns import decoder, spectrum
from stegcli.methods.cs_fnns.decoder import CELL, GIVEN, Numbers
from stegcli.methods.cs_fnns.method import CsFnns
from stegcli.methods.cs_fnns.options import HideOptions
from stegcli.methods.cs_fnns.spectrum import Head
from stegcli.nn.tensors import to_levels, to_tensor
from stegcli.pictures import image
from stegcli.pictures.channel import parse_survive
from stegcli.pictures.image import Picture

ORDERS = 1000
"""Random orders of the components, for chance."""


@contextmanager
def bare() -> Iterator[None]:
    """The control: decoders that take the cells of all channels in the same order, and heads that mix nothing."""

    def same(numbers: Numbers, cells: int) -> tuple[Tensor, Tensor]:
        order = torch.arange(cells).expand(numbers._size, cells)
        return order, order

    with mock.patch.object(Numbers, "_drawn_orders", same), mock.patch.object(Head, "_mixed_together", return_value=[]):
        yield


def perturbation(method: CsFnns, secret: Picture, key: Key, request: Request) -> Tensor:
    """-> (1, 3, h, w) in grey levels, as the other receivers know it."""
    draft = next(method.drafts(replace(request, secrets=(Secret(b"", secret),), keys=(key,))))
    assert draft.cover is not None
    return to_levels(draft.picture.pixels) - to_levels(draft.cover.pixels)


def blocks(change: Tensor, robust: bool) -> np.ndarray:
    """A perturbation -> what one cell is made of, (cells, channels)."""
    seen = decoder._kept(change) if robust else F.pixel_unshuffle(change, CELL)
    cells: np.ndarray = seen[0].flatten(1).T.double().numpy()
    return cells


def components(cells: np.ndarray) -> np.ndarray:
    """-> independent components, the least normal first, (cells, channels)."""
    ica = FastICA(whiten="unit-variance", fun="cube", max_iter=100, tol=1e-3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # where there is nothing to find it goes on searching
        found = ica.fit_transform(cells)
    ordered: np.ndarray = found[:, np.argsort(-kurtosis(found))]
    return ordered


def likeness(found: np.ndarray, numbers: Tensor) -> float:
    """Components, and the numbers that the key's decoder makes -> mean of their best correlations."""
    channels = numbers.numpy().reshape(GIVEN, -1)
    together = np.corrcoef(np.concatenate([channels, found.T]))[:GIVEN, GIVEN:]
    return float(np.abs(together).max(1).mean())


def sharpness(numbers: np.ndarray) -> float:
    """How far from normal numbers are: the logarithm of their excess kurtosis."""
    return float(np.log(max(kurtosis(numbers, axis=None), 0.01)))


def of_secret(secret: Picture, robust: bool) -> float:
    """The sharpness of the numbers that carry this secret, in whatever order."""
    picture = to_tensor(secret.pixels)
    told = spectrum.measured(picture)
    scales = ((told if robust else spectrum.USUAL).of_numbers() / told.deviations())[:, None, None]
    return sharpness((spectrum.to_coefficients(picture - 0.5) * scales).numpy())


def attack(method: CsFnns, photos: list[Picture], stegos: int, request: Request) -> list[str]:
    """-> the columns of a row."""
    robust = any(c.kind == "jpeg" for c in request.survive)
    sharp = np.array([of_secret(p, robust) for p in photos])
    true = np.linspace(0, len(photos) - 1, stegos).round().astype(int)
    alike, seen = [], []
    for index in true:
        key = keys.generate("cs-fnns", "attacked")
        change = perturbation(method, photos[index], key, request)
        found = components(blocks(change, robust))
        alike.append(likeness(found, Numbers(key.stream("decoder", 0), robust)(change)))
        seen.append(sharpness(found[:, :GIVEN]))
    told = spearmanr(seen, sharp[true])
    rank, (chance, error) = np.mean(ranks(np.array(seen), sharp, true)), by_chance(np.array(seen), sharp, true)
    return [
        f"{np.mean(alike):.3f}", f"{rank:.1f}", f"{chance:.1f} +- {error:.1f}",
        f"{told.statistic:+.2f} (p {told.pvalue:.2g})",
    ]  # fmt: skip


def by_chance(seen: np.ndarray, sharp: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the mean rank if components had nothing to do with their secrets."""
    rng = np.random.default_rng(0)
    found = [np.mean(ranks(rng.permutation(seen), sharp, true)) for _ in range(ORDERS)]
    return float(np.mean(found)), float(np.std(found))


def ranks(seen: np.ndarray, sharp: np.ndarray, true: np.ndarray) -> list[int]:
    """Sharpness of the components of each stego, of all secrets, and which secrets are the true ones -> their ranks."""
    return [int((abs(sharp - s) < abs(sharp[index] - s)).sum()) for s, index in zip(seen, true, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--stegos", type=int, default=8)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--robust", action="store_true", help="stegos that survive JPEG 80")
    options = parser.parse_args()
    torch.set_num_threads(1)
    method = weights.load("cs-fnns")
    assert isinstance(method, CsFnns)
    inner = options.side // (4 if options.robust else 2)
    photos = load_pictures(options.photos, None, "photo", lambda p: Picture(image.resized(p.pixels, inner, inner)))
    asked = HideOptions(size=(options.side, options.side), number=0)
    request = Request(survive=parse_survive("jpeg:80" if options.robust else "png"), options=asked)
    rows = []
    with torch.no_grad():
        for name, way in (("as it is", nullcontext()), ("control: in order, not mixed", bare())):
            with way:
                rows.append([name, *attack(method, photos, options.stegos, request)])
    columns = ["decoder", "correlation", "rank", "rank by chance", "told"]
    table(f"{options.stegos} stegos, {len(photos)} photos, {options.side}x{options.side}", columns, rows)


if __name__ == "__main__":
    main()
