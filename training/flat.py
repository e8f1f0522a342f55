"""A training loop for one GPU: losses of batches that are made on the device -> weights, their average, checkpoints.

    make(share) -> kind, batch     loss(kind, batch) -> terms     Adam and the average on one flat vector of weights

A step of the networks here is thousands of small kernels. Python cannot start them as fast as a GPU runs them, so the
whole step is recorded once for each kind of batch as a CUDA graph, and then replayed. The rate depends on the share of
the minutes that is spent, as in `stegcli.schedule`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from stegcli.schedule import schedule

Batch = dict[str, Tensor]
BETAS = (0.9, 0.99)
SYNC = 10
"""Steps that the processor may be ahead of the device."""
WARM = 3
"""Steps before the graph is recorded, as PyTorch asks for."""


@dataclass
class Plan:
    """minutes, steps: when to stop; the first that is reached. lr: highest rate. every: seconds between two looks."""

    minutes: float
    lr: float
    steps: int | None = None
    clip: float = 5.0
    ema: float = 0.999
    every: float = 60.0
    graph: bool = False


@dataclass
class Trainer:
    """trained: the parameters that learn. make gets the share of the plan that is done. report(trainer) is called every
    `plan.every` seconds and at the end, with the averaged weights in place."""

    trained: Iterable[nn.Parameter]
    make: Callable[[float], tuple[str, Batch]]
    loss: Callable[[str, Batch], dict[str, Tensor]]
    plan: Plan
    report: Callable[[Trainer], None]
    step: int = 0
    seconds: float = 0.0
    last: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parameters = list(self.trained)
        self.flat = torch.cat([p.detach().flatten() for p in parameters])
        start = 0
        for p in parameters:
            p.data = self.flat[start : start + p.numel()].view_as(p)
            start += p.numel()
        self._parameters = parameters
        self.average, self.first, self.second = self.flat.clone(), *(torch.zeros_like(self.flat) for _ in range(2))
        # Written by the processor before each step, read by the kernels: rate, its correction, share of the average.
        self._knobs = [self.flat.new_zeros(()) for _ in range(3)]
        self._told: dict[str, dict[str, Tensor]] = {}
        self._batches: dict[str, Batch] = {}
        self._graphs: dict[str, torch.cuda.CUDAGraph] = {}

    def run(self) -> None:
        begun, looked = time.monotonic() - self.seconds, time.monotonic()
        while (share := self._share()) < 1:
            kind, batch = self.make(share)
            if self.plan.graph:
                self._replay(kind, batch, share)
            else:
                self._turn(share)
                self._play(kind, batch)
            self.step += 1
            if self.step % SYNC == 0 and self.flat.is_cuda:
                torch.cuda.synchronize()
            self.seconds = time.monotonic() - begun
            if time.monotonic() - looked > self.plan.every:
                self._look()
                looked = time.monotonic()
        self._look()

    def _share(self) -> float:
        spent = self.seconds / (60 * self.plan.minutes)
        return spent if self.plan.steps is None else max(spent, self.step / self.plan.steps)

    def _turn(self, share: float) -> None:
        """The numbers that change from step to step, in front of the step."""
        count = self.step + 1
        self._knobs[0].fill_(self.plan.lr * schedule(share) / (1 - BETAS[0] ** count))
        self._knobs[1].fill_(1 / (1 - BETAS[1] ** count))
        self._knobs[2].fill_(1 - min(self.plan.ema, (1 + count) / (10 + count)))

    def _replay(self, kind: str, batch: Batch, share: float) -> None:
        if kind in self._graphs:
            for name, tensor in batch.items():
                self._batches[kind][name].copy_(tensor)
        else:
            self._batches[kind] = batch
            self._graphs[kind] = self._recorded(kind, batch)
        self._turn(share)
        self._graphs[kind].replay()

    def _play(self, kind: str, batch: Batch) -> None:
        for p in self._parameters:
            p.grad = None
        terms = self.loss(kind, batch)
        total = torch.stack([t for n, t in terms.items() if not n.startswith("_")]).sum()
        total.backward()
        self._told[kind] = {n: t.detach() for n, t in terms.items()}
        with torch.no_grad():
            self._adam()

    def _adam(self) -> None:
        rate, correction, share = self._knobs
        zeros = (torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters)
        gradient = torch.cat([g.flatten() for g in zeros])
        norm = gradient.norm()
        # A gradient that is not finite counts as none.
        scale = torch.where(norm.isfinite(), (self.plan.clip / (norm + 1e-6)).clamp(max=1), 0)
        gradient = gradient.nan_to_num(0, 0, 0) * scale
        self.first.lerp_(gradient, 1 - BETAS[0])
        self.second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        self.flat.sub_(rate * self.first / ((self.second * correction).sqrt() + 1e-8))
        self.average.lerp_(self.flat, share)

    def _recorded(self, kind: str, batch: Batch) -> torch.cuda.CUDAGraph:
        """A step as a CUDA graph. While it is recorded nothing is learnt."""
        before = [t.clone() for t in self._state()]
        for knob in self._knobs:
            knob.zero_()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM):
                self._play(kind, batch)
        torch.cuda.current_stream().wait_stream(aside)
        wanted = {n: float(t) for n, t in self._told[kind].items()}
        for p in self._parameters:
            p.grad = None
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._play(kind, batch)
        graph.replay()
        for name, value in wanted.items():
            found = float(self._told[kind][name])
            if not abs(found - value) <= 1e-2 * (1 + abs(value)):
                raise RuntimeError(f"the recorded step has {name} {found}, the step itself {value}")
        for tensor, kept in zip(self._state(), before, strict=True):
            tensor.copy_(kept)
        return graph

    def _state(self) -> tuple[Tensor, ...]:
        return self.flat, self.average, self.first, self.second

    def _look(self) -> None:
        self.last = {n: float(t) for told in self._told.values() for n, t in told.items()}
        current = self.flat.clone()
        self.flat.copy_(self.average)
        with torch.no_grad():
            self.report(self)
        self.flat.copy_(current)

    def save(self, path: Path) -> None:
        """The complete state; the file is there whole or not at all."""
        names = ("flat", "average", "first", "second")
        draft = path.with_suffix(".draft")
        state = {n: getattr(self, n).cpu() for n in names} | {"step": self.step, "seconds": self.seconds}
        torch.save(state, draft)
        draft.replace(path)

    def resume(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        for name in ("flat", "average", "first", "second"):
            getattr(self, name).copy_(state[name])
        self.step, self.seconds = state["step"], state["seconds"]


def line(entry: dict[str, float]) -> str:
    """Figures -> a line of a log."""
    return json.dumps({n: round(v, 5) for n, v in entry.items()})
