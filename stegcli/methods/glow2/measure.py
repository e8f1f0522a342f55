"""Further measurements of `stego evaluate glow2`, besides the quality of revealed secrets.

bands     correlation of received latents with those sent
keys      the cascade revealed with a wrong key and with a perturbed one
secrecy   whether stegos are distributed like other draws of G2, and what they leak about secrets without the key
inverse   the robust inverse and the plain one
refiner   the cascade with and without the refiner
glow, udm the paper's generator and its up-and-down sampling, compared with ours
Each is measured if the weights hold the parts that it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stegcli.methods.glow2 import measure_keys, measure_latents, measure_rivals, measure_secrecy
from stegcli.methods.glow2.measure_latents import Sample
from stegcli.methods.glow2.method import Glow2
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

PAPER = {"png": 29.99, "jpeg:90": 27.75, "jpeg:80": 24.14, "jpeg:40": 21.21}
"""The paper's PSNR of revealed secrets in dB, Table IV."""
Table = tuple[str, list[str], list[list[str]]]
"""Title, columns, rows."""


def forms(method: Glow2) -> list[str]:
    """The forms in which a picture travels."""
    return ["compressed"] if method.g1 is None else ["compressed", "cascade"]


def parts(
    method: Glow2, secrets: Sequence[Picture], attacks: Sequence[Channel], size: tuple[int, int] | None, seed: int
) -> dict[str, Callable[[], dict[str, Any]]]:
    """Name -> function that measures it. size: width and height of the stegos."""
    width, height = size or (method.side, method.side)
    sample = Sample(secrets, attacks, height, width, seed)
    found: dict[str, Callable[[], dict[str, Any]]] = {
        "bands": lambda: measure_latents.bands(method.generator(), sample, method.temperature),
        "secrecy": lambda: measure_secrecy.measure(method, sample),
    }
    if method.g1 is not None:
        found["keys"] = lambda: measure_keys.measure(method, sample)
    if method.inverse is not None:
        found["inverse"] = lambda: measure_latents.inverses(method, sample)
    if method.refiner is not None and method.g1 is not None:
        found["refiner"] = lambda: measure_rivals.refiner(method, sample)
    if method.glow is not None:
        found["glow"] = lambda: measure_rivals.glow(method, sample)
    if method.udm is not None and method.g1 is not None:
        found["udm"] = lambda: measure_rivals.udm(method, sample)
    return found


def tables(figures: dict[str, Any]) -> list[Table]:
    """The figures of all measured parts, as tables."""
    drawn = {
        "bands": _bands, "inverse": _inverse, "keys": _keys, "secrecy": _secrecy, "refiner": _refiner, "glow": _glow,
        "udm": _udm,
    }  # fmt: skip
    return [t for name, draw in drawn.items() if name in figures for t in draw(figures[name])]


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _grid(corner: str, figures: dict[str, dict[str, float | None]], digits: int) -> tuple[list[str], list[list[str]]]:
    """Rows of named figures, some without every column -> columns and rows."""
    columns = list(dict.fromkeys(name for row in figures.values() for name in row))
    rows = [[name, *(_number(row.get(c), digits) for c in columns)] for name, row in figures.items()]
    return [corner, *columns], rows


def _bands(figures: dict[str, Any]) -> list[Table]:
    return [("correlation of latents that arrive with those sent", *_grid("attack", figures, 3))]


def _inverse(figures: dict[str, Any]) -> list[Table]:
    return [("bytes by that correlation, by either inverse", *_grid("attack", figures, 0))]


def _refiner(figures: dict[str, Any]) -> list[Table]:
    return [("cascade: PSNR without the refiner and with it, of the same stegos", *_grid("attack", figures, 2))]


def _keys(figures: dict[str, Any]) -> list[Table]:
    title = "cascade: PSNR after noise of that size on the key's pad (paper, Eq. 16: below 12 dB for another key)"
    return [(title, *_grid("attack", figures, 2))]


def _secrecy(figures: dict[str, Any]) -> list[Table]:
    columns = ["form", "stegos", "least KS p", "KS p of these", *LEAK]
    rows = [
        [form, str(row["stegos"]), _number(row["ks_least"], 4), _number(row["ks_of_ks"], 4), *_leak(row)]
        for form, row in figures.items()
    ]
    return [("without the key: are latents normal, and what do they tell of the secret", columns, rows)]


LEAK = ["|corr|", "|corr| sqrt n", "mean picture", "gain by place", "gain as a whole"]


def _leak(row: dict[str, float | None]) -> list[str]:
    names = {"correlation": 4, "scaled_correlation": 2, "mean_psnr": 2, "by_place_gain": 2, "as_whole_gain": 2}
    return [_number(row.get(name), digits) for name, digits in names.items()]


def _glow(figures: dict[str, Any]) -> list[Table]:
    needs = {"secrets": figures["bits_per_dimension"]}
    return [
        ("plain Glow and G2: bits per dimension", *_grid("pictures", needs, 3)),
        ("plain Glow: correlation of latents that arrive with those sent", *_grid("attack", figures["correlation"], 3)),
    ]


def _udm(figures: dict[str, Any]) -> list[Table]:
    columns, rows = _grid("", {"PSNR": figures["psnr"]}, 2)
    return [("the paper's UDM in place of the keyed torus", [*columns, *LEAK], [[*rows[0], *_leak(figures)]])]
