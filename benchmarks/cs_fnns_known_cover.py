"""What somebody who knows the cover learns about a cs-fnns picture without its key.

    python benchmarks/cs_fnns_known_cover.py --photos DIR [--stegos 8] [--side 256] [--robust]

Every other receiver of a stego knows its cover, and so its perturbation. The attack, independent component analysis
(FastICA) on the 4x4 blocks of the perturbation, looks for the numbers that the decoder makes of it, since those of a
picture are far from normal. Printed for the method, and for decoders without the keyed order of cells as a control:

    correlation   of each of the decoder's 12 channels with the component that is most like it, the mean
    rank          of the true secret among all photos of DIR, the secrets included, by how well their numbers' sizes fit
                  those of the components; 0 is first, and half the number of photos is chance
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
from scipy.stats import kurtosis
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
from stegcli.nn.tensors import to_levels, to_tensor
from stegcli.pictures import image
from stegcli.pictures.channel import parse_survive
from stegcli.pictures.image import Picture

SIZES = np.linspace(0.6, 0.9995, 120)
"""Quantiles of the numbers' sizes by which secrets are compared."""


@contextmanager
def in_order() -> Iterator[None]:
    """The control: decoders that take the cells of all channels in the same order."""

    def same(numbers: Numbers, cells: int) -> tuple[Tensor, Tensor]:
        order = torch.arange(cells).expand(numbers._size, cells)
        return order, order

    with mock.patch.object(Numbers, "_drawn_orders", same):
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


def profile(numbers: np.ndarray) -> np.ndarray:
    sizes: np.ndarray = np.log(np.quantile(np.abs(numbers / numbers.std()), SIZES) + 0.3)
    return sizes


def of_secret(secret: Picture) -> np.ndarray:
    """The sizes of the numbers that carry this secret, in whatever order."""
    picture = to_tensor(secret.pixels)
    weights_ = spectrum.measured(picture).weights()[:, None, None]
    return profile((spectrum.to_coefficients(picture - 0.5) / weights_).flatten().numpy())


def attack(method: CsFnns, photos: list[Picture], stegos: int, request: Request) -> tuple[float, float]:
    """-> mean correlation and mean rank."""
    robust = any(c.kind == "jpeg" for c in request.survive)
    sizes = np.stack([of_secret(p) for p in photos])
    true = np.linspace(0, len(photos) - 1, stegos).round().astype(int)
    alike, seen = [], []
    for index in true:
        key = keys.generate("cs-fnns", "attacked")
        change = perturbation(method, photos[index], key, request)
        found = components(blocks(change, robust))
        alike.append(likeness(found, Numbers(key.stream("decoder", 0), robust)(change)))
        seen.append(profile(found[:, :GIVEN].flatten()))
    return float(np.mean(alike)), float(np.mean(ranks(np.stack(seen), sizes, true)))


def ranks(seen: np.ndarray, sizes: np.ndarray, true: np.ndarray) -> list[int]:
    """Profiles of components, of all secrets, and which secrets are the true ones -> their ranks.

    The attacker knows from other stegos what the attack itself does to a profile.
    """
    found = []
    for i, index in enumerate(true):
        others = np.arange(len(true)) != i
        away = np.abs(sizes - (seen[i] - (seen - sizes[true])[others].mean(0))).sum(1)
        found.append(int((away < away[index]).sum()))
    return found


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
        for name, way in (("as it is", nullcontext()), ("control: cells in order", in_order())):
            with way:
                alike, rank = attack(method, photos, options.stegos, request)
            rows.append([name, f"{alike:.3f}", f"{rank:.1f}", f"{(len(photos) - 1) / 2:.1f}"])
    columns = ["decoder", "correlation", "rank", "rank by chance"]
    table(f"{options.stegos} stegos, {len(photos)} photos, {options.side}x{options.side}", columns, rows)


if __name__ == "__main__":
    main()
