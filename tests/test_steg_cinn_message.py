from dataclasses import replace

import numpy as np
import pytest

from stegcli.errors import RevealError
from stegcli.keys.key import Key
from stegcli.methods.steg_cinn import message
from stegcli.methods.steg_cinn.message import HEADER_NUMBERS, Header

KEY = Key("steg-cinn", "w", bytes(range(32)))
OTHER = Key("steg-cinn", "w", bytes(32))
HEADER = Header(b"12345678", 300, 2, 2, 40, 30, 10)


def odds(bits):
    return bits * 20.0 - 10.0


def test_a_header_comes_back_with_half_of_it_erased():
    rng = np.random.default_rng(0)
    received = odds(message.seal_header(HEADER, KEY, 77)) * (rng.random(HEADER_NUMBERS) < 0.5)
    assert message.open_header(received, KEY, 77) == HEADER


@pytest.mark.parametrize(("key", "picture"), [(OTHER, 77), (KEY, 78)])
def test_another_key_or_picture_finds_no_header(key, picture):
    assert message.open_header(odds(message.seal_header(HEADER, KEY, 77)), key, picture) is None


def test_noise_is_no_header():
    rng = np.random.default_rng(1)
    assert all(message.open_header(rng.normal(0, 5, HEADER_NUMBERS), KEY, 1) is None for _ in range(20))


def test_a_body_comes_back_and_is_tied_to_its_header():
    data, free, own = bytes(range(256)) + bytes(44), 5000, HEADER.key(KEY, 77)
    coded = message.seal_body(data, HEADER, own, free)
    assert len(coded) == HEADER.coded(free) == 2 * HEADER.used(free)
    assert message.open_body(odds(coded), HEADER, own) == data
    others = [HEADER.key(OTHER, 77), HEADER.key(KEY, 78), replace(HEADER, nonce=b"87654321").key(KEY, 77)]
    for header, wrong in [(replace(HEADER, temperature=31), own), *((HEADER, o) for o in others)]:
        with pytest.raises(RevealError):
            message.open_body(odds(coded), header, wrong)


def test_two_messages_share_no_place_more_than_chance_has_it():
    first, _ = message.body_places(HEADER.key(KEY, 77), HEADER, 5000)
    second, _ = message.body_places(replace(HEADER, nonce=b"abcdefgh").key(KEY, 77), HEADER, 5000)
    assert len(set(first)) == len(first) == HEADER.used(5000)
    shared = len(set(first) & set(second)) / len(first)
    assert abs(shared - len(first) / 5000) < 0.05


def test_headers_of_two_covers_lie_elsewhere():
    one, _ = message.header_places(KEY, 1, 24_000)
    two, _ = message.header_places(KEY, 2, 24_000)
    assert len(set(one) & set(two)) < 0.1 * HEADER_NUMBERS


def test_a_picture_is_told_by_luminance_and_shape():
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    changed = grey.copy()
    changed[3, 3] ^= 1
    numbers = {message.picture_number(g) for g in (grey, changed, grey.reshape(4, 16))}
    assert len(numbers) == 3
