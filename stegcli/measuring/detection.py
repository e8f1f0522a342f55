"""`stego evaluate --detect`: detectors learn on some pairs of the user's pictures, and judge others.

    rows of the method, at each payload      against what its stegos claim to be, and against real pictures
    rows of other schemes                    with as many bits, in the same covers
    a row of two halves of innocent pictures detectors must find nothing there

No cover is both learnt from and judged, in any form. Reference for the figures: `detectors.figures`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stegcli import methods, pairs
from stegcli import weights as all_weights
from stegcli.errors import UsageError
from stegcli.measuring import advice, crowd, groups, judging
from stegcli.measuring.crowd import Crowd
from stegcli.measuring.findings import Case, Findings
from stegcli.measuring.groups import Group
from stegcli.measuring.judging import Judge
from stegcli.measuring.learner import FIRST_EPOCHS, Learner
from stegcli.measuring.store import Store
from stegcli.method import Method
from stegcli.pairs import Source, Wanted
from stegcli.pictures import channel, image

DRAWN = 300
"""Pairs of drawn pictures, if no limit is given."""
EPOCHS = 4
LEARN = 2 / 3
RIVALS, ROUNDS = 4, 0.5
"""Other schemes that are counted on; the work of a rival's pair, and of a network, by that of one of the method's."""


@dataclass(frozen=True)
class Plan:
    """What is asked for. covers: a folder, or None for a method that draws. payloads: None for the method's usual ones.

    leaked: numbers of stegos that a detector has learnt from. cache: a folder that keeps pairs between runs.
    """

    method: str
    covers: Path | None = None
    secrets: Path | None = None
    weights: Sequence[str] | None = None
    payloads: Sequence[float] | None = None
    channels: Sequence[str] | None = None
    limit: int | None = None
    size: tuple[int, int] | None = None
    seed: int = 0
    device: str = "auto"
    options: Any = None
    leaked: Sequence[int] = ()
    cache: Path | None = None
    epochs: int = EPOCHS


def evaluate(plan: Plan, tick: Callable[[float, float], None] = lambda done, left: None) -> dict[str, Any]:
    """-> a result of `stego evaluate`, ready for JSON, with all that was found under "detection".

    tick: called with the share of the work that is done, and the seconds left. Raises StegoError.
    """
    findings, store = Findings(plan.seed), Store(plan.cache)
    names = list(plan.weights or ["default"])
    benches = [
        _bench(plan, name, through, findings, store, several=len(names) > 1)
        for name in names
        for through in plan.channels or ["png"]
    ]
    steps = Steps(sum(b.work for b in benches), tick)
    passed = []
    for bench in benches:
        bench.run(steps)
        findings.advice += advice.sentences(findings, bench.label, bench.channel, bench.crowd)
        passed += [p for p in bench.crowd.passed_over if p not in passed]
    findings.advice += advice.last(findings)
    found = findings.plain() | {"passed_over": passed}
    return {"method": plan.method, "covers": findings.covers, "rows": [], "measured": {}, "detection": found}


class Steps:
    """Counts the work that is done, and tells how long the rest will take at this pace."""

    def __init__(self, work: float, tick: Callable[[float, float], None]):
        self.work, self.tick, self.done, self.started = work, tick, 0.0, time.monotonic()

    def __call__(self, amount: float) -> None:
        self.done = min(self.work, self.done + amount)
        share = self.done / self.work
        self.tick(share, (time.monotonic() - self.started) * (1 - share) / share if share else float("inf"))


def _bench(plan: Plan, name: str, through: str, findings: Findings, store: Store, several: bool) -> Bench:
    method = all_weights.load(plan.method, name, plan.device)
    hidden = _secrets(plan)
    wanted = Wanted(None, channel.parse(through), name, plan.seed, plan.size, hidden, plan.options)
    source = _source(method, wanted)
    if source.needs_covers and plan.covers is None:
        raise UsageError(f"{plan.method} needs --covers DIR", "random bytes are hidden in the covers")
    size = plan.size if source.needs_covers else None
    found = Crowd() if plan.covers is None else crowd.load(plan.covers, source, plan.limit, size)
    if plan.covers is not None:
        crowd.check(found, needs_one_size=source.needs_covers)
    count = len(found.covers) if source.needs_covers else plan.limit or DRAWN
    crowd.check_count(count)
    return Bench(plan, method, wanted, found, count, findings, store, f"{plan.method}, {name}" if several else "")


def _secrets(plan: Plan) -> list[image.Picture]:
    from stegcli.data import load_pictures

    return load_pictures(plan.secrets, plan.limit, "secret", lambda p: p) if plan.secrets is not None else []


def _source(method: Method, wanted: Wanted) -> Source:
    if methods.has_module(method.name, "measure_pairs"):
        found: Source = methods.module(method.name, "measure_pairs").source(method, wanted)
        return found
    return pairs.source(method, wanted)


class Bench:
    """One set of weights and one channel."""

    def __init__(
        self, plan: Plan, method: Method, wanted: Wanted, found: Crowd, count: int, findings: Findings, store: Store,
        label: str,
    ):  # fmt: skip
        self.plan, self.method, self.wanted, self.crowd, self.count = plan, method, wanted, found, count
        self.findings, self.store, self.label = findings, store, label or plan.method
        source = _source(method, wanted)
        self.unit, self.channel = source.unit, source.channel
        self.rates = sorted(plan.payloads or source.rates, key=lambda r: -np.inf if r is None else -r)
        order = np.random.default_rng(plan.seed).permutation(count)
        split = round(LEARN * count)
        self.learn, self.test = order[:split], order[split:]

    @property
    def work(self) -> float:
        """In pairs of the method."""
        each = self.count * (1 + RIVALS * ROUNDS)
        networks = self.count * ROUNDS * (1 + RIVALS) if self.plan.epochs else 0.0
        return len(self.rates) * (each + networks) + (self._epoch * FIRST_EPOCHS if self.plan.epochs else 0.0)

    @property
    def _epoch(self) -> float:
        """The work of an epoch."""
        return self.count * ROUNDS / max(1, self.plan.epochs)

    def run(self, steps: Steps) -> None:
        learner = Learner(self.plan.epochs, self.plan.seed, self.store, lambda epochs: steps(epochs * self._epoch))
        judge = Judge(self.findings, learner if self.plan.epochs else None, self.learn, self.test)
        own: dict[float | None, Group] = {}
        for rate in self.rates:
            source = _source(self.method, replace(self.wanted, rate=rate))
            own[rate] = groups.of_method(source, self.crowd, self.count, self.store, steps)
            judge.method(self._case(self.label, rate, own[rate]), own[rate], self.plan.leaked)
        self.findings.covers = max(self.findings.covers, *(len(g.which) for g in own.values()))
        self.findings.learn, self.findings.test = len(self.learn), len(self.test)
        made = [rate for rate in self.rates if len(own[rate].which) >= judging.LEAST_LEARN]
        for name, missing in (groups.rivals(own[made[0]]) if made else {}).items():
            for rate in made:
                self._rival(judge, name, missing, rate, own[rate], steps)
        if made:
            judge.halves(self._case("", made[0], own[made[0]]), own[made[0]])

    def _rival(self, judge: Judge, name: str, missing: str, rate: float | None, own: Group, steps: Steps) -> None:
        case = self._case(name, rate, own)
        if missing:
            judge.note(case, missing)
            return
        group = groups.of_rival(name, own, self.plan.seed, self.store, lambda pairs: steps(pairs * ROUNDS))
        judge.rival(case, group, own)

    def _case(self, scheme: str, rate: float | None, group: Group) -> Case:
        """The capacity is named by what it was on the mean."""
        against: Mapping[str, Any] = group.innocents or {pairs.COVERS: []}
        told = rate
        if rate is None and group.bits:
            shown = image.decode(group.stegos[0])
            told = round(float(np.mean(group.bits)) / (shown.width * shown.height), 3)
        return Case(scheme, told, self.unit, self.channel, next(iter(against)))
