"""Figures of `stego evaluate` -> charts as SVG, by matplotlib (the extra `report`). Equal figures give equal bytes.

A chart is left out if there is nothing to draw: fewer than two points for a curve.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Curve = tuple[str, Sequence[float], Sequence[float]]
"""Name, x, y."""
DETECTORS, ROBUSTNESS, QUALITY = "detectors", "robustness", "quality"
SHARE = (-5.0, 105.0)
"""Bounds of an axis in percent."""
STYLES = ("o-", "s--", "^-.", "v:")
"""Of curves, in turn: there may be more than there are colours."""
SIZE = (6.0, 3.6)
"""Inches."""


@dataclass(frozen=True)
class Chart:
    """section: of the report: DETECTORS, ROBUSTNESS or QUALITY. says: what is on it, for those who do not see it."""

    section: str
    title: str
    svg: bytes
    says: str


def of(result: dict[str, Any]) -> list[Chart]:
    """All charts that a result has the figures for: detectors first, PSNR last."""
    drawn = [_roc(result), *_came_back(result), _quality(result), _payload(result)]
    return [chart for chart in drawn if chart is not None]


def _roc(result: dict[str, Any]) -> Chart | None:
    rows = result.get("detection", {}).get("rows", [])
    curves: list[Curve] = [("chance", [0, 1], [0, 1])]
    for row in rows:
        if row.get("roc"):
            rate = "" if row["rate"] is None else f" at {row['rate']:g} {row['unit']}"
            name = f"{row['scheme']}{rate}, {row['detector']} against {row['against']}"
            curves.append((name, [p[0] for p in row["roc"]], [p[1] for p in row["roc"]]))
    if len(curves) == 1:
        return None
    return _chart(DETECTORS, "ROC: hits of the detectors against false alarms", "false alarms", "hits", curves)


def _came_back(result: dict[str, Any]) -> Iterator[Chart | None]:
    """One chart for each kind of attack."""
    kinds: dict[str, list[Curve]] = {}
    for record in result.get("sweeps", []):
        points = [(strength(s["attack"]), 100 * s["came_back"]) for s in record["steps"]]
        kinds.setdefault(record["attack"].partition(":")[0], []).append((_name(record), *_points(points)))
    for kind, curves in kinds.items():
        title = f"Secrets that come back behind {kind}"
        yield _chart(ROBUSTNESS, title, f"strength of {kind}", "came back, %", _lines(curves), SHARE)


def _quality(result: dict[str, Any]) -> Chart | None:
    """dB of what comes back, against the quality of the JPEG: rows of picture methods, and sweeps."""
    found: dict[str, list[tuple[float | None, float | None]]] = {}
    for row in result["rows"]:
        if str(row.get("attack", "")).startswith("jpeg:"):
            found.setdefault(f"{row['weights']}, {row['form']}", []).append((strength(row["attack"]), row["psnr"]))
    curves = [(name, *_points(points)) for name, points in found.items()]
    for record in result.get("sweeps", []):
        if record["attack"].startswith("jpeg:"):
            points = [(strength(s["attack"]), s["psnr"]) for s in record["steps"]]
            if not any(psnr is not None for _, psnr in points):
                continue
            curves.append((_name(record), *_points(points)))
            stegos = [(strength(s["attack"]), s["stego_psnr"]) for s in record["steps"]]
            curves.append((f"its stego: {_name(record)}", *_points(stegos)))
    return _chart(QUALITY, "PSNR against the quality of the JPEG", "JPEG quality", "PSNR, dB", _lines(curves))


def _payload(result: dict[str, Any]) -> Chart | None:
    rows = [r for r in result["rows"] if r.get("net_bpp") is not None]
    curves: list[Curve] = []
    for name in dict.fromkeys(r["weights"] for r in rows):
        curves.append((name, *_points([(r["net_bpp"], r["psnr"]) for r in rows if r["weights"] == name])))
    for name, field in (("LSB replacement", "lsb_psnr"), ("limit", "limit")):
        curves.append((name, *_points([(r["net_bpp"], r[field]) for r in rows])))
    return _chart(QUALITY, "PSNR of the stego against the payload", "bits per pixel", "PSNR, dB", _lines(curves))


def _name(record: dict[str, Any]) -> str:
    return f"{record['attack']}, {record['payload']}, {record['weights']}"


def strength(attack: str) -> float | None:
    """`jpeg:90` -> 90; None for an attack without a number."""
    found = re.fullmatch(r"\w+:(\d+(?:\.\d+)?)", attack)
    return float(found[1]) if found else None


def _points(points: Sequence[tuple[float | None, float | None]]) -> tuple[list[float], list[float]]:
    """Those that are whole, from left to right."""
    whole = sorted({(x, y) for x, y in points if x is not None and y is not None})
    return [x for x, _ in whole], [y for _, y in whole]


def _lines(curves: Sequence[Curve]) -> list[Curve]:
    return [curve for curve in curves if len(curve[1]) > 1]


def _chart(
    section: str, title: str, x: str, y: str, curves: Sequence[Curve], span: tuple[float, float] | None = None
) -> Chart | None:
    if not curves:
        return None
    says = f"{title}. " + " ".join(_said(curve, x, y) for curve in curves)
    return Chart(section, title, _svg(x, y, curves, span), says)


def _said(curve: Curve, x: str, y: str) -> str:
    name, xs, ys = curve
    return f"{name}: from {ys[0]:.3g} ({y}) at {xs[0]:.3g} ({x}) to {ys[-1]:.3g} at {xs[-1]:.3g}."


def _svg(x: str, y: str, curves: Sequence[Curve], span: tuple[float, float] | None) -> bytes:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "stego", "font.family": "sans-serif"}):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
        for index, (name, xs, ys) in enumerate(curves):
            axes.plot(xs, ys, STYLES[index % len(STYLES)], label=name, linewidth=1.2, markersize=3)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        if span is not None:
            axes.set_ylim(*span)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="x-small", loc="best")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawn = buffer.getvalue()
    return drawn[drawn.index(b"<svg") :]  # without the prologue, which names a DTD on another machine
