"""A JPEG of known quality: parities of its quantised luminance, by the trellis, with room for what else happens.

After the first JPEG others often follow: the same quality again, one near it, full colours, a PNG made of it. The
sender sends its cover through these and takes the highest rate of the outer code that stands them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image as Pillow

from stegcli.errors import CapacityError, RevealError
from stegcli.keys.key import Key
from stegcli.methods.riis import cells, envelope, libjpeg, luma, order, trellis
from stegcli.methods.riis.carrier import PSNR, Carrier, Seen
from stegcli.methods.riis.cells import Cells
from stegcli.methods.riis.envelope import Letter
from stegcli.methods.riis.order import Share

HEADER_SLOTS, HEADER_RATE = 2048, 0.2
RATES = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
"""Rates of the outer code; a letter's note is the index."""
EFFICIENCY = 0.86  # of the outer code, against the capacity of the coded bits
MOST_PER_SLOT = 0.75  # coded bits: beyond that changes become dear fast
LOSS = 10**0.12  # distortion of the trellis against the best code
ATTEMPTS = 4
SAMPLED, BAND = 1_000_000, 16  # pixels that a cover is judged by, in bands of so many rows
MOST_BAD = 0.002  # share of the slots that may stay wrong: the outer code has them


@dataclass(frozen=True)
class Known(Carrier):
    """quality: of the JPEG to come. again: qualities of JPEGs that may follow it. spare: rates below the needed one."""

    quality: int
    again: tuple[int, ...] = ()
    spare: int = 0

    @property
    def steps(self) -> np.ndarray:
        return libjpeg.table(self.quality)

    @property
    def per_block(self) -> int:
        return int(cells.slots_of(self.steps).sum())

    def room(self, cover: np.ndarray, receivers: int, psnr: float = PSNR) -> int:
        if self.per_block == 0:
            return 0
        sample = _sample(cover)
        prepared = Cells.of(sample, self.steps)
        slots = len(prepared.near) * self.per_block
        if slots == 0:
            return 0
        per_slot = _affordable(prepared, sample.size, psnr) / slots
        whole = int(np.prod(luma.grid(*cover.shape[:2]))) * self.per_block
        header = round(envelope.HEADER_BITS / HEADER_RATE)
        bits = (per_slot * whole / receivers - header) * RATES[self._rate(self._sureness(sample), per_slot)]
        return int(0.97 * bits) // 8 - envelope.TAG_BYTES

    def hide(self, cover: np.ndarray, letters: Sequence[Letter], psnr: float = PSNR) -> np.ndarray:
        prepared = Cells.of(cover, self.steps)
        share_bits = max(envelope.body_bits(len(letter.data)) for letter in letters) * len(letters)
        slots = max(1, len(prepared.near) * self.per_block)
        rate = self._rate_for(_sample(cover), share_bits / slots)
        for _ in range(ATTEMPTS):
            bits = self._coded(prepared, letters, rate)
            blocks, failed = prepared.write(bits)
            if failed.sum() <= MOST_BAD * len(failed):
                break
            # These blocks have no room to move: leave them alone, and let the others carry more.
            prepared = prepared.without(failed)
        return luma.from_blocks(blocks, cover)

    def _coded(self, prepared: Cells, letters: Sequence[Letter], rate: int) -> np.ndarray:
        """The bits of all slots."""
        natural, costs = prepared.parities(), prepared.costs()
        cheap = natural ^ (costs < 0)
        costs = np.abs(costs)
        bits = cheap.copy()
        for index, letter in enumerate(letters):
            places = self._order(letter.key, len(prepared.near), Share(index, len(letters)))
            header, body = envelope.seal(letter, rate)
            for where, message, strength in ((places.header, header, HEADER_RATE), (places.body, body, RATES[rate])):
                code = trellis.Code(len(where), len(message), strength)
                if not code.fits():
                    raise CapacityError(max(0, int(len(places.body) * RATES[rate] * 0.9) // 8 - 16), len(letter.data))
                bits[where] = trellis.embed(code, cheap[where], costs[where], message)
        return bits

    def reveal(self, seen: Seen, key: Key, share: Share) -> bytes:
        return Reader(self, seen).reveal(key, share)

    def stronger(self) -> Known | None:
        return replace(self, spare=self.spare + 1) if self.spare < 3 else None

    def _order(self, key: Key, blocks: int, share: Share) -> order.Order:
        return order.arrange(key, blocks, self.per_block, share, HEADER_SLOTS)

    def _rate_for(self, cover: np.ndarray, per_slot: float) -> int:
        """Message bits per slot -> the index of the outer rate. A lower one has more coded bits, which helps them."""
        sure = self._sureness(cover)
        needed = [self._rate(sure, per_slot / rate) for rate in RATES]
        return next((i for i, least in enumerate(needed) if least <= i), len(RATES) - 1)

    def _rate(self, sure: float, per_slot: float) -> int:
        """How sure slots are, coded bits per slot -> the index of the highest outer rate that stands it."""
        row = sure ** (4 / max(per_slot, 1 / trellis.SPARSEST))
        wrong = (1 - np.sqrt(row)) / 2
        most = EFFICIENCY * (1 + wrong * np.log2(wrong + 1e-12) + (1 - wrong) * np.log2(1 - wrong + 1e-12))
        needed = next((i for i, rate in enumerate(RATES) if rate <= most), len(RATES) - 1)
        return min(needed + self.spare, len(RATES) - 1)

    def _sureness(self, cover: np.ndarray) -> float:
        """Mean of tanh^2 (log-odds / 2) over the slots behind the worst of the JPEGs that may follow."""
        return min((_sureness(self, cover, quality) for quality in self.again), default=1.0)


class Reader:
    """What arrived, read as a JPEG of one quality: the coefficients are found once for all keys."""

    def __init__(self, carrier: Known, seen: Seen):
        self.carrier, self.seen = carrier, seen
        # A picture without a JPEG's tables is read as the JPEG that it would become.
        self.last = carrier.steps if seen.steps is None else seen.steps
        self.count = len(seen.blocks)

    def _odds(self, slots: np.ndarray | None = None) -> np.ndarray:
        """Log-odds of all slots; with `slots` only the blocks that these lie in are worked out."""
        size = self.carrier.per_block
        chosen = np.arange(self.count) if slots is None else np.unique(slots // size)
        blocks = self.seen.blocks[chosen]
        levels = self.seen.levels
        found = libjpeg.quantised(blocks, self.last) if levels is None else levels[chosen]
        values = found * self.last.astype(np.float32)
        clipped = ((blocks == 0) | (blocks == 255)).any(axis=(1, 2, 3))
        odds = np.zeros((self.count, size), np.float32)
        odds[chosen] = cells.log_odds(values, clipped, self.carrier.steps, self.last).reshape(-1, size)
        return odds.reshape(-1)

    def reveal(self, key: Key, share: Share) -> bytes:
        if self.carrier.per_block == 0 or self.count == 0:
            raise RevealError
        places = self.carrier._order(key, self.count, share)
        code = trellis.Code(len(places.header), envelope.HEADER_BITS, HEADER_RATE)
        if not code.fits():
            raise RevealError
        header = envelope.open_header(trellis.extract(code, self._odds(places.header)[places.header]), key)
        if header.note >= len(RATES) or header.body_bits > places.body_slots:
            raise RevealError
        code = trellis.Code(places.body_slots, header.body_bits, RATES[header.note])
        if not code.fits():
            raise RevealError
        return envelope.open_body(trellis.extract(code, self._odds()[places.body]), header, key)


def _sample(cover: np.ndarray) -> np.ndarray:
    """A cover -> bands of it, enough to tell what the whole will carry."""
    height, width = cover.shape[:2]
    every = -(-height * width // SAMPLED)
    if every == 1:
        return cover
    bands = cover[: height // BAND * BAND].reshape(-1, BAND, width, 3)
    return np.ascontiguousarray(bands[::every]).reshape(-1, width, 3)


def _affordable(prepared: Cells, samples: int, psnr: float) -> int:
    """Coded bits that the best code would carry for that PSNR, the trellis' loss taken off.

    Reference: Filler, Judas, Fridrich (2011), Eq. 4 and 5: each slot changes with probability 1 / (1 + exp(l cost)).
    """
    costs, base = prepared.costs(), prepared.kept_cost()
    budget = 255**2 / 10 ** (psnr / 10) * samples
    budget -= np.count_nonzero(~prepared.wet) * luma.SHADES * 3 / 12  # rounding of the colours
    per_change = luma.cost(prepared.blocks[~prepared.wet]) * 3
    free = np.minimum(costs, 0).sum(dtype=np.float64)
    flips = np.abs(costs[costs < cells.WET])
    if not len(flips):
        return 0
    low, high = 1e-6, 1e6
    for _ in range(40):
        middle = float(np.sqrt(low * high))
        chance = 1 / (1 + np.exp(np.minimum(middle * flips, 60)))
        spent = per_change * (base + free + LOSS * float((chance * flips).sum(dtype=np.float64)))
        low, high = (middle, high) if spent > budget else (low, middle)
    chance = 1 / (1 + np.exp(np.minimum(high * flips, 60)))
    entropy = -(chance * np.log2(chance) + (1 - chance) * np.log2(1 - chance))
    if per_change * (base + free) > budget:
        return 0
    return int(min(entropy.sum(dtype=np.float64), MOST_PER_SLOT * len(costs)))


def _sureness(carrier: Known, cover: np.ndarray, quality: int) -> float:
    """Mean of tanh^2 (log-odds / 2) over the slots once the cover went through its own JPEG and one of `quality`."""
    first = _compressed(cover, carrier.quality)
    before = libjpeg.quantised(luma.to_blocks(cover), carrier.steps)
    use = cells.slots_of(carrier.steps)
    bits = (before & 1).astype(bool)[:, use].reshape(-1)
    odds = Reader(carrier, Seen(_compressed(first, quality), libjpeg.table(quality)))._odds()
    return float(max(1e-3, (np.tanh(odds / 2) * (2.0 * bits - 1)).mean()))


def _compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Pillow.open(buffer))
