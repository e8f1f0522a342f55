"""The work of `stego evaluate`: pictures -> what was measured, and its tables."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from stegcli.about import About
from stegcli.cli import cluster, console
from stegcli.errors import UsageError
from stegcli.measuring import attacks, bits, pictures, robustness, running, sweep
from stegcli.measuring.robustness import Wanted
from stegcli.measuring.running import Run
from stegcli.pictures import channel
from stegcli.pictures.channel import Channel

Tick = Callable[[float, float], None]
Table = tuple[str, list[str], list[list[str]]]


@dataclass(frozen=True)
class Asked:
    """What the user wants to know. folder: of covers or of secrets. made_for: the channel that swept stegos are made
    for. options: an instance of `about.evaluate`. address: of a cluster."""

    about: About
    folder: Path | None
    weights: list[str] | None = None
    payloads: list[float] | None = None
    attacks: list[str] = field(default_factory=list)
    made_for: str | None = None
    limit: int | None = None
    size: tuple[int, int] | None = None
    seed: int = 0
    device: str = "auto"
    options: Any = None
    address: str | None = None

    @property
    def shows(self) -> bool:
        """Whether the method is measured by the pictures that it carries."""
        return "picture" in self.about.carries

    @property
    def wanted(self) -> Wanted:
        """Raises UsageError without a folder, which only detection can do without."""
        if self.folder is None:
            raise UsageError(f"{self.about.name} needs a folder of pictures")
        return Wanted(
            self.about.name, self.folder, self.weights, self.payloads, self.limit, self.size, self.seed, self.device
        )

    def made_behind(self, one: Channel) -> bool:
        """Whether a channel is a row or column of the main table, and not a sweep: every form must survive it."""
        forms = (self.about, *self.about.forms.values())
        return not self.shows or all(channel.pattern((one,)) in form.survives for form in forms)


def measured(asked: Asked, tick: Tick) -> dict[str, Any]:
    """Measure what was asked for. If that is nothing but sweeps, the main table is left out."""
    plain, sweeps = attacks.split(asked.attacks, asked.made_behind)
    if asked.made_for is not None and not sweeps:
        raise UsageError("--survive is for a range of --attack, or an attack that is no channel", "leave it out")
    with _engine(asked.address) as run:
        alone = sweeps and not plain and not asked.payloads
        result = _nothing(asked) if alone else _main(asked, plain, run, tick)
        result["sweeps"] = robustness.measure(
            asked.wanted, sweeps, asked.made_for, _ticking(run, tick) if alone else run
        )
    return result | {"seed": asked.seed}


def main_tables(result: dict[str, Any]) -> list[Table]:
    """Title, columns and rows of the tables of the method, without sweeps."""
    if "covers" not in result:
        return pictures.tables(result) if result["rows"] else []
    title = f"{result['method']} on {result['covers']} covers, means"
    found = [(title, bits.COLUMNS, bits.rows(result))] if result["rows"] else []
    return found + bits.tables(result)


def tell(result: dict[str, Any]) -> None:
    """Print the tables, and a sentence for each row of a bit method."""
    for title, columns, rows in [*main_tables(result), *sweep.tables(result["sweeps"])]:
        console.table(title, columns, rows)
    for line in verdicts(result):
        console.show(line)


def verdicts(result: dict[str, Any]) -> list[str]:
    return bits.verdicts(result) if "covers" in result else []


@contextlib.contextmanager
def _engine(address: str | None) -> Iterator[Run]:
    if address is None:
        yield running.here
        return
    with cluster.connected(address) as there:
        yield there.run


def _main(asked: Asked, plain: list[str], run: Run, tick: Tick) -> dict[str, Any]:
    common: Any = {
        "weights": asked.weights, "attacks": plain or None, "limit": asked.limit, "size": asked.size,
        "seed": asked.seed, "device": asked.device, "options": asked.options, "run": run, "tick": tick,
    }  # fmt: skip
    if asked.shows:
        return pictures.evaluate(asked.about.name, asked.wanted.folder, **common)
    return bits.evaluate(asked.about.name, asked.wanted.folder, payloads=asked.payloads, **common)


def _nothing(asked: Asked) -> dict[str, Any]:
    """The result of a method of which only sweeps are measured."""
    return {"method": asked.about.name, "rows": [], "measured": {}}


def _ticking(run: Run, tick: Tick) -> Run:
    """Tells after each job which share is done."""
    return partial(_ticked, run, tick)


def _ticked(run: Run, tick: Tick, jobs: Any) -> Iterator[Any]:
    began = time.monotonic()
    for done, result in enumerate(run(jobs), 1):
        tick(done / len(jobs), console.time_left(began, done / len(jobs)))
        yield result
