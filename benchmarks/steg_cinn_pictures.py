"""What steg-cinn makes of photos: a sheet of the cover, keep top 1, 2 and 3, and recoloured from its luminance alone.

    python benchmarks/steg_cinn_pictures.py COVER... -o SHEET.png [--weights FILE] [--side 192]
    python benchmarks/steg_cinn_pictures.py --grey -o examples/steg-cinn-recoloured.jpg --side 128
    python benchmarks/steg_cinn_pictures.py --modes -o examples/steg-cinn-modes.jpg --side 160

Every picture but the first of a row is a stego that holds a random message of the size that fits; none is left out.
--grey: 16 parts of pictures that scikit-image ships, grey or made grey, each with its recoloured stego beside it.
--modes: three of them in their own colours, as with COVER. A sheet that is a JPEG shows stegos, it does not hold them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from stegcli import api, weights
from stegcli.keys.key import Key
from stegcli.method import Method, Request, Secret
from stegcli.methods.steg_cinn import space
from stegcli.methods.steg_cinn.options import HideOptions
from stegcli.pictures import image
from stegcli.pictures.image import Picture

MODES = [HideOptions(mode="keep", top=t) for t in (1, 2, 3)]
RECOLOUR = HideOptions(mode="recolour")
GREY = {
    "astronaut.png": (0, 100, 300), "astronaut": (200, 0, 312), "chelsea.png": (0, 60, 300),
    "coffee.png": (0, 100, 400), "rocket.jpg": (0, 150, 427), "hubble_deep_field.jpg": (0, 0, 872),
    "ihc.png": (0, 0, 512), "retina.jpg": (0, 0, 1411), "motorcycle_left.png": (0, 0, 500),
    "motorcycle": (0, 240, 500), "camera.png": (0, 0, 512), "coins.png": (0, 40, 303), "brick.png": (0, 0, 512),
    "grass.png": (0, 0, 512), "gravel.png": (0, 0, 512), "moon.png": (0, 0, 512),
}  # fmt: skip
"""Files of scikit-image, or where to find a second part: top, left and side of what is shown."""
SECOND = {"astronaut": "astronaut.png", "motorcycle": "motorcycle_left.png"}
COLOURED = ("astronaut.png", "chelsea.png", "coffee.png")
PAIRS_PER_ROW = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("covers", nargs="*", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--weights")
    parser.add_argument("--side", type=int, default=192)
    parser.add_argument("--grey", action="store_true")
    parser.add_argument("--modes", action="store_true")
    options = parser.parse_args()
    method = weights.load("steg-cinn", options.weights or weights.default_name("steg-cinn"), "cpu")
    rng = np.random.default_rng(0)
    if options.grey:
        pairs = [row(method, n, grey(p), [RECOLOUR], rng) for n, p in packaged(options.side, tuple(GREY))]
        starts = range(0, len(pairs), PAIRS_PER_ROW)
        rows = [np.concatenate(pairs[i : i + PAIRS_PER_ROW], axis=1) for i in starts]
    else:
        shown = packaged(options.side, COLOURED) if options.modes else given(options.covers, options.side)
        rows = [row(method, name, pixels, [*MODES, RECOLOUR], rng) for name, pixels in shown]
    Image.fromarray(np.concatenate(rows)).save(options.output, quality=90)


def packaged(side: int, names: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Parts of scikit-image's pictures, made so small."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    for name in names:
        top, left, size = GREY[name]
        pixels = image.load(folder / SECOND.get(name, name)).pixels[top : top + size, left : left + size]
        yield name, image.resized(np.ascontiguousarray(pixels), side, side)


def given(paths: list[Path], side: int) -> Iterator[tuple[str, np.ndarray]]:
    """The middle of each picture, made so small."""
    for path in paths:
        pixels = image.load(path).pixels
        least = min(pixels.shape[:2])
        top, left = ((n - least) // 2 for n in pixels.shape[:2])
        part = np.ascontiguousarray(pixels[top : top + least, left : left + least])
        yield path.name, image.resized(part, side, side)


def grey(pixels: np.ndarray) -> np.ndarray:
    """A picture's luminance, as a picture."""
    return np.repeat(space.split(pixels)[0][..., None], 3, axis=2).astype(np.uint8)


def row(
    method: Method, name: str, pixels: np.ndarray, modes: list[HideOptions], rng: np.random.Generator
) -> np.ndarray:
    """A cover and its stegos, side by side."""
    shown, cover = [pixels], Picture(pixels)
    for mode in modes:
        room = method.capacity(Request(cover=cover, options=mode))
        key = Key("steg-cinn", "benchmark", rng.bytes(32))
        made = api.hide(Request((Secret(rng.bytes(room)),), (key,), cover, options=mode), method)
        shown.append(made.picture.pixels)
        print(
            f"{name} {mode.mode} {mode.top or ''}: {room} bytes, {8 * room / pixels[..., 0].size:.2f} bpp", flush=True
        )
    return np.concatenate(shown, axis=1)


if __name__ == "__main__":
    main()
