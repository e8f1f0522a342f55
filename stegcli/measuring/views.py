"""A picture file -> what detectors look at: features of pixels or of JPEG coefficients, estimates, signs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stegcli.coding import jpeg_costs
from stegcli.detectors import dctr, estimators, markov, rich, signs, spam
from stegcli.measuring.store import Store, digest
from stegcli.pictures import formats, image, jpeg
from stegcli.pictures.image import Quantisation

ESTIMATORS = {"SPA": estimators.spa, "WS": estimators.ws, "RS": estimators.rs, "chi-square": estimators.chi_square}
OF_PIXELS = {
    "SPAM": spam.mean, "SPAM by channel": spam.by_channel, "SPAM of colour differences": spam.of_differences,
    "rich model": rich.features,
}  # fmt: skip
DCTR, MARKOV = "DCTR", "calibrated Markov"
VERSION = "views-3"
"""Part of the names that views are kept under: a change of any feature needs another."""


@dataclass(frozen=True)
class View:
    """features: by detector, float32 (k,). estimates: of ESTIMATORS, by colour, float64 (4, 3). signs: of
    `signs.PIXELS`. The last two are empty for a JPEG, whose coefficients they do not look at."""

    features: dict[str, np.ndarray]
    estimates: np.ndarray
    signs: np.ndarray


def is_jpeg(file: bytes) -> bool:
    return formats.format_of(file) == "JPEG"


def view(file: bytes, store: Store) -> View:
    """Raises FileError for a file that is no picture."""
    name = digest(VERSION, file)
    kept = store.arrays(name)
    if kept is not None:
        features = {n.removeprefix("of "): a for n, a in kept.items() if n.startswith("of ")}
        return View(features, kept["estimates"], kept["signs"])
    found = _of_coefficients(file) if is_jpeg(file) else _of_pixels(file)
    store.keep(name, {f"of {n}": a for n, a in found.features.items()} | {
        "estimates": found.estimates, "signs": found.signs
    })  # fmt: skip
    return found


def _of_pixels(file: bytes) -> View:
    picture = image.decode(file)
    pixels = picture.pixels
    features = {name: of(pixels).astype(np.float32) for name, of in OF_PIXELS.items()}
    estimates = np.array([[estimate(pixels[..., c]) for c in range(3)] for estimate in ESTIMATORS.values()])
    shown = signs.of_pixels(pixels, picture.one_channel)
    return View(features, estimates, np.array([shown[s] for s in signs.PIXELS]))


def _of_coefficients(file: bytes) -> View:
    """Features of the luminance, and the mean of both colours' beside them."""
    luminance, *colours = jpeg.read(file).components
    quality = Quantisation(luminance.steps, luminance.steps, False).quality
    found = {
        DCTR: _beside([dctr.features(c, quality) for c in (luminance, *colours)]),
        MARKOV: _beside([markov.features(c) for c in (luminance, *colours)]),
    }
    return View(found, np.empty((0, 3)), np.empty(0, np.int64))


def _beside(each: list[np.ndarray]) -> np.ndarray:
    luminance, *colours = each
    return np.concatenate([luminance, np.mean(colours, axis=0)] if colours else [luminance]).astype(np.float32)


def plane(file: bytes) -> np.ndarray:
    """What a CNN sees: uint8 (3, h, w), or of a JPEG the luminance as its coefficients say it, float32 (h, w)."""
    if is_jpeg(file):
        return jpeg_costs.decoded(jpeg.read(file).components[0]).astype(np.float32)
    return np.ascontiguousarray(image.decode(file).pixels.transpose(2, 0, 1))
