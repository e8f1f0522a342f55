"""The block flow: a picture's bands as JPEG sees them, coarse to fine, each given coarser ones alone.

    x (b, 3, h, w) in [0, 1]  ->  YCbCr  ->  DCT of each 8x8 block  ->  frequencies below 4 make a picture of half the
    size, and that a pyramid of Haar details; those from 4 on, in rings, first all of luminance, then the colours given
    all luminance  ->  z (b, 3, h, w)

Ring k holds the frequencies (u, v) with max(u, v) = k. Nearly every picture was a JPEG once, and its blocks are to be
found in it for ever: frequencies that were rounded to nothing, the same ones all over it. In JPEG's own basis that is a
matter of single numbers; Haar details would have to know it of sums over whole blocks. And what a JPEG file of a
picture will do to a latent of a ring, it does to that latent's coefficient alone. Below frequency 4 little is rounded
to nothing, and what goes on from block to block matters more: there Haar details are as good.

References: Wavelet Flow (Yu, Derpanis, Brubaker, 2020), for flows from coarse to fine. Half-size pictures from the low
frequencies of blocks: Changing the scale of images in the DCT domain (Dugad, Ahuja, 2001).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from scipy.fft import dct
from torch import Tensor

from stegcli.nn.cues import CUES, PREDICTED, cues
from stegcli.nn.flow import Flow
from stegcli.nn.grouped import FLOOR, GroupedFlow, energies
from stegcli.nn.wavelet import COLOUR_DETAILS, Band, Pyramid, append_haar, base_flow, spread

BLOCK, HALF = 8, 4
RINGS = range(BLOCK - 1, HALF - 1, -1)
SPREADS = {
    "y": (1.0, 0.28, 0.19, 0.14, 0.115, 0.093, 0.073, 0.056),
    "c": (0.3, 0.061, 0.037, 0.027, 0.022, 0.019, 0.0146, 0.0107),
}
"""Of the coefficients of each ring in textures; first of the blocks' means. Only where scales begin."""


def ring(k: int) -> list[int]:
    """The frequencies of ring k as indices u * 8 + v: those that change faster down the rows, then the others."""
    return [k * BLOCK + v for v in range(k)] + [u * BLOCK + k for u in range(k + 1)]


def coarser(k: int) -> list[int]:
    """The frequencies of all rings below k, and the mean."""
    return [u * BLOCK + v for u in range(k) for v in range(k)]


def _basis(side: int) -> Tensor:
    """Orthonormal two-dimensional DCT: (side^2, 1, side, side), by u * side + v."""
    lines = dct(np.eye(side), axis=0, norm="ortho")
    return torch.from_numpy(np.einsum("ui,vj->uvij", lines, lines).reshape(-1, 1, side, side))


def _to_blocks(x: Tensor, basis: Tensor) -> Tensor:
    """(b, 3, h, w) -> (b, 3, side^2, h/side, w/side)."""
    side = basis.shape[-1]
    found = F.conv2d(x.reshape(-1, 1, *x.shape[2:]), basis.to(x.dtype), stride=side)
    return found.view(len(x), -1, *found.shape[1:])


def _from_blocks(coefficients: Tensor, basis: Tensor) -> Tensor:
    """The inverse of `_to_blocks`."""
    found = F.conv_transpose2d(coefficients.flatten(0, 1), basis.to(coefficients.dtype), stride=basis.shape[-1])
    return found.view(len(coefficients), -1, *found.shape[2:])


