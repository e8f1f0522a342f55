"""Tools of others that riis is compared with, where they are installed, and 4-bit LSB replacement.

    steghide              a command; random bytes in a BMP
    blind-watermark, invisible-watermark    Python packages; a few bits, without a key worth the name

Each hides random bits in a cover; the stego goes through a channel, and the bits that come back are counted.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from stegcli.pictures import channel, metrics

CHANNELS = ("png", "jpeg:90", "jpeg:80", "jpeg:40", "noise:10")
FEW, FILE_BITS = 64, 8000
LOW_BITS = 4
SECONDS = 60


@dataclass(frozen=True)
class Rival:
    """hide: uint8 (h, w, 3) and bits -> stego. reveal: what arrived and how many bits -> the bits, None if there are
    none.

    needs: the command or the package without which it cannot run. bits: how many it is given, None: all it can take.
    """

    hide: Callable[[np.ndarray, np.ndarray], np.ndarray]
    reveal: Callable[[np.ndarray, int], np.ndarray | None]
    bits: int | None
    needs: str | None = None

    @property
    def installed(self) -> bool:
        return self.needs is None or bool(shutil.which(self.needs) or importlib.util.find_spec(self.needs))


def compared(covers: Sequence[np.ndarray], seed: int) -> dict[str, dict[str, Any] | None]:
    """Covers -> name of a rival -> its figures, None where it is not installed.

    bits, stego: given, and dB of the stego. Then for each channel the covers whose bits all came back, and the mean
    share of right bits (`right`); bits that were not read count as half right.
    """
    return {name: _measured(rival, covers, seed) if rival.installed else None for name, rival in RIVALS.items()}


def _measured(rival: Rival, covers: Sequence[np.ndarray], seed: int) -> dict[str, Any]:
    stegos, sent = [], []
    for index, cover in enumerate(covers):
        count = rival.bits or cover.size * LOW_BITS
        sent.append(np.random.default_rng([seed, index]).integers(0, 2, count, np.uint8))
        stegos.append(rival.hide(cover, sent[-1]))
    found: dict[str, Any] = {"of": len(covers), "bits": float(np.mean([len(s) for s in sent]))}
    found["stego"] = float(np.mean([metrics.psnr(c, s) for c, s in zip(covers, stegos, strict=True)]))
    for name in CHANNELS:
        through, rng = channel.parse(name), np.random.default_rng(seed)
        shares = [_right(bits, rival.reveal(through(s, rng), len(bits))) for s, bits in zip(stegos, sent, strict=True)]
        found[name] = {"exact": shares.count(1.0), "right": float(np.mean(shares))}
    return found


def _right(sent: np.ndarray, back: np.ndarray | None) -> float:
    return 0.5 if back is None else float((sent == back).mean())


# -- 4-bit LSB


def _low_hide(cover: np.ndarray, bits: np.ndarray) -> np.ndarray:
    digits = bits.reshape(*cover.shape, LOW_BITS) @ (1 << np.arange(LOW_BITS)).astype(np.uint8)
    stego: np.ndarray = (cover >> LOW_BITS << LOW_BITS) | digits
    return stego


def _low_reveal(pixels: np.ndarray, count: int) -> np.ndarray:
    bits: np.ndarray = (pixels[..., None] >> np.arange(LOW_BITS)) & 1
    return bits.reshape(-1)[:count]


# -- steghide


def _steghide(arguments: Sequence[str], folder: str) -> bool:
    command = ["steghide", *arguments, "-p", "stego", "-q", "-f"]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=SECONDS, check=False).returncode == 0


def _steghide_hide(cover: np.ndarray, bits: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        Pillow.fromarray(cover).save(Path(folder, "cover.bmp"))
        Path(folder, "secret").write_bytes(np.packbits(bits).tobytes())
        _steghide(("embed", "-cf", "cover.bmp", "-ef", "secret", "-sf", "stego.bmp"), folder)
        return np.asarray(Pillow.open(Path(folder, "stego.bmp")).convert("RGB"))


def _steghide_reveal(pixels: np.ndarray, count: int) -> np.ndarray | None:
    with tempfile.TemporaryDirectory() as folder:
        Pillow.fromarray(pixels).save(Path(folder, "stego.bmp"))
        if not _steghide(("extract", "-sf", "stego.bmp", "-xf", "back"), folder):
            return None
        back = np.unpackbits(np.frombuffer(Path(folder, "back").read_bytes(), np.uint8))
    return back if len(back) == count else None


# -- watermarks: they take B, G, R


def _blind() -> Any:
    from blind_watermark import WaterMark

    with contextlib.redirect_stdout(io.StringIO()):
        return WaterMark(password_img=1, password_wm=1)


def _blind_hide(cover: np.ndarray, bits: np.ndarray) -> np.ndarray:
    mark = _blind()
    mark.read_img(img=cover[..., ::-1].copy())
    mark.read_wm(bits.astype(bool), mode="bit")
    return _pixels(mark.embed())


def _blind_reveal(pixels: np.ndarray, count: int) -> np.ndarray:
    back = _blind().extract(embed_img=pixels[..., ::-1].copy(), wm_shape=count, mode="bit")
    return (np.asarray(back) >= 0.5).astype(np.uint8)


def _invisible_hide(way: str, cover: np.ndarray, bits: np.ndarray) -> np.ndarray:
    from imwatermark.watermark import WatermarkEncoder

    encoder = WatermarkEncoder()
    encoder.set_watermark("bits", bits.tolist())
    return _pixels(encoder.encode(cover[..., ::-1].copy(), way))


def _invisible_reveal(way: str, pixels: np.ndarray, count: int) -> np.ndarray:
    from imwatermark.watermark import WatermarkDecoder

    return np.asarray(WatermarkDecoder("bits", count).decode(pixels[..., ::-1].copy(), way)).astype(np.uint8)


def _pixels(found: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.rint(found).clip(0, 255).astype(np.uint8)[..., ::-1])


def _invisible(way: str) -> Rival:
    hide, reveal = functools.partial(_invisible_hide, way), functools.partial(_invisible_reveal, way)
    return Rival(hide, reveal, FEW, "imwatermark")


RIVALS = {
    "4-bit LSB": Rival(_low_hide, _low_reveal, None),
    "steghide": Rival(_steghide_hide, _steghide_reveal, FILE_BITS, "steghide"),
    "blind-watermark": Rival(_blind_hide, _blind_reveal, FEW, "blind_watermark"),
    "invisible-watermark dwtDct": _invisible("dwtDct"),
    "invisible-watermark dwtDctSvd": _invisible("dwtDctSvd"),
}
