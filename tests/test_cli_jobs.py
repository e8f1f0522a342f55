"""Jobs: what a run of many does with order, faults and threads; and what a job leaves when its output is closed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import SECRET, prepare

from stegcli import files, weights
from stegcli.cli import inputs, jobs
from stegcli.cli.jobs import HideJob, RevealJob
from stegcli.cli.models import Models
from stegcli.errors import FileError, RevealError, UsageError
from stegcli.keys import key as keys
from stegcli.methods.glow2.options import HideOptions as MakeOptions
from stegcli.methods.lossless_inn.options import HideOptions
from stegcli.pictures.channel import LOSSLESS

PNG = (LOSSLESS,)
HIDE_FIGURES = (
    "method", "weights", "output", "key", "width", "height", "cover_psnr", "payload_bytes", "capacity_bytes", "bpp",
    "secret_psnr", "form", "number", "verified", "notes", "seconds",
)  # fmt: skip
Job = Callable[[], dict[str, Any]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)


def fails(error: Exception) -> Job:
    def job() -> dict[str, Any]:
        raise error

    return job


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_outcomes_come_in_order(workers: int) -> None:
    todo = [(str(i), lambda i=i: {"figure": i}) for i in range(9)]
    outcomes = list(jobs.run_all(todo, workers))
    assert outcomes == [{"input": str(i), "exit": 0, "figure": i} for i in range(9)]


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_and_bugs_become_outcomes(workers: int, capsys: pytest.CaptureFixture[str]) -> None:
    todo = [("a", fails(RevealError())), ("b", fails(ValueError("odd"))), ("c", fails(MemoryError())), ("d", dict)]
    outcomes = list(jobs.run_all(todo, workers))
    assert [o["exit"] for o in outcomes] == [4, 1, 1, 0]
    assert outcomes[0]["error"] == "nothing revealed"
    said = capsys.readouterr().err
    assert "stego: error: a: nothing revealed\n" in said
    assert "stego: error: b: internal fault: ValueError: odd\n" in said
    assert "stego: error: c: not enough memory\n" in said


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_ends_the_run(workers: int) -> None:
    done = []
    todo = [("a", fails(KeyboardInterrupt()))]  # type: ignore[arg-type]
    todo += [(str(i), lambda i=i: {"n": done.append(i)}) for i in range(100)]
    with pytest.raises(KeyboardInterrupt):
        list(jobs.run_all(todo, workers))
    assert len(done) < 100


def test_outcomes_are_told_as_soon_as_known() -> None:
    told = threading.Event()
    outcomes = jobs.run_all([("a", dict), ("b", lambda: {"waited": told.wait(10)})], 1)
    next(outcomes)
    told.set()
    assert next(outcomes)["waited"]


def test_workers_run_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=10)
    todo = [(name, lambda: {"place": meeting.wait()}) for name in "ab"]
    assert {o["place"] for o in jobs.run_all(todo, 2)} == {0, 1}


def test_a_method_is_loaded_once_for_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    real = weights.load
    monkeypatch.setattr(weights, "load", lambda *a: loads.append(a) or real(*a))
    models = Models(None, "cpu")
    key = keys.generate("lossless-inn", "coset-1")
    outcomes = list(jobs.run_all([(str(i), lambda: {"id": id(models.of_key(key))}) for i in range(8)], 4))
    assert len({o["id"] for o in outcomes}) == 1
    assert len(loads) == 1


def test_no_device_no_models() -> None:
    with pytest.raises(UsageError, match="no device 'tpu'"):
        Models(None, "tpu")


def test_a_key_is_held_to_its_method() -> None:
    inputs.check_key(keys.generate("lossless-inn", "coset-1"), None)
    inputs.check_key(keys.generate("lossless-inn", "coset-1"), "lossless-inn")
    with pytest.raises(UsageError, match="is for lossless-inn, not for riis"):
        inputs.check_key(keys.generate("lossless-inn", "coset-1"), "riis")
    with pytest.raises(UsageError, match="which this stego lacks"):
        inputs.check_key(keys.generate("glow7", "x"), None)


def job(output: str, key_path: str, fresh: bool) -> HideJob:
    key = keys.generate("lossless-inn", "coset-1") if fresh else keys.load(key_path)
    return HideJob(("secret.txt",), "cover.png", output, (key,), (key_path,), (key_path,), fresh, HideOptions(), PNG)


def test_a_key_goes_when_nobody_received_its_stego(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(data: bytes) -> None:
        raise FileError("cannot write standard output: broken pipe")

    monkeypatch.setattr(files, "write_stdout", closed)
    one = job("-", "fresh.npy", fresh=True)
    with pytest.raises(FileError, match="cannot write standard output"):
        jobs.hide(one, Models(None, "cpu").of_key(one.keys[0]), force=False, quiet=True)
    assert not Path("fresh.npy").exists()


def test_outputs_are_looked_at_before_inputs() -> None:
    Path("out.png").write_bytes(b"old")
    held = (keys.load("key.npy"),)
    one = HideJob(("missing",), "missing", "out.png", held, ("key.npy",), (), False, HideOptions(), PNG)
    with pytest.raises(FileError, match=r"output out\.png exists"):
        jobs.hide(one, Models(None, "cpu").of_key(one.keys[0]), force=False, quiet=True)


def test_hide_and_reveal_say_nothing_when_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    models = Models(None, "cpu")
    one = job("out.png", "key.npy", fresh=False)
    figures = jobs.hide(one, models.of_key(one.keys[0]), force=False, quiet=True)
    assert tuple(figures) == HIDE_FIGURES
    back = jobs.reveal(RevealJob("out.png", "back", "key.npy"), models, force=False, quiet=True)
    assert back["bytes"] == len(SECRET)
    assert Path("back").read_bytes() == SECRET
    assert capfd.readouterr() == ("", "")


def make_job(output: str, key_path: str, fresh: bool) -> HideJob:
    key, options = keys.generate("glow2", weights.default_name("glow2")), MakeOptions(size=(64, 64))
    return HideJob(("secret.txt",), None, output, (key,), (key_path,), (key_path,), fresh, options, PNG)


def test_making_and_revealing_say_nothing_when_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    models = Models(None, "cpu")
    one = make_job("out.png", "fresh.npy", fresh=True)
    figures = jobs.hide(one, models.of_key(one.keys[0]), force=False, quiet=True)
    assert tuple(figures) == HIDE_FIGURES
    assert figures["key"] == "fresh.npy"
    back = jobs.reveal(RevealJob("out.png", "back", "fresh.npy", named=False), models, force=False, quiet=True)
    assert (back["output"], back["bytes"]) == ("back.bin", len(SECRET))
    assert Path("back.bin").read_bytes() == SECRET
    assert capfd.readouterr() == ("", "")


def test_a_key_goes_when_nobody_received_the_stego_made_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(data: bytes) -> None:
        raise FileError("cannot write standard output: broken pipe")

    monkeypatch.setattr(files, "write_stdout", closed)
    one = make_job("-", "fresh.npy", fresh=True)
    with pytest.raises(FileError, match="cannot write standard output"):
        jobs.hide(one, Models(None, "cpu").of_key(one.keys[0]), force=False, quiet=True)
    assert not Path("fresh.npy").exists()


def test_a_job_without_a_cover_is_none_for_a_method_that_needs_one() -> None:
    one = replace(job("out.png", "key.npy", fresh=False), cover=None)
    with pytest.raises(UsageError, match="lossless-inn needs --cover"):
        jobs.hide(one, Models(None, "cpu").of_key(one.keys[0]), force=False, quiet=True)
    making = replace(make_job("out.png", "k.npy", fresh=True), cover="cover.png")
    with pytest.raises(UsageError, match="glow2 makes its own picture"):
        jobs.hide(making, Models(None, "cpu").of_key(making.keys[0]), force=False, quiet=True)
