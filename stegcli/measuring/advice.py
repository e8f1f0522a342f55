"""What was found -> sentences for the user: what may be sent, which covers to leave out, and PSNR last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from stegcli.measuring.crowd import Crowd
from stegcli.measuring.findings import Findings
from stegcli.pairs import REAL

CHANCE = 0.5
YARDSTICK = "LSB replacement"
SURE, FEW_TESTED = 0.9, 150
"""Share of the yardstick that detectors of any use find; pairs below which intervals are wide."""
NAMED = 8  # files that a sentence names
Row = dict[str, Any]


def sentences(findings: Findings, label: str, channel: str, crowd: Crowd) -> list[str]:
    """About one method in one channel, and its covers."""
    rows = [r for r in findings.rows if r["channel"] == channel and r["accuracy"] is not None]
    own = [r for r in rows if r["scheme"] == label]
    claimed = own[0]["against"] if own else ""
    told = _payload([r for r in own if r["against"] == claimed], label, channel) if own else []
    told += _yardstick(rows)
    told += _real([r for r in own if r["against"] == REAL and claimed != REAL], label)
    if findings.test < FEW_TESTED:
        told.append(
            f"Only {findings.test} pairs were judged, so that the intervals are wide: give more covers to know better."
        )
    return told + _covers(crowd)


def last(findings: Findings) -> list[str]:
    """PSNR, which misleads: it stands last."""
    known: dict[str, Row] = {}
    for row in findings.rows:
        if row["psnr"] is not None and (row["scheme"] not in known or _worse(row, known[row["scheme"]])):
            known[row["scheme"]] = row
    if not known:
        return []
    each = "; ".join(
        f"{name} {row['psnr']:.1f} dB, {_percent(row['accuracy'])} told rightly" for name, row in known.items()
    )
    return [f"PSNR does not tell what a detector sees. At the largest payloads: {each}."]


def _worse(row: Row, other: Row) -> bool:
    """Whether a row is of a larger payload, or of a better detector at the same."""
    return (row["rate"] or 0, row["accuracy"]) > (other["rate"] or 0, other["accuracy"])


def _payload(rows: Sequence[Row], label: str, channel: str) -> list[str]:
    """The largest payload at which no detector's interval leaves chance behind."""
    worst = {rate: max((r for r in rows if r["rate"] == rate), key=lambda r: r["low"]) for rate in _rates(rows)}
    safe = [rate for rate, row in worst.items() if row["low"] <= CHANCE]
    against, unit = rows[0]["against"], rows[0]["unit"]
    told = [
        f"{label} at {rate:g} {unit} ({channel}): the best detector ({row['detector']}) is right about "
        f"{_percent(row['accuracy'])} of stegos and {against} ({_percent(row['low'])} to {_percent(row['high'])}); "
        + ("that is no better than chance." if rate in safe else "that is better than chance.")
        for rate, row in worst.items()
    ]
    below = [rate for rate in worst if all(r in safe for r in worst if r <= rate)]
    if below:
        told.append(f"The largest payload that no detector told from chance here is {max(below):g} {unit}.")
    else:
        told.append(f"Every payload that was tried is found. Try less than {min(worst):g} {unit}, or another method.")
    return told


def _rates(rows: Iterable[Row]) -> list[float]:
    return sorted({r["rate"] for r in rows})


def _yardstick(rows: Sequence[Row]) -> list[str]:
    found = [r for r in rows if r["scheme"] == YARDSTICK]
    if not found:
        return []
    rate = max(_rates(found))
    best = max((r for r in found if r["rate"] == rate), key=lambda r: r["accuracy"])
    told = f"{YARDSTICK} at {rate:g} {best['unit']}: {_percent(best['accuracy'])} are told rightly."
    if best["accuracy"] >= SURE:
        return [f"{told} The detectors work on these pictures."]
    return [f"{told} The detectors are weak here, so that a result near chance proves little. Give more covers."]


def _real(rows: Sequence[Row], label: str) -> list[str]:
    if not rows:
        return []
    best = max(rows, key=lambda r: r["accuracy"])
    return [
        f"Against real pictures stegos of {label} are told in {_percent(best['accuracy'])}: they hide among "
        "pictures of the same origin, not among your photos. Send them where such pictures are usual."
    ]


def _covers(crowd: Crowd) -> list[str]:
    told = []
    if crowd.was_jpeg:
        told.append(
            f"{len(crowd.was_jpeg)} of {len(crowd.covers)} covers were compressed with loss before, and were reduced "
            "for this measurement. Hide in the JPEG itself or in a smaller copy, never in its pixels: every changed "
            "pixel of a decoded JPEG shows."
        )
    for names, why in (
        (crowd.flat, "large flat parts, where changes show and have no room"),
        (crowd.small, "few pixels, which carry little"),
    ):
        if names and len(names) < len(crowd.covers):
            told.append(f"Leave out {_listed(names)}: {why}.")
        elif names:
            told.append(f"All covers have {why}.")
    return told


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
