"""What `stego evaluate steg-cinn` measures besides exactness, PSNR and time.

modes       by what is redrawn: capacity, raw bits right before the code, PSNR to the cover, change of CIE L*, and
            BRISQUE where its package is installed
covers      BRISQUE of the covers, to compare with
latents     whether the latents of stegos are normal, as a receiver with the networks finds them
detectors   stegos against innocent colourings by the same networks, which is what is claimed, and against the covers
told_paper  the same of stegos in the paper's form
paper       the paper's Tables 1 to 3, and its flow as trained here (`measure_rivals`), beside it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from stegcli.errors import StegoError
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream
from stegcli.method import Draft, Method, Request, Secret
from stegcli.methods.steg_cinn import measure_rivals, places, space, spam
from stegcli.methods.steg_cinn.codec import Drawing
from stegcli.methods.steg_cinn.method import StegCinn
from stegcli.methods.steg_cinn.options import HideOptions
from stegcli.options import NoOptions
from stegcli.pictures import brisque, metrics
from stegcli.pictures.image import Picture

JUDGED = HideOptions(mode="keep", top=2)
"""What detectors are asked about, besides the paper's form."""
PAPERS = HideOptions(mode="keep", top=3, bits=1, gap=0.1, grain=0.7)
PAPERS_FORM = "paper's form: 1 bit, gap 0.1"
MODES = {
    "keep, top 1": HideOptions(mode="keep", top=1),
    "keep, top 2": JUDGED,
    "keep, top 3": HideOptions(mode="keep", top=3),
    "recolour": HideOptions(mode="recolour"),
    PAPERS_FORM: PAPERS,
}
PAPER = [
    ["paper, w/o round-based training", "2.00", "100.00", "89.42", "50.3 / 49.6 / 56.3"],
    ["paper, 1 round", "2.00", "100.00", "93.26", ""],
    ["paper, 2 rounds", "2.00", "100.00", "95.19", ""],
    ["paper, 3 rounds", "2.00", "100.00", "98.07", ""],
    ["paper, 4 rounds", "2.00", "100.00", "99.03", ""],
    ["paper, 5 rounds", "2.00", "100.00", "100.00", "52.7 / 52.2 / 56.9"],
]
"""Tables 2 and 3: bits per pixel; accuracy without and with rounding, in %; detection by XuNet, YedroudjNet, KeNet,
in %, which Table 3 lacks."""
PAPER_LOOKS = [["paper, w/o round-based training", "20.78"], ["paper, 5 rounds", "19.74"]]
"""Table 1, the method's own rows: BRISQUE. Its HyperIQA needs a network that no kept package brings."""
FOLDS = 5
LEAST_COVERS = 20
"""Fewer covers tell nothing of a detector."""
Table = tuple[str, list[str], list[list[str]]]


def parts(
    method: Method, covers: Sequence[Picture], seed: int, options: NoOptions | None = None
) -> dict[str, Callable[[], dict[str, Any]]]:
    """-> name -> what measures it."""
    mine = cast(StegCinn, method)
    found = {
        "modes": lambda: modes(mine, covers, seed),
        "covers": lambda: looks(covers),
        "latents": lambda: latents(mine, covers, seed),
        "detectors": lambda: detectors(mine, covers, seed, JUDGED),
        "told_paper": lambda: detectors(mine, covers, seed, PAPERS),
    }
    if "cinn" in mine.config:
        found["cinn"] = lambda: measure_rivals.cinn(mine, covers, seed)
    return found


def modes(method: StegCinn, covers: Sequence[Picture], seed: int) -> dict[str, Any]:
    """Mode -> means over covers: bits per pixel, bits right before the code, PSNR, change of L* (mean and most), and
    BRISQUE, None where its package is not installed."""
    return {name: _mode(method, covers, options, seed) for name, options in MODES.items()}


def looks(covers: Sequence[Picture]) -> dict[str, float | None]:
    """The mean of BRISQUE over covers, None where its package is not installed."""
    score = brisque.scorer()
    return {"brisque": float(np.mean([score(c.pixels) for c in covers])) if score and covers else None}


