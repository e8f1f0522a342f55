"""`--cluster`: batches on a local cluster of two worker processes."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_helpers import ok, photo, refused, run, save, stego_process
from cluster_helpers import cluster

from stegcli import remote
from stegcli.cli import cluster as clusters
from stegcli.errors import CapacityError, FileError, RevealError, StegoError, UsageError
from stegcli.keys import key as keys
from stegcli.remote import Failed, Task

COUNT = 4
TOO_LONG = 2
VARIES = ("seconds", "input", "output", "key", "cover_psnr")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with cluster() as found:
        yield found


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters, of which one does not fit, and a cover and a key for each."""
    monkeypatch.chdir(tmp_path)
    for folder in ("letters", "scans"):
        Path(folder).mkdir()
    for number in range(COUNT):
        Path(f"letters/{number}.txt").write_bytes(b"x" * 100_000 if number == TOO_LONG else b"letter %d" % number)
        save(Path(f"scans/{number}.png"), photo(96, 96, number))
    keys.generate("lossless-inn", "coset-1").save(Path("key.npy"))


def letters() -> list[Path]:
    return sorted(Path("letters").iterdir())


def hide(*more: object, folder: str = "out") -> list[dict[str, object]]:
    """A batch -> its lines. One letter does not fit: the status is that of its error."""
    ended = run("hide", *letters(), "--cover", "scans", "--key", "key.npy", "-o", f"{folder}/", "--json", *more)
    assert ended.status == CapacityError.exit_code
    assert len(ended.errors) == 1
    return ended.lines


def test_a_batch_gives_what_one_process_gives(address: str) -> None:
    """The same order, the same figures, the same secrets; each revealed by the other."""
    there, alone = hide("--cluster", address, folder="there"), hide(folder="alone")
    assert [line["input"] for line in there] == [str(p) for p in letters()]
    assert [{k: v for k, v in line.items() if k not in VARIES} for line in there] == [
        {k: v for k, v in line.items() if k not in VARIES} for line in alone
    ]
    assert there[TOO_LONG]["exit"] == CapacityError.exit_code
    assert "does not fit" in str(there[TOO_LONG]["error"])
    for source, target, more in (("there", "a", ()), ("alone", "b", ("--cluster", address))):
        stegos = sorted(Path(source).glob("*.png"))
        assert len(stegos) == COUNT - 1
        lines = ok("reveal", *stegos, "--key", "key.npy", "-o", f"{target}/", "--json", *more).lines
        assert [line["input"] for line in lines] == [str(p) for p in stegos]
        for stego in stegos:
            assert Path(target, f"{stego.stem}.bin").read_bytes() == Path("letters", f"{stego.stem}.txt").read_bytes()


def test_fresh_keys_and_a_wrong_stego(address: str) -> None:
    ok("hide", letters()[0], "--cover", "scans/0.png", "-o", "out/", "--cluster", address)
    save(Path("out/1.png"), photo(96, 96, 1))
    keys.generate("lossless-inn", "coset-1").save(Path("out/1.key.npy"))
    ended = run("reveal", "out/0.png", "out/1.png", "-o", "back/", "--json", "--cluster", address)
    assert ended.status == RevealError.exit_code
    assert [line["exit"] for line in ended.lines] == [0, RevealError.exit_code]
    assert Path("back/0.bin").read_bytes() == b"letter 0"
    assert Path("out/0.key.npy").stat().st_mode & 0o777 == 0o600


def test_a_single_file_goes_there_too(address: str) -> None:
    ok("hide", letters()[0], "--cover", "scans/0.png", "--key", "key.npy", "-o", "one.png", "--cluster", address)
    assert ok("reveal", "one.png", "--key", "key.npy", "--cluster", address).out == b"letter 0"


def test_a_worker_that_is_killed_in_the_middle_costs_nothing(address: str) -> None:
    """Its jobs run again on the other, and the lines come in order."""
    with clusters.connected(address) as connected:
        workers = sorted(connected.client.run(os.getpid).values())
    assert len(workers) == 2
    for number in range(COUNT, 12):
        Path(f"letters/{number:02}.txt").write_bytes(b"letter %d" % number)
    argv = [
        "hide",
        *map(str, letters()),
        "--cover",
        "scans/0.png",
        "--key",
        "key.npy",
        "-o",
        "out/",
        "--json",
        "--force",
    ]
    with stego_process(*argv, "--cluster", address) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        os.kill(workers[0], signal.SIGKILL)
        lines += process.stdout.read().splitlines()
    found = [json.loads(line) for line in lines]
    assert [line["input"] for line in found] == [str(p) for p in letters()]
    assert [line["exit"] for line in found].count(0) == len(found) - 1  # the letter that is too long
    assert len(list(Path("out").glob("*.png"))) == len(found) - 1


