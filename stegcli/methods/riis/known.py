"""A JPEG of known quality: parities of its quantised luminance, by the trellis, with room for what else happens.

After the first JPEG others often follow: the same quality again, one near it, full colours, a PNG made of it. The
sender sends its cover through these and takes the highest rate of the outer code that stands them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stegcli.coding import ldpc, sealing
from stegcli.errors import CapacityError, RevealError
from stegcli.keys.key import Key
from stegcli.methods.riis import cells, envelope, libjpeg, luma, order, salts, trellis, trial
from stegcli.methods.riis.carrier import PSNR, Carrier, Seen
from stegcli.methods.riis.cells import Cells
from stegcli.methods.riis.envelope import Letter
from stegcli.methods.riis.order import Share

HEADER_SLOTS, HEADER_RATE = 2560, 0.2
HEADER_LOAD = 0.45  # coded bits of the header per slot, at most: in small pictures its code is weaker instead
RATES = (0.9, 0.84, 0.8, 0.75, 0.7, 0.65, 0.6, 0.5, 0.4, 0.3, 0.2)
"""Rates of the outer code; a letter's note is the index."""
EFFICIENCY = 0.88  # of the outer code, against the capacity of the coded bits
MOST_PER_SLOT = 0.75  # coded bits: beyond that changes become dear fast
LOSS = 10**0.12  # distortion of the trellis against the best code
SEARCHED = 24  # halvings of the range of the multiplier
SHORT = 500  # bits by which a body is protected as if it were longer: short codes stand less
SAFE = 0.97
ONES = 4  # of a column of the trellis, at most
MOST_SUMMED = ONES * trellis.SPARSEST
DRAWN = 4000  # coded bits by which the outer code's channel is judged
ATTEMPTS = 4
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
        sample = trial.sample(cover)
        prepared = Cells.of(sample, self.steps)
        slots = len(prepared.near) * self.per_block
        if slots == 0:
            return 0
        load = _affordable(prepared, sample.size, psnr) / slots
        own = int(np.prod(luma.grid(*cover.shape[:2]))) * self.per_block // receivers
        free, capacities = own - _header_code(own).slots, self._capacities(sample)
        most = (int(SAFE * load * free * rate) // 8 * 8 for rate in RATES)
        fit = [bits for index, bits in enumerate(most) if self._rate_for(capacities, bits, free) <= index]
        return max(fit, default=0) // 8 - envelope.TAG_BYTES

    def hide(self, cover: np.ndarray, letters: Sequence[Letter], psnr: float = PSNR) -> np.ndarray:
        prepared = Cells.of(cover, self.steps)
        own = len(prepared.near) * self.per_block // len(letters)
        bits = max(sealing.body_bits(len(letter.data)) for letter in letters)
        rate = self._rate_for(self._capacities(trial.sample(cover)), bits, own - _header_code(own).slots)
        for _ in range(ATTEMPTS):
            blocks, failed = prepared.write(self._coded(prepared, letters, rate))
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
            slots = self._slots(len(prepared.near), Share(index, len(letters)))
            code, sealed = _header_code(len(slots)), envelope.seal(letter, rate)
            if not code.fits():
                raise CapacityError(0, len(letter.data))
            drawn = salts.head(letter.key, envelope.salt_of(sealed.nonce), slots, code.slots)
            head, mask = drawn.slots, drawn.mask
            # Most parities of a picture are 0, and so would be all checks of any salt without the mask.
            bits[head] = trellis.embed(code, cheap[head] ^ mask, costs[head], envelope.header_bits(sealed)) ^ mask
            code = trellis.Code(len(slots) - len(head), len(sealed.body), RATES[rate])
            if not code.fits():
                raise CapacityError(max(0, int(code.slots * RATES[rate] * 0.9) // 8 - 16), len(letter.data))
            body = slots.body(sealed.message, head)
            bits[body] = trellis.embed(code, cheap[body], costs[body], sealed.body)
        return bits

    def reveal(self, seen: Seen, key: Key, share: Share) -> bytes:
        return Reader(self, seen).reveal(key, share)

    def stronger(self) -> Known | None:
        return replace(self, spare=self.spare + 1) if self.spare < 3 else None

    def _slots(self, blocks: int, share: Share) -> order.Slots:
        return order.slots_of(blocks, self.per_block, share)

    def _rate_for(self, capacities: np.ndarray, bits: int, slots: int) -> int:
        """Bits of a body and its slots -> the index of the outer rate. A lower one has more coded bits, which helps."""
        efficiency = EFFICIENCY * bits / (bits + SHORT)
        needed = [self._rate(efficiency * capacities, bits / rate / max(1, slots)) for rate in RATES]
        return next((i for i, least in enumerate(needed) if least <= i), len(RATES) - 1)

    def _rate(self, highest: np.ndarray, load: float) -> int:
        """Highest rates by the slots in a sum, coded bits per slot -> the index of the outer rate to take."""
        most = highest[round(ONES / max(load, 1 / trellis.SPARSEST))]
        needed = next((i for i, rate in enumerate(RATES) if rate <= most), len(RATES) - 1)
        return min(needed + self.spare, len(RATES) - 1)

    def _capacities(self, cover: np.ndarray) -> np.ndarray:
        """Capacity of a coded bit behind the worst of the JPEGs that may follow, by the number of slots that it is the
        sum of, (MOST_SUMMED + 1,)."""
        each = [_capacities(self, cover, quality) for quality in self.again]
        least: np.ndarray = np.min([*each, np.ones(MOST_SUMMED + 1)], axis=0)
        return least


class Reader:
    """What arrived, read as a JPEG of one quality."""

    def __init__(self, carrier: Known, seen: Seen):
        self.carrier, self.seen = carrier, seen
        # A picture without a JPEG's tables is read as the JPEG that it would become.
        self.last = carrier.steps if seen.steps is None else seen.steps
        self.count = len(seen.blocks)

    @property
    def odds(self) -> np.ndarray:
        """Log-odds of all slots of the picture."""
        kept = self.seen.kept
        if self.carrier not in kept:
            kept.clear()
            kept[self.carrier] = self._odds()
        return kept[self.carrier]

    def _odds(self) -> np.ndarray:
        levels = self.seen.levels
        found = libjpeg.quantised(self.seen.blocks, self.last) if levels is None else levels
        return cells.log_odds(found * self.last.astype(np.float32), self.seen.crowd, self.carrier.steps, self.last)

    def reveal(self, key: Key, share: Share) -> bytes:
        slots = self.carrier._slots(self.count, share)
        code = _header_code(len(slots))
        if not code.fits():
            raise RevealError
        heads = salts.heads(key, slots, code.slots)
        coded = trellis.coded_odds(code, heads.unmasked(self.odds[heads.slots]))
        for salt in salts.best(salts.scores(coded)):
            with contextlib.suppress(RevealError):
                bits = ldpc.decode_from(coded[salt], envelope.HEADER_BITS)
                return self._body(envelope.open_header(bits, salt, key), slots, heads[salt].slots)
        raise RevealError

    def _body(self, header: envelope.Header, slots: order.Slots, head: np.ndarray) -> bytes:
        free = len(slots) - len(head)
        if header.note >= len(RATES) or header.body_bits > free:
            raise RevealError
        code = trellis.Code(free, header.body_bits, RATES[header.note])
        if not code.fits():
            raise RevealError
        body = slots.body(header.message, head)
        return envelope.open_body(trellis.extract(code, self.odds[body]), header)


def _header_code(slots: int) -> trellis.Code:
    """A receiver's slots -> the code of its header, and in how many of the slots it lies."""
    count = min(HEADER_SLOTS, slots // 3)
    rate = max(HEADER_RATE, envelope.HEADER_BITS / max(1, HEADER_LOAD * count))
    return trellis.Code(count, envelope.HEADER_BITS, min(rate, 0.99))


def _affordable(prepared: Cells, samples: int, psnr: float) -> int:
    """Coded bits that the best code would carry for that PSNR, the trellis' loss taken off.

    Reference: Filler, Judas, Fridrich (2011), Eq. 4 and 5: each slot changes with probability 1 / (1 + exp(l cost)).
    """
    costs, changes, base = prepared.costs(), prepared.changes(), prepared.kept_cost()
    budget = 255**2 / 10 ** (psnr / 10) * samples
    budget -= np.count_nonzero(~prepared.wet) * luma.SHADES * 3 / 12  # rounding of the colours
    per_change = luma.cost(prepared.blocks[~prepared.wet]) * 3
    dry = costs < cells.WET
    free = np.minimum(changes[dry], 0).sum(dtype=np.float64)
    flips, changes = np.abs(costs[dry]), np.abs(changes[dry])
    if not len(flips) or per_change * (base + free) > budget:
        return 0
    low, high = 1e-6, 1e6
    for _ in range(SEARCHED):
        middle = float(np.sqrt(low * high))
        chance = 1 / (1 + np.exp(np.minimum(middle * flips, 60)))
        spent = per_change * (base + free + LOSS * float((chance * changes).sum(dtype=np.float64)))
        low, high = (middle, high) if spent > budget else (low, middle)
    chance = 1 / (1 + np.exp(np.minimum(high * flips, 60)))
    entropy = -(chance * np.log2(chance) + (1 - chance) * np.log2(1 - chance))
    return int(min(entropy.sum(dtype=np.float64), MOST_PER_SLOT * len(costs)))


def _capacities(carrier: Known, cover: np.ndarray, quality: int) -> np.ndarray:
    """By the number of slots in a sum (MOST_SUMMED + 1,): the capacity of the sum's bit in bits, once the cover went
    through its own JPEG and one of `quality`; less where the receiver is surer than it should be.

    Reference: the rate of a mismatched decoder (Merhav, Kaplan, Lapidoth, Shamai, IEEE Transactions on Information
    Theory 1994).
    """
    once = trial.compressed(cover, "JPEG", carrier.quality)
    arrived = Seen(trial.compressed(once, "JPEG", quality), libjpeg.table(quality))
    odds = Reader(carrier, arrived).odds
    first = libjpeg.quantised(luma.to_blocks(cover), carrier.steps)[:, cells.slots_of(carrier.steps)]
    right = np.tanh(odds / 2) * (2.0 * (first.reshape(-1) & 1) - 1)
    drawn = np.random.default_rng(0).integers(0, len(right), (MOST_SUMMED, DRAWN))
    # A sum is as sure as the product of its slots; -1 is surely wrong.
    product = np.cumprod(right[drawn], axis=0).clip(-1 + 1e-9, 1)
    return np.concatenate([[1.0], 1 + np.log2((1 + product) / 2).mean(axis=1)])
