"""What `stego evaluate cs-fnns` measures besides how well secrets come back.

receivers   2 to 4 of them: what each gets
strangers   what other keys read of a stego, forced to take the right descriptor for theirs
covers      what comes back if the receiver's cover differs by one grey level here and there
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stegcli.keys.key import Key
from stegcli.method import Asked, Draft, Request, Secret
from stegcli.methods.cs_fnns.method import CsFnns
from stegcli.methods.cs_fnns.options import HideOptions, RevealOptions
from stegcli.methods.cs_fnns.sought import Opened, decoded
from stegcli.nn.tensors import to_levels, to_pixels
from stegcli.pictures import image, metrics
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

PAPER = {"png": 33.01, "jpeg:90": 29.2}
"""The paper's PSNR of revealed secrets in dB, after a denoiser: Table 2, stego at 41.9 dB; JPEG, stego at 24.8 dB."""
PAPER_RECEIVERS = {2: 31.4, 3: 28.4, 4: 25.0}
"""The same for several receivers, Table 4."""
SHARES = (0.0, 0.001, 0.01, 0.1)
"""Of a cover's samples that differ by one level."""
BLOCK = 8
Table = tuple[str, list[str], list[list[str]]]


def forms(method: CsFnns) -> list[str]:
    return ["picture"]


def parts(
    method: CsFnns, secrets: Sequence[Picture], attacks: Sequence[Channel], size: tuple[int, int] | None, seed: int
) -> dict[str, Callable[[], dict[str, Any]]]:
    """-> name -> what measures it. size: width and height of the stegos."""
    options = HideOptions(size=size)
    hidden = [Secret(b"", s) for s in secrets]
    return {
        "receivers": lambda: receivers(method, hidden, options, seed),
        "strangers": lambda: strangers(method, hidden, options, seed),
        "covers": lambda: covers(method, hidden, options, seed),
    }


def group(seed: int, index: int, count: int) -> list[Key]:
    """Keys that draw the same cover."""
    secret = np.random.default_rng([seed, index]).bytes
    first = Key("cs-fnns", "measured", secret(32))
    return [first, *(replace(first, secret=secret(32), group=first.cover_secret()) for _ in range(count - 1))]


def receivers(method: CsFnns, secrets: Sequence[Secret], options: HideOptions, seed: int) -> dict[str, Any]:
    """Number of receivers -> PSNR of stego and secrets, the least of these."""
    found = {}
    for count in (2, 3, 4):
        psnrs, stegos = [], []
        for index in range(len(secrets)):
            hidden, held = [secrets[(index + j) % len(secrets)] for j in range(count)], group(seed, index, count)
            made = _made(method, hidden, held, options)
            assert made.cover is not None
            stegos.append(metrics.psnr(made.cover.pixels, made.picture.pixels))
            psnrs += [_psnr(s, _read(method, made, k)) for s, k in zip(hidden, held, strict=True)]
        found[str(count)] = {"stego": float(np.mean(stegos)), "secret": float(np.mean(psnrs)), "least": min(psnrs)}
    return found


def _made(method: CsFnns, secrets: Sequence[Secret], held: Sequence[Key], options: HideOptions) -> Draft:
    return next(method.drafts(Request(tuple(secrets), tuple(held), options=options)))


def _read(method: CsFnns, made: Draft, key: Key) -> np.ndarray:
    """What a receiver gets of the file, at its own size."""
    (revealed,) = method.reveal(image.decode(image.encode(made.picture)), Asked(key, options=RevealOptions()))
    assert revealed.picture is not None
    return revealed.picture.pixels


def _psnr(secret: Secret, back: np.ndarray) -> float:
    assert secret.picture is not None
    return metrics.psnr(image.resized(secret.picture.pixels, back.shape[1], back.shape[0]), back)


