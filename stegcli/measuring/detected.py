"""result["detection"] of `stego evaluate --detect` -> the tables of a report. A part that was not measured has none."""

from __future__ import annotations

from typing import Any

Table = tuple[str, list[str], list[list[str]]]
COLUMNS = ["scheme", "rate", "channel", "against", "detector", "right", "95 %", "ROC area", "P_E", "note"]


def tables(found: dict[str, Any]) -> list[Table]:
    """Title, columns and rows. found: "rows", "quick", "targeted" and "leaked", any of them missing or empty."""
    drawn = [_main(found), _targeted(found), _quick(found), _leaked(found)]
    return [table for table in drawn if table[2]]


def _main(found: dict[str, Any]) -> Table:
    learn, test = (_count(found, name) for name in ("learn", "test"))
    title = f"Detectors: {learn} pictures to learn from, {test} to tell apart; 50 % is chance"
    rows = [
        [
            row["scheme"], _rate(row), str(row.get("channel") or ""), row["against"],
            row["detector"] or "-", _share(row["accuracy"]), _interval(row),
            _number(row["auc"], ".3f"), _share(row["p_e"]), str(row.get("note") or ""),
        ]
        for row in found.get("rows", [])
    ]  # fmt: skip
    return title, COLUMNS, rows


def _targeted(found: dict[str, Any]) -> Table:
    rows = [
        [row["scheme"], _number(row["rate"], "g"), row["sign"], _shown(row["covers"]), _shown(row["stegos"])]
        for row in found.get("targeted", [])
    ]
    return "Signs that need no training", ["scheme", "rate", "sign", "covers", "stegos"], rows


def _quick(found: dict[str, Any]) -> Table:
    rows = [
        [
            row["scheme"], _number(row["rate"], "g"), row["estimator"],
            f"{_number(row['mean'], '+.4f')} +- {_number(row['error'], '.4f')}", _number(row["worst"], "+.4f"),
        ]
        for row in found.get("quick", [])
    ]  # fmt: skip
    title = "Estimators: change against the own cover, mean and standard error"
    return title, ["scheme", "rate", "estimator", "mean", "worst"], rows


def _leaked(found: dict[str, Any]) -> Table:
    rows = [
        [row["scheme"], _number(row["rate"], "g"), row["detector"], str(row["learnt"]), _share(row["accuracy"])]
        for row in found.get("leaked", [])
    ]
    return "A detector that learnt from so many stegos", ["scheme", "rate", "detector", "stegos", "right"], rows


def _count(found: dict[str, Any], name: str) -> str:
    return str(found.get(name, "some"))


def _rate(row: dict[str, Any]) -> str:
    return "-" if row["rate"] is None else f"{row['rate']:g} {row['unit']}"


def _interval(row: dict[str, Any]) -> str:
    return "-" if row["low"] is None else f"{_share(row['low'])} to {_share(row['high'])}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None, digits: str) -> str:
    return "-" if value is None else format(value, digits)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)
