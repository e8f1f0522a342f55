"""Photos that nothing in this project was trained or tuned on, as squares: wallpapers and samples that packages ship.

    apt-get download lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 mate-backgrounds plasma-workspace-wallpapers
    for deb in *.deb; do dpkg -x "$deb" unpacked; done
    python benchmarks/unseen_photos.py --unpacked unpacked -o SQUARES [--side 512]

All photographs of these four Debian packages (12, bookworm) are taken, and the three of scikit-learn and matplotlib;
drawings and computer graphics are not. The middle square of each is made SIDExSIDE and written as PNG. Pictures are
never part of this project: some of their licences differ from its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from PIL import Image as Pillow

LOMIRI = (
    "Bridge_by_Sander_Klootwijk", "Dragonfly_by_Bolly", "Picture_0B_by_freespace", "Picture_1A_by_freespace",
    "Wine_by_Jakkub_Mede", "aitzgorri_by_Aitzol_Berasategi", "free_by_Peter_Nerlich", "friends_by_Aitzol_Berasategi",
    "greentock_by_Peter_Nerlich", "life_by_Aitzol_Berasategi", "picosdeeuropa_by_Aitzol_Berasategi",
    "seeding_by_Clements_Engelhardt", "sunset_by_Aitzol_Berasategi", "Kleiber_by_Lukas_Baubkus",
)  # fmt: skip
MATE = ("Aqua", "Blinds", "Dune", "Garden", "GreenMeadow", "LadyBird", "RainDrops", "Storm", "TwoWings", "Wood",
        "YellowFlower")  # fmt: skip
PLASMA = ("BytheWater", "ColdRipple", "ColorfulCups", "DarkestHour", "EveningGlow", "FallenLeaf", "Grey", "Kite",
          "OneStandsOut", "Path", "summer_1am")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unpacked", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--side", type=int, default=512)
    asked = parser.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    for number, (name, path) in enumerate(photos(asked.unpacked)):
        square(path, asked.side).save(asked.output / f"{number:02}-{name}.png")


def photos(unpacked: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of each, in a fixed order. Raises FileNotFoundError."""
    import matplotlib
    import sklearn

    share = unpacked / "usr" / "share"
    yield from ((name, share / "backgrounds" / f"{name}.jpg") for name in LOMIRI)
    yield from ((name, share / "backgrounds" / "mate" / "nature" / f"{name}.jpg") for name in MATE)
    for name in PLASMA:
        sizes = (share / "wallpapers" / name / "contents" / "images").glob("*.jpg")
        yield name, max(sizes, key=lambda p: int(p.stem.split("x")[0]))
    samples = Path(sklearn.__file__).parent / "datasets" / "images"
    yield from ((name, samples / f"{name}.jpg") for name in ("china", "flower"))
    yield "grace_hopper", Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


def square(path: Path, side: int) -> Pillow.Image:
    """The middle square, made side x side."""
    with Pillow.open(path) as photo:
        width, height = photo.size
        least = min(width, height)
        left, top = (width - least) // 2, (height - least) // 2
        cut = photo.convert("RGB").crop((left, top, left + least, top + least))
    return cut.resize((side, side), Pillow.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
