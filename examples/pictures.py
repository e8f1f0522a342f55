"""Writes the pictures that the pages in docs/reports/ show: `python examples/pictures.py DIR`.

Three of scikit-image's photos, 256x256 pixels of each reduced to 128x128, which ends whatever JPEG past they have.
"""

import sys
from pathlib import Path

from PIL import Image
from skimage import data

SIDE, CUT = 128, 256
CORNERS = {"astronaut": (0, 100), "chelsea": (20, 80), "coffee": (60, 150)}
"""Photo -> top and left of what is cut out."""


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, (top, left) in CORNERS.items():
        cut = getattr(data, name)()[top : top + CUT, left : left + CUT]
        Image.fromarray(cut).resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(folder / f"{name}.png")
        print(folder / f"{name}.png")


if __name__ == "__main__":
    main()
