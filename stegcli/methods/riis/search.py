"""Where in a cropped picture the sender's tiles lie now, and which salt drew their dithers.

Values on a lattice of unknown bits have the phase 2 pi (dither + bit / 2). A place of the grid and a shift of the tile
are right if the phases, added up over all tiles and squared, which removes the bit, agree with the dithers of a salt.
All shifts at once are a correlation, by the Fourier transform. Dithers that differ from slot to slot tell the sender's
grid from that of the JPEG, whose values are regular too.

Reference: the sum over the copies before the square is the usual estimate of a phase from a repeated signal; without
copies it is the square of each value's phase alone (Viterbi, Viterbi, Nonlinear estimation of PSK-modulated carrier
phase, IEEE Transactions on Information Theory 1983).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stegcli.keys.key import Key
from stegcli.methods.riis import luma, salts
from stegcli.methods.riis.envelope import SALTS

SIDES = (16, 32)
"""Blocks along a tile; a receiver tries both."""
FREQUENCIES = 14
STEP = 25.4  # the same everywhere: once the grids differ, JPEG's errors are spread over all frequencies
LOOKED_AT = 96  # blocks along each side that the search looks at, at most
FOLLOWED = 3


@dataclass(frozen=True)
class Found:
    """down, right: pixels before the first whole block of the sender's. shift: which block of its tile that is, by rows
    and columns. salt: of the header."""

    down: int
    right: int
    shift: tuple[int, int]
    salt: int


def frequencies() -> np.ndarray:
    """(FREQUENCIES,) flat indices: the lowest, without the mean, which brightness moves."""
    vertical, horizontal = np.divmod(np.arange(luma.SHADES), luma.BLOCK)
    order = np.lexsort((vertical, vertical + horizontal))
    return order[1 : 1 + FREQUENCIES]


def values(blocks: np.ndarray) -> np.ndarray:
    """Luminance of blocks (n, 8, 8) -> the coefficients that carry, (n, FREQUENCIES)."""
    found: np.ndarray = luma.dct(blocks).reshape(len(blocks), luma.SHADES)[:, frequencies()]
    return found


def dither(key: Key, salt: int, side: int) -> np.ndarray:
    """Uniform in (0, 1) for each slot of a tile, (side * side, FREQUENCIES)."""
    drawn = np.frombuffer(key.stream("tiles", salt).bytes(side * side * FREQUENCIES), np.uint8)
    return salts.dither_of(drawn).reshape(side * side, FREQUENCIES)


def tiled(rows: int, columns: int, side: int, shift: tuple[int, int] = (0, 0)) -> np.ndarray:
    """Rows and columns of blocks, the first being block `shift` of its tile -> each block's number in its tile."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    found: np.ndarray = (row + shift[0]) % side * side + (column + shift[1]) % side
    return found


def search(plane: np.ndarray, side: int, key: Key) -> list[Found]:
    """Luminance (h, w) -> the likeliest places, the best first."""
    grids = [(down, right) for down in range(luma.BLOCK) for right in range(luma.BLOCK)]
    phases = np.stack([_phases(plane[down:, right:], side) for down, right in grids])
    drawn = np.stack([dither(key, salt, side) for salt in range(SALTS)])
    expected = np.exp(4j * np.pi * drawn).astype(np.complex64).reshape(SALTS, side, side, FREQUENCIES)
    seen, wanted = (np.fft.fft2(a, axes=(1, 2)).astype(np.complex64) for a in (phases, expected))
    scores = np.empty((len(grids), SALTS, side, side), np.float32)
    for number, spectrum in enumerate(seen):
        scores[number] = np.fft.ifft2((spectrum.conj() * wanted).sum(axis=-1), axes=(1, 2)).real
    best = np.argpartition(-scores.reshape(-1), FOLLOWED)[:FOLLOWED]
    found = []
    for place in sorted(best, key=lambda p: -scores.reshape(-1)[p]):
        grid, salt, row, column = (int(i) for i in np.unravel_index(place, scores.shape))
        found.append(Found(*grids[grid], (row, column), salt))
    return found


def _phases(plane: np.ndarray, side: int) -> np.ndarray:
    """Luminance from a place of the grid on -> the squared sum of the phases of each slot of a tile, complex
    (side, side, FREQUENCIES)."""
    plane = plane[: LOOKED_AT * luma.BLOCK, : LOOKED_AT * luma.BLOCK]
    rows, columns = luma.grid(*plane.shape)
    turned = np.exp(2j * np.pi / STEP * values(luma.to_blocks(plane))).astype(np.complex64)
    padded = np.zeros((-(-rows // side) * side, -(-columns // side) * side, FREQUENCIES), np.complex64)
    padded[:rows, :columns] = turned.reshape(rows, columns, FREQUENCIES)
    total = padded.reshape(padded.shape[0] // side, side, -1, side, FREQUENCIES).sum(axis=(0, 2))
    squared: np.ndarray = total**2
    return squared
