"""Ways to hide random data in the coefficients of a grey JPEG, to be compared by detectors at equal payload.

lossless-inn's own by its coder, with its header and tag; nsF5 as a perfect code would do it; J-UNIWARD as conseal
simulates it; steghide and outguess as they are, if they are installed.

Reference: Statistically undetectable JPEG steganography: dead ends, challenges, and opportunities (Fridrich, Pevny,
Kodovsky, 2007): nsF5.
"""

from __future__ import annotations

import importlib.util
import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from stegcli.errors import CapacityError
from stegcli.keys.key import Key
from stegcli.methods.lossless_inn import jpeg_costs, jpeg_hiding
from stegcli.pictures import jpeg
from stegcli.pictures.jpeg import Jpeg

SECONDS = 60  # that another program may take


@dataclass(frozen=True)
class Grey:
    """A grey JPEG of one component, what rounding took away from its coefficients, and the quality it was saved at."""

    file: Jpeg
    errors: np.ndarray
    quality: int

    @property
    def blocks(self) -> np.ndarray:
        return self.file.components[0].blocks


Scheme = Callable[[Grey, float, np.random.Generator], np.ndarray]
"""A cover, message bits for each AC coefficient that is not zero, randomness -> blocks of the stego.

Raises CapacityError if it does not fit.
"""


@dataclass(frozen=True)
class Rival:
    """scheme: how it hides. recompressed: the cover as the program itself writes it, for one that compresses anew.
    missing: why it cannot be measured here, "" if it can."""

    scheme: Scheme
    recompressed: Callable[[Grey], np.ndarray] | None = None
    missing: str = ""


def rivals() -> Mapping[str, Rival]:
    """Name -> what can be measured on this machine, and what cannot."""
    return {
        "lossless-inn": Rival(coded("juniward")),
        "lossless-inn, uerd": Rival(coded("uerd")),
        "lossless-inn, side information": Rival(coded("juniward", informed=True)),
        "nsF5, at its bound": Rival(nsf5),
        "J-UNIWARD, by conseal": Rival(juniward_by_conseal, missing=_lacks_module("conseal")),
        "steghide": Rival(steghide, missing=_lacks_program("steghide")),
        "outguess": Rival(outguess, outguess_without_message, _lacks_program("outguess")),
    }


def _lacks_program(name: str) -> str:
    return "" if shutil.which(name) else "not installed"


def _lacks_module(name: str) -> str:
    return "" if importlib.util.find_spec(name) else f"not installed: pip install {name}"


def coded(costs: jpeg_hiding.Costs, informed: bool = False) -> Scheme:
    """The product's own coder, with a message that fills the rate."""

    def scheme(cover: Grey, rate: float, rng: np.random.Generator) -> np.ndarray:
        key = Key("lossless-inn", "coset-2", rng.bytes(32))
        data = rng.bytes(jpeg_hiding.capacity(cover.file, rate))
        errors = [cover.errors] if informed else None
        return jpeg_hiding.hide(data, key, cover.file, costs, rate, errors).blocks[0]

    return scheme


def nsf5(cover: Grey, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitudes of non-zero AC coefficients lowered by one, as few as any code needs."""
    blocks = cover.blocks.copy()
    flat = blocks.reshape(-1)
    places = np.flatnonzero(flat)
    places = places[places % 64 != 0]
    low, high = 0.0, 0.5
    for _ in range(40):
        p = (low + high) / 2
        low, high = (p, high) if -p * np.log2(p) - (1 - p) * np.log2(1 - p) < rate else (low, p)
    chosen = places[rng.random(len(places)) < high]
    flat[chosen] -= np.sign(flat[chosen])
    return blocks


def juniward_by_conseal(cover: Grey, rate: float, rng: np.random.Generator) -> np.ndarray:
    import conseal

    (component,) = cover.file.components
    plane = np.round(jpeg_costs.decoded(component) + 128).clip(0, 255)
    blocks: np.ndarray = conseal.juniward.simulate_single_channel(
        x0=plane, y0=component.blocks, qt=component.steps, alpha=rate, seed=int(rng.integers(1 << 31))
    )
    return blocks.astype(np.int16)


# -- other programs


def steghide(cover: Grey, rate: float, rng: np.random.Generator) -> np.ndarray:
    words = "embed -cf cover.jpg -ef data -sf stego.jpg -p pass -Z -K -N -e none -f -q"
    return _by_program(["steghide", *words.split()], cover.file.file, _data(cover, rate, rng))


def outguess(cover: Grey, rate: float, rng: np.random.Generator) -> np.ndarray:
    return _by_outguess(cover, _data(cover, rate, rng))


def outguess_without_message(cover: Grey) -> np.ndarray:
    """outguess decodes its cover and compresses it anew. It takes no empty message: this is a byte."""
    return _by_outguess(cover, b"\0")


def _by_outguess(cover: Grey, data: bytes) -> np.ndarray:
    """It takes colour JPEGs only. The colours of a grey picture are all zero, and it leaves zeros alone."""
    buffer = io.BytesIO()
    with Pillow.open(io.BytesIO(cover.file.file)) as opened:
        opened.convert("RGB").save(buffer, "JPEG", quality=cover.quality)
    words = f"-k pass -p {cover.quality} -d data cover.jpg stego.jpg"
    rows, columns = cover.blocks.shape[:2]
    return _by_program(["outguess", *words.split()], buffer.getvalue(), data)[:rows, :columns]


def _data(cover: Grey, rate: float, rng: np.random.Generator) -> bytes:
    return rng.bytes(max(1, int(rate * cover.file.nonzero_ac) // 8))


def _by_program(command: list[str], cover: bytes, data: bytes) -> np.ndarray:
    """A command that makes stego.jpg of cover.jpg and data -> the blocks of its first component.

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
        return jpeg.read(stego.read_bytes()).components[0].blocks
