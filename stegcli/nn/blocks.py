"""The block flow: bands of a picture in JPEG's own basis, from coarse to fine, each conditioned on coarser bands only.

    x (b, 3, h, w) in [0, 1]  ->  YCbCr  ->  DCT of each 8x8 block  ->  luminance of frequencies below 4 makes a picture
    of half the size, colours below 2 one of a quarter: these become Haar details; higher frequencies form rings, each
    conditioned on the coarser ones, and colours also on all luminance  ->  z (b, 3, h, w)

Ring k holds the frequencies (u, v) with max(u, v) = k. Nearly every training picture was a JPEG once, and the same
frequencies were rounded to zero in all its blocks. In JPEG's basis this concerns single numbers; in Haar details it
would concern sums over whole blocks. Also, JPEG compression of a picture changes a latent of a ring only through that
latent's own coefficient. Coarser frequencies are rarely rounded to zero, and their continuity from block to block
matters more: there Haar details work as well.

References: Wavelet Flow (Yu, Derpanis, Brubaker, 2020), for flows from coarse to fine. Smaller pictures from the low
frequencies of blocks: Changing the scale of images in the DCT domain (Dugad, Ahuja, 2001).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli.nn import jpeg
from stegcli.nn.cues import CUES, PREDICTED, cues
from stegcli.nn.flow import Flow
from stegcli.nn.grouped import FLOOR, GroupedFlow, energies
from stegcli.nn.wavelet import COLOUR_DETAILS, Band, Pyramid, append_haar, base_flow, haar, spread, unhaar

BLOCK = 8
LOW = {"y": 4, "c": 2}
"""Frequencies below this make the smaller picture, whose blocks have this side in samples."""
PLANES = {"y": slice(0, 1), "c": slice(1, 3)}
SPREADS = {
    "y": (1.0, 0.28, 0.19, 0.14, 0.115, 0.093, 0.073, 0.056),
    "c": (0.3, 0.061, 0.037, 0.027, 0.022, 0.019, 0.0146, 0.0107),
}
"""Standard deviations of the coefficients of each ring in textures, after that of the blocks' means. Training starts
from these scales."""


def rings(kind: str) -> range:
    """The rings of luminance (y) or colours (c), the finest first."""
    return range(BLOCK - 1, LOW[kind] - 1, -1)


def ring(k: int) -> list[int]:
    """The frequencies of ring k as indices u * 8 + v: those that change faster down the rows, then the others."""
    return [k * BLOCK + v for v in range(k)] + [u * BLOCK + k for u in range(k + 1)]


def coarser(k: int) -> list[int]:
    """The frequencies of all rings below k, and the mean."""
    return [u * BLOCK + v for u in range(k) for v in range(k)]


def _basis(side: int) -> Tensor:
    """Orthonormal two-dimensional DCT-II: float64 (side^2, 1, side, side), by u * side + v."""
    lines = jpeg.dct_matrix(side)
    return torch.einsum("ui,vj->uvij", lines, lines).reshape(-1, 1, side, side)


def _to_blocks(x: Tensor, basis: Tensor) -> Tensor:
    """(b, c, h, w) -> (b, c, side^2, h/side, w/side)."""
    found = F.conv2d(x.reshape(-1, 1, *x.shape[2:]), basis.to(x.dtype), stride=basis.shape[-1])
    return found.view(len(x), -1, *found.shape[1:])


def _from_blocks(coefficients: Tensor, basis: Tensor) -> Tensor:
    """The inverse of `_to_blocks`."""
    found = F.conv_transpose2d(coefficients.flatten(0, 1), basis.to(coefficients.dtype), stride=basis.shape[-1])
    return found.view(len(coefficients), -1, *found.shape[2:])


class BlockFlow(Pyramid):
    """The pyramid with rings of 8x8 blocks in place of the first octave of luminance and the first two of colours.

    octaves: number of octaves of Haar details, from the third on. width, features: of the nets of the rings, and of
    their contexts; coarse_width, coarse_features: the same for Haar details. base_width, base_steps: of the base flow.
    heat, style, ends: see `Pyramid`.
    """

    basis: Tensor

    def __init__(
        self, octaves: int, width: int = 64, features: int = 48, coarse_width: int = 48, coarse_features: int = 32,
        base_width: int = 48, base_steps: int = 8, heat: Mapping[str, float] | None = None,
        style: Mapping[str, Sequence[float]] | None = None, ends: float = 0.0,
    ):  # fmt: skip
        flows: dict[str, Flow] = {}
        for k in rings("c"):
            n, seen = len(ring(k)), 3 * k * k
            if k in rings("y"):
                flows[f"y{BLOCK - k}"] = GroupedFlow(n, SPREADS["y"][k], seen, width, features, 1)
            seen = 3 * BLOCK * BLOCK + 2 * seen
            flows[f"c{BLOCK - k}"] = GroupedFlow(2 * n, SPREADS["c"][k], seen, width, features, 1)
        finer = len(rings("y")) + 1, len(rings("c"))
        seen, size = 3 + CUES, (coarse_width, coarse_features, 3)
        flows[f"y{finer[0]}"] = GroupedFlow(3, spread("y", 2), seen, *size)
        octaves_of_both = range(3, 3 + octaves)
        for i, octave in enumerate(octaves_of_both, start=1):
            flows[f"y{finer[0] + i}"] = GroupedFlow(3, spread("y", octave), seen, *size)
            more = 3 + PREDICTED
            flows[f"c{finer[1] + i}"] = GroupedFlow(COLOUR_DETAILS, spread("c", octave), seen + more, *size)
        flows["base"] = base_flow(octaves_of_both.stop - 1, base_width, base_steps)
        super().__init__(octaves_of_both, flows, cued=True, finer=finer, heat=heat, style=style, ends=ends)
        for name, side in (("basis", BLOCK), ("basis_y", LOW["y"]), ("basis_c", LOW["c"])):
            self.register_buffer(name, _basis(side), persistent=False)

    def bands(self, height: int, width: int) -> list[Band]:
        """In the order of z: rings of luminance, y1 to y4, of colours, c1 to c6, then y5, y6, c7 ... and the base."""
        found: list[Band] = []

        def add(kind: str, level: int, channels: int, step: int, octave: int, usual: float) -> None:
            start = found[-1].stretch.stop if found else 0
            found.append(Band(f"{kind}{level}", level, channels, height // step, width // step, start, octave, usual))

        for kind, planes in (("y", 1), ("c", 2)):
            for k in rings(kind):
                octave = 1 if k >= BLOCK // 2 else 2
                add(kind, BLOCK - k, planes * len(ring(k)), BLOCK, octave, SPREADS[kind][k])
        add("y", self.finer[0], 3, 4, 2, spread("y", 2))
        append_haar(found, height, width, self.octaves)
        return found

    def analyse(self, x: Tensor, only: str = "") -> Iterator[tuple[str, Tensor, Tensor | None]]:
        with torch.autocast(x.device.type, enabled=False):
            coefficients = _to_blocks(self._enter(x), self.basis)
            half, quarter = self._smaller(coefficients, "y"), self._smaller(coefficients, "c")
        told = self._tell(coefficients)
        for kind in "yc":
            for k in rings(kind):
                name = f"{kind}{BLOCK - k}"
                if name.startswith(only):
                    content = coefficients[:, PLANES[kind], ring(k)].flatten(1, 2)
                    yield name, content, self._around_ring(kind, k, told)
        low, details = haar(half)
        low = torch.cat([low, quarter], dim=1)
        yield f"y{self.finer[0]}", details, self._around_luminance(self._seen(low, 2))
        yield from self._analyse_haar(low, only)

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        parts = self._parts(z)
        low = self._invert_haar(parts)
        finest = f"y{self.finer[0]}"
        details = self.flow(finest).inverse(parts[finest], self._around_luminance(self._seen(low, 2)))
        smaller = {"y": unhaar(low[:, :1], details), "c": low[:, 1:]}
        coefficients = z.new_zeros(len(z), 3, BLOCK * BLOCK, z.shape[2] // BLOCK, z.shape[3] // BLOCK)
        for kind in "yc":
            coefficients[:, PLANES[kind], coarser(LOW[kind])] = _to_blocks(smaller[kind], self._basis_of(kind))
        for kind in "yc":
            for k in reversed(rings(kind)):
                name = f"{kind}{BLOCK - k}"
                # Rings that are not decoded yet are zeros here; the context does not use them.
                found = self.flow(name).inverse(parts[name], self._around_ring(kind, k, self._tell(coefficients)))
                coefficients[:, PLANES[kind], ring(k)] = found.view(len(z), -1, len(ring(k)), *found.shape[2:])
        return self._leave(_from_blocks(coefficients, self.basis))

    def _basis_of(self, kind: str) -> Tensor:
        return cast(Tensor, self.basis_y if kind == "y" else self.basis_c)

    def _smaller(self, coefficients: Tensor, kind: str) -> Tensor:
        """Coefficients -> the smaller picture of luminance, (b, 1, h/2, w/2), or of colours, (b, 2, h/4, w/4)."""
        return _from_blocks(coefficients[:, PLANES[kind], coarser(LOW[kind])], self._basis_of(kind))

    def _around_luminance(self, seen: Tensor) -> Tensor:
        return torch.cat([seen, cues(seen)[0]], dim=1)

    def _tell(self, coefficients: Tensor) -> Tensor:
        """Coefficients -> inputs of the nets: each coefficient and its energies, (b, 3 planes, 64, 3, h/8, w/8)."""
        usual = [SPREADS[kind][max(divmod(i, BLOCK))] for kind in "ycc" for i in range(BLOCK * BLOCK)]
        spreads = coefficients.new_tensor(usual).view(-1, 1, 1)
        u = coefficients.flatten(1, 2) / spreads
        told = torch.stack([torch.asinh(u), *energies(u, (FLOOR / spreads).square())], dim=2)
        return told.view(len(told), 3, BLOCK * BLOCK, *told.shape[2:])

    def _around_ring(self, kind: str, k: int, told: Tensor) -> Tensor:
        """The context of ring k of luminance or colours."""
        if kind == "y":
            return told[:, 0, coarser(k)].flatten(1, 2)
        return torch.cat([told[:, 0].flatten(1, 2), told[:, 1:, coarser(k)].flatten(1, 3)], dim=1)