def _mode(method: StegCinn, covers: Sequence[Picture], options: HideOptions, seed: int) -> dict[str, Any]:
    score = brisque.scorer()
    found: dict[str, list[float]] = {n: [] for n in ("bpp", "right", "psnr", "lightness", "most", "brisque")}
    for index, cover in enumerate(covers):
        room = method.capacity(Request(cover=cover, options=options))
        try:
            draft = _hidden(method, cover, options, room, seed, index)
        except (StegoError, StopIteration):
            continue
        apart = np.abs(lightness(draft.picture.pixels) - lightness(cover.pixels))
        found["bpp"].append(8 * room / (cover.width * cover.height))
        found["right"].append(1 - draft.measured["wrong_bits"])
        found["psnr"].append(metrics.psnr(cover.pixels, draft.picture.pixels))
        found["lightness"].append(float(apart.mean()))
        found["most"].append(float(apart.max()))
        if score:
            found["brisque"].append(score(draft.picture.pixels))
    means: dict[str, Any] = {n: float(np.mean(v)) if v else None for n, v in found.items()}
    return means | {"covers": len(found["bpp"]), "least_bpp": min(found["bpp"], default=None)}


def latents(method: StegCinn, covers: Sequence[Picture], seed: int) -> dict[str, float]:
    """p-values of Kolmogorov and Smirnov's test of each stego's latents against N(0, 1), and of these p-values against
    the uniform distribution, in which they must lie."""
    from scipy import stats

    found = []
    for index, cover in enumerate(covers):
        room = method.capacity(Request(cover=cover, options=JUDGED))
        if not room:
            continue
        draft = _hidden(method, cover, JUDGED, room, seed, index)
        z = latents_of(method, draft.picture.pixels, draft.measured, np.random.default_rng([seed, index]))
        found.append(float(stats.kstest(z, "norm").pvalue))
    uniform = float(stats.kstest(found, "uniform").pvalue) if found else float("nan")
    return {"stegos": len(found), "below_0.05": float(np.mean(np.array(found) < 0.05)), "uniform": uniform}


def latents_of(
    method: StegCinn, pixels: np.ndarray, measured: Mapping[str, float], rng: np.random.Generator
) -> np.ndarray:
    """A stego that keeps colours of its cover, and the figures of its draft -> the latents of what was drawn, (n,).
    Each is drawn at random inside its cell, as nobody knows more."""
    from scipy.special import ndtri

    codec, top = method.codec, int(measured["top"])
    sheet = codec.sheet(*space.split(pixels))
    cells = codec.read(sheet, Drawing(top, measured["grain"]))
    drawn = places.free(codec.order(*sheet.size, top), sheet.still)
    low, high = cells.low[drawn].astype(np.float64), cells.high[drawn]
    z: np.ndarray = ndtri(np.clip(low + rng.random(len(low)) * (high - low), 1e-12, 1 - 1e-12))
    return z


def detectors(method: StegCinn, covers: Sequence[Picture], seed: int, options: HideOptions) -> dict[str, Any]:
    """Share of pictures that SPAM features and a linear discriminant tell rightly, by planes; 0.5 is chance. Covers
    that no draft fits are left out.

    Halves of pairs of one cover are never parted between learning and testing.
    """
    if len(covers) < LEAST_COVERS:
        return {}
    stegos, innocent, real = [], [], []
    for index, cover in enumerate(covers):
        room = method.capacity(Request(cover=cover, options=options))
        if not room:
            continue
        try:
            draft = _hidden(method, cover, options, room, seed, index)
        except (StegoError, StopIteration):
            continue
        stegos.append(draft.picture.pixels)
        stream = Stream(np.random.default_rng([seed, index, 1]).bytes(32))
        innocent.append(method.sender(cover, options).innocent(stream, int(draft.measured["top"])))
        real.append(cover.pixels)
    if len(real) < LEAST_COVERS:
        return {}
    found = {}
    for name, others in (("innocent colourings", innocent), ("covers", real)):
        for planes in spam.PLANES:
            found[f"{name}, {planes}"] = spam.told_apart(stegos, others, planes, FOLDS)
    return found


