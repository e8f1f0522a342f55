"""What detectors found, as plain data ready for JSON: `result["detection"]`.

seed; covers: pictures that were used; learn, test: pairs
rows      a detector's figures, or a note why there are none
quick     estimates of LSB replacement: change against the own cover
targeted  signs that need no training: how many covers and stegos show them
leaked    accuracy against the number of stegos that a detector has learnt from
advice    sentences for the user
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from stegcli.detectors.figures import Verdict


@dataclass
class Findings:
    """What is measured so far. seed: of the split. Each list holds plain dicts."""

    seed: int
    covers: int = 0
    learn: int = 0
    test: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    quick: list[dict[str, Any]] = field(default_factory=list)
    targeted: list[dict[str, Any]] = field(default_factory=list)
    leaked: list[dict[str, Any]] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Case:
    """What a row is about. scheme: the method or a rival. rate: in the unit. against: what stegos are told from."""

    scheme: str
    rate: float | None
    unit: str
    channel: str
    against: str

    def row(self, detector: str, verdict: Verdict | None, note: str = "", psnr: float | None = None) -> dict[str, Any]:
        """psnr: of the stegos to their covers, in dB. It comes last: it does not tell what a detector sees."""
        named = {"scheme": self.scheme, "rate": self.rate, "unit": self.unit, "channel": self.channel,
                 "against": self.against, "detector": detector}  # fmt: skip
        names = ("accuracy", "low", "high", "auc", "p_e")
        told: dict[str, Any] = {n: None if verdict is None else round(getattr(verdict, n), 4) for n in names}
        roc = [] if verdict is None else [list(point) for point in verdict.roc]
        return named | told | {"roc": roc, "note": note, "psnr": None if psnr is None else round(psnr, 2)}


def quick(case: Case, estimator: str, mean: float, error: float, worst: float) -> dict[str, Any]:
    """mean: change of the estimate against the own cover, over channels of pictures; error: its standard error."""
    return {"scheme": case.scheme, "rate": case.rate, "estimator": estimator, "mean": mean, "error": error,
            "worst": worst}  # fmt: skip


def targeted(case: Case, sign: str, covers: int, stegos: int) -> dict[str, Any]:
    return {"scheme": case.scheme, "rate": case.rate, "sign": sign, "covers": covers, "stegos": stegos}


def leaked(case: Case, detector: str, learnt: int, accuracy: float) -> dict[str, Any]:
    return {"scheme": case.scheme, "rate": case.rate, "detector": detector, "learnt": learnt, "accuracy": accuracy}
