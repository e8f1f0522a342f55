"""Strong noise: each coded bit spread over a group of samples of the transformed picture, where the cover is quiet.

The picture itself is noise to the receiver, which estimates how strong it is around each coefficient and weighs by
that, as a Wiener filter would; the sender puts the energy where those weights will be large.

Reference: Secure spread spectrum watermarking for multimedia (Cox, Kilian, Leighton, Shamoon, IEEE Transactions on
Image Processing 1997). Differences: a blind receiver, weights by the local variance, groups of equal energy, an LDPC
code.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stegcli.coding import ldpc
from stegcli.errors import CapacityError, RevealError
from stegcli.keys.key import Key
from stegcli.methods.riis import envelope, luma, order, salts, trial
from stegcli.methods.riis.carrier import PSNR, Carrier, Seen
from stegcli.methods.riis.envelope import HEADER_BITS, Letter
from stegcli.methods.riis.order import Share

SIGMAS = (2.0, 3.0, 5.0, 7.0, 10.0, 14.0, 20.0)
"""Noise that there are weights for; a receiver tries them."""
OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]], np.float32)
OPPONENT /= np.sqrt((OPPONENT**2).sum(axis=1, keepdims=True))
QUIET, SLOPE = 0.35, 1.5
SNR = 0.85  # energy of a group over the noise in it that the body's code takes
RATE = 0.25
HEADER_SLOTS = 2016  # rate 1/12
HEADER_SHARE = 0.14  # samples of a header's group, over the noise's variance
MOST_GROUP = 255  # a note
SURE = 0.8  # the log-odds of neighbours err together


@dataclass(frozen=True)
class Spread(Carrier):
    """sigma: of the noise to come, one of SIGMAS. spare: factor on the energy for safety."""

    sigma: float
    spare: float = 1.0

    @property
    def _noise(self) -> float:
        return self.sigma**2 + 1 / 6

    @property
    def _head(self) -> int:
        """Samples of a group of the header."""
        return max(2, round(HEADER_SHARE * self._noise))

    def _group(self, psnr: float) -> int:
        return max(2, math.ceil(self.spare * self._noise * SNR / _power(psnr)))

    def room(self, cover: np.ndarray, receivers: int, psnr: float = PSNR) -> int:
        samples = int(np.prod(luma.grid(*cover.shape[:2]))) * luma.SHADES * 3 // receivers
        if self._group(psnr) > MOST_GROUP or trial.free_share(cover) < trial.FEW_FREE:
            return 0
        slots = int(0.97 * (samples - self._header_slots(samples) * self._head)) // self._group(psnr)
        return int(slots * RATE) // 8 - envelope.TAG_BYTES

    def hide(self, cover: np.ndarray, letters: Sequence[Letter], psnr: float = PSNR) -> np.ndarray:
        blocks = luma.to_blocks(cover)
        values = _forward(blocks)
        weights = self._weights(_variance(values, *luma.grid(*cover.shape[:2]))).reshape(-1)
        change = np.zeros(values.size, np.float32)
        group = self._group(psnr)
        for index, letter in enumerate(letters):
            slots = order.slots_of(values.size, 1, Share(index, len(letters)))
            count = self._header_slots(len(slots))
            sealed = envelope.seal(letter, group)
            length = math.ceil(len(sealed.body) / RATE)
            room = (len(slots) - count * self._head) // group
            if length > room or count <= HEADER_BITS:
                raise CapacityError(max(0, int(room * RATE) // 8 - envelope.TAG_BYTES), len(letter.data))
            head = salts.head(letter.key, envelope.salt_of(sealed.nonce), slots, count * self._head)
            body = slots.body(sealed.message, head.slots)[: length * group]
            coded = ldpc.encode_to(envelope.header_bits(sealed), count), ldpc.encode_to(sealed.body, length)
            signs = _signs(head.mask), _body_signs(sealed.message, len(body))
            for bits, here, sign in zip(coded, (head.slots, body), signs, strict=True):
                loud = weights[here].reshape(len(bits), -1)
                loud *= np.sqrt(loud.shape[1] * _power(psnr) / (loud**2).sum(axis=1, keepdims=True))
                loud *= 2.0 * bits[:, None] - 1
                change[here] = loud.reshape(-1) * sign
        moved = blocks + _backward(change.reshape(values.shape))
        return luma.from_blocks(np.clip(np.rint(moved), 0, 255).astype(np.uint8), cover)

    def stronger(self) -> Spread | None:
        return replace(self, spare=1.25 * self.spare) if self.spare < 2 else None

    def reveal(self, seen: Seen, key: Key, share: Share) -> bytes:
        values = _forward(seen.blocks)
        variance = _variance(values, *luma.grid(*seen.pixels.shape[:2])) - self._noise
        variance = np.maximum(variance, 0).reshape(-1)
        weights = self._weights(variance)
        slots = order.slots_of(values.size, 1, share)
        count = self._header_slots(len(slots))
        if count <= HEADER_BITS:
            raise RevealError
        flat = values.reshape(-1)

        def odds(here: np.ndarray, sign: np.ndarray, size: int) -> np.ndarray:
            groups = (*here.shape[:-1], -1, size)
            return self._odds(*(a.reshape(groups) for a in (flat[here] * sign, weights[here], variance[here])))

        heads = salts.heads(key, slots, count * self._head)
        coded = odds(heads.slots, _signs(heads.mask), self._head)
        for salt in salts.best(salts.scores(coded)):
            with contextlib.suppress(RevealError):
                header = envelope.open_header(ldpc.decode_from(coded[salt], HEADER_BITS), salt, key)
                return self._body(header, slots, heads[salt].slots, odds)
        raise RevealError

    def _body(
        self,
        header: envelope.Header,
        slots: order.Slots,
        head: np.ndarray,
        odds: Callable[[np.ndarray, np.ndarray, int], np.ndarray],
    ) -> bytes:
        group, length = header.note, math.ceil(header.body_bits / RATE)
        if group < 2 or length * group > len(slots) - len(head):
            raise RevealError
        here = slots.body(header.message, head)[: length * group]
        coded = odds(here, _body_signs(header.message, len(here)), group)
        return envelope.open_body(ldpc.decode_from(coded, header.body_bits), header)

    def _header_slots(self, samples: int) -> int:
        return min(HEADER_SLOTS, samples // 4 // self._head)

    def _weights(self, variance: np.ndarray) -> np.ndarray:
        """Strength of the cover around each sample -> the sender's amplitudes, 0 to 1."""
        weights: np.ndarray = 1 / (1 + (variance / (QUIET * self._noise)) ** SLOPE)
        return weights

    def _odds(self, values: np.ndarray, weights: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """(..., slots, size) samples, signs off, amplitudes, the cover's strength -> log-odds (..., slots)."""
        best = weights / (self._noise + variance)
        deviation = np.sqrt((best**2 * (self._noise + variance)).sum(axis=-1))
        heard = (best * values).sum(axis=-1) / deviation
        mean = (best * weights).sum(axis=-1) / np.sqrt((weights**2).sum(axis=-1)) / deviation
        # heard is +-amplitude * mean and noise of variance 1: the amplitude shows in the mean square.
        power = ((heard**2).mean(axis=-1, keepdims=True) - 1) / (mean**2).mean(axis=-1, keepdims=True)
        odds: np.ndarray = 2 * SURE * np.sqrt(power.clip(min=1e-3)) * mean * heard
        return odds


def _power(psnr: float) -> float:
    """PSNR -> variance of the change that is left to spend beside the rounding."""
    return max(0.1, 255**2 / 10 ** (psnr / 10) - 1 / 12)


def _forward(blocks: np.ndarray) -> np.ndarray:
    """RGB blocks (n, 8, 8, 3) -> coefficients of opponent colours, float32 (n, 3, 8, 8)."""
    d = luma.dct_matrix()
    planes = ((blocks.astype(np.float32) - luma.LEVEL) @ OPPONENT.T).transpose(0, 3, 1, 2)
    coefficients: np.ndarray = d @ planes @ d.T
    return coefficients


def _backward(coefficients: np.ndarray) -> np.ndarray:
    d = luma.dct_matrix()
    pixels: np.ndarray = (d.T @ coefficients @ d).transpose(0, 2, 3, 1) @ OPPONENT
    return pixels


def _variance(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Mean square of a coefficient's neighbours, in blocks around and frequencies around, itself left out."""
    from scipy.ndimage import uniform_filter  # imported here: it loads slowly, and few stegos need it

    energy = (values**2).reshape(rows, columns, *values.shape[1:])
    around = uniform_filter(energy, size=(3, 3, 1, 3, 3), mode="nearest") * 81
    mean: np.ndarray = np.maximum((around - energy) / 80, 0).reshape(values.shape)
    return mean


def _signs(bits: np.ndarray) -> np.ndarray:
    signs: np.ndarray = 2 * bits.astype(np.float32) - 1
    return signs


def _body_signs(message: Key, samples: int) -> np.ndarray:
    return _signs(message.stream("mask").bits(samples))
