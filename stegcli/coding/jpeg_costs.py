"""What it costs to change a quantised coefficient of a JPEG file by one. Only the sender needs the costs.

uerd: the quantisation step of the coefficient over the energy of its block and of those around it.
juniward: by how much the change disturbs wavelet coefficients of the decoded picture, each relative to its own size.
side_informed: cheaper towards the value that rounding took away, for a sender who has the picture before compression.

Reference: Using statistical image model for JPEG steganography: uniform embedding revisited (Guo, Ni, Su, Tang, Shi,
IEEE TIFS 2015), Eq. 8 and 9: UERD. Universal distortion function for steganography in an arbitrary domain (Holub,
Fridrich, Denemark, EURASIP Journal on Information Security 2014), Eq. 2 to 6: J-UNIWARD with its Daubechies 8-tap
wavelets and sigma = 2^-6; section 4.3: side information. Differences: the decoded picture is neither rounded nor
clipped, and side information lowers a cost to a fifth at the least: without that floor the changes crowd at the
coefficients that rounding was least sure of, and a detector finds them there.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from stegcli.pictures.jpeg import Component

SIGMA = 2.0**-6
FLOOR = 0.2
TAPS = 16
REACH = 8 + TAPS - 1  # wavelet coefficients that one block touches, along one axis
PAD = TAPS - 1
STRIP = 8  # rows of blocks worked on at a time: what they need stays in the processor's cache
LEAST_ENERGY = 1e-3
"""Of a block without any AC coefficient among blocks without any: dearest, but finite."""

LOW_PASS = np.array(
    [-0.00011747678400228192, 0.0006754494059985568, -0.0003917403729959771, -0.00487035299301066,
     0.008746094047015655, 0.013981027917015516, -0.04408825393106472, -0.01736930100202211,
     0.128747426620186, 0.00047248457399797254, -0.2840155429624281, -0.015829105256023893,
     0.5853546836548691, 0.6756307362980128, 0.3128715909144659, 0.05441584224308161]
)  # fmt: skip
"""Daubechies' wavelet with 8 vanishing moments, its low-pass half. A test derives its properties."""
HIGH_PASS = LOW_PASS[::-1] * (-1.0) ** np.arange(1, TAPS + 1)


def uerd(component: Component) -> np.ndarray:
    """-> cost of a change by one of each coefficient, float32 (rows, columns, 8, 8)."""
    steps = component.steps.astype(np.float32)
    energy = (np.abs(component.blocks, dtype=np.float32) * steps).sum(axis=(2, 3))
    energy -= np.abs(component.blocks[:, :, 0, 0], dtype=np.float32) * steps[0, 0]
    around = np.pad(energy, 1, mode="symmetric")
    rows, columns = energy.shape
    sums = sum(around[i : i + rows, j : j + columns] for i in range(3) for j in range(3)) - energy
    mode = steps.copy()
    mode[0, 0] = (steps[0, 1] + steps[1, 0]) / 2
    costs: np.ndarray = mode / np.maximum(energy + 0.25 * sums, LEAST_ENERGY)[:, :, None, None]
    return costs


def juniward(component: Component) -> np.ndarray:
    """-> cost of a change by one of each coefficient, float32 (rows, columns, 8, 8)."""
    plane = np.pad(decoded(component), PAD, mode="symmetric")
    costs = np.empty(component.blocks.shape, np.float32)
    for top in range(0, len(costs), STRIP):
        strip = costs[top : top + STRIP]
        _disturbed(plane[8 * top : 8 * (top + len(strip)) + 2 * PAD], strip)
    costs *= component.steps.astype(np.float32)
    return costs


def side_informed(costs: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Costs, and what rounding took away from each coefficient -> costs of one up and of one down.

    Reference: Eq. 9 of Holub et al., with a floor. Where the encoder did not round to the nearest (|error| > 0.5),
    nothing is known.
    """
    factor = np.maximum(1 - 2 * np.abs(errors), FLOOR).astype(np.float32)
    known = np.abs(errors) <= 0.5
    up = np.where(known & (errors > 0), costs * factor, costs)
    down = np.where(known & (errors < 0), costs * factor, costs)
    return up, down


def decoded(component: Component) -> np.ndarray:
    """-> the plane that the coefficients stand for, float32 (8 rows, 8 columns), mean 0, not rounded, not clipped."""
    rows, columns = component.blocks.shape[:2]
    basis = cosines().astype(np.float32)
    across = (component.blocks * component.steps.astype(np.float32)).reshape(-1, 8) @ basis
    both = across.reshape(rows, columns, 8, 8).swapaxes(2, 3).reshape(-1, 8) @ basis
    plane: np.ndarray = both.reshape(rows, columns, 8, 8).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(plane).reshape(8 * rows, 8 * columns)


@cache
def cosines() -> np.ndarray:
    """The orthonormal cosine transform: (frequency, place), float64 (8, 8)."""
    frequency, place = np.mgrid[:8, :8]
    scale = np.where(frequency == 0, np.sqrt(1 / 8), 0.5)
    basis: np.ndarray = scale * np.cos((2 * place + 1) * frequency * np.pi / 16)
    return basis


# -- wavelets


def _disturbed(plane: np.ndarray, costs: np.ndarray) -> None:
    """A strip of the padded plane -> into `costs` (rows, columns, 8, 8): Eq. 4 for one unit of each cosine."""
    low, high = (along(plane, taps, 0) for taps in (LOW_PASS, HIGH_PASS))
    costs[...] = 0
    for down, across, filtered in (
        (LOW_PASS, HIGH_PASS, along(low, HIGH_PASS, 1)),
        (HIGH_PASS, LOW_PASS, along(high, LOW_PASS, 1)),
        (HIGH_PASS, HIGH_PASS, along(high, HIGH_PASS, 1)),
    ):
        _add_disturbance(1 / (np.abs(filtered) + np.float32(SIGMA)), _impact(down), _impact(across), costs)


def _add_disturbance(weights: np.ndarray, down: np.ndarray, across: np.ndarray, costs: np.ndarray) -> None:
    """A change's wavelet coefficients are a product of one along each axis, and so is the sum over their weights.

    weights: (8 rows + TAPS - 1, 8 columns + TAPS - 1). down, across: (8, REACH).
    """
    rows, columns = costs.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(weights, REACH, axis=1)[:, ::8]
    sums = np.ascontiguousarray(windows).reshape(-1, REACH) @ across.T
    sums = sums.reshape(len(weights), columns * 8)
    for row in range(rows):
        both = down @ sums[8 * row : 8 * row + REACH]
        costs[row] += both.reshape(8, columns, 8).swapaxes(0, 1)


def along(plane: np.ndarray, taps: np.ndarray, axis: int) -> np.ndarray:
    """Correlation with the taps along an axis, which becomes TAPS - 1 shorter."""
    length = plane.shape[axis] - TAPS + 1
    views = (plane[t : t + length] if axis == 0 else plane[:, t : t + length] for t in range(TAPS))
    total = np.float32(taps[0]) * next(views)
    term = np.empty_like(total)
    for tap, view in zip(taps[1:], views, strict=True):
        np.multiply(view, np.float32(tap), out=term)
        total += term
    return total


def _impact(taps: np.ndarray) -> np.ndarray:
    """What one unit of each cosine does to the filtered values that see its block: absolute, float32 (8, REACH)."""
    padded = np.pad(cosines(), ((0, 0), (PAD, PAD)))
    filtered = np.lib.stride_tricks.sliding_window_view(padded, TAPS, axis=1) @ taps
    impact: np.ndarray = np.abs(filtered).astype(np.float32)
    return impact
