"""The second decoder, written from docs/format.md alone, reads what this package writes."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from second_decoder import decoder

from stegcli.coding import payload
from stegcli.keys.key import Key

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
COSETS = sorted(p.name.removesuffix(".key.npy") for p in GOLDEN.glob("coset-*.key.npy"))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_it_imports_nothing_of_the_package() -> None:
    nodes = ast.walk(ast.parse((HERE / "second_decoder" / "decoder.py").read_text(encoding="utf-8")))
    named = {n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)}
    nodes = ast.walk(ast.parse((HERE / "second_decoder" / "decoder.py").read_text(encoding="utf-8")))
    named |= {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    assert not [name for name in named if name.split(".")[0] in ("stegcli", "torch", "scipy", "ldpc")]


def test_there_are_golden_stegos() -> None:
    assert COSETS


@pytest.mark.parametrize("name", COSETS)
def test_golden_stegos(name: str) -> None:
    key = decoder.read_key(GOLDEN / f"{name}.key.npy")
    assert decoder.reveal(pixels(GOLDEN / f"{name}.png"), key) == (GOLDEN / "secret.txt").read_bytes()


@pytest.mark.parametrize("name", COSETS)
def test_another_key_reveals_nothing(name: str) -> None:
    with pytest.raises(decoder.NothingRevealedError):
        decoder.reveal(pixels(GOLDEN / f"{name}.png"), decoder.Secret("lossless-inn", bytes(32)))


class Planes:
    """A cover of random samples, where every change costs the same."""

    def __init__(self, slots: int):
        self.samples = np.random.default_rng(slots).integers(0, 4, slots, np.uint8)

    def __len__(self) -> int:
        return len(self.samples)

    def share(self, bits: int, slots: int) -> int:
        return payload.upper_share(bits, slots)

    def plane(self, index: int, lower: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        return self.samples >> index & 1, np.ones(len(self), np.float32)


@pytest.mark.parametrize(("height", "width", "part"), [(20, 30, 1), (31, 47, 0.1), (64, 64, 0), (67, 81, 0.5)])
def test_sizes_and_lengths(key: Key, height: int, width: int, part: float) -> None:
    planes = Planes(3 * height * width)
    data = np.random.default_rng(0).bytes(int(part * payload.capacity(len(planes), "coset")))
    lower, upper = payload.write_coset(data, key, planes).bits
    stego = (lower | upper << 1).reshape(3, height, width).transpose(1, 2, 0)
    assert decoder.reveal(stego, decoder.Secret(key.method, key.secret)) == data
