"""What `stego evaluate lossless-inn --jpeg Q` measures: how well detectors find messages in JPEG coefficients.

Covers are made grey, reduced (which ends the JPEG past that they may have) and saved as JPEG. Half of them, with their
stegos, are learnt from; the other half is told apart. Two detectors: DCTR features with a linear classifier, means over
splits; and a CNN, which first learns nsF5 at the highest rate, and then each scheme, from high rates to low. 50 % is
chance. Everything hides as many bits for each AC coefficient that is not zero.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image as Pillow

from stegcli.coding import jpeg_costs
from stegcli.detectors import dctr, linear
from stegcli.errors import CapacityError, UsageError
from stegcli.method import Method
from stegcli.methods.lossless_inn import precover
from stegcli.methods.lossless_inn.jpeg_rivals import Grey, Rival, nsf5, rivals
from stegcli.methods.lossless_inn.options import EvaluateOptions
from stegcli.pictures import jpeg
from stegcli.pictures.image import Picture
from stegcli.pictures.jpeg import Component

RATES = (0.4, 0.1)
REDUCED = 7 / 8
MOST_SIDE = 512
LEAST_NONZERO = 1000
"""AC coefficients that are not zero; a cover with fewer has no room for a header."""
LEAST_COVERS = 8
Table = tuple[str, list[str], list[list[str]]]


def alone(options: EvaluateOptions) -> bool:
    """Whether only this is to be measured, and not hiding in pixels."""
    return options.jpeg is not None


def parts(
    method: Method, covers: Sequence[Picture], seed: int, options: EvaluateOptions
) -> dict[str, Callable[[], dict[str, Any]]]:
    """-> name -> what measures it."""
    return {"jpeg": lambda: detected(covers, seed, options)} if options.jpeg is not None else {}


def detected(covers: Sequence[Picture], seed: int, options: EvaluateOptions) -> dict[str, Any]:
    """-> quality, number of covers, and a row for each scheme and rate. Raises UsageError for too few covers."""
    assert options.jpeg is not None
    made = [grey(c, options.jpeg) for c in covers]
    made = [g for g in made if g.file.nonzero_ac >= LEAST_NONZERO]
    if len(made) < LEAST_COVERS:
        raise UsageError(
            f"only {len(made)} covers have enough texture", f"give {LEAST_COVERS} or more, rather hundreds"
        )
    bench = Bench(made, seed, options.epochs)
    rates = sorted(RATES if options.rate is None else (options.rate,), reverse=True)
    rows = [row for name, rival in rivals().items() for row in bench.rows(name, rival, rates)]
    return {"quality": options.jpeg, "covers": len(made), "rows": rows}


def grey(cover: Picture, quality: int) -> Grey:
    """A cover -> a grey JPEG, smaller than it."""
    height, width = cover.pixels.shape[:2]
    scale = min(REDUCED, MOST_SIDE / max(height, width))
    size = [max(8, int(s * scale) // 8 * 8) for s in (width, height)]
    opened = Pillow.fromarray(cover.pixels).convert("L").resize(size, Pillow.Resampling.LANCZOS)
    pixels = np.repeat(np.asarray(opened)[..., None], 3, axis=2)
    _, errors = precover.compressed(Picture(pixels, grey=True), quality)
    buffer = io.BytesIO()
    opened.save(buffer, "JPEG", quality=quality)
    return Grey(jpeg.read(buffer.getvalue()), errors[0], quality)


@dataclass
class Bench:
    """Covers and the detectors that learn on them. epochs: of the CNN, for each row; 0 for none."""

    covers: list[Grey]
    seed: int
    epochs: int
    _first: Any = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.features = np.stack([self._features(c, c.blocks) for c in self.covers])

    def rows(self, name: str, rival: Rival, rates: Sequence[float]) -> list[dict[str, Any]]:
        """One row for each rate, from high to low: what was found, or why nothing was measured."""
        if rival.missing:
            return [_row(name, rate, rival.missing) for rate in rates]
        detector = copy.deepcopy(self._taught_first())
        return [self._measured(name, rival, rate, detector) for rate in rates]

    def _measured(self, name: str, rival: Rival, rate: float, detector: Any) -> dict[str, Any]:
        stegos, which = [], []
        for index, cover in enumerate(self.covers):
            try:
                stegos.append(rival.scheme(cover, rate, np.random.default_rng([self.seed, index, round(1000 * rate)])))
                which.append(index)
            except CapacityError:
                continue
        if len(which) < LEAST_COVERS:
            return _row(name, rate, f"fits in {len(which)} covers only")
        covers = [self.covers[i] for i in which]
        clean = self.features[which]
        before = [c.blocks for c in covers]
        if rival.recompressed is not None:
            before = [rival.recompressed(c) for c in covers]
            clean = np.stack([self._features(c, b) for c, b in zip(covers, before, strict=True)])
        seen = np.stack([self._features(c, s) for c, s in zip(covers, stegos, strict=True)])
        mean, spread = linear.told_apart(clean, seen)
        return _row(name, rate, "", len(which), mean, spread, self._by_network(detector, covers, before, stegos))

    @staticmethod
    def _features(cover: Grey, blocks: np.ndarray) -> np.ndarray:
        return dctr.features(Component(blocks, cover.file.components[0].steps, 1, 1), cover.quality)

    # -- the CNN

    def _taught_first(self) -> Any:
        """The CNN after nsF5, on the half of the covers that is learnt from; None without epochs."""
        if self.epochs and self._first is None:
            import torch

            from stegcli.detectors.jpeg_network import Detector

            torch.manual_seed(self.seed)
            self._first = Detector()
            stegos = [nsf5(c, max(RATES), np.random.default_rng([self.seed, i])) for i, c in enumerate(self.covers)]
            self._by_network(self._first, self.covers, [c.blocks for c in self.covers], stegos)
        return self._first

    def _by_network(
        self, detector: Any, covers: Sequence[Grey], before: Sequence[np.ndarray], stegos: Sequence[np.ndarray]
    ) -> float | None:
        """Teach the CNN on one half of the covers -> its accuracy on the other; None without epochs."""
        if not self.epochs:
            return None
        from stegcli.detectors import jpeg_network

        sizes = {b.shape for b in before}
        if len(sizes) > 1:
            raise UsageError("the covers differ in size, and the CNN takes one size", "add --size WxH, or --epochs 0")
        clean, full = (np.stack([_plane(c, b) for c, b in zip(covers, side, strict=True)]) for side in (before, stegos))
        half = len(clean) // 2
        rng = np.random.default_rng(self.seed)
        jpeg_network.teach(detector, clean[:half], full[:half], self.epochs, rng)
        return jpeg_network.accuracy(detector, clean[half:], full[half:])


def _plane(cover: Grey, blocks: np.ndarray) -> np.ndarray:
    return jpeg_costs.decoded(Component(blocks, cover.file.components[0].steps, 1, 1)).astype(np.float32)


def _row(
    name: str, rate: float, note: str, covers: int = 0, dctr: float | None = None, spread: float | None = None,
    cnn: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    return {"scheme": name, "rate": rate, "covers": covers, "dctr": dctr, "spread": spread, "cnn": cnn, "note": note}


def tables(figures: Mapping[str, Any]) -> list[Table]:
    """Title, columns and rows."""
    found = figures.get("jpeg")
    if not found:
        return []
    title = f"told apart, chance 50 %: {found['covers']} grey JPEG covers of quality {found['quality']}"
    columns = ["scheme", "bits per nonzero AC", "covers", "DCTR and a linear classifier", "CNN"]
    return [(title, columns, [_told(row) for row in found["rows"]])]


def _told(row: Mapping[str, Any]) -> list[str]:
    name, rate = row["scheme"], f"{row['rate']:g}"
    if row["note"]:
        return [name, rate, "", row["note"], ""]
    cnn = "" if row["cnn"] is None else f"{100 * row['cnn']:.1f} %"
    return [name, rate, str(row["covers"]), f"{100 * row['dctr']:.1f} +- {100 * row['spread']:.1f} %", cnn]
