"""Simple ways to hide random bits in the coefficients of a JPEG, to compare with at equal payload.

nsF5, UERD and J-UNIWARD as a perfect code would do them, over all colour components; steghide as it is, if it is
installed.

Reference: Statistically undetectable JPEG steganography: dead ends, challenges, and opportunities (Fridrich, Pevny,
Kodovsky, 2007): nsF5. The costs are those of `coding.jpeg_costs`.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from stegcli.coding import jpeg_costs
from stegcli.detectors.bound import moves
from stegcli.errors import CapacityError
from stegcli.pictures import jpeg
from stegcli.pictures.jpeg import Component, Jpeg

SECONDS = 60  # that another program may take
Blocks = list[np.ndarray]
Scheme = Callable[[Jpeg, int, np.random.Generator], Blocks]
"""A cover, message bits, randomness -> the blocks of each component. Raises CapacityError if they do not fit."""


def nsf5(cover: Jpeg, bits: float, rng: np.random.Generator) -> Blocks:
    """Magnitudes of non-zero AC coefficients lowered by one, as few as any code needs."""
    rate = bits / max(1, cover.nonzero_ac)
    if rate > 1:
        raise CapacityError(cover.nonzero_ac // 8, round(bits / 8))
    low, high = 0.0, 0.5
    for _ in range(40):
        p = (low + high) / 2
        low, high = (p, high) if -p * np.log2(p) - (1 - p) * np.log2(1 - p) < rate else (low, p)
    return [_lowered(c.blocks.copy(), high, rng) for c in cover.components]


def _lowered(blocks: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    flat = blocks.reshape(-1)
    places = np.flatnonzero(flat)
    places = places[places % 64 != 0]
    chosen = places[rng.random(len(places)) < share]
    flat[chosen] -= np.sign(flat[chosen])
    return blocks


def at_bound(costs: Callable[[Component], np.ndarray]) -> Scheme:
    """Costs of each coefficient -> a scheme that spreads one payload over all components."""

    def run(cover: Jpeg, bits: int, rng: np.random.Generator) -> Blocks:
        each = [costs(c) for c in cover.components]
        whole = np.concatenate([c.reshape(-1) for c in each])
        return moved(cover, moves(whole, whole, bits, rng))

    return run


def moved(cover: Jpeg, steps: np.ndarray) -> Blocks:
    """Changes of all coefficients, component after component -> the blocks."""
    ends = np.cumsum([c.blocks.size for c in cover.components])[:-1]
    parts = zip(cover.components, np.split(steps, ends), strict=True)
    return [
        (c.blocks + part.reshape(c.blocks.shape)).clip(-jpeg.LARGEST, jpeg.LARGEST).astype(np.int16)
        for c, part in parts
    ]


def steghide(cover: Jpeg, bits: int, rng: np.random.Generator) -> Blocks:
    words = "embed -cf cover.jpg -ef data -sf stego.jpg -p pass -Z -K -N -e none -f -q"
    return by_program(["steghide", *words.split()], cover.file, rng.bytes(max(1, int(bits) // 8)))


def by_program(command: Sequence[str], cover: bytes, data: bytes) -> Blocks:
    """A command that makes stego.jpg of cover.jpg and data -> the blocks of its components.

    Raises CapacityError if it makes none.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cover.jpg").write_bytes(cover)
        (folder / "data").write_bytes(data)
        ended = subprocess.run(command, cwd=folder, capture_output=True, timeout=SECONDS, check=False)
        stego = folder / "stego.jpg"
        if ended.returncode or not stego.exists() or not stego.stat().st_size:
            raise CapacityError(0, len(data))
        return [c.blocks for c in jpeg.read(stego.read_bytes()).components]


def missing(name: str) -> str:
    """Why a scheme cannot be measured on this machine; "" if it can."""
    return "not installed" if name == "steghide" and not shutil.which(name) else ""


SCHEMES: dict[str, Scheme] = {
    "nsF5": nsf5,
    "UERD": at_bound(jpeg_costs.uerd),
    "J-UNIWARD": at_bound(jpeg_costs.juniward),
    "steghide": steghide,
}
