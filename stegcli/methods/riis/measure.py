"""What `stego evaluate riis` measures besides: pictures in pictures, through the channels of the paper's tables.

channels   stego and secret, each channel at the quality of the stego that the project aims at; the network's stegos at
           the quality that its weights give; and the secret after a second JPEG of the same quality
rivals     tools of others on the same covers (`rivals`); once, beside the coded form

Tables 3 and 4 of the paper are printed with our rows below. Table 1, the ablation, needs training:
`training/ablate_riis.py`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from stegcli.errors import CapacityError, RevealError
from stegcli.keys.key import Key
from stegcli.method import Asked, Draft, Method, Request, Secret
from stegcli.methods.riis import rivals
from stegcli.methods.riis.options import HideOptions, RevealOptions
from stegcli.pictures import channel, image, metrics
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

if TYPE_CHECKING:
    from stegcli.methods.riis.keyless import RiisNetwork

PAPER = {"png": 46.71, "jpeg:90": 28.71, "jpeg:80": 28.25, "jpeg:40": 27.32, "noise:1": 30.32, "noise:10": 28.22}
"""The paper's PSNR of revealed secrets in dB: Tables 1, 3 and 4. It tells the stego's for clean files alone, 43.97."""
STEGO = {"png": 48.0, "jpeg:90": 42.0, "jpeg:80": 42.0, "jpeg:40": 42.0, "noise:1": 44.0, "noise:5": 40.0,
         "noise:10": 38.0}  # fmt: skip
"""dB of the stego that secrets are measured at, by channel."""
ABLATED = ("noise:10", "jpeg:40", "jpeg:80", "jpeg:90", "png")
TABLE_1 = {
    "RIIS without 2DT": (27.61, 26.77, 27.55, 27.88, 42.91),
    "RIIS without CANP": (27.38, 26.40, 27.28, 27.72, 42.74),
    "RIIS without CEM": (27.82, 26.64, 27.46, 27.96, 43.21),
    "RIIS": (28.08, 27.32, 28.25, 28.71, 44.19),
}
"""The paper's Table 1 without Poisson noise: dB of the secret in ABLATED. `training/ablate_riis.py` ablates ours."""
NOISES_AND_JPEGS = ("noise:10", "noise:1", "jpeg:40", "jpeg:90")
TABLE_3 = {"HiNet": (9.98, 26.93, 11.52, 12.59), "ISN": (8.55, 25.19, 10.11, 11.25),
           "ISN+": (27.12, 28.98, 26.25, 27.48),
           "RIIS*": (28.03, 30.01, 27.18, 28.44), "RIIS": (28.22, 30.32, 27.32, 28.71)}  # fmt: skip
"""The paper's Table 3 without Poisson noise: dB of the secret in NOISES_AND_JPEGS. On DIV2K, not on our pictures."""
TABLE_4 = {"ISN": (42.53, 43.58), "HiNet": (44.16, 46.48), "RIIS": (43.97, 46.71)}
"""The paper's Table 4, one secret: dB of stego and secret, without distortion. On ImageNet."""
LARGEST = 512
"""Side to which covers and secrets are reduced at most."""
Table = tuple[str, list[str], list[list[str]]]


NETWORK = ("png", "jpeg:90", "jpeg:80", "jpeg:40", "noise:10")
"""Channels that the network is measured in."""


def forms(method: Method) -> list[str]:
    return ["compressed"] if method.about.keyed else ["network"]


def parts(
    method: Method, secrets: Sequence[Picture], attacks: Sequence[Channel], size: tuple[int, int] | None, seed: int
) -> dict[str, Callable[[], dict[str, Any]]]:
    """-> name -> what measures it. size: width and height of covers and secrets."""
    squares = [s.pixels if size is None else image.resized(s.pixels, *size) for s in secrets]
    names = STEGO if method.about.keyed else NETWORK
    found: dict[str, Callable[[], dict[str, Any]]] = {
        "channels": lambda: {name: through(method, squares, name, seed) for name in names}
    }
    if method.about.keyed:
        found["rivals"] = lambda: rivals.compared(squares, seed)
    return found


def through(method: Method, squares: Sequence[np.ndarray], name: str, seed: int) -> dict[str, float]:
    """Each picture hidden in the one before it and sent through a channel -> means and the worst.

    A network that hides several pictures hides those that follow as well; figures are of all secrets.

    secret: of those that came back with loss; without_loss: how many others. again: dB of the secret where the
    channel is a JPEG and another of the same quality follows; again_came_back: how many secrets were revealed
    there.
    """
    stegos, revealed, hide_seconds, again = [], [], [], []
    for index in range(len(squares)):
        keyed = method.about.keyed
        keys = (Key("riis", "coded-1", np.random.default_rng([seed, index]).bytes(32)),) if keyed else ()
        options = HideOptions(psnr=STEGO[name]) if keyed else HideOptions("network")
        truth, cover = _hidden_in(method, squares, index), Picture(squares[index - 1])
        secrets = tuple(Secret(image.encode(Picture(s)), Picture(s)) for s in truth)
        request = Request(secrets, keys, cover, channel.parse_survive(name), options)
        start = time.process_time()
        try:
            draft, back = _came_through(method, request)
        except (CapacityError, RevealError):
            continue
        hide_seconds.append(time.process_time() - start)
        stegos.append(metrics.psnr(cover.pixels, draft.picture.pixels))
        revealed += _likeness(truth, back)
        with contextlib.suppress(RevealError):
            again.append(_mean(_likeness(truth, _after_another(method, request, draft))))
    if not stegos:
        return {"of": float(len(squares)), "came_back": 0.0}
    row = {
        "of": float(len(squares)), "came_back": float(len(stegos)), "stego": float(np.mean(stegos)),
        "stego_worst": min(stegos), "secret": _mean(revealed), "secret_worst": min(revealed),
        "without_loss": float(np.isinf(revealed).sum()),
        "seconds": float(np.mean(hide_seconds)),
    }  # fmt: skip
    if name.startswith("jpeg"):
        row |= {"again_came_back": float(len(again))} | ({"again": _mean(again)} if again else {})
    return row


