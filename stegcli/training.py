"""The training loop of all methods. It runs the stages of a recipe and does not depend on the method.

    crops -> loss terms -> gradients (averaged over processes) -> clip -> Adam -> average of the weights (EMA)

The budget is in minutes or steps. The learning rate depends on the share of the budget that is spent: a short warm-up,
then half a cosine. A step whose loss or gradient is not finite is skipped. After several such steps in a row, or when a
finite loss explodes (`guard`), training returns to the last good state at half the rate. A checkpoint holds the
complete state, so a resumed run and an uninterrupted one end with the same bits (if the budget is in steps; minutes are
not repeatable).

accelerate handles devices, precision and processes: `accelerate launch -m stegcli train ...`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image as Pillow
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from stegcli import files, methods, weights
from stegcli.checkpoint import Progress, adam_state, on_cpu, read_checkpoint, restore_adam, under
from stegcli.data import Pictures
from stegcli.errors import UsageError
from stegcli.guard import Guard
from stegcli.method import Method
from stegcli.nn import tensors
from stegcli.recipe import Noise, Recipe, Stage, Step, seeded
from stegcli.schedule import Budget, schedule, set_rate

BAD_STEPS = 5  # in a row, before training returns to the last good state
KEEP_STEPS = 200  # steps after which the state is kept as the last good one, if the loss is calm
LOG_SECONDS = 120.0
log = logging.getLogger(__name__)


def train(
    name: str,
    part: str | None,
    data: Path,
    out: Path,
    budget: Budget,
    *,
    val: Path | None = None,
    resume: bool = False,
    seed: int = 0,
    device: str = "auto",
    precision: str = "no",
    report: Callable[[str], None] = log.info,
    tick: Callable[[float, float], None] = lambda done, left: None,
    batch: int | None = None,
    start: Path | None = None,
    config: dict[str, object] | None = None,
) -> Path:
    """Train one part of a method and write its averaged weights to `out`.

    Beside `out` it writes `.ckpt` (to resume from), `.jsonl` (the log) and `.samples/`. start: weights to start from.
    batch: replaces the recipe's batch size. config: changes to the recipe's configuration. tick(share done, seconds
    left) is called at every step. On KeyboardInterrupt the state and the weights are saved, and it is raised again.
    """
    recipe = _recipe(name, part)
    files.check_writable([out], force=True)
    run = _Run(name, part, recipe, data, out, budget, val, seed, device, precision, batch, report, tick, config)
    if start is not None:
        run.begin_with(start)
    if resume:
        run.resume()
    else:
        run.begin_log()
    with _interrupts_wait(run):
        try:
            run.go()
        except KeyboardInterrupt:
            run.save()
            raise
        run.save()
    # All processes wait here: one that ends while another still writes would break up their process group.
    run.accelerator.wait_for_everyone()
    run.accelerator.end_training()
    return out


@contextlib.contextmanager
def _interrupts_wait(run: _Run) -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM until the end of a step, so that the saved state is that of a complete step."""

    def stop(*_: object) -> None:
        run.interrupted = True

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _recipe(name: str, part: str | None) -> Recipe:
    recipes: dict[str, Recipe] = methods.recipes(name)
    chosen = part or next(iter(recipes))
    if chosen not in recipes:
        raise UsageError(f"{name} has no part {chosen!r}", f"parts: {', '.join(recipes)}")
    return recipes[chosen]


def _accelerator(device: str, precision: str) -> Accelerator:
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"no device {device!r}", "auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("no CUDA device here", "use --device auto or cpu")
    if precision == "fp16" and (device == "cpu" or not torch.cuda.is_available()):
        raise UsageError("fp16 needs a CUDA device", "use --precision no or bf16")
    return Accelerator(cpu=device == "cpu", mixed_precision=precision)


