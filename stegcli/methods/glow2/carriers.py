"""Where a secret's latents lie in a stego's: which numbers, in which places, in blocks.

The channel's table names the secret's bands in the order in which they take places, the sturdiest first. A band that
is named again takes second places, and a band that is never reached stays at home. Where a stego is larger than its
secret needs, each band takes its places as often in a row as the stego is larger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stegcli.keys.key import Key
from stegcli.methods.glow2 import authentic
from stegcli.methods.glow2.descriptor import Descriptor
from stegcli.methods.glow2.layout import LOSSLESS_CHANNEL, Share, Table
from stegcli.methods.glow2.rotation import BLOCK
from stegcli.nn.wavelet import Band

if TYPE_CHECKING:
    from stegcli.methods.glow2.method import Glow2

COLOURS_FINER = 1.5
"""An error of colours costs as much as one of luminance so many levels finer: halfway between two, so that no band ties
(`python benchmarks/glow2_carriers.py` prints what each costs)."""
Permute = Callable[[int, int], np.ndarray]
"""Index of a band in its order, and how many of its places are free -> a permutation of these."""


@dataclass(frozen=True)
class Carriers:
    """used (n, M): places of the stego's latents that carry a picture, in blocks. block (n,): which of the secret's
    blocks each carries, in ascending order. numbers (b, M): the secret's latents in each of its blocks. pilots: places
    that carry nothing, to be known by."""

    used: np.ndarray
    block: np.ndarray
    numbers: np.ndarray
    pilots: np.ndarray

    @property
    def places(self) -> np.ndarray:
        """All of them, the pilots last."""
        return np.concatenate([self.used.ravel(), self.pilots])

    @property
    def ranks(self) -> np.ndarray:
        """For each place used, in order, the number of the secret that it carries."""
        ranks: np.ndarray = self.numbers[self.block].ravel()
        return ranks


def carriers(
    method: Glow2, bands: Sequence[Band], descriptor: Descriptor, taken: np.ndarray, key: Key, nonce: int
) -> Carriers:
    """taken: latents of the header. There are no pilots if the stego need not survive anything."""
    table = method.tables[descriptor.channel]
    free = places(bands, table, Share(), taken, key, nonce)
    height, width = sides(bands)
    side = min(height, width)
    order = in_blocks(method.secrets_flow().bands(side, side), table, max(height, width) // side)
    return carried(free, order, robust=descriptor.channel != LOSSLESS_CHANNEL)


def carried(free: np.ndarray, order: np.ndarray, robust: bool) -> Carriers:
    """Free places, the sturdiest first, and numbers (m, M) in their order -> which carry which."""
    among = authentic.pilots(len(free) if robust else 0)
    rest = np.delete(free, among)
    n = min(len(rest) // BLOCK, len(order))
    _, first, block = np.unique(order[:n, 0], return_index=True, return_inverse=True)
    used, by_block = rest[: n * BLOCK].reshape(n, BLOCK), np.argsort(block, kind="stable")
    return Carriers(used[by_block], block[by_block], order[first], free[among])


def in_blocks(bands: Sequence[Band], table: Table, times: int) -> np.ndarray:
    """The secret's bands -> its numbers in the order in which they take places, (m, M).

    A block takes every so manieth number of its band, so that none lies in a smooth part of the picture alone. The
    last ones of a band that is no multiple of M take some numbers for a second time.
    """
    by_name = {b.name: b for b in bands}
    named = [by_name[n] for n in table.carries or by_importance(bands)]
    return np.concatenate([_blocks(b) for b in named for _ in range(times)])


def _blocks(band: Band) -> np.ndarray:
    n = -(-band.size // BLOCK)
    return np.resize(band.start + np.arange(band.size), (BLOCK, n)).T


def by_importance(bands: Sequence[Band]) -> list[str]:
    """Names of the secret's bands, what matters most first: for tables that name none."""
    return [b.name for b in sorted(bands, key=lambda b: COLOURS_FINER * (b.name[0] == "c") - b.level)]


def places(bands: Sequence[Band], table: Table, share: Share, taken: np.ndarray, key: Key, nonce: int) -> np.ndarray:
    """Places of the stego's latents, the most robust band first; within a band in the key's order."""
    return arranged(bands, table, share, taken, lambda i, n: key.stream(f"copies {i}", nonce).permutation(n))


def arranged(bands: Sequence[Band], table: Table, share: Share, taken: np.ndarray, permute: Permute) -> np.ndarray:
    """`places` with any permutation, since training has no key."""
    found = []
    for index, band in enumerate(table.sturdiest_first(bands)):
        free = np.setdiff1d(share.of_band(band), taken, assume_unique=True)
        found.append(free[permute(index, len(free))])
    return np.concatenate(found)


def sides(bands: Sequence[Band]) -> tuple[int, int]:
    """Height and width of the picture that has these bands."""
    base = bands[-1]
    return base.height << base.octave, base.width << base.octave
