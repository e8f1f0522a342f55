"""`result["detection"]` -> tables for people: title, columns, rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Table = tuple[str, list[str], list[list[str]]]


def tables(found: Mapping[str, Any]) -> list[Table]:
    title = (
        f"told apart, chance 50 %: {found['covers']} pairs, {found['learn']} learnt from, {found['test']} judged, "
        f"seed {found['seed']}"
    )
    made = [(title, ["scheme", "payload", "channel", "against", "detector", "right", "95 % interval", "ROC area",
                     "P_E", "PSNR"], [_row(r) for r in found["rows"]])]  # fmt: skip
    if found["leaked"]:
        rows = [[r["scheme"], _rate(r), r["detector"], str(r["learnt"]), _percent(r["accuracy"])] for r in
                found["leaked"]]  # fmt: skip
        made.append(("by the stegos that a detector has learnt from", ["scheme", "payload", "detector", "learnt",
                     "right"], rows))  # fmt: skip
    if found["quick"]:
        columns = ["scheme", "payload", "estimator", "change", "standard error", "worst"]
        rows = [
            [r["scheme"], _rate(r), r["estimator"], *(f"{r[n]:+.4f}" for n in ("mean",)),
             *(f"{r[n]:.4f}" for n in ("error", "worst"))] for r in found["quick"]
        ]  # fmt: skip
        made.append(("estimates of LSB replacement: change against the own cover", columns, rows))
    if found["targeted"]:
        rows = [[r["scheme"], _rate(r), r["sign"], str(r["covers"]), str(r["stegos"])] for r in found["targeted"]]
        made.append(("signs, counted in all pictures", ["scheme", "payload", "sign", "covers", "stegos"], rows))
    return made


def _row(row: Mapping[str, Any]) -> list[str]:
    named = [row["scheme"], f"{_rate(row)} {row['unit']}", row["channel"], row["against"]]
    if row["accuracy"] is None:
        return [*named, row["note"], "", "", "", "", ""]
    psnr = "" if row["psnr"] is None else f"{row['psnr']:.1f}"
    return [
        *named, row["detector"], _percent(row["accuracy"]), f"{_percent(row['low'])} to {_percent(row['high'])}",
        f"{row['auc']:.3f}", f"{row['p_e']:.3f}", psnr,
    ]  # fmt: skip


def _rate(row: Mapping[str, Any]) -> str:
    return "" if row["rate"] is None else f"{row['rate']:g}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
