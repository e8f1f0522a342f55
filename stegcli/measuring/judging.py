"""Detectors on groups of pairs -> rows of the findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stegcli.detectors import figures, linear, signs
from stegcli.measuring import findings as plain
from stegcli.measuring import views
from stegcli.measuring.findings import Case, Findings
from stegcli.measuring.groups import Group
from stegcli.measuring.learner import Learner
from stegcli.pairs import COVERS
from stegcli.pictures import formats

LEAST_LEARN, LEAST_TEST = 16, 8
"""Pairs; with fewer no detector is asked."""
CNN = "CNN"


class Judge:
    """learner: None for no network. learn, test: positions of the pairs to learn from and to judge."""

    def __init__(self, findings: Findings, learner: Learner | None, learn: np.ndarray, test: np.ndarray):
        self.findings, self.learner, self.learn, self.test = findings, learner, learn, test

    def method(self, case: Case, group: Group, leaked: Sequence[int]) -> None:
        """All that the method's own stegos are compared with."""
        if not group.innocents:
            self.note(case, "fits in none of the covers")
        for index, against in enumerate(group.innocents):
            one = replace(case, against=against)
            self._rows(one, group, against)
            if index == 0:
                self._leaked(one, group, leaked)
                self._untrained(one, group, group)
                self._files(one, group)

    def rival(self, case: Case, group: Group, own: Group) -> None:
        if not group.innocents:
            self.note(case, "fits in none of the covers")
            return
        self._rows(case, group, case.against)
        self._untrained(case, group, own)

    def note(self, case: Case, note: str) -> None:
        self.findings.rows.append(case.row("", None, note))

    def halves(self, case: Case, group: Group) -> None:
        """Innocent pictures told from others like them: whatever a detector finds there is error."""
        against = case.against
        order = np.random.default_rng(self.findings.seed).permutation(len(group.views[against]))
        half = len(order) // 2
        learn = np.arange(half * 2 // 3)
        for detector in group.views[against][0].features:
            every = _features(group.views[against], detector)
            sides = every[order[:half]], every[order[half : 2 * half]]
            found = linear.scores(*sides, learn, np.arange(len(learn), half))
            one = replace(case, scheme=f"{against}, halved")
            self.findings.rows.append(one.row(detector, figures.verdict(*found)))

    # -- trained detectors

    def _rows(self, case: Case, group: Group, against: str) -> None:
        learn, test = self._parts(group, against)
        if len(learn) < LEAST_LEARN or len(test) < LEAST_TEST:
            self.note(case, f"fits in {len(learn) + len(test)} covers only")
            return
        for detector, (innocent, stego) in _sides(group, against).items():
            found = linear.scores(innocent, stego, learn, test)
            self.findings.rows.append(case.row(detector, figures.verdict(*found), psnr=group.psnr))
        if self.learner is not None:
            stegos = [group.stegos[i] for i in group.at[against]]
            files = [([group.innocents[against][i] for i in part], [stegos[i] for i in part]) for part in (learn, test)]
            found = self.learner.scores(case.scheme, against, *files)
            self.findings.rows.append(case.row(CNN, figures.verdict(*found), psnr=group.psnr))

    def _parts(self, group: Group, against: str) -> tuple[np.ndarray, np.ndarray]:
        """Pairs to learn from and to judge, as indices of the innocent pictures."""
        position = {group.which[i]: index for index, i in enumerate(group.at[against])}
        learn, test = ([position[p] for p in part if p in position] for part in (self.learn, self.test))
        return np.array(learn, int), np.array(test, int)

    def _leaked(self, case: Case, group: Group, numbers: Sequence[int]) -> None:
        """Accuracy on the same pictures, whoever has learnt from so many stegos."""
        learn, test = self._parts(group, case.against)
        for number in numbers:
            if not 2 <= number <= len(learn) or len(test) < LEAST_TEST:
                continue
            for detector, sides in _sides(group, case.against).items():
                found = figures.verdict(*linear.scores(*sides, learn[:number], test))
                self.findings.leaked.append(plain.leaked(case, detector, number, round(found.accuracy, 4)))

    # -- without training

    def _untrained(self, case: Case, group: Group, own: Group) -> None:
        """Estimates and signs of stegos beside those of what they are first compared with."""
        before = [group.views[case.against][index] for index in range(len(group.at[case.against]))]
        after = [group.seen[i] for i in group.at[case.against]]
        if case.against == COVERS and before[0].estimates.size:
            moved = np.concatenate([a.estimates - b.estimates for a, b in zip(after, before, strict=True)], axis=1)
            for name, row in zip(views.ESTIMATORS, moved, strict=True):
                self._quick(case, name, row[np.isfinite(row)])
        if before[0].signs.size:
            sums = [np.sum([v.signs for v in side], axis=0) for side in (before, after)]
            for sign, covers, stegos in zip(signs.PIXELS, *sums, strict=True):
                self.findings.targeted.append(plain.targeted(case, sign, int(covers), int(stegos)))

    def _quick(self, case: Case, name: str, changes: np.ndarray) -> None:
        if changes.size:
            error, worst = changes.std() / changes.size**0.5, np.abs(changes).max()
            told = (round(float(v), 5) for v in (changes.mean(), error, worst))
            self.findings.quick.append(plain.quick(case, name, *told))

    def _files(self, case: Case, group: Group) -> None:
        """Of the method alone: other schemes write no files of their own."""
        both = list(zip(group.innocents[case.against], [group.stegos[i] for i in group.at[case.against]], strict=True))
        if case.against == COVERS and all(formats.format_of(f) == "PNG" for f in both[0]):
            differ = sum(signs.make_of(cover) != signs.make_of(stego) for cover, stego in both)
            self.findings.targeted.append(plain.targeted(case, signs.FILE, 0, differ))


def _sides(group: Group, against: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Detector -> features of the innocent pictures and of the stegos beside them, (n, k) each."""
    stegos = [group.seen[i] for i in group.at[against]]
    return {
        detector: (_features(group.views[against], detector), _features(stegos, detector))
        for detector in stegos[0].features
    }


def _features(seen: Sequence[views.View], detector: str) -> np.ndarray:
    return np.stack([v.features[detector] for v in seen])
