"""Damaged files of every kind that stego reads: each is read, or refused by a StegoError.

    python tests/fuzz/run.py --count 100000            any number of mutations
    python tests/fuzz/run.py --seed 3 --only 4711      one of them again

A mutation is given by seed and number alone. Any other exception ends the run, with both in its notes.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import seeds

from stegcli.errors import StegoError
from stegcli.pictures import image

MAX_PIXELS = 1_000_000
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def read_picture(data: bytes, _: Path) -> None:
    """Decode, and where that goes well, everything that is done with a picture afterwards."""
    picture = image.decode(data, max_pixels=MAX_PIXELS)
    height, width = picture.pixels.shape[:2]
    assert picture.pixels.shape == (height, width, 3)
    assert picture.pixels.dtype == np.uint8
    assert height * width <= MAX_PIXELS
    if picture.alpha is not None:
        assert picture.alpha.shape == (height, width)
        assert picture.alpha.dtype == np.uint8
    again = image.decode(image.encode(picture))
    assert np.array_equal(again.pixels, picture.pixels)
    assert (again.alpha is None) == (picture.alpha is None)
    assert again.profile == picture.profile or image.lost_in(picture, "PNG")
    for format in ("TIFF", "BMP", "WEBP", "JPEG"):
        image.lost_in(picture, format)
    assert image.in_srgb(picture).profile is None


def read_key(data: bytes, folder: Path) -> None:
    """As a key file, and as one with a token of one message."""
    from stegcli.keys import key, tokens

    path = folder / "key.npy"
    path.write_bytes(data)
    with suppress(StegoError):
        tokens.load(path)
    key.load(path)


def read_weights(data: bytes, folder: Path) -> None:
    from stegcli import weights

    path = folder / "weights.safetensors"
    path.write_bytes(data)
    weights.read(path).tensors()


TARGETS: dict[str, tuple[Callable[[], list[bytes]], Callable[[bytes, Path], None]]] = {
    "picture": (seeds.pictures, read_picture),
    "key": (seeds.keys, read_key),
    "weights": (seeds.weights_files, read_weights),
}
SHARES = ("picture",) * 6 + ("key",) * 2 + ("weights",) * 2


def mutated(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """A file -> the same with one to four kinds of damage."""
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        rng.choice(DAMAGES)(damaged, others, rng)
    whole = bytes(damaged)
    return seeds.mended(whole) if rng.random() < 0.5 else whole


def _place(data: bytearray, rng: random.Random) -> int:
    """Headers are where the parsers are: half of the places lie there."""
    return rng.randrange(max(1, min(len(data), rng.choice((32, 256, 2**30)))))


def _bytes(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    for _ in range(rng.choice((1, 3, 10))):
        place = _place(data, rng)
        data[place : place + 1] = bytes([rng.randrange(256)])


def _bit(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    place = _place(data, rng)
    data[place : place + 1] = bytes([b ^ 1 << rng.randrange(8) for b in data[place : place + 1]])


def _number(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    size, order = rng.choice((1, 2, 4, 8)), rng.choice(("big", "little"))
    value = rng.choice(EXTREMES) & (1 << 8 * size) - 1
    place = _place(data, rng)
    data[place : place + size] = value.to_bytes(size, order)  # type: ignore[arg-type]


def _cut(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    del data[_place(data, rng) :]


def _gap(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    place = _place(data, rng)
    del data[place : place + rng.choice((1, 2, 4, 100))]


def _insert(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    place, size = _place(data, rng), rng.choice((1, 2, 4, 100, 5000))
    data[place:place] = rng.choice((rng.randbytes(size), bytes(size), b"[" * size, b"\xff" * size))


def _repeat(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    start, end = sorted((_place(data, rng), _place(data, rng)))
    data[start:start] = data[start:end] * rng.choice((1, 3))


def _splice(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    other = rng.choice(others)
    data[_place(data, rng) :] = other[rng.randrange(len(other)) :]


DAMAGES = (_bytes, _bytes, _bit, _number, _number, _cut, _gap, _insert, _repeat, _splice)


@contextmanager
def named(seed: int, number: int) -> Iterator[None]:
    """Tells of the mutation at hand if it ends the run."""
    try:
        yield
    except Exception as error:
        error.add_note(f"again: python tests/fuzz/run.py --seed {seed} --only {number}")
        raise


def run(numbers: range, seed: int, folder: Path) -> tuple[Counter[str], float]:
    """Numbers of mutations -> how many were read and refused, by target; and the longest time of one, in seconds."""
    files = {name: make() for name, (make, _) in TARGETS.items()}
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for number in numbers:
        rng = random.Random(f"{seed}/{number}")
        name = rng.choice(SHARES)
        data = mutated(rng.choice(files[name]), files[name], rng)
        started = time.perf_counter()
        with named(seed, number):
            try:
                TARGETS[name][1](data, folder)
                outcomes[f"{name} read"] += 1
            except StegoError:
                outcomes[f"{name} refused"] += 1
        slowest = max(slowest, time.perf_counter() - started)
    return outcomes, slowest


def main() -> None:
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=2000, help="mutations")
    parser.add_argument("--seed", type=int, default=0, help="which mutations")
    parser.add_argument("--only", type=int, help="the number of a single one")
    asked = parser.parse_args()
    numbers = range(asked.count) if asked.only is None else range(asked.only, asked.only + 1)
    with tempfile.TemporaryDirectory() as folder:
        outcomes, slowest = run(numbers, asked.seed, Path(folder))
    for name, count in sorted(outcomes.items()):
        sys.stdout.write(f"{count:8} {name}\n")
    sys.stdout.write(f"the slowest took {slowest:.2f} s\n")


if __name__ == "__main__":
    main()