def test_a_fault_of_a_job_is_told_and_the_others_go_on(address: str) -> None:
    with clusters.connected(address) as connected:
        assert list(connected.run([lambda n=n: n * n for n in range(9)])) == [n * n for n in range(9)]  # type: ignore[misc]
        results = connected.run([lambda: 1, lambda: 1 // 0, lambda: 3])
        assert next(results) == 1
        with pytest.raises(StegoError, match="fault on a worker: ZeroDivisionError: integer division"):
            next(results)


@pytest.mark.parametrize("more", [("--payload", 0.1), ("--attack", "jpeg:95..90")])
def test_evaluate_measures_the_same_there(address: str, more: tuple[object, ...]) -> None:
    argv = ("evaluate", "lossless-inn", "--covers", "scans", "--weights", "coset-1", "--limit", 2, *more, "--json")
    there, here = ok(*argv, "--cluster", address).json, ok(*argv).json
    assert [(r["net_bpp"], r["exact"]) for r in there["rows"]] == [(r["net_bpp"], r["exact"]) for r in here["rows"]]
    assert [(r["attack"], r["breaks"]) for r in there["sweeps"]] == [(r["attack"], r["breaks"]) for r in here["sweeps"]]
    assert there["rows"] or there["sweeps"]


# -- clusters that do not work


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.mark.parametrize("command", [("hide", "letters/0.txt", "--cover", "scans/0.png"), ("reveal", "scans/0.png")])
def test_a_cluster_that_nobody_runs_ends_with_one_line(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "PATIENCE", 1.0)
    where = f"dask://127.0.0.1:{free_port()}"
    refused(3, *command, "--key", "key.npy", "-o", "out.png", "--cluster", where, says="cannot reach the cluster")


def test_a_cluster_without_workers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "PATIENCE", 0.5)
    with cluster(workers=0) as where, pytest.raises(FileError, match="has no workers"), clusters.connected(where):
        pass


@pytest.mark.parametrize("wrong", ["localhost:8786", "dask://localhost", "dask://:8786", "tcp://localhost:8786", ""])
def test_an_address_names_host_and_port(wrong: str) -> None:
    with pytest.raises(UsageError, match="takes dask://HOST:PORT"), clusters.connected(wrong):
        pass


def test_a_scheduler_that_dies_ends_the_jobs_with_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "PATIENCE", 2.0)
    with cluster(workers=1) as where, clusters.connected(where) as connected:
        pid = connected.client.run_on_scheduler(os.getpid)
        results = connected.run([lambda: time.sleep(0.5)] * 9)
        next(results)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(FileError, match="is gone"):
            list(results)


def test_jobs_and_cluster_exclude_each_other() -> None:
    argv = ("letters/0.txt", "--cover", "scans/0.png", "-o", "out/", "--jobs", 2, "--cluster", "dask://localhost:1")
    refused(2, "hide", *argv, says="--jobs and --cluster")


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    argv = ("letters/0.txt", "--cover", "scans/0.png", "-o", "out.png", "--cluster", "dask://localhost:1")
    assert "stegcli[cluster]" in refused(2, "hide", *argv, says="needs dask.distributed").err


# -- what a worker does


@pytest.mark.parametrize(
    "error", [UsageError("a", "b"), RevealError("c"), CapacityError(3, 5, "d"), FileError("e"), StegoError("f")]
)
def test_errors_travel_as_they_are(error: StegoError) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own bytes, as dask sends them)
    assert type(again) is type(error)
    assert (str(again), again.hint, vars(again)) == (str(error), error.hint, vars(error))


def test_a_task_returns_its_failure_and_shows_no_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the task sets it

    def fails(error: Exception) -> None:
        raise error

    limits = (10**8, 1)
    told = remote.perform(Task(fails, (RevealError(),), *limits))
    assert isinstance(told, Failed)
    assert isinstance(told.error, RevealError)
    assert remote.perform(Task(fails, (ValueError("odd.\nmore"),), *limits)) == Failed(None, "ValueError: odd")
    assert "secret" not in repr(Task(fails, (b"secret",), *limits))
