"""The luminance coefficients that libjpeg will write for given pixels, bit for bit, without writing a file.

A sender asks for them many times; a codec would have to encode the whole picture each time. The steps are those of
libjpeg and libjpeg-turbo with their default transform (`islow`): integer luminance, integer DCT, division with
rounding. Other libraries and transforms differ by less than the margin that the sender keeps.

Reference: Practical fast 1-D DCT algorithms with 11 multiplications (Loeffler, Ligtenberg, Moschytz, 1989), as in
libjpeg's jfdctint.c; the scaling of the tables of T.81, Annex K, as in jcparam.c.
"""

from __future__ import annotations

import numpy as np

from stegcli.methods.riis import luma

FRACTION = 13  # bits of the constants below
GUARD = 2  # bits that the first pass keeps
C_0298, C_0390, C_0541, C_0765, C_0899, C_1175 = 2446, 3196, 4433, 6270, 7373, 9633
C_1501, C_1847, C_1961, C_2053, C_2562, C_3072 = 12299, 15137, 16069, 16819, 20995, 25172
STRIP = 1 << 14  # blocks at a time: about 60 MB of work space
# T.81, Table K.1.
ANNEX_K = np.array(
    [[16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
     [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
     [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99]]
)  # fmt: skip


def table(quality: int) -> np.ndarray:
    """libjpeg's quality 1 to 100 -> steps of the luminance, int64 (8, 8), vertical frequency first."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((ANNEX_K * scale + 50) // 100).clip(1, 255)


def quantised(blocks: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Blocks of RGB, uint8 (n, 8, 8, 3), and steps (8, 8) -> quantised coefficients, int16 (n, 8, 8)."""
    result = np.empty(blocks.shape[:3], np.int16)
    divisor = (8 * steps).astype(np.int32)
    for first in range(0, len(blocks), STRIP):
        part = slice(first, first + STRIP)
        values = _forward(luma.integer(blocks[part]) - luma.LEVEL)
        rounded = (np.abs(values) + divisor // 2) // divisor
        result[part] = np.where(values < 0, -rounded, rounded)
    return result


def _forward(samples: np.ndarray) -> np.ndarray:
    """int32 (n, 8, 8), -128 to 127 -> coefficients times 8, int32."""
    rows = _pass(np.ascontiguousarray(samples.transpose(2, 1, 0)), first=True)
    columns = _pass(np.ascontiguousarray(rows.transpose(1, 0, 2)), first=False)
    return columns.transpose(2, 0, 1)


def _pass(d: np.ndarray, first: bool) -> np.ndarray:
    """Along the first axis of (8, 8, n)."""
    shift = FRACTION - GUARD if first else FRACTION + GUARD
    sums, differences = d[:4] + d[7:3:-1], d[:4] - d[7:3:-1]
    outer, inner = sums[:2] + sums[3:1:-1], sums[:2] - sums[3:1:-1]
    out = np.empty_like(d)
    plain = [outer[0] + outer[1], outer[0] - outer[1]]
    out[0], out[4] = ((p << GUARD) if first else _scaled(p, GUARD) for p in plain)
    turned = (inner[1] + inner[0]) * C_0541
    out[2] = _scaled(turned + inner[0] * C_0765, shift)
    out[6] = _scaled(turned - inner[1] * C_1847, shift)
    _odd(differences, out, shift)
    return out


def _odd(differences: np.ndarray, out: np.ndarray, shift: int) -> None:
    t7, t6, t5, t4 = differences
    z3, z4 = t4 + t6, t5 + t7
    z5 = (z3 + z4) * C_1175
    z1, z2 = -(t4 + t7) * C_0899, -(t5 + t6) * C_2562
    z3, z4 = z5 - z3 * C_1961, z5 - z4 * C_0390
    out[7] = _scaled(t4 * C_0298 + z1 + z3, shift)
    out[5] = _scaled(t5 * C_2053 + z2 + z4, shift)
    out[3] = _scaled(t6 * C_3072 + z2 + z3, shift)
    out[1] = _scaled(t7 * C_1501 + z1 + z4, shift)


def _scaled(values: np.ndarray, shift: int) -> np.ndarray:
    return (values + (1 << (shift - 1))) >> shift
