"""glow2's tables and places: who may use which latent, and how much fits."""

import itertools

import numpy as np
import pytest

from stegcli.errors import UsageError
from stegcli.methods.glow2 import layout
from stegcli.methods.glow2.layout import CHANNELS, DEFAULT, Share, Table
from stegcli.nn.wavelet import bands
from stegcli.pictures.channel import Channel, parse

LEVELS = 5
SIZES = [(64, 64), (64, 128), (128, 128), (192, 64), (256, 256)]


def some_taken(found, share, count=600):
    pool = np.concatenate(layout.header_pool(found, share))
    return np.random.default_rng(0).permutation(pool)[:count]


def room(height, width, channel, share=Share(), header=600):  # noqa: B008
    found, table = bands(height, width, LEVELS), DEFAULT[channel]
    used = layout.stretches(found, table, share, some_taken(found, share, header))
    return layout.capacity(sum(s.size for s in used), table.rate)


# -- channels


@pytest.mark.parametrize(
    ("wanted", "channel"),
    [
        ("png", "png"), ("jpeg:100", "jpeg:95"), ("jpeg:95", "jpeg:95"), ("jpeg:94", "jpeg:90"), ("jpeg:90", "jpeg:90"),
        ("jpeg:85", "jpeg:80"), ("jpeg:80", "jpeg:80"), ("jpeg:79.5", "jpeg:70"), ("jpeg:41", "jpeg:40"),
        ("jpeg:40", "jpeg:40"), ("jpeg:20", "jpeg:40"), ("jpeg:1", "jpeg:40"),
    ],
)  # fmt: skip
def test_channel_is_the_mildest_that_is_as_harsh(wanted, channel):
    assert layout.channel_for(parse(wanted)) == channel


@pytest.mark.parametrize("wanted", [Channel("noise", 2), Channel("noise"), Channel("resize", 0.5)])
def test_other_channels_are_refused(wanted):
    with pytest.raises(UsageError, match=f"does not survive {wanted.kind}"):
        layout.channel_for(wanted)


def test_channels_fit_a_header_and_go_from_mild_to_harsh():
    assert len(CHANNELS) == len(set(CHANNELS)) <= 8
    strengths = [parse(c).strength for c in CHANNELS[1:]]
    assert strengths == sorted(strengths, reverse=True)
    assert list(DEFAULT) == list(CHANNELS)


# -- tables


def test_table_gives_every_band_its_bits():
    table = Table((1, 2, 3), (0, 4), 5, 0.5)
    found = {b.name: table.bits(b) for b in bands(64, 64, 4)}
    assert found == {"y1": 1, "c1": 0, "y2": 2, "c2": 4, "y3": 3, "c3": 4, "y4": 3, "c4": 4, "base": 5}


@pytest.mark.parametrize(("milder", "harsher"), list(itertools.pairwise(CHANNELS)))
def test_no_latent_holds_more_on_a_harsher_channel(milder, harsher):
    for band in bands(64, 64, LEVELS):
        assert DEFAULT[milder].bits(band) >= DEFAULT[harsher].bits(band)
    assert DEFAULT[milder].rate >= DEFAULT[harsher].rate


@pytest.mark.parametrize("channel", CHANNELS)
def test_sturdier_latents_hold_more(channel):
    table = DEFAULT[channel]
    for row in (table.y, table.c):
        assert list(row) == sorted(row)
    assert all(0 <= b <= 7 for b in (*table.y, *table.c, table.base))
    assert layout.LOWEST_RATE < table.rate < 1


def test_weights_may_bring_their_own_tables():
    own = {"png": {"y": [1, 2], "c": [0], "base": 3, "rate": 0.25}}
    found = layout.tables(own)
    assert found["png"] == Table([1, 2], [0], 3, 0.25)
    assert {c: t for c, t in found.items() if c != "png"} == {c: t for c, t in DEFAULT.items() if c != "png"}
    assert layout.tables(None) == layout.tables({}) == DEFAULT


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ((), ["base", "c4", "c3", "c2", "y4", "y3", "y2", "y1", "c1"]),
        (("y4", "base", "y3", "c4", "y2", "c3", "y1", "c2", "c1"),) * 2,
    ],
    ids=["by bits, then coarser first", "as measured"],
)
def test_a_body_fills_the_sturdiest_bands_first(order, expected):
    table, found = Table((1, 2, 3), (0, 4), 5, 0.5, order), bands(64, 64, 4)
    assert [b.name for b in table.sturdiest_first(found)] == list(expected)
    room = layout.stretches(found, table, Share(), np.empty(0, np.int64))
    starts = {b.start: b.name for b in found}
    assert [starts[s.places[0]] for s in room] == [n for n in expected if n != "c1"]


