"""The pictures of a report: cover, stego, what changed, secret, and what comes back from the stego's file."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image as Pillow

from stegcli import api
from stegcli.errors import CapacityError, FileError, RevealError
from stegcli.measuring import running
from stegcli.measuring.robustness import Wanted, settings
from stegcli.method import Asked, Method, Request
from stegcli.pictures import image, metrics
from stegcli.pictures.image import Picture

SAMPLES = 3
VIEW = 192
"""Pixels of a side that are shown: of larger pictures the middle, at its own size."""
TIMES = 10
"""By which the difference of stego and cover is enlarged."""


@dataclass(frozen=True)
class Shown:
    """One picture of a report, uint8 (h, w, 3), or None where there is nothing to see; and a caption."""

    name: str
    pixels: np.ndarray | None
    caption: str

    def webp(self) -> bytes:
        """The middle of the picture, without loss."""
        assert self.pixels is not None
        buffer = io.BytesIO()
        Pillow.fromarray(_middle(self.pixels)).save(buffer, "WEBP", lossless=True, quality=100, method=6)
        return buffer.getvalue()


Row = tuple[Shown, ...]
"""Cover, stego, difference, secret, what was revealed."""


def rows(wanted: Wanted) -> list[Row]:
    """Hide in the first pictures, with the first weights and payload -> a row of the gallery for each that worked."""
    first = replace(wanted, limit=min(SAMPLES, wanted.limit or SAMPLES))
    name, payload, requests = next(settings(first))
    method = running.loaded(wanted.method, name, wanted.device)
    made = (_row(method, request, payload) for request in requests)
    return [row for row in made if row is not None]


def _row(method: Method, request: Request, payload: str) -> Row | None:
    try:
        hidden = api.hide(request, method)
        told = hidden.draft.told if hidden.draft.told is not None else method.about.reveal()
        token = hidden.draft.tokens[0] if hidden.draft.tokens else None
        stego = image.decode(hidden.file, "stego")
        (back,) = api.reveal(stego, method, Asked(request.key_of(0), token, told))
    except (CapacityError, FileError, RevealError):
        return None
    (secret,) = request.secrets
    cover = hidden.draft.cover or request.cover
    size = f"{stego.width}x{stego.height}"
    return (
        Shown("cover", None if cover is None else cover.pixels, "none: the stego is drawn" if cover is None else size),
        Shown("stego", stego.pixels, f"{len(hidden.file)} bytes, {payload}"),
        _difference(cover, stego),
        _secret(secret.picture, secret.data),
        _revealed(secret.picture, back.picture, back.data == secret.data),
    )


def _difference(cover: Picture | None, stego: Picture) -> Shown:
    name = f"difference x{TIMES}"
    if cover is None or cover.pixels.shape != stego.pixels.shape:
        return Shown(name, None, "no cover to compare with")
    apart = stego.pixels.astype(int) - cover.pixels
    shown = (128 + TIMES * apart).clip(0, 255).astype(np.uint8)
    return Shown(name, shown, f"{100 * (apart != 0).any(2).mean():.1f} % of the pixels changed")


def _secret(picture: Picture | None, data: bytes) -> Shown:
    if picture is None:
        return Shown("secret", None, f"{len(data)} random bytes")
    return Shown("secret", picture.pixels, f"{picture.width}x{picture.height}")


def _revealed(secret: Picture | None, back: Picture | None, same: bool) -> Shown:
    if secret is None or back is None:
        return Shown("revealed", None, "the same bytes" if same else "other bytes")
    psnr = metrics.psnr(secret.pixels, image.resized(back.pixels, secret.width, secret.height))
    return Shown("revealed", back.pixels, "the same picture" if np.isinf(psnr) else f"PSNR {psnr:.1f} dB")


def _middle(pixels: np.ndarray) -> np.ndarray:
    top, left = (max(0, (s - VIEW) // 2) for s in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + VIEW, left : left + VIEW])
