"""Damaged pictures, keys and weights end as a picture, key or weights, or as a StegoError. More: `fuzz/run.py`."""

from __future__ import annotations

from pathlib import Path

from fuzz import run


def test_two_thousand_mutations(tmp_path: Path) -> None:
    outcomes, slowest = run.run(range(2000), seed=0, folder=tmp_path)
    assert sum(outcomes.values()) == 2000
    for target in run.TARGETS:
        assert outcomes[f"{target} refused"] > 100
        assert outcomes[f"{target} read"] > 5
    assert slowest < 10


def test_mutations_are_the_same_every_time(tmp_path: Path) -> None:
    first = run.run(range(40), seed=1, folder=tmp_path)[0]
    assert first == run.run(range(40), seed=1, folder=tmp_path)[0]
    assert first != run.run(range(40), seed=2, folder=tmp_path)[0]
