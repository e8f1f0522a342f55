"""Measures the paper's own flow beside ours, if the weights hold it: the part `cinn`.

Both colour the same covers. The paper's mapping is used for both: a bit for the sign of a latent, none within 0.1 of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stegcli.methods.steg_cinn import spam
from stegcli.methods.steg_cinn.method import StegCinn
from stegcli.methods.steg_cinn.rivals import lab
from stegcli.methods.steg_cinn.rivals import recipe_cinn as rival
from stegcli.methods.steg_cinn.rivals.cinn import SIDE
from stegcli.pictures.image import Picture

LATENTS = 2.0
"""Bits per pixel before any code: a sign for each of two colours."""


@dataclass(frozen=True)
class Coloured:
    """One cover coloured by the paper's flow.

    stego, innocent: uint8 (h, w, 3), with latents outside the gap, and with any. exact, right: shares of the signs that
    come back from the pixels before they are rounded, and after. beyond: share of pixels that RGB does not have.
    """

    stego: np.ndarray
    innocent: np.ndarray
    exact: float
    right: float
    beyond: float


def cinn(method: StegCinn, covers: Sequence[Picture], seed: int) -> dict[str, Any]:
    """Means over covers: shares of `Coloured`; bits per pixel that a code could bring across at that share; and the
    shares that SPAM tells rightly from innocent colourings by the same flow, and from the covers, by planes."""
    found = [_coloured(method, cover, np.random.default_rng([seed, i, 2])) for i, cover in enumerate(covers)]
    means: dict[str, Any] = {n: float(np.mean([getattr(c, n) for c in found])) for n in ("exact", "right", "beyond")}
    means["bpp"] = LATENTS * (1 - _entropy(1 - means["right"]))
    means["told"] = {
        f"{name}, {planes}": spam.told_apart([c.stego for c in found], others, planes, min(5, len(found)))
        for name, others in (
            ("innocent colourings", [c.innocent for c in found]),
            ("covers", [_cut(c.pixels) for c in covers]),
        )
        for planes in (spam.PLANES if len(found) > 1 else ())
    }
    return means


def _coloured(method: StegCinn, cover: Picture, rng: np.random.Generator) -> Coloured:
    flow, pixels = rival.flow_of(method), _cut(cover.pixels)
    rgb = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].to(method.device).float() / 255
    lightness = lab.to_lab(rgb)[:, :1]
    shape = 1, 2, *lightness.shape[2:]
    normal = [torch.from_numpy(rng.standard_normal(shape, np.float32)).to(rgb) for _ in range(2)]
    with torch.inference_mode():
        z = rival.gapped(normal[0])
        drawn = rival.drawn(flow, z, lightness)
        colours = flow.inverse(z, lightness)
        before = flow(colours, lightness)[0]
        stego, innocent = rival.rounded(drawn), rival.rounded(rival.drawn(flow, normal[1], lightness))
        after = rival.read(flow, stego)[0]
        beyond = ((drawn < 0) | (drawn > 1)).any(1).float().mean().item()
    return Coloured(_pixels(stego), _pixels(innocent), _same(before, z), _same(after, z), beyond)


def _cut(pixels: np.ndarray) -> np.ndarray:
    """To whole blocks of the flow."""
    height, width = (n // SIDE * SIDE for n in pixels.shape[:2])
    return np.ascontiguousarray(pixels[:height, :width])


def _pixels(rgb: Tensor) -> np.ndarray:
    return (rgb[0].permute(1, 2, 0) * 255).round().to(torch.uint8).cpu().numpy()


def _same(found: Tensor, z: Tensor) -> float:
    return ((found > 0) == (z > 0)).float().mean().item()


def _entropy(p: float) -> float:
    """Of a bit that is 1 with probability p."""
    return 0.0 if p in (0, 1) else float(-p * np.log2(p) - (1 - p) * np.log2(1 - p))


def row(figures: dict[str, Any]) -> list[str]:
    """A row of the table of the paper's flows: bpp, right before and after rounding, told."""
    told = " / ".join(f"{100 * share:.1f}" for share in figures["told"].values()) or "-"
    return [f"{figures['bpp']:.2f}", f"{100 * figures['exact']:.2f}", f"{100 * figures['right']:.2f}", told]
