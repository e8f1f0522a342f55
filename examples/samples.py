"""Draw sheets of samples, as README shows them: `python examples/samples.py`."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from stegcli import weights
from stegcli.methods.glow2.method import Glow2
from stegcli.nn import tensors

HERE = Path(__file__).resolve().parent
GAP = 2
SHEETS = {
    "samples-textures.jpg": ("textures", 128, 16, 8),
    "samples-textures-512.jpg": ("textures", 512, 4, 2),
    "samples-landscapes.jpg": ("landscapes", 64, 16, 16),
}
"""File -> generator, side of its draws, how many, and how many in a row."""


@torch.no_grad()
def sheet(name: str, side: int, count: int, columns: int) -> np.ndarray:
    """The first draws of that generator from a seed, none left out."""
    method = weights.load("glow2", name)
    assert isinstance(method, Glow2)
    rng = np.random.default_rng(0)
    drawn = [tensors.to_pixels(method.sample(rng.standard_normal, side, side)) for _ in range(count)]
    paper = np.full((count // columns * (side + GAP), columns * (side + GAP), 3), 255, np.uint8)
    for i, picture in enumerate(drawn):
        top, left = i // columns * (side + GAP), i % columns * (side + GAP)
        paper[top : top + side, left : left + side] = picture
    return paper


def main() -> None:
    for file, wanted in SHEETS.items():
        Image.fromarray(sheet(*wanted)).save(HERE / file, quality=90)
        print(file)


if __name__ == "__main__":
    main()
