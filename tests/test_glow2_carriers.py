"""Which latents of a secret lie where in a stego."""

import hashlib

import numpy as np
import pytest

from stegcli.keys.key import Key
from stegcli.methods.glow2 import carriers, layout
from stegcli.methods.glow2.layout import CHANNELS, DEFAULT, Share, Table
from stegcli.methods.glow2.rotation import BLOCK
from stegcli.nn.wavelet import bands

KEY = Key("glow2", "textures-4", bytes(range(32)))
OTHER = Key("glow2", "textures-4", bytes(32))
NONCE = 0x0123456789ABCDEF
SIDE, LEVELS = 64, 4
OUTER = bands(SIDE, SIDE, LEVELS)
NONE_TAKEN = np.empty(0, np.int64)
HEADER = np.concatenate(layout.header_pool(OUTER, Share()))[:500]
NAMED = Table((1,), (1,), 1, 0.3, carries=("base", "y4", "base", "c4"))


def free_places(channel="jpeg:80", share=Share(), taken=HEADER, key=KEY, nonce=NONCE):  # noqa: B008
    return carriers.places(OUTER, DEFAULT[channel], share, taken, key, nonce)


def names(order, found=OUTER):
    """The band of each block."""
    return [next(b.name for b in found if b.start <= n < b.stretch.stop) for n in order[:, 0]]


# -- places


@pytest.mark.parametrize("channel", CHANNELS)
def test_places_begin_with_the_sturdiest(channel):
    free = free_places(channel)
    bits_of = np.empty(3 * SIDE * SIDE, int)
    for band in OUTER:
        bits_of[band.stretch] = DEFAULT[channel].bits(band)
    assert (np.diff(bits_of[free]) <= 0).all()


@pytest.mark.parametrize("share", [Share(), Share(1, 3)], ids=["alone", "second of three"])
def test_places_are_all_of_the_share_but_the_headers(share):
    taken = np.concatenate(layout.header_pool(OUTER, share))[:300]
    free = free_places(share=share, taken=taken)
    assert len(set(free)) == len(free)
    own = np.concatenate([share.of_band(b) for b in OUTER])
    assert set(free) == set(own) - set(taken)


def test_the_key_and_the_nonce_decide_within_a_band():
    free, base = free_places(taken=NONE_TAKEN), OUTER[-1]
    for other in (free_places(taken=NONE_TAKEN, key=OTHER), free_places(taken=NONE_TAKEN, nonce=NONCE + 1)):
        assert set(other[: base.size]) == set(free[: base.size])
        assert (other == free).mean() < 0.1
    assert np.array_equal(free, free_places(taken=NONE_TAKEN))


# -- numbers


def test_without_a_table_every_number_is_in_one_block_the_base_first():
    order = carriers.in_blocks(OUTER, DEFAULT["png"], 1)
    assert np.array_equal(np.sort(order.ravel()), np.arange(3 * SIDE * SIDE))
    assert list(dict.fromkeys(names(order))) == ["base", "y4", "y3", "c4", "y2", "c3", "y1", "c2", "c1"]


def test_blocks_follow_the_tables_names():
    blocks = {b.name: b.size // BLOCK for b in OUTER}
    expected = [n for n in NAMED.carries for _ in range(blocks[n])]
    assert names(carriers.in_blocks(OUTER, NAMED, 1)) == expected


def test_larger_stegos_take_each_band_as_often_in_a_row():
    assert list(dict.fromkeys(names(carriers.in_blocks(OUTER, NAMED, 3)))) == ["base", "y4", "c4"]
    once, thrice = (names(carriers.in_blocks(OUTER, NAMED, t)) for t in (1, 3))
    assert len(thrice) == 3 * len(once)
    assert thrice[:3] == ["base"] * 3


def test_a_block_reaches_over_the_whole_of_its_band():
    order = carriers.in_blocks(OUTER, DEFAULT["png"], 1)
    for block in order:
        band = next(b for b in OUTER if b.start <= block[0] < b.stretch.stop)
        assert block.max() - block.min() > 0.9 * band.size - band.size / BLOCK


def test_a_band_that_is_no_multiple_of_a_block_is_carried_whole():
    inner = bands(96, 96, LEVELS)
    base = inner[-1]
    assert base.size % BLOCK
    order = carriers.in_blocks(inner, NAMED, 1)
    assert set(range(base.start, base.stretch.stop)) <= set(order.ravel())


def test_carried_blocks_are_sorted_and_lie_in_the_named_order():
    free = free_places()
    order = carriers.in_blocks(OUTER, NAMED, 1)
    at = carriers.carried(free, order, robust=False)
    assert (np.diff(at.block) >= 0).all()
    place_of = {tuple(u): i for i, u in enumerate(free[: order.size].reshape(-1, BLOCK).tolist())}
    for used, block in zip(at.used.tolist(), at.block, strict=True):
        assert np.array_equal(order[place_of[tuple(used)]], at.numbers[block])
    assert len(at.numbers) < len(at.block) == len(order)


def test_pilots_are_among_the_free_places_and_carry_nothing_else():
    free, order = free_places(), carriers.in_blocks(OUTER, DEFAULT["jpeg:80"], 1)
    at = carriers.carried(free, order, robust=True)
    assert len(at.pilots) > 100
    assert not set(at.pilots) & set(at.used.ravel())
    assert len(at.places) == len(set(at.places)) == at.used.size + len(at.pilots)
    assert len(carriers.carried(free, order, robust=False).pilots) == 0


def test_places_and_numbers_never_change():
    """A stego hidden today must reveal tomorrow."""
    table, taken = Table((1, 2, 3), (0, 1), 4, 0.5, carries=("base", "y2", "y1")), np.arange(3001, 3011, 2)
    inner = bands(32, 32, 2)
    free = carriers.places(inner, table, Share(1, 2), taken, KEY, NONCE)
    at = carriers.carried(free, carriers.in_blocks(inner, table, 1), robust=True)
    digest = hashlib.sha256(b"".join(a.astype("<i8").tobytes() for a in (at.places, at.block, at.numbers)))
    assert digest.hexdigest() == "696bde28a491fd22772da861e4896442093122a661ffc995354d3bb8a1f7489e"
