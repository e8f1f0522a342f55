"""Checkpoints of training: the progress, and the weights and Adam's moments by name."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from stegcli.errors import FileError
from stegcli.guard import Guard


@dataclass
class Progress:
    """The state in a checkpoint besides tensors."""

    stage: int = 0
    step: int = 0  # within the stage
    total: int = 0  # over all stages
    seconds: float = 0.0  # spent in the stage
    scale: float = 1.0  # factor on the rate, halved by each roll-back
    skipped: int = 0
    bad: int = 0  # skipped in a row up to now
    guard: Guard = field(default_factory=Guard)  # of the stage's loss

    @classmethod
    def of(cls, text: str) -> Progress:
        """JSON of `asdict` -> the progress. Raises ValueError, TypeError."""
        facts = json.loads(text)
        return cls(**facts | {"guard": Guard(**facts.get("guard", {}))})


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], Progress, str]:
    """A checkpoint -> tensors, progress, and the configuration that a resumed run must have. Raises FileError."""
    if not path.exists():
        raise FileError(f"no checkpoint {path} to resume from")
    try:
        with safe_open(str(path), "pt") as file:
            facts = file.metadata()
            state = {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118 (not a dict)
        return state, Progress.of(facts["progress"]), facts["config"]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(f"{path} is not a checkpoint of stego, or is damaged") from error


def adam_state(optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """Adam's moments and counts under the names of their parameters."""
    state = optimizer.state_dict()["state"]
    return {f"{names[i]}:{k}": v for i, s in state.items() for k, v in s.items()}


def restore_adam(optimizer: torch.optim.Optimizer, names: list[str], saved: dict[str, Tensor]) -> None:
    whole = optimizer.state_dict()
    whole["state"] = {}
    for key, value in saved.items():
        parameter_name, field_name = key.rsplit(":", 1)
        whole["state"].setdefault(names.index(parameter_name), {})[field_name] = value.clone()
    optimizer.load_state_dict(whole)


def under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}


def on_cpu(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n: t.detach().cpu().contiguous() for n, t in state.items()}
