"""JPEG covers: is the message exact, how much larger is the file, how long does it take.

    python benchmarks/jpeg_covers.py --covers DIR --limit 40             exactness, file size, PSNR, lattice check
    python benchmarks/jpeg_covers.py --time 2 12                         seconds by megapixels
    python benchmarks/jpeg_covers.py --commands 2 12                     the same of whole commands, and their memory

Each cover is used as it is, and once more in one of the kinds that Pillow writes (progressive, 4:4:4, grey, restart
markers, odd sizes, CMYK), in turn. The message is random and fills the limit. Times are processor seconds, in user mode
for commands, on an enlarged photo with grain.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from stegcli.errors import StegoError
from stegcli.keys import key as keys
from stegcli.methods.lossless_inn import jpeg_hiding
from stegcli.pictures import image, jpeg, lattice, metrics, segments

KINDS = {
    "progressive": {"progressive": True},
    "4:4:4": {"subsampling": 0, "quality": 88},
    "4:2:2 optimised": {"subsampling": 1, "optimize": True},
    "restart": {"restart_marker_rows": 1},
    "coarse": {"quality": 40},
    "fine": {"quality": 97},
    "grey": {"mode": "L"},
    "grey progressive": {"mode": "L", "progressive": True},
    "CMYK": {"mode": "CMYK"},
    "odd": {"size": (173, 131)},
    "odd optimised": {"size": (201, 97), "optimize": True, "quality": 92},
}
COSTS = ("juniward", "uerd")


def made(file: bytes, mode: str = "RGB", size: tuple[int, int] | None = None, **options: object) -> bytes:
    """A JPEG file -> the same picture as another kind of file."""
    opened = Pillow.open(io.BytesIO(file)).convert(mode)
    buffer = io.BytesIO()
    (opened.resize(size) if size else opened).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def covers(folder: Path, limit: int) -> Iterator[tuple[str, bytes]]:
    kinds = itertools.cycle(KINDS.items())
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in image.LOSSY)
    for path in paths[:: max(1, len(paths) // limit)][:limit]:
        file = path.read_bytes()
        yield "as it is", file
        name, options = next(kinds)
        yield name, made(file, **options)


def exactness(folder: Path, limit: int, rates: list[float]) -> None:
    rng, key = np.random.default_rng(0), keys.generate("lossless-inn", "coset-3")
    tried = dict.fromkeys(rates, 0)
    exact, sizes, psnrs, headers, found = ({r: [] for r in rates} for _ in range(5))
    for number, (kind, file) in enumerate(covers(folder, limit)):
        cover = jpeg.read(file)
        for rate in rates:
            room = jpeg_hiding.capacity(cover, rate)
            if room == 0:
                continue
            data = rng.bytes(int(rng.integers(1, room + 1)) if number % 2 else room)
            tried[rate] += 1
            try:
                written = jpeg.write(
                    cover, jpeg_hiding.hide(data, key, cover, COSTS[number % 2], rate).blocks, keep_metadata=True
                ).file
                right = jpeg_hiding.reveal(jpeg.read(written), key) == data
            except StegoError as error:
                print(f"{kind}: {error}")
                continue
            exact[rate].append(right)
            headers[rate].append(same_header(file, written))
            if history(file) == "jpeg":  # the colours of a grey picture tell nothing
                found[rate].append(history(written) != "jpeg")
            if number % 2 == 0:
                sizes[rate].append(len(written) / len(file) - 1)
                psnrs[rate].append(metrics.psnr(image.decode(file).pixels, image.decode(written).pixels))
    for rate in rates:
        print(
            f"{rate:g} bits per non-zero AC coefficient: exact {sum(exact[rate])} of {tried[rate]}, segments before "
            f"the scan as they were {sum(headers[rate])}; filled: file size {100 * np.mean(sizes[rate]):+.2f} % "
            f"(worst {100 * np.max(sizes[rate]):+.2f} %), PSNR {np.mean(psnrs[rate]):.1f} dB; the "
            f"colour-lattice check finds {sum(found[rate])} of {len(found[rate])}"
        )


def same_header(file: bytes, written: bytes) -> bool:
    """Whether all segments but the Huffman tables are byte for byte the cover's."""
    one, two = ([s for s in segments.parse(f).before if s.marker != segments.DHT] for f in (file, written))
    return one == two


def history(file: bytes) -> str:
    """What the colour-lattice check says of the decoded picture."""
    return lattice.examine(image.decode(file).pixels).history


def large(megapixels: float) -> bytes:
    """A JPEG file of this size: an enlarged photo with grain."""
    from skimage import data as samples

    side = int((megapixels * 1e6 / 12) ** 0.5)
    photo = Pillow.fromarray(samples.astronaut()).resize((4 * side, 3 * side), Pillow.Resampling.BICUBIC)
    noisy = np.asarray(photo) + np.random.default_rng(0).normal(0, 4, (3 * side, 4 * side, 3))
    buffer = io.BytesIO()
    Pillow.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def commands(megapixels: list[float], size: int) -> None:
    for wanted in megapixels:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            subprocess.run([sys.executable, __file__, "--write", str(wanted), folder / "cover.jpg"], check=True)
            (folder / "secret").write_bytes(np.random.default_rng(0).bytes(size))
            for line in ("hide secret --cover cover.jpg -o out.jpg -q", "reveal out.jpg --key out.key.npy -o back -q"):
                process = subprocess.Popen([sys.executable, "-m", "stegcli", *line.split()], cwd=folder)
                _, status, usage = os.wait4(process.pid, 0)
                assert status == 0
                told = f"{usage.ru_utime:.2f} s, {usage.ru_maxrss / 1024:.0f} MiB"
                print(f"{wanted:g} MP, {size} bytes, {line.split()[0]}: {told}", flush=True)
            assert (folder / "back").read_bytes() == (folder / "secret").read_bytes()


def times(megapixels: list[float], size: int) -> None:
    key, data = keys.generate("lossless-inn", "coset-3"), np.random.default_rng(0).bytes(size)
    for wanted in megapixels:
        file = large(wanted)
        marks = [("", time.process_time(), time.monotonic())]

        def mark(name: str, marks: list[tuple[str, float, float]] = marks) -> None:
            marks.append((name, time.process_time(), time.monotonic()))

        cover = jpeg.read(file)
        mark("read")
        changed = jpeg_hiding.hide(data, key, cover, "juniward")
        mark("costs and code")
        written = jpeg.write(cover, changed.blocks).file
        mark("write")
        assert jpeg_hiding.reveal(jpeg.read(written), key) == data
        mark("reveal")
        steps = ", ".join(f"{b[0]} {b[1] - a[1]:.2f} ({b[2] - a[2]:.2f})" for a, b in itertools.pairwise(marks))
        print(f"{wanted:g} MP, {size} bytes, CPU seconds (elapsed): {steps}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--covers", type=Path)
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.4])
    parser.add_argument("--time", type=float, nargs="+", default=[], help="megapixels")
    parser.add_argument("--commands", type=float, nargs="+", default=[], help="megapixels")
    parser.add_argument("--write", nargs=2, metavar=("MEGAPIXELS", "FILE"), help="only write such a cover")
    parser.add_argument("--bytes", type=int, default=1000, help="of the message that is timed")
    asked = parser.parse_args()
    if asked.write:
        Path(asked.write[1]).write_bytes(large(float(asked.write[0])))
        return
    if asked.covers:
        exactness(asked.covers, asked.limit, asked.rates)
    times(asked.time, asked.bytes)
    commands(asked.commands, asked.bytes)


if __name__ == "__main__":
    main()
