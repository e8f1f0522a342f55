"""Many stegos of steg-cinn: are they exact, are their latents normal, can they be told?

    python benchmarks/steg_cinn_many.py --covers DIR --cache FOLDER [--count 1000] [--each 6] [--side 128]
        [--minutes 30] [--cnn] [--weights FILE]

Each picture of DIR is made SIDExSIDE, in a mode of ROUND in turn, and gets random messages of random lengths up to
the capacity: as many as --each says, then the next cover, until there are COUNT. A draft is written as a PNG file, read
and revealed; where that fails the next is tried, as `stego hide` does. Beside each stego stands an innocent colouring
of the same cover. Each trial is kept in a file of FOLDER; a run goes on where the last one stopped, after MINUTES too,
and prints figures of all trials there.

Detectors tell stegos from innocent colourings, from the covers, and, to show that they would tell if there was
something, innocent colourings from such whose blue is changed by one level in every tenth pixel: SPAM with a linear
discriminant and, with --cnn, a network (Ye-net's filters and small convolutions). They learn from some photos and
judge others: four folds of five by cover; the network judges one fold only. Chance is 50 %, and its standard error is
printed.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from stegcli import weights
from stegcli.data import load_pictures
from stegcli.detectors import linear
from stegcli.detectors.network import Residuals, accuracy, learn_pairs
from stegcli.errors import StegoError
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream
from stegcli.method import Asked, Draft, Request, Secret
from stegcli.methods.steg_cinn import spam
from stegcli.methods.steg_cinn.codec import EVERYTHING
from stegcli.methods.steg_cinn.measure import latents_of
from stegcli.methods.steg_cinn.method import StegCinn
from stegcli.methods.steg_cinn.options import HideOptions
from stegcli.pictures import image
from stegcli.pictures.image import Picture

FOLDS, LATENTS = 5, 200
TRIES = 4
"""Drafts of one message at most."""
ROUND = (HideOptions(mode="keep"), HideOptions(mode="keep", top=2), HideOptions(mode="recolour"), HideOptions(top=3))
STEGO, INNOCENT, COVER, CHANGED = range(4)
KINDS = ("stegos", "innocent", "covers", "changed")
PAIRS = ((STEGO, INNOCENT), (STEGO, COVER), (INNOCENT, CHANGED))
EPOCHS, CROP, RATE = 10, 64, 4e-3


@dataclass(frozen=True)
class Trial:
    """One message. cover: its index. drafts: how many were made until one revealed it, 0 if none did. pictures: uint8
    (KINDS, h, w, 3). p: of the latents, not a number where none were looked at. features: of each kind, by planes,
    float32 (KINDS, n)."""

    cover: int
    drafts: int
    p: float
    pictures: np.ndarray
    features: tuple[np.ndarray, ...]


def tried(folder: Path) -> list[Trial]:
    """The trials of the folder, in order."""
    found = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            features = tuple(file[planes] for planes in spam.PLANES)
            found.append(Trial(int(file["cover"]), int(file["drafts"]), float(file["p"]), file["pictures"], features))
    return found


def keep(trial: Trial, path: Path) -> None:
    parts = dict(zip(spam.PLANES, trial.features, strict=True))
    fresh = path.with_suffix(".part")
    with fresh.open("wb") as file:
        np.savez_compressed(file, cover=trial.cover, drafts=trial.drafts, p=trial.p, pictures=trial.pictures, **parts)
    fresh.replace(path)


def one(method: StegCinn, cover: Picture, index: int, number: int, looked: bool) -> Trial | None:
    """One message in a cover, and an innocent colouring beside it. looked: at the latents. None without room."""
    wishes, rng = ROUND[index % len(ROUND)], np.random.default_rng([index, number])
    room = method.capacity(Request(cover=cover, options=wishes))
    if not room:
        return None
    draft, drafts = sent(method, cover, wishes, rng, room)
    if draft is None:
        return Trial(index, 0, np.nan, np.zeros((4, 0, 0, 3), np.uint8), (np.zeros((4, 0), np.float32),) * 2)
    top, pixels = int(draft.measured["top"]), draft.picture.pixels
    p = np.nan
    if looked and top != EVERYTHING:
        p = float(stats.kstest(latents_of(method, pixels, draft.measured, rng), "norm").pvalue)
    innocent = method.sender(cover, wishes).innocent(Stream(rng.bytes(32)), top)
    pictures = np.stack([pixels, innocent, cover.pixels, changed(innocent, rng)])
    features = tuple(
        np.stack([spam.features(k, planes) for k in pictures]).astype(np.float32) for planes in spam.PLANES
    )
    return Trial(index, drafts, p, pictures, features)


def sent(
    method: StegCinn, cover: Picture, wishes: HideOptions, rng: np.random.Generator, room: int
) -> tuple[Draft | None, int]:
    """-> the first stego whose PNG file reveals the message, and the number of drafts until then; else the last, 0."""
    key, data = Key("steg-cinn", "benchmark", rng.bytes(32)), rng.bytes(int(rng.integers(room + 1)))
    draft, request = None, Request((Secret(data),), (key,), cover, options=wishes)
    for number, draft in enumerate(itertools.islice(method.drafts(request), TRIES), 1):
        with contextlib.suppress(StegoError):
            (back,) = method.reveal(image.decode(image.encode(draft.picture)), Asked(key))
            if back.data == data:
                return draft, number
    return draft, 0


def changed(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blue changed by one level in every tenth pixel."""
    found = pixels.copy()
    where = rng.random(pixels.shape[:2]) < 0.1
    found[..., 2] = np.where(where, np.where(pixels[..., 2] < 255, pixels[..., 2] + 1, 254), pixels[..., 2])
    return found


