"""Samples that are not to be changed, whatever the density says: there a single change can be seen and counted.

In pure white and black, on even ground and in frames of one colour no camera leaves lone samples that differ by one.
A histogram with gaps, as an editor's contrast leaves it, tells by the first sample in a gap.
A picture that never was a JPEG as a whole may have a part that was: no sample there leaves the colours of a decoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stegcli.pictures import lattice

COST = np.float32(1e4)
"""Of changing such a sample, where others cost about 1: only a message that fills the picture pays it. Not more, so
that float32 sums of costs still tell the others apart."""


ENOUGH = 8
"""Samples on both sides of a gap that make it one: among rare levels some are missing by chance."""


@dataclass(frozen=True)
class Still:
    """What is to stay in a cover (h, w, channels).

    up, down: bool (h, w, channels), samples that are not to move up, and not down. gaps: bool (channels, 256), levels
    that no sample is to have.
    """

    up: np.ndarray
    down: np.ndarray
    gaps: np.ndarray

    @classmethod
    def of(cls, pixels: np.ndarray) -> Still:
        """uint8 (h, w, channels) -> what is to stay in it."""
        still = wet(pixels)
        up, down = still.copy(), still
        channels = range(pixels.shape[2])
        gaps = np.stack([_gaps(np.bincount(pixels[..., c].reshape(-1), minlength=256)) for c in channels])
        for channel in np.flatnonzero(gaps.any(axis=1)):
            samples = pixels[..., channel]
            up[..., channel] |= np.append(gaps[channel, 1:], False)[samples]
            down[..., channel] |= np.append(False, gaps[channel, :-1])[samples]
        return cls(up, down, gaps)

    def broken(self, cover: np.ndarray, stego: np.ndarray) -> int:
        """uint8 (h, w, channels) of both -> how many samples moved in a way that is excluded, or into a gap by two."""
        found = ((stego > cover) & self.up) | ((stego < cover) & self.down)
        for channel in np.flatnonzero(self.gaps.any(axis=1)):
            found[..., channel] |= self.gaps[channel][stego[..., channel]]
        return int(np.count_nonzero(found))


def _gaps(counts: np.ndarray) -> np.ndarray:
    """How many samples each level has (256,) -> bool (256,): levels without any between two with ENOUGH."""
    levels = np.arange(256)
    below = np.maximum.accumulate(np.where(counts > 0, levels, 0))
    above = np.minimum.accumulate(np.where(counts > 0, levels, 255)[::-1])[::-1]
    gaps: np.ndarray = (counts == 0) & (counts[below] >= ENOUGH) & (counts[above] >= ENOUGH)
    return gaps


def wet(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, channels) -> bool (h, w, channels): samples at an end of the range, with eight equal neighbours, in
    a row or column of one value, or in a part that came from a JPEG."""
    found: np.ndarray = (pixels == 0) | (pixels == 255) | _even(pixels)
    found |= (pixels == pixels[:, :1]).all(axis=1, keepdims=True)
    found |= (pixels == pixels[:1]).all(axis=0, keepdims=True)
    if pixels.shape[2] == 3 and lattice.examine(pixels).history == "never":
        found |= lattice.clean_tiles(pixels)[..., None]
    return found


def _even(pixels: np.ndarray) -> np.ndarray:
    """Whether all nine samples of the 3x3 neighbourhood are equal; beyond the border lie its own samples."""
    across = _same_as_neighbours(pixels, 1)
    rows = _same_as_neighbours(pixels, 0)
    above = np.concatenate([across[:1], across[:-1]])
    below = np.concatenate([across[1:], across[-1:]])
    even: np.ndarray = across & rows & above & below
    return even


def _same_as_neighbours(pixels: np.ndarray, axis: int) -> np.ndarray:
    """Whether a sample equals the one before it and the one after it along an axis."""
    size = pixels.shape[axis]
    first, rest = (np.take(pixels, range(*r), axis=axis) for r in ((0, size - 1), (1, size)))
    edge_shape = list(pixels.shape)
    edge_shape[axis] = 1
    edge = np.ones(edge_shape, bool)
    same = first == rest
    both: np.ndarray = np.concatenate([edge, same], axis=axis) & np.concatenate([same, edge], axis=axis)
    return both
