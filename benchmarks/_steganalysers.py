"""Estimators of LSB replacement: ours, and two programs of others that are run as they are.

StegExpose (github.com/b3dk7/StegExpose, Java) is run compiled, with commons-math3 on its class path; of aletheia
(github.com/daniellerch/aletheia) `spa` is run, on each colour. Neither comes with stego.

Both take pixels: every picture is written as a PNG in colour, for Java shows the levels of a grey one otherwise.
StegExpose's figures are shares of the payload, not below 0; all others are half as large: shares of changed samples.
"""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from stegcli.detectors.estimators import chi_square, rs, spa, ws

Found = dict[str, np.ndarray]
Tool = Callable[[Sequence[bytes]], Found]
"""Picture files -> name of an estimator -> what it estimates, (n, channels); nan where it gave nothing."""
OWN = {"spa": spa, "ws": ws, "rs": rs, "chi": chi_square}
COLUMNS = {"Primary Sets": "primary sets", "Chi Square": "chi-square", "Sample Pairs": "sample pairs",
           "RS analysis": "RS", "Fusion (mean)": "fused"}  # fmt: skip
ALETHEIA = """
import sys
import numpy as np
from PIL import Image
from aletheialib.attacks import spa_image
for path in sys.argv[1:]:
    pixels = np.asarray(Image.open(path))
    print(*(spa_image(pixels, c) for c in range(3)))
"""


def own(pictures: Sequence[bytes]) -> Found:
    """Each of OWN of red, green and blue."""
    found = np.array([[[one(p[..., c]) for c in range(3)] for one in OWN.values()] for p in map(colours, pictures)])
    return {name: found[:, i] for i, name in enumerate(OWN)}


def stegexpose(classes: str) -> Tool:
    """classes: the class path of StegExpose and commons-math3."""

    def run(pictures: Sequence[bytes]) -> Found:
        with written(pictures) as folder, tempfile.TemporaryDirectory() as beside:
            report = Path(beside) / "report.csv"
            words = ["RunStegExpose", str(folder), "default", "0.2", str(report)]
            subprocess.run(["java", "-cp", classes, *words], check=True)
            return reported(report.read_text(encoding="utf-8"))

    return run


def reported(report: str) -> Found:
    """StegExpose's report -> its figures, in the order of the files' names."""
    rows = sorted(csv.DictReader(report.strip().splitlines()), key=lambda row: row["File name"])
    return {f"StegExpose {short}": np.array([[_number(row[name])] for row in rows]) for name, short in COLUMNS.items()}


def _number(text: str) -> float:
    """A detector that failed is null: the chi-square test does so on pictures of less than 0.09 megapixels."""
    return float("nan") if text == "null" else float(text)


def aletheia(folder: str) -> Tool:
    def run(pictures: Sequence[bytes]) -> Found:
        with written(pictures) as held:
            command = [sys.executable, "-c", ALETHEIA, *map(str, sorted(held.iterdir()))]
            environment = os.environ | {"PYTHONPATH": str(Path(folder).resolve())}
            ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        return {"aletheia": np.array([[float(word) for word in line.split()] for line in ended.stdout.splitlines()])}

    return run


def colours(picture: bytes) -> np.ndarray:
    """-> uint8 (h, w, 3)."""
    return np.asarray(Pillow.open(io.BytesIO(picture)).convert("RGB"))


@contextmanager
def written(pictures: Sequence[bytes]) -> Iterator[Path]:
    """A folder of the pictures as PNG files in colour, named by their numbers."""
    with tempfile.TemporaryDirectory() as name:
        for number, picture in enumerate(pictures):
            Pillow.fromarray(colours(picture)).save(Path(name) / f"{number:05}.png")
        yield Path(name)
