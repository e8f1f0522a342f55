"""Measures a bit method on real pictures, next to plain LSB replacement at the same payload and the PSNR limit.

Every figure comes from files: the stego is encoded, decoded and revealed, as by a receiver. A method's own `measure`
module may add measurements:
    parts(method, covers, seed, options)   name -> function that measures it
    tables(figures)                        title, columns, rows
    alone(options)                         whether only these are to be measured (optional)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from stegcli import api, methods, weights
from stegcli.data import load_pictures
from stegcli.detectors.schemes import lsb_replacement
from stegcli.errors import CapacityError, FileError, RevealError, StegoError, UsageError
from stegcli.keys.key import Key
from stegcli.measuring import running
from stegcli.measuring.running import Run
from stegcli.method import Asked, Method, Request, Secret
from stegcli.pictures import channel, image, metrics
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

COLUMNS = [
    "weights", "payload", "net bpp", "raw bpp", "PSNR", "worst", "LSB", "limit", "SSIM", "LSB",
    "bits right before code", "exact", "hide s", "reveal s",
]  # fmt: skip
DEFAULT_PAYLOADS = (0.1, 1.0, float("inf"))
TOLERANCE = 0.05  # dB; smaller differences count as equal


@dataclass(frozen=True)
class Trial:
    """One payload in one cover."""

    net_bpp: float
    raw_bpp: float
    psnr: float
    ssim: float
    lsb_psnr: float
    lsb_ssim: float
    limit: float
    accuracy: float
    exact: bool
    hide_seconds: float
    reveal_seconds: float
    survived: dict[str, bool]


def evaluate(
    method: str, covers: Path, *, weights: list[str] | None = None, payloads: list[float] | None = None,
    attacks: list[str] | None = None, limit: int | None = None, size: tuple[int, int] | None = None,
    seed: int = 0, device: str = "auto", options: Any = None, run: Run = running.here,
    tick: Callable[[float, float], None] = lambda done, left: None,
) -> dict[str, Any]:  # fmt: skip
    """Hide random payloads (bits per pixel; inf is the capacity) in every cover with every set of weights.

    size: (width, height) to which covers are cropped at the centre. options: an instance of `about.evaluate`, None for
    the defaults. run: runs the trials of a row. Returns means over covers, ready for JSON.
    """
    channels = [channel.parse(a) for a in attacks or []]
    pictures = load_pictures(covers, limit, "cover", lambda p: cut(p, size))
    options = methods.about(method).evaluate() if options is None else options
    special = methods.module(method, "measure") if methods.has_module(method, "measure") else None
    alone = special is not None and hasattr(special, "alone") and special.alone(options)
    if alone and (payloads or attacks):
        raise UsageError("payloads and attacks mean nothing to what these options measure", "leave them out")
    names = weights or (["default"] if alone else _all_weights(method))
    plan = [] if alone else [(w, p) for w in names for p in payloads or DEFAULT_PAYLOADS]
    rows, measured, started = [], {}, time.monotonic()
    for i, (name, bpp) in enumerate(plan):
        _bit_method(method, name, device)
        trials = []
        jobs = [
            partial(_trial_of, (method, name, device), cover, bpp, channels, (seed, i, j))
            for j, cover in enumerate(pictures)
        ]
        for trial in run(jobs):
            trials.append(trial)
            done = (i * len(pictures) + len(trials)) / (len(plan) * len(pictures))
            tick(done, (time.monotonic() - started) * (1 - done) / done)
        rows.append({"weights": name, "payload_bpp": None if np.isinf(bpp) else bpp} | _means(trials))
    if special is not None:
        for name in dict.fromkeys(names):
            parts = special.parts(_bit_method(method, name, device), pictures, seed, options)
            measured[name] = {part: measure() for part, measure in parts.items()}
    return {"method": method, "covers": len(pictures), "rows": rows, "measured": measured}


def rows(result: dict[str, Any]) -> list[list[str]]:
    """The table of a result, under COLUMNS."""
    return [_row(r) for r in result["rows"]]


def tables(result: dict[str, Any]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, columns and rows of the method's own measurements."""
    found = []
    for name, figures in result["measured"].items():
        special = methods.module(result["method"], "measure")
        found += [(f"{name}: {title}", columns, rows) for title, columns, rows in special.tables(figures)]
    return found


def verdicts(result: dict[str, Any]) -> list[str]:
    """One sentence per row: the comparison with plain LSB replacement."""
    return [_verdict(r) for r in result["rows"] if r["psnr"] is not None]


def _all_weights(method: str) -> list[str]:
    return [e.name for e in weights.entries(method)]


def _bit_method(method: str, name: str, device: str) -> Method:
    about = methods.about(method)
    if "bytes" not in about.carries or about.cover != "given":
        raise UsageError(f"{method} carries pictures")
    return running.loaded(method, name, device)