def report(found: list[Trial], cnn: bool) -> Iterator[str]:
    """The lines to print."""
    exact, first = (sum(t.drafts in wanted for t in found) for wanted in (range(1, TRIES + 1), (1,)))
    yield f"{exact} of {len(found)} exact, {first} by the first draft, {len({t.cover for t in found})} covers"
    values = [t.p for t in found if not np.isnan(t.p)][:LATENTS]
    if values:
        below, uniform = np.mean(np.array(values) < 0.05), stats.kstest(values, "uniform").pvalue
        yield f"latents of {len(values)}: p < 0.05 in {100 * below:.1f} %; p-values uniform: p = {uniform:.3f}"
    made = [t for t in found if t.pictures.size]
    fold = np.array([t.cover % FOLDS for t in made])
    if len(set(fold)) < FOLDS:
        return
    error = 50 / np.sqrt(2 * len(made))
    for a, b in PAIRS:
        for i, planes in enumerate(spam.PLANES):
            sides = (np.stack([t.features[i][kind] for t in made]) for kind in (a, b))
            told = 100 * linear.told_in_folds(*sides, fold)
            yield f"{KINDS[a]} against {KINDS[b]}, SPAM of {planes}: {told:.1f} +- {error:.1f} % of {2 * len(made)}"
    for a, b in PAIRS if cnn else ():
        told, judged = by_network(made, fold, a, b)
        error = 50 / np.sqrt(judged)
        yield f"{KINDS[a]} against {KINDS[b]}, CNN: {100 * told:.1f} +- {error:.1f} % of {judged}"


def by_network(made: list[Trial], fold: np.ndarray, a: int, b: int) -> tuple[float, int]:
    """The share of pictures of the last fold that a network tells rightly, and how many there are."""
    torch.manual_seed(0)
    learnt, judged = (
        [torch.from_numpy(np.stack([made[i].pictures[kind] for i in which])).permute(0, 3, 1, 2) for kind in (a, b)]
        for which in (np.flatnonzero(fold < FOLDS - 1), np.flatnonzero(fold == FOLDS - 1))
    )
    network = learn_pairs(Residuals(), learnt[0], learnt[1], EPOCHS, np.random.default_rng(0), CROP, RATE)
    return accuracy(network, *judged), 2 * len(judged[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--covers", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--each", type=int, default=6, help="messages in a cover")
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--cnn", action="store_true")
    parser.add_argument("--weights")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    method = weights.load("steg-cinn", options.weights or weights.default_name("steg-cinn"), "cpu")
    assert isinstance(method, StegCinn)
    covers = load_pictures(options.covers, None, "cover", lambda p: p)
    until, count = time.monotonic() + 60 * options.minutes, len(list(options.cache.glob("*.npz")))
    for index, number in itertools.product(range(len(covers)), range(options.each)):
        path = options.cache / f"{number:03}-{index:04}.npz"
        if count >= options.count or time.monotonic() > until:
            break
        if path.exists():
            continue
        cover = Picture(image.resized(covers[index].pixels, options.side, options.side))
        trial = one(method, cover, index, number, count < 2 * LATENTS)
        if trial is not None:
            keep(trial, path)
            count += 1
    for line in report(tried(options.cache), options.cnn):
        print(line, flush=True)


if __name__ == "__main__":
    main()