def _hidden_in(method: Method, squares: Sequence[np.ndarray], index: int) -> list[np.ndarray]:
    """The pictures of that index and after it, as many as a stego holds."""
    count = 1 if method.about.keyed else cast("RiisNetwork", method).network.secrets
    return [squares[(index + i) % len(squares)] for i in range(count)]


def _likeness(truth: Sequence[np.ndarray], back: Sequence[Picture]) -> list[float]:
    return [
        metrics.psnr(square, image.resized(one.pixels, square.shape[1], square.shape[0]))
        for square, one in zip(truth, back, strict=True)
    ]


def _mean(dbs: Sequence[float]) -> float:
    """Of the finite ones, if there are any: one picture without loss would make every mean infinite."""
    lossy = [db for db in dbs if np.isfinite(db)]
    return float(np.mean(lossy)) if lossy else float("inf")


def _came_through(method: Method, request: Request) -> tuple[Draft, list[Picture]]:
    """The first draft whose pictures come back through the channel, and these pictures.

    Raises CapacityError, RevealError.
    """
    (survive,) = request.survive
    for draft in method.drafts(request):
        with contextlib.suppress(RevealError):
            return draft, _revealed(method, request, draft, survive.through(draft.picture, np.random.default_rng(0)))
    raise RevealError


def _after_another(method: Method, request: Request, draft: Draft) -> list[Picture]:
    """What is revealed behind a second JPEG of the same quality. Raises RevealError, also for other channels."""
    (survive,) = request.survive
    if survive.kind != "jpeg":
        raise RevealError
    once = survive.through(draft.picture, np.random.default_rng(0))
    return _revealed(method, request, draft, survive.through(once, np.random.default_rng(0)))


def _revealed(method: Method, request: Request, draft: Draft, arrived: Picture) -> list[Picture]:
    revealed = method.reveal(arrived, Asked(request.key_of(0), options=draft.told or RevealOptions()))
    if any(r.picture is None for r in revealed):
        raise RevealError
    return [r.picture for r in revealed if r.picture is not None]


def tables(figures: dict[str, Any]) -> list[Table]:
    """Title, columns, rows."""
    made = []
    if found := figures.get("channels"):
        made = [_of_channels(found), _of_table_1(found), _of_table_3(found), _of_table_4(found)]
    if found := figures.get("rivals"):
        made.append(_of_rivals(found))
    return made


def _of_channels(found: dict[str, dict[str, float]]) -> Table:
    rows = []
    for name, row in found.items():
        cells = [_db(row, k) for k in ("stego", "stego_worst", "secret", "secret_worst")]
        paper = f"{PAPER[name]:.2f}" if name in PAPER else ""
        again = [_db(row, "again"), f"{row['again_came_back']:.0f}" if "again_came_back" in row else ""]
        came = f"{row['came_back']:.0f} of {row['of']:.0f}"
        rows.append([name, came, *cells, paper, *again, f"{row.get('seconds', 0):.1f}"])
    columns = ["channel", "came back", "stego dB", "worst", "secret dB", "worst", "paper", "after another JPEG, dB",
               "came back", "hide s (CPU)"]  # fmt: skip
    return "Pictures of one size in one another, after the file was written and sent", columns, rows


def _of_table_1(found: dict[str, dict[str, float]]) -> Table:
    return "The paper's Table 1: dB of the secret", ["network", *ABLATED], _beside(TABLE_1, found, ABLATED)


def _of_table_3(found: dict[str, dict[str, float]]) -> Table:
    rows = _beside(TABLE_3, found, NOISES_AND_JPEGS)
    return "The paper's Table 3: dB of the secret", ["method", *NOISES_AND_JPEGS], rows


def _beside(
    paper: Mapping[str, Sequence[float]], found: dict[str, dict[str, float]], channels: Sequence[str]
) -> list[list[str]]:
    """The paper's rows, and what was measured in these channels."""
    rows = [[name, *(f"{value:.2f}" for value in values)] for name, values in paper.items()]
    return [*rows, ["ours, on your pictures", *(_db(found.get(name, {}), "secret") for name in channels)]]


def _of_table_4(found: dict[str, dict[str, float]]) -> Table:
    rows = [[name, *(f"{value:.2f}" for value in values)] for name, values in TABLE_4.items()]
    clean = found.get("png", {})
    rows.append(["ours, on your pictures", _db(clean, "stego"), _db(clean, "secret")])
    return "The paper's Table 4, one secret: without distortion", ["method", "stego dB", "secret dB"], rows


def _of_rivals(found: dict[str, dict[str, Any] | None]) -> Table:
    rows = []
    for name, row in found.items():
        if row is None:
            rows.append([name, "not installed", *[""] * (1 + len(rivals.CHANNELS))])
            continue
        cells = [f"{row[c]['exact']} of {row['of']} ({100 * row[c]['right']:.0f} %)" for c in rivals.CHANNELS]
        rows.append([name, f"{row['bits']:.0f}", f"{row['stego']:.2f}", *cells])
    columns = ["tool", "bits", "stego dB", *rivals.CHANNELS]
    return "Tools of others: covers whose bits all came back (share of right bits)", columns, rows


def _db(row: dict[str, float], name: str) -> str:
    return f"{row[name]:.2f}" if name in row else ""
