"""Many stegos of steg-cinn: are they exact, are their latents normal, can they be told? Printed as it goes.

    python benchmarks/steg_cinn_many.py --covers DIR [--count 1000] [--minutes 30] [--latents 200] [--weights FILE]

Each picture of DIR is six covers of 128x128: made small, its corners and its middle. Each cover gets a random message
of a random length up to the capacity, in a mode of ROUND in turn. The first draft is written as a PNG file, read and
revealed. Beside each stego stands an innocent colouring of the same cover. SPAM and a linear discriminant tell stegos
from these, from the covers, and, to show that they would tell if there was something, innocent colourings from such
whose blue is changed by one level in every tenth pixel. They learn from some photos and judge others.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
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

SIDE, FOLDS = 128, 5
ROUND = (HideOptions(mode="keep"), HideOptions(mode="keep", top=2), HideOptions(mode="recolour"), HideOptions(top=3))
KINDS = ("stego", "innocent", "cover", "changed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--covers", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--latents", type=int, default=200)
    parser.add_argument("--weights")
    options = parser.parse_args()
    method = weights.load("steg-cinn", options.weights or weights.default_name("steg-cinn"), "cpu")
    photos = load_pictures(options.covers, None, "cover", lambda p: p)
    until, tried, exact, skipped, values = time.monotonic() + 60 * options.minutes, 0, 0, 0, []
    fold, seen = [], {(kind, planes): [] for kind in KINDS for planes in spam.PLANES}
    for index, (photo, cover) in enumerate(covers([p.pixels for p in photos])):
        if tried == options.count or time.monotonic() > until:
            break
        rng = np.random.default_rng(index)
        wishes = ROUND[index % len(ROUND)]
        room = method.capacity(Request(cover=cover, options=wishes))
        if not room:
            skipped += 1
            continue
        tried += 1
        draft, came_back = trial(method, cover, wishes, rng, room)
        exact += came_back
        if draft is None:
            continue
        if len(values) < options.latents and draft.measured["top"] != EVERYTHING:
            z = latents_of(method, draft.picture.pixels, draft.measured, rng)
            values.append(float(stats.kstest(z, "norm").pvalue))
        innocent = method.sender(cover, wishes).innocent(Stream(rng.bytes(32)), int(draft.measured["top"]))
        pictures = (draft.picture.pixels, innocent, cover.pixels, changed(innocent, rng))
        for kind, pixels in zip(KINDS, pictures, strict=True):
            for planes in spam.PLANES:
                seen[kind, planes].append(spam.features(pixels, planes).astype(np.float32))
        fold.append(photo % FOLDS)
        if tried % 100 == 0:
            print(f"{exact} of {tried} exact, {skipped} covers without room", flush=True)
    print(f"{exact} of {tried} exact, {skipped} covers without room")
    below, uniform = np.mean(np.array(values) < 0.05), stats.kstest(values, "uniform").pvalue
    print(f"latents of {len(values)} stegos: p below 0.05 in {100 * below:.1f} %; p-values uniform: p = {uniform:.3f}")
    for one, two in (("stego", "innocent"), ("stego", "cover"), ("innocent", "changed")):
        for planes in spam.PLANES:
            told = spam.told_by_features(np.stack(seen[one, planes]), np.stack(seen[two, planes]), np.array(fold))
            print(f"{one} against {two}, {planes}: {100 * told:.1f} % of {2 * len(fold)} told")


def covers(photos: Sequence[np.ndarray]) -> Iterator[tuple[int, Picture]]:
    """Photos of 2 SIDE a side -> the photo's number and a cover, all photos made small first, then part by part."""
    for index, pixels in enumerate(photos):
        yield index, Picture(image.resized(pixels, SIDE, SIDE))
    for top, left in ((0, 0), (SIDE, SIDE), (SIDE, 0), (0, SIDE), (SIDE // 2, SIDE // 2)):
        for index, pixels in enumerate(photos):
            yield index, Picture(np.ascontiguousarray(pixels[top : top + SIDE, left : left + SIDE]))


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
