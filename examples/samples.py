"""Draw sheets of samples, as README shows them: `python examples/samples.py`."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from stegcli import image, weights
from stegcli.methods.glow2.method import Glow2

HERE = Path(__file__).resolve().parent
COLUMNS, GAP = 8, 2


@torch.no_grad()
def sheet(name: str, count: int = 16) -> np.ndarray:
    """The first draws of that generator from a seed, none left out, in rows of COLUMNS."""
    method = weights.load("glow2", name)
    assert isinstance(method, Glow2)
    rng = np.random.default_rng(0)
    side = method.side
    drawn = [image.to_pixels(method.sample(rng.standard_normal, side, side)) for _ in range(count)]
    paper = np.full((count // COLUMNS * (side + GAP), COLUMNS * (side + GAP), 3), 255, np.uint8)
    for i, picture in enumerate(drawn):
        top, left = i // COLUMNS * (side + GAP), i % COLUMNS * (side + GAP)
        paper[top : top + side, left : left + side] = picture
    return paper


def main() -> None:
    for name in ("textures", "landscapes"):
        path = HERE / f"samples-{name}.jpg"
        Image.fromarray(sheet(name)).save(path, quality=90)
        print(path.name)


if __name__ == "__main__":
    main()
