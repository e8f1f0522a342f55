"""The training loop: it learns, it stops, it goes on in the same bits, and no fault costs what was learned."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import load_file
from torch import Tensor

from stegcli import guard, methods, schedule, training, weights
from stegcli.cli import app
from stegcli.errors import FileError, UsageError, WeightsError
from stegcli.method import Method
from stegcli.recipe import Loss, Noise, Recipe, Stage, Step, seeded
from stegcli.schedule import Budget

METHOD = "lossless-inn"
TINY = methods.module(METHOD, "recipe").TINY[0]
PART, RECIPE = next(iter(methods.recipes(METHOD).items()))


def draw_pictures(folder: Path, count: int = 3, side: int = 96) -> Path:
    folder.mkdir()
    y, x = np.mgrid[:side, :side]
    for i in range(count):
        waves = np.stack([np.sin(x / (5 + i) + c) * np.cos(y / (7 + c)) for c in range(3)], axis=-1)
        noise = np.random.default_rng(i).normal(0, 4, waves.shape)
        Pillow.fromarray((127 + 90 * waves + noise).clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pictures(tmp_path_factory.mktemp("data") / "pictures")


@dataclass
class Watched:
    """A loss that notes what it saw, and is spoilt at chosen calls."""

    loss: Loss
    spoilt: frozenset[int] = frozenset()
    values: list[float] = field(default_factory=list)
    states: list[dict[str, Tensor]] = field(default_factory=list)

    def __call__(self, method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
        terms = self.loss(method, images, step)
        self.states.append({n: t.clone() for n, t in method.networks.state_dict().items()})
        if len(self.values) in self.spoilt:
            terms["bits"] = terms["bits"] * float("nan")
        self.values.append(terms["bits"].item())
        return terms


Prepare = Callable[..., Watched]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Puts a small recipe in the place of the method's, of one stage or two, with a watched loss."""

    def prepare(
        stages: int = 1, spoilt: frozenset[int] = frozenset(), loss: Loss = RECIPE.stages[0].loss, **changes: Any
    ) -> Watched:
        watched = Watched(loss, spoilt)
        one = replace(RECIPE.stages[0], loss=watched, steps=10, batch=2, crop=32, **changes)
        two = [replace(one, trains="net.couplings.0.net_m"), one]
        recipe = replace(RECIPE, config=TINY, stages=(one,) if stages == 1 else tuple(two), side=64)
        monkeypatch.setitem(methods.recipes(METHOD), PART, recipe)
        return watched

    return prepare


def train(data: Path, out: Path, steps: int | None = 4, **options: Any) -> dict[str, Tensor]:
    """-> the averaged weights that were written."""
    budget = options.pop("budget", Budget(steps=steps))
    training.train(METHOD, None, data, out, budget, **{"device": "cpu"} | options)
    return weights.read(out).tensors()