def _hidden(method: StegCinn, cover: Picture, options: HideOptions, room: int, seed: int, index: int) -> Draft:
    rng = np.random.default_rng([seed, index])
    key = Key(method.name, "measured", rng.bytes(32))
    return next(iter(method.drafts(Request((Secret(rng.bytes(room)),), (key,), cover, options=options))))


def lightness(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> CIE L* of each pixel, 0 to 100."""
    light = space.linear(pixels) @ (np.array(space.COEFFICIENTS) / sum(space.COEFFICIENTS))
    found: np.ndarray = np.where(light > (6 / 29) ** 3, 116 * np.cbrt(light) - 16, light * (29 / 3) ** 3)
    return found


def tables(figures: dict[str, Any]) -> list[Table]:
    """What was measured, as tables."""
    found = [_modes_table(figures["modes"]), _latents_table(figures["latents"])]
    if figures["detectors"]:
        rows = [[name, f"{100 * share:.1f} %"] for name, share in figures["detectors"].items()]
        found.append(("stegos told from (SPAM + LDA; 50 % is chance)", ["others, planes", "told"], rows))
    return [*found, _looks_table(figures), _paper_table(figures)]


def _looks_table(figures: dict[str, Any]) -> Table:
    """The paper's Table 1, with a row for the covers and for each mode."""
    own = {"covers": figures["covers"]} | figures["modes"]
    rows = [[name, "-" if f["brisque"] is None else f"{f['brisque']:.2f}"] for name, f in own.items()]
    hint = " (pip install 'stegcli[brisque]')" if figures["covers"]["brisque"] is None else ""
    return ("looks, the paper's Table 1", ["pictures", "BRISQUE, less is better" + hint], [*rows, *PAPER_LOOKS])


def _paper_table(figures: dict[str, Any]) -> Table:
    """Ours in the paper's form, the paper's flow if it was measured, and what the paper reports."""
    own = figures["modes"].get(PAPERS_FORM)
    rows = []
    if own and own["bpp"] is not None:
        told = " / ".join(f"{100 * share:.1f}" for share in figures["told_paper"].values()) or "-"
        rows.append(["ours, 1 bit, gap 0.1", f"{own['bpp']:.2f}", "100.00", f"{100 * own['right']:.2f}", told])
    if "cinn" in figures:
        rows.append(["the paper's flow, trained here", *measure_rivals.row(figures["cinn"])])
    told = "told, by SPAM from innocent ones (q and p / RGB) / from covers; the paper's by CNNs"
    columns = ["the paper's Tables 2 and 3, in %", "bpp", "right, no rounding", "right, rounded", told]
    return ("flows compared", columns, [*rows, *PAPER])


def _modes_table(figures: dict[str, Any]) -> Table:
    columns = ["mode", "bpp", "least", "raw bits right", "PSNR", "|dL*| mean", "most", "covers"]
    rows = []
    for name, f in figures.items():
        if f["bpp"] is None:
            rows.append([name, *["-"] * (len(columns) - 1)])
            continue
        rows.append([
            name, f"{f['bpp']:.2f}", f"{f['least_bpp']:.2f}", f"{100 * f['right']:.2f} %", f"{f['psnr']:.2f}",
            f"{f['lightness']:.2f}", f"{f['most']:.2f}", str(f["covers"]),
        ])  # fmt: skip
    return ("net capacity and quality by mode, message of that size", columns, rows)


def _latents_table(figures: dict[str, float]) -> Table:
    columns = ["stegos", "p < 0.05", "p-values uniform: p"]
    row = [f"{figures['stegos']:.0f}", f"{100 * figures['below_0.05']:.1f} %", f"{figures['uniform']:.3f}"]
    return ("latents against N(0, 1), Kolmogorov-Smirnov", columns, [row])