def strangers(method: CsFnns, secrets: Sequence[Secret], options: HideOptions, seed: int) -> dict[str, Any]:
    """Keys that must not read it -> PSNR and absolute correlations with the secret, means."""
    read: dict[str, list[tuple[float, float, float]]] = {"another receiver's key": [], "a key of its own cover": []}
    for index, secret in enumerate(secrets):
        key, other = group(seed, index, 2)
        made = _made(method, [secret], [key], options)
        found = method.opened(made.picture, key, RevealOptions())
        stranger = Key("cs-fnns", "measured", np.random.default_rng([seed, index, 1]).bytes(32))
        stego = made.picture
        drawn = method.ground(options.drawn, stranger, 0, stego.height, stego.width).cover(0.0).pixels
        elsewhere = replace(found, perturbation=to_levels(stego.pixels) - to_levels(drawn))
        read["another receiver's key"].append(_alike(secret, found, other))
        read["a key of its own cover"].append(_alike(secret, elsewhere, stranger))
    return {name: _means(values) for name, values in read.items()}


def _means(values: list[tuple[float, float, float]]) -> dict[str, float]:
    """By chance alone correlations of n numbers are 0.8 / sqrt(n) on the mean: 0.05 for the activity of 256 blocks."""
    psnr, correlation, activity = np.abs(np.array(values)).mean(0).tolist()
    return {"psnr": psnr, "correlation": correlation, "activity": activity}


def _alike(secret: Secret, found: Opened, key: Key) -> tuple[float, float, float]:
    """What a key makes of a perturbation -> PSNR, correlation with the secret, and of where both are busy."""
    back = _picture(found, key)
    assert secret.picture is not None
    truth = image.resized(secret.picture.pixels, back.shape[1], back.shape[0])
    return metrics.psnr(truth, back), _correlation(truth, back), _correlation(_activity(truth), _activity(back))


def _picture(found: Opened, key: Key) -> np.ndarray:
    return to_pixels(decoded(found.told, found.perturbation, key, found.number).clamp(0, 1))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.reshape(-1).astype(float), other.reshape(-1).astype(float))[0, 1])


def _activity(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> standard deviation of each 8x8 block's mean of colours: where a picture has outlines."""
    grey = pixels.mean(2)
    blocks = grey.reshape(grey.shape[0] // BLOCK, BLOCK, grey.shape[1] // BLOCK, BLOCK)
    deviations: np.ndarray = blocks.std(axis=(1, 3))
    return deviations


def covers(method: CsFnns, secrets: Sequence[Secret], options: HideOptions, seed: int) -> dict[str, Any]:
    """Share of samples that differ by one level -> mean PSNR of what comes back."""
    found: dict[str, list[float]] = {f"{100 * s:g} %": [] for s in SHARES}
    for index, secret in enumerate(secrets):
        (key,) = group(seed, index, 1)
        opened = method.opened(_made(method, [secret], [key], options).picture, key, RevealOptions())
        for share, psnrs in zip(SHARES, found.values(), strict=True):
            rng = np.random.default_rng([seed, index])
            error = (rng.integers(0, 2, opened.cover.pixels.shape) * 2 - 1) * (
                rng.random(opened.cover.pixels.shape) < share
            )
            moved = replace(opened, perturbation=opened.perturbation - to_levels(error))
            psnrs.append(_psnr(secret, _picture(moved, key)))
    return {name: float(np.mean(psnrs)) for name, psnrs in found.items()}


# -- for people


def tables(figures: dict[str, Any]) -> list[Table]:
    drawn = {"receivers": _receivers, "strangers": _strangers, "covers": _covers}
    return [draw(figures[name]) for name, draw in drawn.items() if name in figures]


def _receivers(figures: dict[str, Any]) -> Table:
    columns = ["receivers", "stego dB", "secret dB", "least", "paper"]
    rows = [
        [n, *(f"{row[c]:.2f}" for c in ("stego", "secret", "least")), f"{PAPER_RECEIVERS[int(n)]:.1f}"]
        for n, row in figures.items()
    ]
    return "several receivers", columns, rows


def _strangers(figures: dict[str, Any]) -> Table:
    columns = ["read with", "PSNR", "|correlation|", "of activity"]
    rows = [
        [name, f"{r['psnr']:.2f}", f"{r['correlation']:.3f}", f"{r['activity']:.3f}"] for name, r in figures.items()
    ]
    return "other keys, forced to read", columns, rows


def _covers(figures: dict[str, Any]) -> Table:
    return (
        "samples of the receiver's cover that differ by one level",
        list(figures),
        [[f"{p:.2f}" for p in figures.values()]],
    )