def progress_of(out: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(str(out.with_suffix(".ckpt")), "pt") as file:
        return dict(json.loads(file.metadata()["progress"]))


def log_of(out: Path) -> list[dict[str, Any]]:
    """The log, read as strictly as JSON is defined."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    lines = out.with_suffix(".jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


# -- learning


def test_the_loss_goes_down(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    """A task that a few steps can learn: add to each sample the bit that stands over it."""

    def copy_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
        bits = step.noise.bits(1, *images.shape[2:])
        stego, _ = method.networks.get_submodule("net").embed(images * 255, bits)
        return {"bits": (stego - images * 255 - bits).square().mean()}

    watched = small(loss=copy_loss, lr=1e-2)
    train(pictures, tmp_path / "w.safetensors", steps=40)
    assert watched.values[0] == pytest.approx(1)
    assert watched.values[-1] < 0.1


def test_what_is_written_loads_and_says_how_it_was_trained(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    small()
    out = tmp_path / "w.safetensors"
    trained = train(pictures, out, steps=3, seed=5)
    assert same(dict(weights.load(METHOD, str(out)).networks.state_dict()), trained)
    facts = weights.read(out).training
    assert facts == {"part": PART, "steps": 3, "seed": 5, "torch": torch.__version__}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w.ckpt", "w.jsonl", "w.safetensors"]


def test_the_same_seed_gives_the_same_weights(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    small()
    before = torch.get_rng_state()
    first, again, other = (train(pictures, tmp_path / f"{i}.safetensors", seed=i // 2) for i in range(3))
    assert same(first, again)
    assert not same(first, other)
    assert torch.equal(torch.get_rng_state(), before)


BANDS = ("g2/y1", "g2/base")
"""Parts that are one band of a flow: these stand for all, as they run the same code."""
STAGES = [
    pytest.param(name, part, number, id=f"{name}-{part}-{recipe.stages[number].name}")
    for name in methods.names()
    if methods.about(name).parts
    for part, recipe in methods.recipes(name).items()
    for number in range(len(recipe.stages))
    if "/" not in part or part in BANDS
]


DRAWN = {"riis": 24}
"""Steps until each channel was drawn, where a step trains what its channel needs."""


@pytest.mark.parametrize(("name", "part", "number"), STAGES)
def test_every_trained_parameter_gets_a_gradient(name: str, part: str, number: int) -> None:
    recipe: Recipe = methods.recipes(name)[part]
    stage: Stage = recipe.stages[number]
    method, networks = seeded(lambda: methods.build(name, **recipe.config), 0)
    assert networks is not None
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in networks.parameters():  # off the zeros that last layers start from
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=draw))
    for parameter_name, parameter in networks.named_parameters():
        parameter.requires_grad_(parameter_name.startswith(stage.trains))
    side = stage.crop if name == "steg-cinn" else min(stage.crop, 64)  # it cuts its own parts from whole crops
    images = torch.rand(2, 3, side, side, generator=draw).mul(255).round().div(255)
    for number in range(DRAWN.get(name, 1)):
        terms = stage.loss(method, images, Step(Noise.of(0, number, range(2)), 0.5))
        torch.stack([t for n, t in terms.items() if not n.startswith("_")]).sum().backward()
    trained = {n: p.grad for n, p in networks.named_parameters() if p.requires_grad}
    assert trained
    for parameter_name, gradient in trained.items():
        assert gradient is not None, parameter_name
        assert gradient.isfinite().all(), parameter_name
        assert gradient.count_nonzero() > 0, parameter_name


def test_a_stage_trains_what_its_prefix_says(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    prefix = "net.couplings.0.net_m"
    watched = small(trains=prefix)
    train(pictures, tmp_path / "w.safetensors")
    first, last = watched.states[0], watched.states[-1]
    assert {n for n in first if not torch.equal(first[n], last[n])} <= {n for n in first if n.startswith(prefix)}
    assert not same(first, last)


def test_the_average_follows_its_formula(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    watched = small()
    out = tmp_path / "w.safetensors"
    written = train(pictures, out, steps=4)
    checkpoint = load_file(out.with_suffix(".ckpt"))
    last = {n.removeprefix("model."): t for n, t in checkpoint.items() if n.startswith("model.")}
    average = watched.states[0]
    for t, state in enumerate([*watched.states[1:], last]):
        decay = min(RECIPE.ema, (1 + t) / (10 + t))
        average = {n: decay * a + (1 - decay) * state[n] for n, a in average.items()}
    for name, value in written.items():
        torch.testing.assert_close(value, average[name])


def test_the_schedule_warms_up_and_ends_low() -> None:
    rates = [schedule.schedule(p) for p in np.linspace(0, 1, 501)]
    assert rates[0] == pytest.approx(schedule.FLOOR)
    assert rates[-1] == pytest.approx(schedule.FLOOR)
    assert schedule.schedule(schedule.WARMUP) == pytest.approx(1, abs=1e-3)
    peak = int(np.argmax(rates))
    assert all(np.diff(rates[: peak + 1]) > 0)
    assert all(np.diff(rates[peak:]) < 0)


def test_a_budget_in_minutes_ends_in_time(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    small(stages=2)
    shares: list[float] = []
    started = time.monotonic()
    budget = Budget(minutes=0.03)
    train(pictures, tmp_path / "w.safetensors", budget=budget, tick=lambda done, left: shares.append(done))
    assert 1.5 < time.monotonic() - started < 6
    assert shares[0] == 0
    assert max(shares) < 1
    assert progress_of(tmp_path / "w.safetensors")["seconds"] >= 0.9  # the second stage's half


def test_without_a_budget_the_recipe_says_how_long(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    watched = small(stages=2)
    train(pictures, tmp_path / "w.safetensors", steps=None)
    assert len(watched.values) == 20


# -- the log


def test_validation_figures_and_a_sample_are_written(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    small()
    out = tmp_path / "w.safetensors"
    train(pictures, out, steps=3, val=pictures)
    first, last = log_of(out)
    assert {"step", "seconds", "bits", "norm", "skipped", "psnr", "wrong_bits"} <= first.keys()
    assert (first["step"], last["step"]) == (1, 3)
    assert first["psnr"] is None or first["psnr"] > 0  # JSON has no infinity
    with Pillow.open(out.with_suffix(".samples") / "00000003.png") as sample:
        assert sample.size == (3 * 64, 3 * 64)


def test_measuring_changes_nothing(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    small()
    measured = train(pictures, tmp_path / "a.safetensors", val=pictures)
    assert same(measured, train(pictures, tmp_path / "b.safetensors"))


def test_broken_pictures_are_passed_over(tmp_path: Path, small: Prepare, caplog: pytest.LogCaptureFixture) -> None:
    small()
    folder = draw_pictures(tmp_path / "data")
    (folder / "broken.png").write_bytes(b"no picture")
    train(folder, tmp_path / "w.safetensors", steps=8)
    assert caplog.text.count("broken.png is not a picture") == 1


# -- faults and interruptions


class Stop:
    """Interrupts at the n-th call: between two steps, or by a signal that waits for the end of the step."""

    HOW: ClassVar = {"raise": 1, "signal": 0}

    def __init__(self, after: int, how: str):
        self.left, self.how = after + self.HOW[how], how

    def __call__(self, done: float, left: float) -> None:
        self.left -= 1
        if self.left == 0 and self.how == "signal":
            signal.raise_signal(signal.SIGINT)
        elif self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("how", ["raise", "signal"])
@pytest.mark.parametrize("after", [1, 3, 5, 8])
def test_interrupted_and_resumed_ends_in_the_same_bits(
    pictures: Path, tmp_path: Path, small: Prepare, after: int, how: str
) -> None:
    """Ten steps in two stages of five, with other parameters each."""
    small(stages=2)
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    handler = signal.getsignal(signal.SIGINT)
    expected = train(pictures, whole, steps=10)
    with pytest.raises(KeyboardInterrupt):
        train(pictures, parts, steps=10, tick=Stop(after, how))
    assert signal.getsignal(signal.SIGINT) is handler
    assert progress_of(parts)["total"] == after
    assert weights.read(parts).training["steps"] == after
    assert same(train(pictures, parts, steps=10, resume=True), expected)
    assert same(load_file(parts.with_suffix(".ckpt")), load_file(whole.with_suffix(".ckpt")))


def test_a_longer_budget_goes_on_from_the_end(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    small()
    out = tmp_path / "w.safetensors"
    train(pictures, out, steps=3)
    train(pictures, out, steps=5, resume=True)
    assert progress_of(out)["total"] == 5


def test_a_step_without_a_finite_gradient_is_skipped(
    pictures: Path, tmp_path: Path, small: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = small(spoilt=frozenset({2}))
    monkeypatch.setattr(training, "LOG_SECONDS", 0.0)
    out = tmp_path / "w.safetensors"
    train(pictures, out, steps=5)
    assert same(watched.states[2], watched.states[3])
    assert not same(watched.states[3], watched.states[4])
    assert all(t.isfinite().all() for t in load_file(out.with_suffix(".ckpt")).values())
    assert [line["skipped"] for line in log_of(out)[:5]] == [0, 0, 1, 1, 1]
    assert log_of(out)[2]["bits"] is None


def test_many_of_them_bring_back_the_last_good_state_at_half_the_rate(
    pictures: Path, tmp_path: Path, small: Prepare
) -> None:
    said: list[str] = []
    watched = small(spoilt=frozenset(range(3, 3 + training.BAD_STEPS)))
    out = tmp_path / "w.safetensors"
    train(pictures, out, steps=3 + training.BAD_STEPS, report=said.append)
    prefixes = ("model", "average", "good.model", "good.average")
    start = {f"{prefix}.{n}": t for prefix in prefixes for n, t in watched.states[0].items()}
    assert same(load_file(out.with_suffix(".ckpt")), start)  # and nothing is left of Adam's moments
    progress = progress_of(out)
    assert (progress["scale"], progress["skipped"]) == (0.5, training.BAD_STEPS)
    assert any("rate halved" in line for line in said)


def test_after_a_roll_back_it_goes_on(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    watched = small(spoilt=frozenset(range(1, 1 + training.BAD_STEPS)))
    train(pictures, tmp_path / "w.safetensors", steps=10)
    assert not same(watched.states[6], watched.states[7])
    assert np.isfinite(watched.values[6:]).all()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard's measures for runs of some ten steps."""
    monkeypatch.setattr(guard, "BLIND", 10)
    monkeypatch.setattr(guard, "PATIENCE", 5)
    monkeypatch.setattr(training, "KEEP_STEPS", 10)


EDGE = 0.017


def cliff_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
    """Falls while a bias grows, by the rate in each step, and is a hundred times as much once it is beyond EDGE."""
    grown = dict(method.networks.named_parameters())["net.couplings.0.net_a.layers.1.bias"].mean()
    return {"bits": 1 - grown + 100 * float(grown > EDGE)}


@pytest.mark.usefixtures("hasty")
def test_a_loss_that_explodes_and_stays_finite_brings_back_a_state_from_before(
    pictures: Path, tmp_path: Path, small: Prepare
) -> None:
    said: list[str] = []
    watched = small(loss=cliff_loss, lr=1e-3)
    out = tmp_path / "w.safetensors"
    train(pictures, out, steps=40, report=said.append)
    fell = next(i for i, value in enumerate(watched.values) if value > 50)
    assert 20 < fell < 30
    back = fell + 5
    assert min(watched.values[fell:back]) > 50
    assert same(watched.states[back], watched.states[20])
    assert max(watched.values[back : back + 5]) < 1.1
    assert sum("loss exploded to 101" in line for line in said) == 1
    assert progress_of(out)["scale"] == 0.5


@pytest.mark.usefixtures("hasty")
def test_noise_brings_nothing_back(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    def noisy_loss(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
        falling = cliff_loss(method, images, step)["bits"]
        return {"bits": falling * step.noise.normal(1).mean().exp() - 3}

    said: list[str] = []
    small(loss=noisy_loss, lr=1e-5)
    out = tmp_path / "w.safetensors"
    train(pictures, out, steps=150, report=said.append)
    assert progress_of(out)["scale"] == 1
    assert not any("rate halved" in line for line in said)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("after", [18, 27, 33])
def test_an_explosion_and_a_resumed_run_end_in_the_same_bits(
    pictures: Path, tmp_path: Path, small: Prepare, after: int
) -> None:
    """Interrupted before it, while the guard counts, and after the roll-back."""
    calls = 0

    def exploding(method: Method, images: Tensor, step: Step) -> dict[str, Tensor]:
        terms = RECIPE.stages[0].loss(method, images, step)
        return terms | {"bits": terms["bits"] * (1000 if 25 <= calls < 30 else 1)}

    small(loss=exploding)
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"

    def count(done: float, left: float) -> None:
        nonlocal calls
        calls += 1

    expected = train(pictures, whole, steps=40, tick=count)
    assert progress_of(whole)["scale"] == 0.5
    calls, stop = 0, Stop(after, "raise")

    def count_and_stop(done: float, left: float) -> None:
        stop(done, left)
        count(done, left)

    with pytest.raises(KeyboardInterrupt):
        train(pictures, parts, steps=40, tick=count_and_stop)
    assert same(train(pictures, parts, steps=40, tick=count, resume=True), expected)
    assert same(load_file(parts.with_suffix(".ckpt")), load_file(whole.with_suffix(".ckpt")))


def test_a_failure_leaves_the_output_as_it_was(tmp_path: Path, small: Prepare) -> None:
    small()
    folder = draw_pictures(tmp_path / "data", side=16)
    out = tmp_path / "w.safetensors"
    out.write_bytes(b"earlier")
    with pytest.raises(FileError, match="no readable picture of at least 32x32"):
        train(folder, out)
    assert out.read_bytes() == b"earlier"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "w.safetensors"]


# -- beginning with what is there


def test_start_begins_with_trained_weights(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    watched = small()
    first = train(pictures, tmp_path / "a.safetensors")
    watched.states.clear()
    train(pictures, tmp_path / "b.safetensors", start=tmp_path / "a.safetensors", seed=9)
    assert same(watched.states[0], first)


def test_start_with_weights_that_do_not_fit(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    small()
    first, out = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    train(pictures, first)
    with pytest.raises(UsageError, match="holds another configuration of lossless-inn"):
        train(pictures, out, start=first, config={"growth": 5})
    with pytest.raises(WeightsError, match="no such file"):
        train(pictures, out, start=tmp_path / "absent.safetensors")
    first.write_bytes(weights.pack("glow9", {}, {}, {}))
    with pytest.raises(WeightsError, match="weights of glow9"):
        train(pictures, out, start=first)


def test_resume_with_another_configuration(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    small()
    train(pictures, tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match="was trained with another part, seed or configuration"):
        train(pictures, tmp_path / "w.safetensors", resume=True, config={"growth": 5})


def test_resume_without_a_checkpoint_or_from_a_damaged_one(pictures: Path, tmp_path: Path, small: Prepare) -> None:
    small()
    out = tmp_path / "w.safetensors"
    with pytest.raises(FileError, match=r"no checkpoint .* to resume from"):
        train(pictures, out, resume=True)
    train(pictures, out)
    whole = out.with_suffix(".ckpt").read_bytes()
    for damaged in (b"", whole[:100], whole[:-4], out.read_bytes()):
        out.with_suffix(".ckpt").write_bytes(damaged)
        with pytest.raises(FileError, match="is not a checkpoint of stego, or is damaged"):
            train(pictures, out, resume=True)


# -- from the command line


def stego(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Runs `stego` in this process -> exit status, and what it said."""
    monkeypatch.setattr(sys, "argv", ["stego", *arguments])
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            app.main()
    finally:
        signal.signal(signal.SIGTERM, handler)
    return int(str(ended.value.code or 0)), capsys.readouterr().err


WRONG = [
    (2, "--minutes and --steps exclude each other", ["--minutes", "1"]),
    (2, "no precision 'half'", ["--precision", "half"]),
    (2, "fp16 needs a CUDA device", ["--precision", "fp16"]),
    (2, "must end in .safetensors", ["-o", "w.bin"]),
    (2, "no part 'other'", ["--part", "other"]),
    (2, "no device 'tpu'", ["--device", "tpu"]),
    (2, "no CUDA device here", ["--device", "cuda"]),
    (2, "--steps", ["--steps", "0"]),
    (3, "is not a folder", ["--data", "absent"]),
    (3, "no pictures in", ["--data", "."]),
    (3, "is not a folder", ["--val", "absent"]),
    (3, "no such folder", ["-o", "absent/w.safetensors"]),
    (3, "no checkpoint", ["--resume"]),
    (6, "no such file", ["--start", "absent.safetensors"]),
]


@pytest.mark.parametrize(("status", "message", "arguments"), WRONG, ids=[" ".join(w[2]) for w in WRONG])
def test_wrong_usage(
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    message: str,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    common = ["train", METHOD, "--data", str(pictures), "-o", "w.safetensors", "--steps", "1", "--device", "cpu"]
    ended, said = stego(common + arguments, monkeypatch, capsys)
    assert ended == status, said
    assert message in said
    assert list(tmp_path.iterdir()) == []


def test_unknown_methods_and_missing_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["train", "other", "--data", ".", "-o", "w.safetensors"], ["train", METHOD], ["train"]):
        assert stego(arguments, monkeypatch, capsys)[0] == 2


def test_an_existing_output_needs_force(
    pictures: Path, tmp_path: Path, small: Prepare, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small()
    out = tmp_path / "w.safetensors"
    out.write_bytes(b"earlier")
    command = ["train", METHOD, "--data", str(pictures), "-o", str(out), "--steps", "2", "--device", "cpu"]
    status, said = stego(command, monkeypatch, capsys)
    assert (status, out.read_bytes()) == (3, b"earlier")
    assert "w.safetensors exists" in said
    assert stego([*command, "--force"], monkeypatch, capsys)[0] == 0
    assert weights.read(out).training["steps"] == 2


# -- in processes of their own

ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("STEGO_")} | {"OMP_NUM_THREADS": "1"}


def test_ctrl_c_saves_and_resume_goes_on(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "w.safetensors"
    command = [sys.executable, "-m", "stegcli", "train", METHOD, "--data", str(pictures), "-o", str(out)]
    command += ["--part", "3bpp", "--device", "cpu", "--batch", "1", "--steps"]  # a part of one stage
    with subprocess.Popen([*command, "1000"], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not out.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "stego: interrupted" in said
    assert "Traceback" not in said
    done = progress_of(out)["total"]
    assert 1 < done < 1000
    assert weights.read(out).training["steps"] == done
    weights.load(METHOD, str(out))
    resumed = subprocess.run([*command, str(done + 2), "--resume"], env=ENVIRONMENT, check=False, timeout=60)
    assert resumed.returncode == 0
    assert progress_of(out)["total"] == done + 2


def test_two_processes_train_what_one_would(pictures: Path, tmp_path: Path) -> None:
    """They share each batch, and average their gradients."""
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "stegcli"]
    options = ["--data", str(pictures), "--steps", "4", "--batch", "2", "--device", "cpu"]
    command = [*launch, "train", METHOD, *options, "-o", str(two)]
    for _ in range(3):  # gloo, under load, now and then aborts while it sets up or leaves; that is not what is tested
        ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=90)
        if "SIGABRT" not in ended.stderr:
            break
        two.unlink(missing_ok=True)
    assert ended.returncode == 0, ended.stderr
    expected, trained = train(pictures, one, batch=2), weights.read(two).tensors()
    for name, value in expected.items():
        torch.testing.assert_close(trained[name], value, rtol=0, atol=1e-5)
