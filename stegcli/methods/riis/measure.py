"""What `stego evaluate riis` measures besides: pictures in pictures, through the channels of the paper's tables.

channels   stego and secret, each channel at the quality of the stego that the project aims at; the network's stegos at
           the quality that its weights give
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stegcli.errors import CapacityError, RevealError
from stegcli.keys.key import Key
from stegcli.method import Asked, Draft, Method, Request, Secret
from stegcli.methods.riis.options import HideOptions, RevealOptions
from stegcli.pictures import channel, image, metrics
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

PAPER = {"png": 46.71, "jpeg:90": 28.71, "jpeg:80": 28.25, "jpeg:40": 27.32, "noise:1": 30.32, "noise:10": 28.22}
"""The paper's PSNR of revealed secrets in dB: Tables 1, 3 and 4. It tells the stego's for clean files alone, 43.97."""
STEGO = {"png": 48.0, "jpeg:90": 42.0, "jpeg:80": 42.0, "jpeg:40": 42.0, "noise:1": 44.0, "noise:5": 40.0,
         "noise:10": 38.0}  # fmt: skip
"""dB of the stego that secrets are measured at, by channel."""
SIDE = 512
Table = tuple[str, list[str], list[list[str]]]


NETWORK = ("png", "jpeg:90", "jpeg:80", "jpeg:40", "noise:10")
"""Channels that the network is measured in."""


def forms(method: Method) -> list[str]:
    return ["compressed"] if method.about.keyed else ["network"]


def parts(
    method: Method, secrets: Sequence[Picture], attacks: Sequence[Channel], size: tuple[int, int] | None, seed: int
) -> dict[str, Callable[[], dict[str, Any]]]:
    """-> name -> what measures it. size: width and height of covers and secrets."""
    squares = [image.resized(s.pixels, *(size or (SIDE, SIDE))) for s in secrets]
    names = STEGO if method.about.keyed else NETWORK
    return {"channels": lambda: {name: through(method, squares, name, seed) for name in names}}


def through(method: Method, squares: Sequence[np.ndarray], name: str, seed: int) -> dict[str, float]:
    """Each picture hidden in the one before it and sent through a channel -> means and the worst."""
    stegos, revealed, hide_seconds = [], [], []
    for index, square in enumerate(squares):
        keyed = method.about.keyed
        keys = (Key("riis", "coded-1", np.random.default_rng([seed, index]).bytes(32)),) if keyed else ()
        options = HideOptions(psnr=STEGO[name]) if keyed else HideOptions("network")
        secret, cover = Picture(square), Picture(squares[index - 1])
        request = Request((Secret(image.encode(secret), secret),), keys, cover, channel.parse_survive(name), options)
        start = time.process_time()
        try:
            draft, back = _came_through(method, request)
        except (CapacityError, RevealError):
            continue
        hide_seconds.append(time.process_time() - start)
        stegos.append(metrics.psnr(cover.pixels, draft.picture.pixels))
        revealed.append(metrics.psnr(square, image.resized(back.pixels, square.shape[1], square.shape[0])))
    if not stegos:
        return {"of": float(len(squares)), "came_back": 0.0}
    return {
        "of": float(len(squares)), "came_back": float(len(stegos)), "stego": float(np.mean(stegos)),
        "stego_worst": min(stegos), "secret": float(np.mean(revealed)), "secret_worst": min(revealed),
        "seconds": float(np.mean(hide_seconds)),
    }  # fmt: skip


def _came_through(method: Method, request: Request) -> tuple[Draft, Picture]:
    """The first draft whose picture comes back through the channel, and that picture.

    Raises CapacityError, RevealError.
    """
    (survive,) = request.survive
    for draft in method.drafts(request):
        arrived = survive.through(draft.picture, np.random.default_rng(0))
        with contextlib.suppress(RevealError):
            (revealed,) = method.reveal(arrived, Asked(request.key_of(0), options=RevealOptions()))
            if revealed.picture is not None:
                return draft, revealed.picture
    raise RevealError


def tables(figures: dict[str, Any]) -> list[Table]:
    """Title, columns, rows."""
    found = figures.get("channels")
    if not found:
        return []
    rows = []
    for name, row in found.items():
        cells = [f"{row[k]:.2f}" if k in row else "" for k in ("stego", "stego_worst", "secret", "secret_worst")]
        paper = f"{PAPER[name]:.2f}" if name in PAPER else ""
        rows.append([name, f"{row['came_back']:.0f} of {row['of']:.0f}", *cells, paper, f"{row.get('seconds', 0):.1f}"])
    columns = ["channel", "came back", "stego dB", "worst", "secret dB", "worst", "paper", "hide s (CPU)"]
    return [("Pictures of one size in one another, after the file was written and sent", columns, rows)]
