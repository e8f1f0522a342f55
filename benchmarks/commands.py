"""How long whole commands take, start included: median wall and processor time of several runs, and the peak memory.

    python benchmarks/commands.py [--runs 5] [--only WORD]

Beside `stego` the tools of others that are installed: steghide, outguess, stegolsb (stego-lsb), stegano-lsb (stegano).
The cover of 768x512 is cut from scikit-image's photos; those of 12 and 50 megapixels are one of them enlarged, with
noise.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

STEGO = str(Path(sys.executable).with_name("stego"))
SECRETS = {
    "100 B": 100, "1 kB": 1000, "1500 B": 1500, "4 kB": 4000, "10 kB": 10_000, "20 kB": 20_000, "49 kB": 49_000,
    "100 kB": 100_000, "147 kB": 147_000, "1 MB": 1_000_000,
}  # fmt: skip
LARGE = {"2 megapixels": (1732, 1155), "12 megapixels": (4000, 3000), "50 megapixels": (8660, 5773)}


@dataclass(frozen=True)
class Command:
    """A command line, and what the table calls it."""

    label: str
    words: tuple[str, ...]


def measure(words: tuple[str, ...], folder: Path, runs: int) -> str:
    """-> median seconds of the wall clock, median seconds of all processors, largest peak memory; or that it failed."""
    walls, processors, peak = [], [], 0.0
    for _ in range(runs):
        started = time.perf_counter()
        process = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        walls.append(time.perf_counter() - started)
        processors.append(usage.ru_utime + usage.ru_stime)
        peak = max(peak, usage.ru_maxrss / 1024)
        if status:
            return f"ended with status {os.waitstatus_to_exitcode(status)}"
    return f"{statistics.median(walls):7.2f} s {statistics.median(processors):7.2f} s {peak:7.0f} MiB"


def inputs(folder: Path) -> None:
    """Runs in a process of its own: a child's peak memory counts what its parent held when it was started."""
    import numpy as np
    from PIL import Image
    from skimage import data

    coffee, astronaut = data.coffee(), data.astronaut()
    wide = np.concatenate([astronaut[:, :384], np.resize(coffee[:, :384], (512, 384, 3))], axis=1)
    Image.fromarray(wide).save(folder / "photo.png")
    Image.fromarray(wide).save(folder / "photo.jpg", quality=90)
    Image.fromarray(astronaut).save(folder / "square.png")
    for name, size in LARGE.items():
        large = np.asarray(Image.fromarray(coffee).resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
        large += np.random.default_rng(0).integers(-3, 4, large.shape, np.int16)
        picture = Image.fromarray(large.clip(0, 255).astype(np.uint8))
        picture.save(folder / f"{name}.png", compress_level=1)
        picture.save(folder / f"{name}.jpg", quality=90)
    Image.fromarray(coffee[:, :400]).resize((512, 512)).save(folder / "picture.png")
    Image.fromarray(astronaut[:128, 128:256]).save(folder / "secret.png")
    for name, size in SECRETS.items():
        (folder / name).write_bytes(np.random.default_rng(0).bytes(size))


def commands() -> Iterator[Command]:
    yield from (Command(c, (STEGO, *c.split())) for c in ("--help", "--version", "methods"))
    yield Command("a usage error", ("sh", "-c", f"{STEGO} hide x --psnr 40; test $? = 2"))
    for secret in ("100 B", "10 kB", "49 kB", "147 kB"):
        yield from pair("coset", secret, "photo.png")
    for name in ("12 megapixels", "50 megapixels"):
        yield from pair("coset", "100 kB", f"{name}.png")
    for name in ("2 megapixels", "12 megapixels"):
        yield from pair("coset", "1 kB", f"{name}.jpg")
    yield from pair("1bpp", "10 kB", "photo.png")
    yield from pair("glow2", "100 B", None, "--size", "128x128")
    yield from pair("cs-fnns", "secret.png", None, "--size", "256x256")
    for secret, survive in (("4 kB", "jpeg:75"), ("picture.png", "jpeg:75"), ("1500 B", "jpeg:75..95"),
                            ("picture.png", "jpeg:75..95")):  # fmt: skip
        yield from pair("riis", secret, "square.png", "--survive", survive)
    yield from pair("riis", "20 kB", "12 megapixels.png", "--survive", "jpeg:75")
    yield from pair("steg-cinn", "49 kB", "photo.png")
    yield from pair("steg-cinn", "1 MB", "12 megapixels.png")
    yield from of_others()


def pair(name: str, secret: str, cover: str | None, *more: str) -> Iterator[Command]:
    """Hide and reveal. name: of a method, or of weights."""
    out = "-".join([name, secret, *([cover] if cover else []), *more[1:]]).replace(" ", "_").replace(":", "_")
    out = f"{out.replace('.', '_')}{Path(cover or '.png').suffix or '.png'}"
    label = ", ".join([name, secret, *([cover] if cover else []), *more[1:]])
    named = "--method" if "-" in name or name in ("glow2", "riis") else "--weights"
    given = (named, name, *(("--cover", cover) if cover else ()), *more)
    yield Command(f"hide   {label}", (STEGO, "hide", secret, *given, "-o", out, "-f"))
    key = str(Path(out).with_suffix(".key.npy"))
    yield Command(f"reveal {label}", (STEGO, "reveal", out, "--key", key, "-o", "back" + Path(secret).suffix, "-f"))


def of_others() -> Iterator[Command]:
    """What the tools of others take for the same, as far as they are installed."""
    told = {
        "steghide": (
            ("embed", "-cf", "photo.jpg", "-ef", "100 B", "-sf", "s.jpg", "-p", "p", "-f", "-q"),
            ("extract", "-sf", "s.jpg", "-xf", "back", "-p", "p", "-f", "-q"),
        ),
        "outguess": (("-k", "p", "-d", "100 B", "photo.jpg", "o.jpg"), ("-k", "p", "-r", "o.jpg", "back")),
        "stegolsb": (
            ("steglsb", "-h", "-i", "photo.png", "-s", "10 kB", "-o", "l.png", "-n", "1"),
            ("steglsb", "-r", "-i", "l.png", "-o", "back", "-n", "1"),
        ),
        "stegano-lsb": (
            ("hide", "-i", "photo.png", "-m", "x" * 100, "-o", "g.png"),
            ("reveal", "-i", "g.png"),
        ),
    }
    for tool, both in told.items():
        if shutil.which(tool):
            yield from (Command(f"{tool} {words[0]}", (tool, *words)) for words in both)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="only the rows that contain this")
    parser.add_argument("--inputs", type=Path, help="only make the inputs, in this folder")
    options = parser.parse_args()
    if options.inputs:
        inputs(options.inputs)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, __file__, "--inputs", folder], check=True)
        for command in commands():
            if options.only in command.label:
                runs = 1 if any(name in command.label for name in LARGE) else options.runs
                print(f"{command.label:48} {measure(command.words, folder, runs)}", flush=True)


if __name__ == "__main__":
    main()
