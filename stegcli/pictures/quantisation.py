"""Quantisation tables of JPEG files."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow


@dataclass(frozen=True)
class Quantisation:
    """Quantisation of a JPEG file: steps of luminance and colours, (8, 8) each, vertical frequency first.

    halved: whether the colours have half the resolution, 4:2:0.
    """

    luminance: np.ndarray
    colours: np.ndarray
    halved: bool

    @property
    def quality(self) -> int:
        """The quality of libjpeg whose luminance steps are nearest to these.

        Reference: the scaling of the tables of T.81, Annex K, in libjpeg's jcparam.c.
        """
        mean = float(self.luminance.mean())
        return min(range(1, 101), key=lambda q: abs(_mean_step(q) - mean))


def quantisation(opened: Pillow.Image) -> Quantisation | None:
    """An opened file -> its quantisation; None unless it is a JPEG in colour."""
    if opened.format not in ("JPEG", "MPO") or opened.mode != "RGB":
        return None
    found = getattr(opened, "quantization", {})
    if 0 not in found:
        return None
    from PIL import JpegImagePlugin  # only JPEG files need it

    tables = [np.array(found[i]).reshape(8, 8) for i in (0, 1 if 1 in found else 0)]
    return Quantisation(tables[0], tables[1], JpegImagePlugin.get_sampling(opened) == 2)


def quantisation_of(quality: int) -> Quantisation:
    """Quality of libjpeg -> the tables in Pillow's files of this quality."""
    buffer = io.BytesIO()
    Pillow.new("RGB", (16, 16)).save(buffer, "JPEG", quality=quality)
    with Pillow.open(buffer) as opened:
        found = quantisation(opened)
    assert found is not None
    return found


def _mean_step(quality: int) -> float:
    """Quality of libjpeg -> mean step of its luminance table."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return float(((_ANNEX_K * scale + 50) // 100).clip(1, 255).mean())


# T.81, Table K.1, sorted, since only the mean is needed.
_ANNEX_K = np.array(
    [10, 11, 12, 12, 13, 14, 14, 14, 16, 16, 16, 17, 18, 19, 22, 22, 24, 24, 24, 26, 29, 35, 37, 40, 40, 49, 51, 51,
     55, 55, 56, 56, 57, 58, 60, 61, 62, 64, 64, 68, 69, 72, 77, 78, 80, 81, 87, 87, 92, 92, 95, 98, 99, 100, 101, 103,
     103, 103, 104, 109, 112, 113, 120, 121]
)  # fmt: skip
