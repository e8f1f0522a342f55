"""A batch on a local cluster of two workers beside `--jobs 2`: the same files revealed, and the time of both.

    python benchmarks/cluster.py --photos DIR [--count 100] [--side 192] [--bytes 1000] [--runs 3]

Covers are the first photos of DIR, reduced to squares, with noise of a level or two, which ends their JPEG past, as
PNG; secrets are random. The scheduler and two workers of one
thread each run on this machine and are warm: a short batch goes before. Dask is set
as docs/scale.md advises. Each command is timed from start to end, by
turns, and the median is told, with the processors' seconds of the command and of the workers. Every stego of one is
revealed by the other. Needs dask.distributed: the extra `cluster`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

WORKERS = 2
PORT = 18786
STARTING = 60.0
QUIET = {
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "5s",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
}
"""What dask measures of itself costs each of its processes some percent of a core. It also tells workers to give memory
back at once, which arrays of a few megabytes then get anew from the system each time."""


def main() -> None:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(Path(arguments.photos), folder, arguments.count, arguments.side, arguments.bytes)
        stego(folder, "keygen", "-o", "key.npy")
        with local_cluster() as (address, processes):
            ways = {f"--jobs {WORKERS}": ("--jobs", str(WORKERS)), "--cluster": ("--cluster", address)}
            for way in ways.values():
                hide(folder, "warm", way, first=2 * WORKERS)
            compare(folder, ways, processes, arguments)


def compare(
    folder: Path, ways: dict[str, tuple[str, ...]], processes: list[int], arguments: argparse.Namespace
) -> None:
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(arguments.runs):
        for name, way in ways.items():
            before = used(processes)
            wall = hide(folder, name, way)
            seconds[name].append((wall, used(processes) - before))
    medians = {name: statistics.median(w for w, _ in found) for name, found in seconds.items()}
    for name, found in seconds.items():
        busy = statistics.median(p for _, p in found)
        print(f"{name}: {arguments.count} hides in {medians[name]:.1f} s, {busy:.1f} s of the processors")
    jobs, cluster = medians.values()
    print(f"the cluster takes {cluster / jobs:.2f} times the time of --jobs {WORKERS}")
    for name, other in zip(ways, reversed(ways.values()), strict=True):
        before, began = used(processes), time.monotonic()
        exact = revealed(folder, name, other)
        took = f"in {time.monotonic() - began:.1f} s, {used(processes) - before:.1f} s of the processors"
        print(f"stegos of {name} that the other reveals exactly: {exact} of {arguments.count}, {took}")
    sizes = [p.stat().st_size for p in stegos(folder, next(iter(ways))).iterdir()]
    print(f"a stego takes {statistics.mean(sizes) / 1000:.0f} kB")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--side", type=int, default=192)
    parser.add_argument("--bytes", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    return parser.parse_args()


def make_inputs(photos: Path, folder: Path, count: int, side: int, size: int) -> None:
    (folder / "covers").mkdir()
    (folder / "secrets").mkdir()
    paths = sorted(p for p in photos.iterdir() if p.is_file())
    rng = np.random.default_rng(0)
    for index in range(count):
        with Pillow.open(paths[index % len(paths)]) as photo:
            small = np.asarray(photo.convert("RGB").resize((side, side), Pillow.Resampling.LANCZOS))
        noisy = (small + rng.normal(0, 1.5, small.shape)).round().clip(0, 255).astype(np.uint8)
        Pillow.fromarray(noisy).save(folder / f"covers/{index:04}.png")
        (folder / f"secrets/{index:04}.bin").write_bytes(rng.bytes(size))


def hide(folder: Path, name: str, way: tuple[str, ...], first: int | None = None) -> float:
    """Seconds of one command. The stegos go into a folder of the way's name."""
    out = stegos(folder, name)
    shutil.rmtree(out, ignore_errors=True)
    secrets = sorted(str(p) for p in (folder / "secrets").iterdir())[:first]
    began = time.monotonic()
    stego(folder, "hide", *secrets, "--cover", "covers", "--key", "key.npy", "-o", f"{out.name}/", "--quiet", *way)
    return time.monotonic() - began


def revealed(folder: Path, name: str, way: tuple[str, ...]) -> int:
    """How many of the stegos reveal their secrets, by another way."""
    back = folder / f"back-{stegos(folder, name).name}"
    paths = sorted(str(p) for p in stegos(folder, name).iterdir())
    stego(folder, "reveal", *paths, "--key", "key.npy", "-o", f"{back.name}/", "--quiet", *way)
    return sum(p.read_bytes() == (folder / "secrets" / p.name).read_bytes() for p in back.iterdir())


def stegos(folder: Path, name: str) -> Path:
    return folder / name.strip("-").replace(" ", "-")


def stego(folder: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "stegcli", *arguments], cwd=folder, check=True, env=environment())


def environment() -> dict[str, str]:
    """Workers and commands find this checkout."""
    return os.environ | QUIET | {"PYTHONPATH": str(Path(__file__).parent.parent)}


@contextlib.contextmanager
def local_cluster() -> Iterator[tuple[str, list[int]]]:
    """A scheduler and its workers -> the address for --cluster, and the processes to count."""
    address = f"127.0.0.1:{PORT}"
    scheduler = dask("scheduler", "--host", "127.0.0.1", "--port", str(PORT), "--no-dashboard")
    workers = dask("worker", f"tcp://{address}", "--nworkers", str(WORKERS), "--nthreads", "1", "--no-dashboard")
    try:
        yield f"dask://{address}", started(address)
    finally:
        for process in (workers, scheduler):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def dask(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dask", *arguments]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=environment(), start_new_session=True, **quiet)


def started(address: str) -> list[int]:
    """Waits until all workers are there -> their process numbers."""
    from distributed import Client

    with Client(f"tcp://{address}", timeout=STARTING, set_as_default=False) as client:
        client.wait_for_workers(WORKERS, timeout=STARTING)
        return list(client.run(os.getpid).values())


def used(processes: list[int]) -> float:
    """Processor seconds so far: of the commands that ended, and of the workers."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = os.sysconf("SC_CLK_TCK")
    fields = [Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split() for p in processes]
    return ended.ru_utime + ended.ru_stime + sum(int(f[11]) + int(f[12]) for f in fields) / ticks


if __name__ == "__main__":
    main()
