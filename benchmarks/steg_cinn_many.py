"""Many stegos of steg-cinn: are they exact, are their latents normal, can they be told? Printed as it goes.

    python benchmarks/steg_cinn_many.py --covers DIR [--count 1000] [--side 64] [--minutes 30] [--weights FILE]

Each picture of DIR is made SIDExSIDE, in a mode of ROUND in turn, and gets EACH random messages of random lengths up
to the capacity. The first draft of each is written as a PNG file, read and revealed. Beside each stego stands an
innocent colouring of the same cover. SPAM and a linear discriminant tell stegos from these, from the covers, and, to
show that they would tell if there was something, innocent colourings from such whose blue is changed by one level in
every tenth pixel. They learn from some photos and judge others.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from stegcli import weights
from stegcli.data import load_pictures
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

EACH, FOLDS, LATENTS = 6, 5, 200
ROUND = (HideOptions(mode="keep"), HideOptions(mode="keep", top=2), HideOptions(mode="recolour"), HideOptions(top=3))
KINDS = ("stego", "innocent", "cover", "changed")
PAIRS = (("stego", "innocent"), ("stego", "cover"), ("innocent", "changed"))


class Found:
    """What was seen so far. fold: of each stego's cover. features: of each kind of picture, by planes."""

    def __init__(self) -> None:
        self.tried, self.exact, self.skipped = 0, 0, 0
        self.values: list[float] = []
        self.fold: list[int] = []
        self.features = {(kind, planes): [] for kind in KINDS for planes in spam.PLANES}

    def see(self, pictures: Sequence[np.ndarray], fold: int) -> None:
        self.fold.append(fold)
        for kind, pixels in zip(KINDS, pictures, strict=True):
            for planes in spam.PLANES:
                self.features[kind, planes].append(spam.features(pixels, planes).astype(np.float32))

    def report(self) -> None:
        print(f"{self.exact} of {self.tried} exact, {self.skipped} covers without room", flush=True)
        if len(set(self.fold)) < FOLDS or not self.values:
            return
        below, uniform = np.mean(np.array(self.values) < 0.05), stats.kstest(self.values, "uniform").pvalue
        print(f"latents of {len(self.values)}: p < 0.05 in {100 * below:.1f} %; p-values uniform: p = {uniform:.3f}")
        for one, two in PAIRS:
            for planes in spam.PLANES:
                parts = (np.stack(self.features[kind, planes]) for kind in (one, two))
                told = spam.told_by_features(*parts, np.array(self.fold))
                print(f"{one} against {two}, {planes}: {100 * told:.1f} % of {2 * len(self.fold)} told", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--covers", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--weights")
    options = parser.parse_args()
    method = weights.load("steg-cinn", options.weights or weights.default_name("steg-cinn"), "cpu")
    until, found = time.monotonic() + 60 * options.minutes, Found()
    for index, photo in enumerate(load_pictures(options.covers, None, "cover", lambda p: p)):
        cover = Picture(image.resized(photo.pixels, options.side, options.side))
        wishes = ROUND[index % len(ROUND)]
        room = method.capacity(Request(cover=cover, options=wishes))
        found.skipped += not room
        for number in range(EACH if room else 0):
            if found.tried == options.count or time.monotonic() > until:
                break
            one(method, cover, wishes, room, np.random.default_rng([index, number]), index % FOLDS, found)
            if found.tried % 100 == 0:
                found.report()
    found.report()


def one(
    method: StegCinn, cover: Picture, wishes: HideOptions, room: int, rng: np.random.Generator, fold: int, found: Found
) -> None:
    """One message, and an innocent colouring beside it."""
    draft, came_back = trial(method, cover, wishes, rng, room)
    found.tried += 1
    found.exact += came_back
    if draft is None:
        return
    top = int(draft.measured["top"])
    if len(found.values) < LATENTS and top != EVERYTHING:
        z = latents_of(method, draft.picture.pixels, draft.measured, rng)
        found.values.append(float(stats.kstest(z, "norm").pvalue))
    innocent = method.sender(cover, wishes).innocent(Stream(rng.bytes(32)), top)
    found.see((draft.picture.pixels, innocent, cover.pixels, changed(innocent, rng)), fold)


def trial(
    method: StegCinn, cover: Picture, wishes: HideOptions, rng: np.random.Generator, room: int
) -> tuple[Draft | None, bool]:
    """-> the first stego, and whether its PNG file reveals the message."""
    key, data = Key("steg-cinn", "benchmark", rng.bytes(32)), rng.bytes(int(rng.integers(room + 1)))
    draft = next(method.drafts(Request((Secret(data),), (key,), cover, options=wishes)), None)
    if draft is None:
        return None, False
    try:
        (back,) = method.reveal(image.decode(image.encode(draft.picture)), Asked(key))
    except StegoError:
        return draft, False
    return draft, back.data == data


def changed(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blue changed by one level in every tenth pixel."""
    found = pixels.copy()
    where = rng.random(pixels.shape[:2]) < 0.1
    found[..., 2] = np.where(where, np.where(pixels[..., 2] < 255, pixels[..., 2] + 1, 254), pixels[..., 2])
    return found


if __name__ == "__main__":
    main()
