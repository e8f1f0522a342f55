"""Where a method breaks: stegos sent through attacks that grow from mild to harsh.

Every figure comes from files, as in `bits` and `pictures`. A stego is made for each step, where the method can make
stegos for such a channel, and else for a lossless file; or for the one channel that the user names. A step holds if
every secret comes back behind it. What a method refuses or loses is a row that says so.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stegcli import api
from stegcli.api import Hidden
from stegcli.errors import CapacityError, FileError, RevealError, UsageError
from stegcli.measuring import running
from stegcli.measuring.attacks import Attack, Sweep
from stegcli.measuring.running import Run
from stegcli.method import Asked, Method, Request
from stegcli.pictures import channel, image, metrics
from stegcli.pictures.channel import LOSSLESS, Channel

PATIENCE = 2
"""After so many steps in a row without the secret a picture is not tried further: readers search long for nothing."""
COLUMNS = ["weights", "payload", "made for", "attack", "came back", "secret dB", "worst", "stego dB", "note"]
BREAKS = ["weights", "payload", "attack", "made for", "all come back up to", "breaks at", "there"]


@dataclass(frozen=True)
class Setting:
    """What is swept. weights: a name or a path. payload: in words. made_for: as the user wrote it, None for each step.

    device: where networks run.
    """

    method: str
    weights: str
    payload: str
    made_for: str | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Outcome:
    """One stego behind one step. psnr: of the secret picture, None for bytes or if nothing came back; inf if exact."""

    came_back: bool
    psnr: float | None = None
    stego_psnr: float | None = None
    refused: str | None = None


def survives(method: Method, one: Channel) -> bool:
    """Whether the method makes stegos for such a channel."""
    return channel.pattern((one,)) in method.about.survives


def one_picture(setting: Setting, request: Request, sweep: Sweep, seed: tuple[int, ...]) -> list[Outcome]:
    """Send the stego of one request through the steps of a sweep. Returns an outcome for each step."""
    method = running.loaded(setting.method, setting.weights, setting.device)
    hide = functools.cache(functools.partial(_hidden, method, request))
    found: list[Outcome] = []
    for attack in sweep.attacks:
        lost = [not o.came_back and o.refused is None for o in found[-PATIENCE:]]
        if len(lost) == PATIENCE and all(lost):
            found.append(replace(found[-1], psnr=None))
            continue
        hidden = hide(_made_for(method, setting, attack))
        if isinstance(hidden, str):
            found.append(Outcome(False, refused=hidden))
        else:
            found.append(_behind(method, request, hidden, attack, np.random.default_rng(seed)))
    return found


def _made_for(method: Method, setting: Setting, attack: Attack) -> tuple[Channel, ...]:
    """The channels that the stego for this step must survive."""
    if setting.made_for is not None:
        return channel.parse_survive(setting.made_for)
    own = attack.channel
    return (own,) if own is not None and survives(method, own) else (LOSSLESS,)


def _hidden(method: Method, request: Request, made_for: tuple[Channel, ...]) -> Hidden | str:
    """The stego, or why there is none."""
    try:
        return api.hide(replace(request, survive=made_for), method)
    except (CapacityError, FileError, UsageError) as error:
        return str(error)


def _behind(method: Method, request: Request, hidden: Hidden, attack: Attack, rng: np.random.Generator) -> Outcome:
    """Reveal behind the attack, as a receiver would."""
    draft, psnr = hidden.draft, _finite(hidden.cover_psnr)
    told = draft.told if draft.told is not None else method.about.reveal()
    token = draft.tokens[0] if draft.tokens else None
    try:
        arrived = image.decode(_file(hidden, attack, rng), "stego")
        (revealed,) = api.reveal(arrived, method, Asked(request.key_of(0), token, told))
    except (RevealError, FileError):
        return Outcome(False, stego_psnr=psnr)
    (secret,), sent = request.secrets, draft.exact[0]
    if sent is not None and revealed.data != sent:
        return Outcome(False, stego_psnr=psnr)
    if secret.picture is None or revealed.picture is None:
        return Outcome(True, None, psnr)
    truth = secret.picture.pixels
    likeness = metrics.psnr(truth, image.resized(revealed.picture.pixels, truth.shape[1], truth.shape[0]))
    return Outcome(likeness >= api.LEAST_PSNR, likeness, psnr)


def _file(hidden: Hidden, attack: Attack, rng: np.random.Generator) -> bytes:
    """What arrives: the very file of the stego, if nothing is done to it."""
    return hidden.file if attack.channel == LOSSLESS else attack.file(hidden.picture, rng)


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else value


# -- all pictures


def swept(
    setting: Setting, requests: Sequence[Request], sweeps: Sequence[Sweep], seed: int, run: Run
) -> list[dict[str, Any]]:
    """Every request through every sweep -> a record for each sweep, ready for JSON. run: see Run."""
    jobs = [
        functools.partial(one_picture, setting, request, sweep, (seed, index))
        for sweep in sweeps
        for index, request in enumerate(requests)
    ]
    outcomes = run(jobs)
    return [_record(setting, sweep, [next(outcomes) for _ in requests]) for sweep in sweeps]


def _record(setting: Setting, sweep: Sweep, outcomes: Sequence[Sequence[Outcome]]) -> dict[str, Any]:
    method = running.loaded(setting.method, setting.weights, setting.device)
    made_for = [channel.told(_made_for(method, setting, a)) for a in sweep.attacks]
    steps = [
        {"attack": str(a), "made_for": made_for[i]} | _step([o[i] for o in outcomes])
        for i, a in enumerate(sweep.attacks)
    ]
    breaks = next((i for i, s in enumerate(steps) if s["came_back"] < 1), len(steps))
    return {
        "weights": setting.weights, "payload": setting.payload, "attack": sweep.name,
        "made_for": made_for[0] if len(set(made_for)) == 1 else "each step",
        "holds": steps[breaks - 1]["attack"] if breaks else None,
        "breaks": steps[breaks]["attack"] if breaks < len(steps) else None,
        "steps": steps,
    }  # fmt: skip


def _step(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    psnrs = [o.psnr for o in outcomes if o.came_back and o.psnr is not None and np.isfinite(o.psnr)]
    stegos = [o.stego_psnr for o in outcomes if o.stego_psnr is not None]
    refused = [o.refused for o in outcomes if o.refused is not None]
    return {
        "came_back": sum(o.came_back for o in outcomes) / len(outcomes),
        "refused": len(refused) / len(outcomes), "why": refused[0] if refused else None,
        "psnr": float(np.mean(psnrs)) if psnrs else None, "worst_psnr": min(psnrs, default=None),
        "stego_psnr": float(np.mean(stegos)) if stegos else None,
    }  # fmt: skip


# -- for people


def tables(records: Sequence[dict[str, Any]]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, columns and rows: first where each sweep breaks, then every step."""
    if not records:
        return []
    rows = [_step_row(r, s) for r in records for s in r["steps"]]
    return [("where it breaks", BREAKS, [_break_row(r) for r in records]), ("behind each attack", COLUMNS, rows)]


def _break_row(record: dict[str, Any]) -> list[str]:
    at = next((s for s in record["steps"] if s["attack"] == record["breaks"]), None)
    there = "" if at is None else f"{100 * at['came_back']:.0f} % come back" if not at["refused"] else "refused"
    held = record["holds"] or "none of these"
    return [
        record["weights"],
        record["payload"],
        record["attack"],
        record["made_for"],
        held,
        record["breaks"] or "-",
        there,
    ]


def _step_row(record: dict[str, Any], step: dict[str, Any]) -> list[str]:
    numbers = ("-" if step[n] is None else f"{step[n]:.2f}" for n in ("psnr", "worst_psnr", "stego_psnr"))
    note = f"refused for {100 * step['refused']:.0f} %: {step['why']}" if step["refused"] else ""
    came = f"{100 * step['came_back']:.0f} %"
    return [record["weights"], record["payload"], step["made_for"], step["attack"], came, *numbers, note]
