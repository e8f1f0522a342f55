"""Estimates how reliable each received latent is, by sampling what the file leaves open.

A file fixes every sample (PNG) or every DCT coefficient (JPEG) up to a cell. Pictures drawn from the cells around what
arrived go through the flow, and the spread v of their latents tells how much each latent is still worth: its
correlation r with the one that was sent. So no table of noise is needed for any quality, and smooth places, which
amplify noise, are known as such in this very picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli.nn import jpeg
from stegcli.nn.wavelet import YCBCR, Band, Pyramid
from stegcli.pictures.image import Quantisation

LEVELS = 256
PROBES = 6
CLIPPED = 6.0
"""Mean amount, in grey levels, by which a clipped sample (0 or 255) was beyond the range."""
DECAY = 0.65
"""r = exp(-DECAY v), measured on textures (`python benchmarks/glow2_latents.py` prints both sides). What arrives has
unit variance all the same, so that z' = r z + sqrt(1 - r^2) n."""
MOST_CORRELATED = 0.99995
UNKNOWN = 10.0


@dataclass(frozen=True)
class Arrived:
    """Latents of a received picture, and their spread over the cells of its file, float32 (3 h w,), at G2's own scale:
    temperature 1."""

    z: np.ndarray
    spread: np.ndarray

    def at(self, temperature: float) -> tuple[np.ndarray, np.ndarray]:
        """Latents scaled to N(0, 1), and the correlation of each with the one that was sent."""
        r = np.exp(-DECAY * self.spread / temperature**2)
        return self.z / temperature, np.minimum(r, MOST_CORRELATED)


def from_pixels(pixels: np.ndarray) -> Tensor:
    """uint8 (h, w, 3) -> the middle of each sample's cell, (1, 3, h, w) in (0, 1), as the flow was trained."""
    levels = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float()
    return (levels + 0.5) / LEVELS


def to_pixels(x: Tensor) -> np.ndarray:
    """(1, 3, h, w) -> uint8 (h, w, 3): which cell each sample lies in. The inverse of `from_pixels`."""
    levels = (x[0] * LEVELS).floor().clamp(0, LEVELS - 1).to(torch.uint8)
    return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy())


def read(
    flow: Pyramid, pixels: np.ndarray, quantisation: Quantisation | None, factors: Mapping[str, float] | None = None
) -> Arrived:
    """A received picture, and its file's quantisation if it is a JPEG -> its latents.

    factors: name of a band -> what the spread of its latents is multiplied by.
    """
    device = next(flow.parameters()).device
    middle = from_pixels(pixels)
    rng = np.random.default_rng(0)
    z = flow(middle.to(device))[0].cpu()
    moved = flow((middle + torch.cat(_offsets(pixels, quantisation, rng))).to(device))[0].cpu()
    square = (moved - z).square().mean(0, keepdim=True)
    halved = quantisation is not None and quantisation.halved
    bands = flow.bands(*pixels.shape[:2])
    spread = torch.cat([(factors or {}).get(b.name, 1.0) * _smooth(square, b, halved).flatten() for b in bands])
    return Arrived(z.flatten().numpy(), spread.numpy())


def _smooth(square: Tensor, band: Band, halved: bool) -> Tensor:
    """Average squares with those of neighbours, since one square is a poor estimate of a variance. Halved colours have
    no finest details."""
    if halved and band.name[0] == "c" and band.octave == 1:
        return torch.full_like(band.of(square), UNKNOWN)
    return F.avg_pool2d(band.of(square), 3, 1, 1, count_include_pad=False)


def _offsets(pixels: np.ndarray, quantisation: Quantisation | None, rng: np.random.Generator) -> list[Tensor]:
    """Random offsets of the original from the middle of its cell, (1, 3, h, w) each."""
    draw = _in_cells if quantisation is None else _in_coefficients
    return [(draw(pixels, quantisation, rng) + _beyond(pixels, rng)) / LEVELS for _ in range(PROBES)]


def _in_cells(pixels: np.ndarray, quantisation: Quantisation | None, rng: np.random.Generator) -> Tensor:
    drawn = rng.random(pixels.shape, np.float32) - 0.5
    return torch.from_numpy(drawn).permute(2, 0, 1)[None]


def _beyond(pixels: np.ndarray, rng: np.random.Generator) -> Tensor:
    drawn = rng.exponential(CLIPPED, pixels.shape).astype(np.float32)
    signed = drawn * ((pixels == LEVELS - 1).astype(np.float32) - (pixels == 0))
    return torch.from_numpy(signed).permute(2, 0, 1)[None]


def _in_coefficients(pixels: np.ndarray, quantisation: Quantisation | None, rng: np.random.Generator) -> Tensor:
    assert quantisation is not None
    colour = torch.tensor(YCBCR)
    planes = torch.einsum("ij,hwj->ihw", colour, torch.from_numpy(pixels.astype(np.float32)) - 128)
    tables = [quantisation.luminance, quantisation.colours, quantisation.colours]
    halved = [False, quantisation.halved, quantisation.halved]
    moved = [_plane_offset(p, t, h, rng) for p, t, h in zip(planes, tables, halved, strict=True)]
    return torch.einsum("ij,jhw->ihw", torch.linalg.inv(colour), torch.stack(moved))[None]


def _plane_offset(plane: Tensor, table: np.ndarray, halved: bool, rng: np.random.Generator) -> Tensor:
    """A plane in grey levels -> a random offset of the original. Colours finer than the file's are not changed."""
    if halved:
        small = _plane_offset(jpeg.halve(plane[None])[0], table, False, rng)
        return jpeg.double(small[None])[0]
    blocks = (1, plane.shape[0] // jpeg.BLOCK, plane.shape[1] // jpeg.BLOCK, jpeg.BLOCK, jpeg.BLOCK)
    uniform = torch.from_numpy(rng.random(blocks, np.float32))
    return jpeg.cell_offsets(plane[None], torch.from_numpy(table).float(), uniform)[0]
