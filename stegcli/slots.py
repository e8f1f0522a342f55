"""Bit methods: they hide any file in a given cover, one bit in each slot.

    hide     cover -> natural bits -> payload.write -> carry -> read again: accepted if the data are the same, else
             the next stronger code, else mending, else CapacityError
    reveal   stego -> log-odds of each slot -> payload.read -> data

A lossless file reaches the receiver unchanged, so the sender can check what the receiver will read.
"""

from __future__ import annotations

import abc
import secrets
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from stegcli.coding import payload
from stegcli.coding.ldpc import RATES, STANDS
from stegcli.coding.payload import Layout, Plan, Planes
from stegcli.errors import CapacityError, RevealError
from stegcli.keys.key import Key
from stegcli.method import Asked, Draft, Method, Request, Revealed, check_side
from stegcli.pictures.image import Picture

DOUBT = 0.02
"""Below this absolute log-odds, another processor may read the other bit; a stego must reveal in either case."""


class BitMethod(Method):
    """A method that carries bits, one in each slot of a cover.

    A slot may read wrongly or with doubt; the error-correcting code of the payload layer makes the message exact.
    layout: see `payload`. weakest_code: index into RATES of the weakest code with which a full payload still reveals;
    it sets the capacity.
    """

    layout: ClassVar[Layout] = "direct"
    weakest_code: int = 0

    @abc.abstractmethod
    def slots(self, height: int, width: int) -> int:
        """How many slots a picture of this size has."""

    @abc.abstractmethod
    def log_odds(self, stego: Picture, key: Key) -> np.ndarray:
        """Stego -> log-odds of each slot, float32 (n,) or (2, n), positive for 1. Of a cover: its natural bits."""

    @abc.abstractmethod
    def carry(self, plan: Plan, cover: Picture, key: Key) -> Picture:
        """The bit wanted in each slot, and a cover -> a stego. Random choices come from the plan's own key."""

    def slots_in(self, cover: Picture) -> int:
        """How many slots this very picture has."""
        return self.slots(cover.height, cover.width)

    def mend(self, stego: Picture, plan: Plan) -> Picture:
        """A stego that may read wrongly in places -> one with fewer errors. By default the same stego."""
        return stego

    def planes(self, cover: Picture) -> Planes:
        """Cover -> the planes of the coset layout. Only methods with that layout implement it."""
        raise NotImplementedError

    def wrong(self, stego: Picture, plan: Plan, key: Key) -> float:
        """Share of wrong bits among the slots that carry payload."""
        return wrong_bits(self.log_odds(stego, key), plan)

    def dealt(self, request: Request, planes: Planes) -> Draft:
        """A draft in the coset layout, from the planes of the cover. Each call deals the message anew."""
        (secret,), (key,), cover = request.secrets, request.keys, request.cover
        assert cover is not None
        return _Sender(self, secret.data, cover, key).dealt(planes)

    # -- the interface of `Method`

    def capacity(self, request: Request) -> int:
        return 0 if request.cover is None else self.room_in(request.cover)

    def room(self, height: int, width: int) -> int:
        """The most bytes that a picture of this size carries."""
        return max(0, payload.capacity(self.slots(height, width), self.layout, self.weakest_code))

    def room_in(self, cover: Picture) -> int:
        """The most bytes that this very picture carries."""
        return max(0, payload.capacity(self.slots_in(cover), self.layout, self.weakest_code))

    def drafts(self, request: Request) -> Iterator[Draft]:
        (secret,), (key,), cover = request.secrets, request.keys, request.cover
        assert cover is not None
        check_side(self, cover)
        sender = _Sender(self, secret.data, cover, key)
        yield from sender.drafts()
        raise CapacityError(sender.measured_capacity(), len(secret.data), self.needs_larger())

    def reveal(self, stego: Picture, asked: Asked) -> tuple[Revealed, ...]:
        if asked.key is None or min(stego.height, stego.width) < self.about.min_side:
            raise RevealError
        return (Revealed(payload.read(self.log_odds(stego, asked.key), asked.key, self.layout)),)

    def readings(self, stego: Picture, asked: Asked) -> Iterator[tuple[Revealed, ...]]:
        """The result here, and the result if every doubtful slot reads the other way."""
        assert asked.key is not None
        soft = self.log_odds(stego, asked.key)
        for reading in _possible(soft):
            yield (Revealed(payload.read(reading, asked.key, self.layout)),)