class _Losses(nn.Module):
    """The stage's loss as a module, so that DistributedDataParallel sees a forward pass."""

    def __init__(self, method: Method, stage: Stage):
        super().__init__()
        self.method, self.networks, self.stage = method, method.networks, stage

    def forward(self, images: Tensor, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        terms = self.stage.loss(self.method, images, step)
        total = torch.stack([t for n, t in terms.items() if not n.startswith("_")]).sum()
        return total, {n: t.detach() for n, t in terms.items()}


class _Run:
    def __init__(
        self, name: str, part: str | None, recipe: Recipe, data: Path, out: Path, budget: Budget, val: Path | None,
        seed: int, device: str, precision: str, batch: int | None,
        report: Callable[[str], None], tick: Callable[[float, float], None], config: dict[str, object] | None,
    ):  # fmt: skip
        self.accelerator = _accelerator(device, precision)
        self.name, self.part, self.recipe, self.budget = name, part, recipe, budget
        self.out, self.seed, self.batch = out, seed, batch
        self.report, self.tick = report, tick
        self.pictures = Pictures(data)
        self.validation = Pictures(val).centres(recipe.pictures, recipe.side) if val else None
        self.method, networks = seeded(lambda: methods.build(name, **(recipe.config | (config or {}))), seed)
        if networks is None:
            raise UsageError(f"{name} has no networks to train")
        self.networks = networks
        self.method.device = str(self.accelerator.device)
        self.networks.to(self.accelerator.device)
        self.average = {n: p.detach().clone() for n, p in self.networks.state_dict().items()}
        self.progress = Progress()
        self.interrupted = False
        self.optimizer_state: dict[str, Tensor] = {}
        self.good: dict[str, Tensor] = {}  # the last good state of this stage
        self._optimizer: torch.optim.Optimizer | None = None
        self._names: list[str] = []

    # -- the loop

    def go(self) -> None:
        for index in range(self.progress.stage, len(self.recipe.stages)):
            if index > self.progress.stage:
                self.progress.stage, self.progress.step, self.progress.seconds = index, 0, 0.0
                self.progress.bad, self.progress.guard = 0, Guard()
                self.optimizer_state, self.good = {}, {}
            self._run_stage(self.recipe.stages[index])

    def _run_stage(self, stage: Stage) -> None:
        losses, optimizer = self._prepare(stage)
        self.good = self.good or self._snapshot(optimizer)
        logged = time.monotonic()
        for images, step in self._batches(stage):
            started = time.monotonic()
            set_rate(optimizer, stage.lr * self.progress.scale * schedule(step.progress))
            total, terms = losses(images, step)
            self.accelerator.backward(total)
            norm = self.accelerator.clip_grad_norm_(self._trained(stage), stage.clip)
            loss = self._mean(total)
            finite = math.isfinite(loss) and bool(torch.isfinite(cast(Tensor, norm)))
            if finite or self.accelerator.scaler is not None:
                optimizer.step()  # fp16's scaler itself skips such a step and lowers its scale
            if finite:
                self._update_average()
            optimizer.zero_grad(set_to_none=True)
            self.progress.step += 1
            self.progress.total += 1
            self._keep_or_roll_back(loss, finite, optimizer)
            self.progress.seconds += time.monotonic() - started
            if self._on_any_process(self.interrupted):
                raise KeyboardInterrupt
            if time.monotonic() - logged > LOG_SECONDS or self.progress.step == 1:
                logged = time.monotonic()
                self._log(terms, float(cast(Tensor, norm)))
                self.save()
        self._log_quality()

    def _batches(self, stage: Stage) -> Iterator[tuple[Tensor, Step]]:
        size, rank, world = self.batch or stage.batch, self.accelerator.process_index, self.accelerator.num_processes
        if size % world:
            raise UsageError(f"a batch of {size} cannot be shared by {world} processes")
        share = range(rank * size // world, (rank + 1) * size // world)
        while (done := self._share_spent(stage)) < 1:
            self.tick(done, self.progress.seconds * (1 - done) / done if done else math.inf)
            noise = Noise.of(self.seed, self.progress.total, share)
            started = time.monotonic()
            images = self.pictures.batch(noise, stage.crop).to(self.accelerator.device)
            self.progress.seconds += time.monotonic() - started
            yield images, Step(noise, done)

    def _share_spent(self, stage: Stage) -> float:
        weight = stage.steps / sum(s.steps for s in self.recipe.stages)
        if self.budget.minutes is not None:
            done = self.progress.seconds / (60 * self.budget.minutes * weight)
            return self._highest(done)
        steps = stage.steps if self.budget.steps is None else max(1, round(self.budget.steps * weight))
        return self.progress.step / steps

    def _highest(self, value: float) -> float:
        """The maximum over all processes, which must agree on when to stop."""
        mine = torch.tensor([value], dtype=torch.float32, device=self.accelerator.device)
        return float(cast(Tensor, self.accelerator.gather(mine)).max())

    def _mean(self, loss: Tensor) -> float:
        """The mean over all processes, which must agree on when to roll back."""
        return float(cast(Tensor, self.accelerator.gather(loss.detach().float().reshape(1))).mean())

    def _on_any_process(self, flag: bool) -> bool:
        return flag if self.accelerator.num_processes == 1 else self._highest(float(flag)) > 0

    def _prepare(self, stage: Stage) -> tuple[nn.Module, torch.optim.Optimizer]:
        for parameter_name, parameter in self.networks.named_parameters():
            parameter.requires_grad_(parameter_name.startswith(stage.trains))
        optimizer = torch.optim.Adam(self._trained(stage), lr=stage.lr, betas=stage.betas)
        self._names = [n for n, p in self.networks.named_parameters() if p.requires_grad]
        restore_adam(optimizer, self._names, self.optimizer_state)
        losses, prepared = self.accelerator.prepare(_Losses(self.method, stage), optimizer)
        self._optimizer = optimizer
        return losses, prepared

    def _trained(self, stage: Stage) -> list[nn.Parameter]:
        return [p for n, p in self.networks.named_parameters() if n.startswith(stage.trains)]

    def _update_average(self) -> None:
        decay = min(self.recipe.ema, (1 + self.progress.total) / (10 + self.progress.total))
        for parameter_name, value in self.networks.state_dict().items():
            average = self.average[parameter_name]
            if average.is_floating_point():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(value)

    # -- recovery from bad steps

    def _snapshot(self, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        state = {f"model.{n}": t for n, t in self.networks.state_dict().items()}
        state |= {f"average.{n}": t for n, t in self.average.items()}
        state |= {f"adam.{n}": t for n, t in adam_state(optimizer, self._names).items()}
        return {n: t.detach().clone() for n, t in state.items()}

    def _keep_or_roll_back(self, loss: float, finite: bool, optimizer: torch.optim.Optimizer) -> None:
        """After a step: keep this state as the last good one, or roll back, or neither."""
        progress = self.progress
        progress.bad = 0 if finite else progress.bad + 1
        progress.skipped += not finite
        if progress.bad == BAD_STEPS:
            progress.bad = 0
            self._roll_back(f"not finite {BAD_STEPS} times", optimizer)
        elif finite and progress.guard.explodes(loss):
            self._roll_back(f"loss exploded to {loss:.3g}", optimizer)
        elif finite and progress.step % KEEP_STEPS == 0 and progress.guard.calm:
            self.good = self._snapshot(optimizer)

    def _roll_back(self, why: str, optimizer: torch.optim.Optimizer) -> None:
        self.progress.scale /= 2
        self._load_state(self.good)
        restore_adam(optimizer, self._names, self.optimizer_state)
        self.report(f"{why}: back to the last good state, rate halved")

    def _load_state(self, state: dict[str, Tensor]) -> None:
        self.networks.load_state_dict(under("model.", state))
        for parameter_name, value in under("average.", state).items():
            self.average[parameter_name].copy_(value)
        self.optimizer_state = under("adam.", state)

    def begin_with(self, path: Path) -> None:
        """Start from trained weights instead of fresh ones; the method initialises the parts that they lack."""
        trained = weights.load(self.name, path)
        loaded = trained.networks.state_dict() if trained.networks is not None else {}
        mine = self.method.config
        if any(mine[n] != c for n, c in trained.config.items() if n in mine):
            raise UsageError(f"{path} holds another configuration of {self.name}")
        given = {n: t for n, t in loaded.items() if n in self.average}
        self.networks.load_state_dict(self.networks.state_dict() | given)
        self.method.begin(frozenset(given))
        self.average = {n: p.detach().clone() for n, p in self.networks.state_dict().items()}

    # -- files

    @property
    def _checkpoint(self) -> Path:
        return self.out.with_suffix(".ckpt")

    @property
    def _part(self) -> str:
        return self.part or next(iter(methods.recipes(self.name)))

    def _identity(self) -> str:
        """The settings that a resumed run must share with the run it continues."""
        return json.dumps([self._part, self.seed, self.method.config])

    def begin_log(self) -> None:
        """Start an empty log; the log of an earlier run is removed."""
        if self.accelerator.is_main_process:
            self.out.with_suffix(".jsonl").unlink(missing_ok=True)

    def resume(self) -> None:
        state, progress, config = read_checkpoint(self._checkpoint)
        if config != self._identity():
            raise UsageError(f"{self._checkpoint} was trained with another part, seed or configuration")
        self._load_state(state)
        self.good, self.progress = under("good.", state), progress

    def save(self) -> None:
        """Write the checkpoint and the averaged weights, completely or not at all."""
        if not self.accelerator.is_main_process:
            return
        state = self._snapshot(self._optimizer) if self._optimizer else {}
        state |= {f"good.{n}": t for n, t in self.good.items()}
        facts = {"progress": json.dumps(asdict(self.progress)), "config": self._identity()}
        if state:
            files.write(self._checkpoint, to_safetensors(on_cpu(state), facts), force=True)
        training = {
            "part": self._part,
            "steps": self.progress.total,
            "seed": self.seed,
            "torch": torch.__version__,
        }
        packed = weights.pack(self.name, self.method.config, on_cpu(self.average), training)
        files.write(self.out, packed, force=True)

    def _log(self, terms: dict[str, Tensor], norm: float) -> None:
        if not self.accelerator.is_main_process:
            return
        entry: dict[str, float] = {n: round(t.item(), 5) for n, t in terms.items()}
        entry |= {"norm": round(norm, 4), "skipped": self.progress.skipped, **self._quality()}
        self._write_log(entry)

    def _log_quality(self) -> None:
        if self.accelerator.is_main_process:
            self._write_log(self._quality())

    def _write_log(self, entry: dict[str, float]) -> None:
        entry = {"step": self.progress.total, "seconds": round(self.progress.seconds, 1)} | entry
        self.report("  ".join(f"{n} {v:g}" for n, v in entry.items()))
        with self.out.with_suffix(".jsonl").open("a") as file:
            file.write(json.dumps({n: v if math.isfinite(v) else None for n, v in entry.items()}) + "\n")

    @torch.no_grad()
    def _quality(self) -> dict[str, float]:
        """Figures of the averaged weights on the validation pictures; also writes a sample picture."""
        if self.validation is None:
            return {}
        current = {n: t.clone() for n, t in self.networks.state_dict().items()}
        self.networks.load_state_dict(self.average)
        images = self.validation.to(self.accelerator.device)
        figures = self.recipe.validate(self.method, images)
        self._write_sample(self.recipe.sample(self.method, images))
        self.networks.load_state_dict(current)
        return {n: round(v, 6) for n, v in figures.items()}

    def _write_sample(self, images: Tensor) -> None:
        folder = self.out.with_suffix(".samples")
        folder.mkdir(exist_ok=True)
        rows = [np.concatenate(list(r), axis=1) for r in _grid([tensors.to_pixels(i[None]) for i in images], 3)]
        Pillow.fromarray(np.concatenate(rows)).save(folder / f"{self.progress.total:08d}.png")


def _grid(pictures: list[np.ndarray], columns: int) -> list[list[np.ndarray]]:
    whole = len(pictures) // columns * columns
    return [pictures[i : i + columns] for i in range(0, whole, columns)] or [pictures]
