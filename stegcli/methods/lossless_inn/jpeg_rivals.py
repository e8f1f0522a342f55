"""Ways to hide random data in the coefficients of a grey JPEG, to be compared by detectors at equal payload.

lossless-inn's own by its coder, with its header and tag; nsF5 as a perfect code would do it; J-UNIWARD as conseal
simulates it; steghide and outguess as they are, if they are installed.
"""

from __future__ import annotations

import importlib.util
import io
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow

from stegcli.coding import jpeg_costs
from stegcli.detectors import jpeg_schemes
from stegcli.keys.key import Key
from stegcli.methods.lossless_inn import jpeg_hiding
from stegcli.pictures.jpeg import Jpeg


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
        key = Key("lossless-inn", "coset-3", rng.bytes(32))
        data = rng.bytes(jpeg_hiding.capacity(cover.file, rate))
        errors = [cover.errors] if informed else None
        return jpeg_hiding.hide(data, key, cover.file, costs, rate, errors).blocks[0]

    return scheme


def nsf5(cover: Grey, rate: float, rng: np.random.Generator) -> np.ndarray:
    return jpeg_schemes.nsf5(cover.file, rate * cover.file.nonzero_ac, rng)[0]


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
    return jpeg_schemes.steghide(cover.file, int(rate * cover.file.nonzero_ac), rng)[0]


def outguess(cover: Grey, rate: float, rng: np.random.Generator) -> np.ndarray:
    return _by_outguess(cover, rng.bytes(max(1, int(rate * cover.file.nonzero_ac) // 8)))


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
    return jpeg_schemes.by_program(["outguess", *words.split()], buffer.getvalue(), data)[0][:rows, :columns]
