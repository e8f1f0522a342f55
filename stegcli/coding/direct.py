"""The direct layout: each coded bit in one slot, for slots that the receiver may read wrongly or with doubt.

    header   STAGES + 1 words of SIGNS signs: salt (the nonce's first 16 bits), then 14 bits each of the nonce's rest,
             the length (25) and the code (3)
    body     coded by `ldpc`, masked, in slots that the message's own key picks; slots beyond stay as they are

All words are drawn from the key and everything before them, and where they lie from key and salt: the receiver compares
the picture with all 2^16 salts, each at its own places, and follows the likeliest few. So neither places nor relations
between places return from message to message. The code stands as many errors as the ladder's strongest.

Reference: random code words under maximum likelihood are the code of A mathematical theory of communication (Shannon,
1948), section 13.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stegcli.coding import ldpc, sealing, words
from stegcli.coding.places import Strata, below
from stegcli.coding.sealing import NONCE_BYTES, TAG_BYTES, Sealed
from stegcli.errors import RevealError
from stegcli.keys.key import Key

SALT_BITS = 16
STAGE_BITS, STAGES = 14, 10
SIGNS = 56
HEADER_SLOTS = SIGNS * (STAGES + 1)
LENGTH_BITS, CODE_BITS = 25, 3
REST_BITS = 8 * NONCE_BYTES - SALT_BITS
FOLLOWED = 8
"""How many of the likeliest salts the receiver looks at. The right one is among them even with 12 % of the signs wrong,
as a rule."""
SALTS_AT_ONCE = 4096
SALT_WORDS = SIGNS + 1
"""64-bit words drawn for each salt: one for each sign, its place (upper half) and itself (lowest bit); and a start."""


@dataclass(frozen=True)
class Header:
    """What a header says."""

    nonce: bytes
    length: int
    code: int

    @property
    def salt(self) -> int:
        first: bytes = self.nonce[: SALT_BITS // 8]
        return int.from_bytes(first, "big")

    def digits(self) -> list[int]:
        """-> the numbers that stand behind the salt, STAGE_BITS bits each."""
        rest = int.from_bytes(self.nonce, "big") & (2**REST_BITS - 1)
        return words.split((rest << LENGTH_BITS | self.length) << CODE_BITS | self.code, STAGE_BITS, STAGES)


def capacity(slots: int, code: int) -> int:
    """Slots -> the most bytes of data under ldpc.RATES[code]; negative where not even nothing fits."""
    room: int = ldpc.most_bits(max(0, slots - HEADER_SLOTS), code) // 8 - TAG_BYTES
    return min(room, (1 << LENGTH_BITS) - 1)


def write(data: bytes, key: Key, natural: np.ndarray, code: int) -> tuple[np.ndarray, np.ndarray, Sealed]:
    """Data that fits, and the bits read from the cover -> bits, uint8 (n,); which are used, bool (n,); the seal."""
    sealed = sealing.seal(data, key, code)
    header = Header(sealed.nonce, sealed.length, code)
    bits, used = natural.copy(), np.zeros(len(natural), bool)
    places, signs = _header(header, key, len(natural))
    bits[places], used[places] = signs, True
    # Sealed bits look random, but a code's parity bits depend on them: the mask hides that.
    coded = ldpc.encode(sealed.body, code)
    coded ^= sealed.message.stream("mask").bits(len(coded))
    places = _body_places(places, sealed.message, len(natural))[: len(coded)]
    bits[places], used[places] = coded, True
    return bits, used, sealed


def read(odds: np.ndarray, key: Key) -> bytes:
    """Log-odds of each slot (n,), positive for 1 -> the data. Raises RevealError."""
    n = len(odds)
    if n < HEADER_SLOTS:
        raise RevealError
    for header, places in _headers(odds, key):
        if header.code < len(ldpc.RATES) and header.length <= capacity(n, header.code):
            try:
                return _open(odds, header, places, key)
            except RevealError:
                continue  # a wrong salt whose length happens to fit
    raise RevealError


def _open(odds: np.ndarray, header: Header, places: np.ndarray, key: Key) -> bytes:
    message = key.message(header.nonce)
    bits = sealing.body_bits(header.length)
    length = ldpc.coded_length(bits, header.code)
    coded = odds[_body_places(places, message, len(odds))[:length]]
    coded = coded * (1.0 - 2.0 * message.stream("mask").bits(length))
    return sealing.open_body(ldpc.decode(coded, bits, header.code), message, header.length, header.code)


def _body_places(header: np.ndarray, message: Key, slots: int) -> np.ndarray:
    """-> the slots outside the header, in the order in which the message takes them."""
    free = np.ones(slots, bool)
    free[header] = False
    order = message.stream("places").permutation(slots)
    kept: np.ndarray = order[free[order]]
    return kept


# -- the header


def _header(header: Header, key: Key, slots: int) -> tuple[np.ndarray, np.ndarray]:
    """-> the slots of a header, stage by stage, and the bits that they carry."""
    salt_words = _salt_words(key, header.salt)
    digits = header.digits()
    signs = [_book(key, header.salt, digits[:i])[digit] for i, digit in enumerate(digits)]
    start = _start(salt_words, slots)
    places = [_salt_places(salt_words, slots), _stage_places(key, header.salt, slots, start).reshape(-1)]
    return np.concatenate(places), np.concatenate([_salt_signs(salt_words), *signs])


def _headers(odds: np.ndarray, key: Key) -> Iterator[tuple[Header, np.ndarray]]:
    """-> what the likeliest salts lead to, each with its slots."""
    odds = odds.clip(-words.MOST_ODDS, words.MOST_ODDS).astype(np.float32)
    drawn, scores = key.stream("direct salts"), []
    for _ in range(2**SALT_BITS // SALTS_AT_ONCE):
        salt_words = drawn.words(SALT_WORDS * SALTS_AT_ONCE).reshape(-1, SALT_WORDS)
        found = odds[_salt_places(salt_words, len(odds))]
        scores.append(np.where(_salt_signs(salt_words), found, -found).sum(1))
    for salt in np.argsort(-np.concatenate(scores), kind="stable")[:FOLLOWED].tolist():
        yield _followed(odds, salt, key)


def _followed(odds: np.ndarray, salt: int, key: Key) -> tuple[Header, np.ndarray]:
    """A salt -> the likeliest header that begins with it, and its slots."""
    n = len(odds)
    places = _stage_places(key, salt, n, _start(_salt_words(key, salt), n))
    digits: list[int] = []
    for stage in range(STAGES):
        digits.append(words.likeliest(_book(key, salt, digits), odds[places[stage]]))
    value = words.join([salt >> STAGE_BITS, salt & (2**STAGE_BITS - 1), *digits], STAGE_BITS)
    code, value = value & (2**CODE_BITS - 1), value >> CODE_BITS
    length, value = value & (2**LENGTH_BITS - 1), value >> LENGTH_BITS
    header = Header(value.to_bytes(NONCE_BYTES, "big"), length, code)
    return header, _header(header, key, n)[0]


def _salt_words(key: Key, salt: int) -> np.ndarray:
    drawn = key.stream("direct salts")
    drawn.bytes(8 * SALT_WORDS * salt)
    return drawn.words(SALT_WORDS)


def _salt_places(drawn: np.ndarray, slots: int) -> np.ndarray:
    """A salt's words (..., SALT_WORDS) -> the slots of its signs: sign j lies in stretch j * (STAGES + 1)."""
    strata = np.arange(SIGNS) * (STAGES + 1)
    return Strata(slots, HEADER_SLOTS).within(strata, drawn[..., :SIGNS], _start(drawn, slots)[..., None])


def _salt_signs(drawn: np.ndarray) -> np.ndarray:
    return (drawn[..., :SIGNS] & np.uint64(1)).astype(np.uint8)


def _start(drawn: np.ndarray, slots: int) -> np.ndarray:
    return below(drawn[..., SIGNS], slots)


def _stage_places(key: Key, salt: int, slots: int, start: np.ndarray) -> np.ndarray:
    """-> the slots of the other words (STAGES, SIGNS): sign j of stage i in stretch j * (STAGES + 1) + i + 1."""
    strata = np.arange(SIGNS) * (STAGES + 1) + np.arange(1, STAGES + 1)[:, None]
    drawn = key.stream("direct places", salt).words(strata.size).reshape(strata.shape)
    return Strata(slots, HEADER_SLOTS).within(strata, drawn, start)


def _book(key: Key, salt: int, before: list[int]) -> np.ndarray:
    """The words that may stand at a stage, given what stands before."""
    number = words.join([1 << 2 | salt >> STAGE_BITS, salt & (2**STAGE_BITS - 1), *before], STAGE_BITS)
    return words.book(key.stream("direct words", number), STAGE_BITS, SIGNS)