def cut(picture: Picture, size: tuple[int, int] | None) -> Picture:
    """The middle of a picture, of that width and height; all of it for None. Raises FileError if it is smaller."""
    if size is None:
        return picture
    width, height = size
    if picture.width < width or picture.height < height:
        raise FileError(f"a cover is smaller than {width}x{height}")
    top, left = (picture.height - height) // 2, (picture.width - width) // 2
    middle = (slice(top, top + height), slice(left, left + width))
    # Its file holds the whole picture, so a JPEG that was cut is hidden in as pixels.
    return replace(picture, pixels=np.ascontiguousarray(picture.pixels[middle]), alpha=None, source=None)


def format_for(method: Method, cover: Picture) -> str:
    """The format of the stego: a JPEG cover stays a JPEG where the method keeps it one."""
    return "JPEG" if method.about.keeps_jpeg and cover.source is not None else "PNG"


def _trial_of(
    where: tuple[str, str, str], cover: Picture, bpp: float, channels: list[Channel], seed: tuple[int, ...]
) -> Trial | StegoError:
    """The same in any process. where: method, weights and device."""
    method, name, _ = where
    key = Key(method, name, bytes(32))
    return _trial(running.loaded(*where), cover, key, bpp, channels, np.random.default_rng(seed))


def _trial(
    method: Method, cover: Picture, key: Key, bpp: float, channels: list[Channel], rng: np.random.Generator
) -> Trial | StegoError:
    pixels = cover.width * cover.height
    empty = Request(cover=cover, options=method.about.hide(), format=format_for(method, cover))
    room = method.capacity(empty)
    data = rng.bytes(room if np.isinf(bpp) else min(room, int(bpp * pixels / 8)))
    started = time.monotonic()
    try:
        hidden = api.hide(replace(empty, secrets=(Secret(data),), keys=(key,)), method)
    except CapacityError as error:
        return error
    hid = time.monotonic()
    exact = _revealed(hidden.file, key, method) == data
    revealed = time.monotonic()
    stego, net = hidden.picture.pixels, 8 * len(data) / pixels
    plain = lsb_replacement(cover.pixels, 8 * len(data), rng)
    return Trial(
        net, hidden.draft.measured["coded_bits"] / pixels,
        metrics.psnr(cover.pixels, stego), metrics.ssim(cover.pixels, stego),
        metrics.psnr(cover.pixels, plain), metrics.ssim(cover.pixels, plain), metrics.psnr_limit(net),
        1 - hidden.draft.measured["wrong_bits"], exact, hid - started, revealed - hid,
        {str(c): _survives(c, hidden.picture, data, key, method, rng) for c in channels},
    )  # fmt: skip


def _revealed(file: bytes, key: Key, method: Method) -> bytes | None:
    try:
        (revealed,) = api.reveal(image.decode(file), method, Asked(key, options=method.about.reveal()))
    except RevealError:
        return None
    return revealed.data


def _survives(attack: Channel, stego: Picture, data: bytes, key: Key, method: Method, rng: np.random.Generator) -> bool:
    return _revealed(attack.file(stego, rng), key, method) == data


def _means(trials: list[Trial | StegoError]) -> dict[str, Any]:
    good = [t for t in trials if isinstance(t, Trial)]
    names = ["net_bpp", "raw_bpp", "psnr", "ssim", "lsb_psnr", "lsb_ssim", "limit", "accuracy"]
    names += ["hide_seconds", "reveal_seconds"]
    means: dict[str, Any] = {n: float(np.mean([getattr(t, n) for t in good])) if good else None for n in names}
    means["worst_psnr"] = min((t.psnr for t in good), default=None)
    means["exact"] = sum(t.exact for t in good) / len(trials)
    means["refused"] = len(trials) - len(good)
    means["attacks"] = {a: sum(t.survived[a] for t in good) / len(trials) for a in (good[0].survived if good else {})}
    return means


def _row(row: dict[str, Any]) -> list[str]:
    payload = "capacity" if row["payload_bpp"] is None else f"{row['payload_bpp']:g} bpp"
    if row["psnr"] is None:
        return [row["weights"], payload, *["refused"] * (len(COLUMNS) - 2)]
    exact = f"{100 * row['exact']:.1f} %" + "".join(f", {a} {100 * v:.0f} %" for a, v in row["attacks"].items())
    return [
        row["weights"], payload, f"{row['net_bpp']:.4f}", f"{row['raw_bpp']:.4f}",
        *(f"{row[n]:.2f}" for n in ("psnr", "worst_psnr", "lsb_psnr", "limit")),
        f"{row['ssim']:.5f}", f"{row['lsb_ssim']:.5f}", f"{100 * row['accuracy']:.3f} %", exact,
        f"{row['hide_seconds']:.2f}", f"{row['reveal_seconds']:.2f}",
    ]  # fmt: skip


def _verdict(row: dict[str, Any]) -> str:
    gain = row["psnr"] - row["lsb_psnr"]
    what = f"{row['weights']} at {row['net_bpp']:.3f} bpp"
    if abs(gain) <= TOLERANCE:
        return f"{what}: even with plain LSB replacement"
    winner = "beats plain LSB replacement" if gain > 0 else "LOSES to plain LSB replacement"
    return f"{what}: {winner} by {abs(gain):.2f} dB; {row['limit'] - row['psnr']:.2f} dB below the limit"