# -- shares


@pytest.mark.parametrize("of", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_shares_are_disjoint_and_together_all(size, of):
    for band in bands(*size, LEVELS):
        parts = [Share(i, of).of_band(band) for i in range(of)]
        whole = np.concatenate(parts)
        assert np.array_equal(np.sort(whole), np.arange(band.start, band.start + band.size))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


# -- places


@pytest.mark.parametrize("size", SIZES)
def test_header_lies_in_bands_that_survive_everything(size):
    found = bands(*size, LEVELS)
    share = Share(1, 2)
    pool = layout.header_pool(found, share)
    allowed = [b for b in found if b.name == "base" or (b.name.startswith("y") and b.name != "y1")]
    assert len(pool) == len(allowed)
    for places, band in zip(pool, allowed, strict=True):
        assert np.array_equal(places, share.of_band(band))
    harshest = DEFAULT[CHANNELS[-1]]
    assert all(harshest.bits(b) >= 2 for b in allowed)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("share", [Share(), Share(2, 3)], ids=["alone", "third of three"])
def test_stretches_are_all_that_carries_bits_but_the_headers(channel, share):
    found, table = bands(128, 64, LEVELS), DEFAULT[channel]
    taken = some_taken(found, share, 300)
    used = layout.stretches(found, table, share, taken)
    places = np.concatenate([s.places for s in used])
    assert len(places) == len(set(places))
    carrying = np.concatenate([share.of_band(b) for b in found if table.bits(b)])
    assert set(places) == set(carrying) - set(taken)
    for stretch in used:
        assert stretch.size == stretch.bits * len(stretch.places)
        assert {table.bits(b) for b in found if np.isin(share.of_band(b), stretch.places).any()} == {stretch.bits}


@pytest.mark.parametrize("channel", CHANNELS)
def test_stretches_begin_with_the_sturdiest(channel):
    used = layout.stretches(bands(128, 128, LEVELS), DEFAULT[channel], Share(), np.empty(0, np.int64))
    per_latent = [s.bits for s in used]
    assert per_latent == sorted(per_latent, reverse=True)


# -- capacity


@pytest.mark.parametrize("share", [Share(), Share(0, 2), Share(3, 4)], ids=str)
def test_harsher_channels_leave_less_room(share):
    sizes = [room(128, 128, c, share) for c in CHANNELS]
    assert sizes == sorted(sizes, reverse=True)
    assert 0 < sizes[-1] < sizes[0] / 5


@pytest.mark.parametrize("channel", CHANNELS)
def test_larger_stegos_have_more_room(channel):
    rooms = [room(s, s, channel) for s in (64, 128, 256, 512)]
    assert all(b > 3 * a for a, b in itertools.pairwise(rooms))
    assert room(64, 128, channel) == pytest.approx(room(128, 64, channel), abs=1)


def test_receivers_share_the_room_evenly():
    alone = room(128, 128, "jpeg:80", Share(), 0)
    for of in (2, 3, 4):
        rooms = [room(128, 128, "jpeg:80", Share(i, of), 0) for i in range(of)]
        assert sum(rooms) == pytest.approx(alone - (of - 1) * layout.TAG_BYTES, abs=of)
        assert max(rooms) - min(rooms) <= 2


@pytest.mark.parametrize("available", [0, 1, 100, 255, 256, 4097, 10**6])
@pytest.mark.parametrize("rate", [0.2, 0.35, 0.5])
def test_capacity_is_the_most_that_keeps_the_rate(available, rate):
    most = layout.capacity(available, rate)
    assert 8 * (most + layout.TAG_BYTES) <= available * rate < 8 * (most + 1 + layout.TAG_BYTES)


def test_no_room_is_negative():
    assert layout.capacity(0, 0.5) == -layout.TAG_BYTES
    assert layout.capacity(16 * layout.TAG_BYTES, 0.5) == 0


def test_code_takes_all_there_is_but_never_beyond_the_strongest():
    assert layout.coded_bits(128, 10**6) == 640
    assert layout.coded_bits(128, 639) == 639
    assert layout.coded_bits(1000, 2000) == 2000
    for bits in (128, 1001, 54_321):
        assert bits / layout.coded_bits(bits, 10**9) >= layout.LOWEST_RATE


def test_what_matters_most_is_the_base_then_luminance_from_the_coarsest():
    found = bands(64, 64, LEVELS)
    spread = {b.name: b.spread for b in found}
    assert spread["base"] == max(spread.values())
    for level in range(1, LEVELS):
        assert spread[f"y{level}"] < spread[f"y{level + 1}"]
        assert spread[f"c{level}"] < spread[f"c{level + 1}"]
        assert spread[f"c{level}"] < spread[f"y{level}"]