class BlockFlow(Pyramid):
    """The pyramid with rings of 8x8 blocks in place of the first octave of Haar details.

    width, features: of the nets of the rings, and what they keep of their context. octaves: how many of Haar details;
    coarse_width, coarse_features: the same of their nets. base_width, base_steps: of the base's couplings.
    """

    basis: Tensor
    half_basis: Tensor

    def __init__(
        self, octaves: int, width: int = 64, features: int = 48, coarse_width: int = 48, coarse_features: int = 32,
        base_width: int = 48, base_steps: int = 8,
    ):  # fmt: skip
        flows: dict[str, Flow] = {}
        for k in RINGS:
            n, y, c = len(ring(k)), SPREADS["y"][k], SPREADS["c"][k]
            flows[f"y{BLOCK - k}"] = GroupedFlow(n, y, 3 * k * k, width, features, 1)
            flows[f"c{BLOCK - k}"] = GroupedFlow(2 * n, c, 3 * (BLOCK * BLOCK + 2 * k * k), width, features, 1)
        for octave in range(2, 2 + octaves):
            level, size = len(RINGS) + octave - 1, (coarse_width, coarse_features, 3)
            seen = 3 + CUES
            flows[f"y{level}"] = GroupedFlow(3, spread("y", octave), seen, *size)
            flows[f"c{level}"] = GroupedFlow(COLOUR_DETAILS, spread("c", octave), seen + 3 + PREDICTED, *size)
        flows["base"] = base_flow(1 + octaves, base_width, base_steps)
        super().__init__(range(2, 2 + octaves), flows, cued=True, finer=len(RINGS))
        self.register_buffer("basis", _basis(BLOCK), persistent=False)
        self.register_buffer("half_basis", _basis(HALF), persistent=False)

    def bands(self, height: int, width: int) -> list[Band]:
        """In the order of z: y1, c1, ... y4, c4, the rings from the finest; y5, c5 ... and the base."""
        found: list[Band] = []
        start = 0
        for k in RINGS:
            for kind, planes in (("y", 1), ("c", 2)):
                size = planes * len(ring(k)), height // BLOCK, width // BLOCK
                found.append(Band(f"{kind}{BLOCK - k}", BLOCK - k, *size, start, 1, SPREADS[kind][k]))
                start += found[-1].size
        append_haar(found, height, width, self.octaves)
        return found

    def analyse(self, x: Tensor, only: str = "") -> Iterator[tuple[str, Tensor, Tensor | None]]:
        with torch.autocast(x.device.type, enabled=False):
            coefficients = _to_blocks(self._mix(x - 0.5, self.colour), self.basis)
            low = _from_blocks(coefficients[:, :, coarser(HALF)], self.half_basis)
        told = self._tell(coefficients)
        for k in RINGS:
            for kind, planes in (("y", slice(0, 1)), ("c", slice(1, 3))):
                name = f"{kind}{BLOCK - k}"
                if name.startswith(only):
                    yield name, coefficients[:, planes, ring(k)].flatten(1, 2), self._around_ring(kind, k, told)
        yield from self._analyse_haar(low, only)

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        parts = self._parts(z)
        low = _to_blocks(self._invert_haar(parts), self.half_basis)
        coefficients = low.new_zeros(len(z), 3, BLOCK * BLOCK, *low.shape[3:])
        coefficients[:, :, coarser(HALF)] = low
        for kind, planes in (("y", slice(0, 1)), ("c", slice(1, 3))):
            for k in reversed(RINGS):
                name = f"{kind}{BLOCK - k}"
                # Rings that are not there yet are told of as zeros, and not looked at.
                found = self.flow(name).inverse(parts[name], self._around_ring(kind, k, self._tell(coefficients)))
                coefficients[:, planes, ring(k)] = found.view(len(z), -1, len(ring(k)), *found.shape[2:])
        return self._mix(_from_blocks(coefficients, self.basis), self.uncolour) + 0.5

    def _around_luminance(self, seen: Tensor) -> Tensor:
        return torch.cat([seen, cues(seen)[0]], dim=1)

    def _tell(self, coefficients: Tensor) -> Tensor:
        """Coefficients -> what nets are told of each: itself and its energies, (b, 3 planes, 64, 3, h/8, w/8)."""
        usual = [SPREADS[kind][max(divmod(i, BLOCK))] for kind in "ycc" for i in range(BLOCK * BLOCK)]
        spreads = coefficients.new_tensor(usual).view(-1, 1, 1)
        u = coefficients.flatten(1, 2) / spreads
        told = torch.stack([torch.asinh(u), *energies(u, (FLOOR / spreads).square())], dim=2)
        return told.view(len(told), 3, BLOCK * BLOCK, *told.shape[2:])

    def _around_ring(self, kind: str, k: int, told: Tensor) -> Tensor:
        """What ring k of luminance or colours is conditioned on."""
        if kind == "y":
            return told[:, 0, coarser(k)].flatten(1, 2)
        return torch.cat([told[:, 0].flatten(1, 2), told[:, 1:, coarser(k)].flatten(1, 3)], dim=1)
