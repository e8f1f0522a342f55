"""Measures how well a method transmits pictures.

Every figure comes from files: the stego is encoded, attacked, decoded and revealed, as on the way to a receiver. A
method's own `measure` module adds measurements:
    PAPER, forms(method)                          the paper's PSNR by attack; forms in which a picture travels
    parts(method, secrets, attacks, size, seed)   name -> function that measures it
    tables(figures)                               title, columns, rows
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from stegcli import api, methods, weights
from stegcli.data import load_pictures
from stegcli.errors import CapacityError, RevealError, UsageError
from stegcli.keys.key import Key
from stegcli.measuring import running
from stegcli.measuring.running import Run
from stegcli.method import Asked, Method, Request, Secret
from stegcli.nn.inference import inference
from stegcli.options import flags
from stegcli.pictures import channel, image, metrics
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

SIDE = 128
"""Side of every secret in pixels, as in the paper of glow2, unless the method's `measure` has another LARGEST."""
ATTACKS = ("png", "jpeg:90", "jpeg:80", "jpeg:40")
COLUMNS = [
    "weights", "attack", "form", "capacity", "sent", "came back", "PSNR", "worst", "paper", "SSIM", "worst", "hide s",
    "reveal s",
]  # fmt: skip
COVER_COLUMN = "cover PSNR"
"""The last column, for methods whose stegos have a cover."""
Tick = Callable[[float, float], None]


@dataclass(frozen=True)
class Trial:
    """One revealed secret. psnr: inf if nothing was lost. sent: number of bytes, None for a picture's latents.
    cover_psnr: of the stego to its cover, None without a cover."""

    psnr: float
    ssim: float
    sent: int | None
    hide_seconds: float
    reveal_seconds: float
    cover_psnr: float | None = None


def evaluate(
    method: str, secrets: Path, *, weights: list[str] | None = None, attacks: list[str] | None = None,
    limit: int | None = None, size: tuple[int, int] | None = None, seed: int = 0, device: str = "auto",
    options: Any = None, run: Run = running.here, tick: Tick = lambda done, left: None,
) -> dict[str, Any]:  # fmt: skip
    """Hide every secret in every form, for every attack, with all weights; and run the method's own measurements.

    attacks: in addition to png. size: (width, height) of the stegos. options: an instance of `about.evaluate`; no
    picture method has options yet. run: runs the trials of a row. Returns means over secrets, ready for JSON.
    """
    channels = list(dict.fromkeys(channel.parse(a) for a in (["png", *attacks] if attacks else ATTACKS)))
    loaded = {name: _picture_method(method, name, device) for name in weights or _all_weights(method)}
    for one, attack in itertools.product(loaded.values(), channels):
        if one.about.cover != "given":
            one.capacity(_request(one, attack, "auto", size))  # impossible requests fail before any work
    cut = functools.partial(square, largest=getattr(_special(method), "LARGEST", None))
    pictures = load_pictures(secrets, limit, "secret", cut)
    benches = {n: _Bench(one, n, pictures, channels, size, seed, device, run) for n, one in loaded.items()}
    progress = _Progress(sum(b.steps for b in benches.values()), tick)
    rows = [row for bench in benches.values() for row in bench.rows(progress)]
    measured = {name: bench.measured(progress) for name, bench in benches.items()}
    side = max(p.width for p in pictures)
    return {"method": method, "secrets": len(pictures), "side": side, "rows": rows, "measured": measured}


