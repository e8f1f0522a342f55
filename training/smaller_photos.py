"""Photos -> PNG files of them made smaller: pictures that were never a JPEG at their size, as the covers of pixels are.

    python training/smaller_photos.py --photos DIR --first 1500 --last 3499 -o TRAIN [--factors 0.5 0.6 0.7]

One file for each photo and factor, by Lanczos. A JPEG's traces end with its size.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from stegcli.data import list_pictures


def write_smaller(photo: Path, factor: float, folder: Path) -> None:
    opened = Image.open(photo).convert("RGB")
    size = round(opened.width * factor), round(opened.height * factor)
    opened.resize(size, Image.Resampling.LANCZOS).save(folder / f"{photo.stem}-{factor:g}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0, help="index of the first photo, by name")
    parser.add_argument("--last", type=int, help="index of the last one")
    parser.add_argument("--factors", type=float, nargs="+", default=[0.5, 0.6, 0.7])
    parser.add_argument("--output", "-o", type=Path, required=True)
    asked = parser.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    last = None if asked.last is None else asked.last + 1
    for photo in list_pictures(asked.photos)[asked.first : last]:
        for factor in asked.factors:
            write_smaller(photo, factor, asked.output)


if __name__ == "__main__":
    main()