class _Sender:
    """The hiding of one message in one cover."""

    def __init__(self, method: BitMethod, data: bytes, cover: Picture, key: Key):
        self.method, self.data, self.cover, self.key = method, data, cover, key

    def drafts(self) -> Iterator[Draft]:
        """Drafts with the weakest code, with the first code that corrects the errors, and mended with each code."""
        method = self.method
        codes = codes_for(method, method.slots_in(self.cover), len(self.data))
        if method.layout == "coset":
            yield self.dealt(method.planes(self.cover))
            return
        natural = hard(method.log_odds(self.cover, self.key))
        plans = {c: payload.write(self.data, self.key, natural, c) for c in codes}
        draft = self._draft(codes[0], plans[codes[0]])
        yield draft
        fit = next((c for c in codes[1:] if draft.measured["wrong_bits"] < STANDS[c]), None)
        if fit is not None:
            yield self._draft(fit, plans[fit])
        for code in codes:
            yield self._draft(code, plans[code], mend=True)

    def dealt(self, planes: Planes) -> Draft:
        return self._draft(0, payload.write_coset(self.data, self.key, planes))

    def _draft(self, code: int, plan: Plan, mend: bool = False) -> Draft:
        method = self.method
        stego = method.carry(plan, self.cover, self.key)
        if mend:
            stego = method.mend(stego, plan)
        figures = {"code": code, "wrong_bits": method.wrong(stego, plan, self.key), "coded_bits": plan.coded_bits}
        capacity = method.room_in(self.cover)
        return Draft(stego, (self.data,), ("bytes",), capacity, cover=self.cover, measured=figures)

    def measured_capacity(self) -> int:
        """After a failure: the most bytes, fewer than requested, that were found to fit in this cover."""
        slots = self.method.slots_in(self.cover)
        for code in range(self.method.weakest_code + 1, len(RATES)):
            room = payload.capacity(slots, self.method.layout, code)
            if 0 <= room < len(self.data) and self._carries(secrets.token_bytes(room)):
                return room
        return 0

    def _carries(self, data: bytes) -> bool:
        """Whether a message of random bytes comes through."""
        other = _Sender(self.method, data, self.cover, self.key)
        return any(other.reveals(draft) for draft in other.drafts())

    def reveals(self, draft: Draft) -> bool:
        try:
            readings = list(self.method.readings(draft.picture, Asked(self.key)))
        except RevealError:
            return False
        return all(revealed.data == self.data for (revealed,) in readings)


def codes_for(method: BitMethod, slots: int, need: int) -> list[int]:
    """The codes that a message of `need` bytes fits, weakest first. Raises CapacityError if there is none."""
    rooms = {c: payload.capacity(slots, method.layout, c) for c in range(method.weakest_code, len(RATES))}
    most = rooms[method.weakest_code]
    if need > most:
        raise CapacityError(max(0, most), need, method.needs_larger())
    return [c for c, room in rooms.items() if need <= room]


def _possible(soft: np.ndarray) -> list[np.ndarray]:
    doubtful = np.abs(soft) < DOUBT
    return [soft, np.where(doubtful, -soft, soft)] if doubtful.any() else [soft]


def hard(soft: np.ndarray) -> np.ndarray:
    """Log-odds -> bits, uint8."""
    return (soft > 0).astype(np.uint8)


def wrong_bits(soft: np.ndarray, plan: Plan) -> float:
    """Share of wrong bits among the slots that carry payload."""
    return float((hard(soft) != plan.bits)[plan.used].mean())