def tables(result: dict[str, Any]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, columns and rows of each table of a result."""
    side = result["side"]
    title = f"{result['method']}: {result['secrets']} secrets of {side}x{side}, means of those that came back"
    columns, rows = COLUMNS, [_row(r) for r in result["rows"]]
    if any(r["cover_psnr"] is not None for r in result["rows"]):
        columns = [*COLUMNS, COVER_COLUMN]
        rows = [[*row, _number(r["cover_psnr"], 2)] for row, r in zip(rows, result["rows"], strict=True)]
    found = [(title, columns, rows)]
    for name, figures in result["measured"].items():
        found += [(f"{name}: {t}", columns, rows) for t, columns, rows in _special(result["method"]).tables(figures)]
    return found


def _special(method: str) -> ModuleType:
    """The method's own `measure` module."""
    return methods.module(method, "measure")


def _all_weights(method: str) -> list[str]:
    return [e.name for e in weights.entries(method)]


def _picture_method(method: str, name: str, device: str) -> Method:
    if "picture" not in methods.about(method).carries:
        raise UsageError(f"{method} carries bits")
    return running.loaded(method, name, device)


def _request(method: Method, attack: Channel, form: str, size: tuple[int, int] | None) -> Request:
    """The request for one row: the form of the secret, and the channel to survive."""
    sized = {"size": size} if "size" in flags(method.about.hide) else {}
    return Request(survive=(attack,), options=method.about.hide(travel=form, **sized))


def square(picture: Picture, largest: int | None = None) -> Picture:
    """The largest square in the middle of a picture, resized to SIDE x SIDE; with `largest` reduced to that and never
    enlarged, since enlarged photos are smoother than others and compress too well."""
    side = min(picture.height, picture.width)
    top, left = (picture.height - side) // 2, (picture.width - side) // 2
    wanted = SIDE if largest is None else min(largest, side)
    return Picture(image.resized(picture.pixels[top : top + side, left : left + side], wanted, wanted))


class _Progress:
    """Counts steps and reports them to `tick`."""

    def __init__(self, steps: int, tick: Tick):
        self.steps, self.done, self.tick, self.started = steps, 0, tick, time.monotonic()

    def step(self) -> None:
        self.done += 1
        share = self.done / self.steps
        self.tick(share, (time.monotonic() - self.started) * (1 - share) / share)


class _Bench:
    """One set of weights, and everything needed to measure it."""

    def __init__(
        self, method: Method, name: str, secrets: list[Picture], attacks: list[Channel],
        size: tuple[int, int] | None, seed: int, device: str, run: Run,
    ):  # fmt: skip
        self.where, self.run = (method.name, name, device), run
        self.method, self.name, self.secrets, self.attacks = method, name, secrets, attacks
        self.size, self.seed = size, seed
        special = _special(method.name)
        self.plan = list(itertools.product(attacks, special.forms(method)))
        self.parts: dict[str, Callable[[], dict[str, Any]]] = special.parts(method, secrets, attacks, size, seed)
        self.paper: dict[str, float] = special.PAPER

    @property
    def steps(self) -> int:
        return len(self.plan) * len(self.secrets) + len(self.parts)

    def rows(self, progress: _Progress) -> list[dict[str, Any]]:
        """The quality of the revealed secrets: one row for each attack and form."""
        return [self._figures(attack, form, progress) for attack, form in self.plan]

    def measured(self, progress: _Progress) -> dict[str, Any]:
        """The method's own measurements."""
        found = {}
        with inference():
            for name, part in self.parts.items():
                found[name] = _finite(part())
                progress.step()
        return found

    def _figures(self, attack: Channel, form: str, progress: _Progress) -> dict[str, Any]:
        request = _request(self.method, attack, form, self.size)
        trials: list[Trial | None] = []
        jobs = []
        for index, secret in enumerate(self.secrets):
            rng = np.random.default_rng([self.seed, index])
            keys = (Key(self.method.name, self.name, rng.bytes(32)),) if self.method.about.keyed else ()
            request = replace(request, cover=self._cover(index), keys=keys)
            jobs.append(functools.partial(_trial_of, self.where, secret, request, rng))
        for trial in self.run(jobs):
            trials.append(trial)
            progress.step()
        named = {"weights": self.name, "attack": str(attack), "form": form}
        room = max(0, self.method.capacity(request))
        return named | {"capacity_bytes": room, "paper_psnr": self.paper.get(str(attack))} | _means(trials)

    def _cover(self, index: int) -> Picture | None:
        """The cover of a secret, for a method that is given one: the secret before it, of the stegos' size."""
        if self.method.about.cover != "given":
            return None
        before = self.secrets[index - 1]
        return before if self.size is None else Picture(image.resized(before.pixels, *self.size))


def _trial_of(where: tuple[str, str, str], secret: Picture, request: Request, rng: np.random.Generator) -> Trial | None:
    """The same in any process. where: method, weights and device."""
    return _trial(running.loaded(*where), secret, request, rng)


def _trial(method: Method, secret: Picture, request: Request, rng: np.random.Generator) -> Trial | None:
    """Hide, attack and reveal one secret. None if it did not come back; bytes must come back completely."""
    started = time.monotonic()
    try:
        hidden = api.hide(replace(request, secrets=(Secret(image.encode(secret), secret),)), method)
        hid = time.monotonic()
        arrived = request.harshest.through(hidden.picture, rng)
        told = hidden.draft.told if hidden.draft.told is not None else method.about.reveal()
        (revealed,) = api.reveal(arrived, method, Asked(request.key_of(0), options=told))
    except (CapacityError, RevealError):
        return None
    seconds = time.monotonic() - hid
    if revealed.picture is None:
        return None
    back = image.resized(revealed.picture.pixels, secret.width, secret.height)  # the revealed picture may be smaller
    psnr, sent = metrics.psnr(secret.pixels, back), hidden.draft.exact[0]
    if sent is not None and (revealed.data != sent or psnr != hidden.psnrs[0]):
        return None
    ssim = metrics.ssim(secret.pixels, back)
    return Trial(psnr, ssim, None if sent is None else len(sent), hid - started, seconds, hidden.cover_psnr)


def _means(trials: list[Trial | None]) -> dict[str, Any]:
    good = [t for t in trials if t is not None]
    psnrs = [t.psnr for t in good if np.isfinite(t.psnr)]
    return {
        "came_back": len(good) / len(trials),
        "without_loss": (len(good) - len(psnrs)) / len(trials),
        "psnr": _mean(psnrs),
        "worst_psnr": min(psnrs, default=None),
        "ssim": _mean([t.ssim for t in good]),
        "worst_ssim": min((t.ssim for t in good), default=None),
        "cover_psnr": _mean([t.cover_psnr for t in good if t.cover_psnr is not None and np.isfinite(t.cover_psnr)]),
        "sent_bytes": _mean([t.sent for t in good if t.sent is not None]),
        "hide_seconds": _mean([t.hide_seconds for t in good]),
        "reveal_seconds": _mean([t.reveal_seconds for t in good]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _finite(value: Any) -> Any:
    """Nested figures -> the same with None for NaN and infinity, which JSON lacks."""
    if isinstance(value, dict):
        return {name: _finite(v) for name, v in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _row(row: dict[str, Any]) -> list[str]:
    digits = {"psnr": 2, "worst_psnr": 2, "paper_psnr": 2, "ssim": 4, "worst_ssim": 4, "hide_seconds": 2,
              "reveal_seconds": 2}  # fmt: skip
    return [
        row["weights"], row["attack"], row["form"], str(row["capacity_bytes"]), _number(row["sent_bytes"], 0),
        f"{100 * row['came_back']:.0f} %", *(_number(row[name], n) for name, n in digits.items()),
    ]  # fmt: skip


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
