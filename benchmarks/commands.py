"""How long whole commands take, start included: medians of several runs, and the peak memory.

    python benchmarks/commands.py [--runs 5]

The cover of 768x512 is cut from scikit-image's photos; that of 12 megapixels is one of them enlarged, with noise.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEGO = str(Path(sys.executable).with_name("stego"))


def measure(arguments: list[str], folder: Path, runs: int) -> tuple[float, float]:
    """-> median seconds and largest peak memory in MiB."""
    seconds, peak = [], 0.0
    for _ in range(runs):
        started = time.perf_counter()
        process = subprocess.Popen(
            [STEGO, *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds.append(time.perf_counter() - started)
        peak = max(peak, usage.ru_maxrss / 1024)
        if status:
            sys.exit(f"stego {' '.join(arguments)} failed")
    return statistics.median(seconds), peak


def covers(folder: Path) -> None:
    """Runs in a process of its own: a child's peak memory counts what its parent held when it was started."""
    import numpy as np
    from PIL import Image
    from skimage import data

    coffee, astronaut = data.coffee(), data.astronaut()
    wide = np.concatenate([astronaut[:, :384], np.resize(coffee[:, :384], (512, 384, 3))], axis=1)
    Image.fromarray(wide).save(folder / "photo.png")
    large = np.asarray(Image.fromarray(coffee).resize((4000, 3000), Image.Resampling.BICUBIC)).astype(int)
    large += np.random.default_rng(0).integers(-3, 4, large.shape)
    Image.fromarray(large.clip(0, 255).astype(np.uint8)).save(folder / "large.png", compress_level=1)
    for name, size in {"full1": 49_000, "full3": 147_000, "small": 4_900, "most": 42_000, "100k": 100_000}.items():
        (folder / name).write_bytes(np.random.default_rng(0).bytes(size))


def commands(weights: str, secret: str, cover: str) -> dict[str, list[str]]:
    label = f"{weights}, {secret}, {cover}"
    out = f"{weights}-{secret}-{cover}"
    hide = ["hide", secret, "--weights", weights, "--cover", cover, "-o", out, "-f"]
    return {
        f"hide   {label}": hide,
        f"reveal {label}": ["reveal", out, "--key", out.replace(".png", ".key.npy"), "-o", "back", "-f"],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--covers", type=Path, help="only draw the covers, into this folder")
    options = parser.parse_args()
    if options.covers:
        covers(options.covers)
        return
    runs = options.runs
    todo = {"--help": ["--help"], "--version": ["--version"]}
    for weights, secret in (
        ("coset", "small"),
        ("coset", "full1"),
        ("coset", "full3"),
        ("1bpp", "small"),
        ("1bpp", "most"),
    ):
        todo |= commands(weights, secret, "photo.png")
    todo |= commands("coset", "100k", "large.png")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, __file__, "--covers", folder], check=True)
        for label, arguments in todo.items():
            seconds, peak = measure(arguments, folder, 1 if "large" in label else runs)
            print(f"{label:36} {seconds:7.2f} s {peak:7.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
