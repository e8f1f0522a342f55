"""glow2's messages: any bytes through latents that moved, for who has key, nonce and descriptor, and nobody else."""

import hashlib

import numpy as np
import pytest
from scipy import stats

from stegcli.errors import RevealError
from stegcli.keys.key import Key
from stegcli.methods.glow2 import bits, layout
from stegcli.methods.glow2.layout import DEFAULT, Share, Stretch
from stegcli.nn.wavelet import bands

KEY = Key("glow2", "textures-4", bytes(range(32)))
NONCE, DESCRIPTOR = 0x0123456789ABCDEF, 0x1D0004D2
SIDE, LEVELS = 64, 3
STANDS = {"png": 0.99, "jpeg:90": 0.96, "jpeg:80": 0.94, "jpeg:40": 0.93}
"""A correlation that a full stego of each table reads back under."""


def rng(seed=0):
    return np.random.default_rng([5, seed])


def room_of(channel="jpeg:80", share=Share(), side=SIDE):  # noqa: B008
    found = bands(side, side, LEVELS)
    pool = np.concatenate(layout.header_pool(found, share))
    return layout.stretches(found, DEFAULT[channel], share, pool[:100])


def most(room, channel):
    return layout.capacity(sum(s.size for s in room), DEFAULT[channel].rate)


def sent(data, room, nonce=NONCE, key=KEY, descriptor=DESCRIPTOR, seed=0):
    """All latents of a stego that holds the message."""
    z = rng(seed).standard_normal(3 * SIDE * SIDE)
    places, latents = bits.write(data, descriptor, nonce, key, room)
    z[places] = latents
    return z


def arrived(z, r, seed=1):
    """Latents and their correlations, float32 as from a flow; r may differ from place to place."""
    r = np.broadcast_to(np.float64(r), z.shape)
    noisy = r * z + np.sqrt(1 - r**2) * rng(seed).standard_normal(len(z))
    return noisy.astype(np.float32), r.astype(np.float32)


def some_bytes(n, seed=0):
    return rng(seed).bytes(n)


# -- there and back


@pytest.mark.parametrize("length", [0, 1, 2, 15, 100, 333])
def test_messages_of_any_length_come_back(length):
    room, data = room_of(), some_bytes(length)
    z, r = arrived(sent(data, room), 0.985)
    assert bits.read(z, r, length, DESCRIPTOR, NONCE, KEY, room) == data


@pytest.mark.parametrize("data", [bytes(300), b"\xff" * 300, b"U" * 300])
def test_messages_of_any_content_come_back(data):
    room = room_of()
    z, r = arrived(sent(data, room), 0.985)
    assert bits.read(z, r, len(data), DESCRIPTOR, NONCE, KEY, room) == data


@pytest.mark.parametrize(("channel", "r"), STANDS.items())
def test_full_stegos_come_back(channel, r):
    room = room_of(channel)
    data = some_bytes(most(room, channel))
    assert len(data) > 100
    z, r = arrived(sent(data, room), r)
    assert bits.read(z, r, len(data), DESCRIPTOR, NONCE, KEY, room) == data


def test_smooth_places_may_be_lost_if_the_receiver_knows_which():
    """A quarter of the latents is noise, all over the picture; the code makes up for what is left."""
    room = room_of()
    data = some_bytes(most(room, "jpeg:80") // 3)
    quality = np.where(rng(3).random(3 * SIDE * SIDE) < 0.25, 0.0, 0.98)
    z, r = arrived(sent(data, room), quality)
    assert bits.read(z, r, len(data), DESCRIPTOR, NONCE, KEY, room) == data


def test_shorter_messages_stand_more():
    room, harsh = room_of(), 0.85
    long = some_bytes(most(room, "jpeg:80"))
    short = long[: len(long) // 4]
    z, r = arrived(sent(short, room), harsh)
    assert bits.read(z, r, len(short), DESCRIPTOR, NONCE, KEY, room) == short
    z, r = arrived(sent(long, room), harsh)
    with pytest.raises(RevealError):
        bits.read(z, r, len(long), DESCRIPTOR, NONCE, KEY, room)


def test_receivers_of_one_stego_do_not_disturb_each_other():
    shares = [Share(i, 3) for i in range(3)]
    rooms = [room_of("jpeg:80", s) for s in shares]
    keys = [Key("glow2", "textures-4", bytes([i] * 32)) for i in range(3)]
    z, messages = rng().standard_normal(3 * SIDE * SIDE), [some_bytes(n, n) for n in (40, 0, 90)]
    for data, key, room in zip(messages, keys, rooms, strict=True):
        places, latents = bits.write(data, DESCRIPTOR, NONCE, key, room)
        z[places] = latents
    z, r = arrived(z, 0.985)
    for data, key, room in zip(messages, keys, rooms, strict=True):
        assert bits.read(z, r, len(data), DESCRIPTOR, NONCE, key, room) == data


# -- for nobody else


WRONG = {
    "key": {"key": Key("glow2", "textures-4", bytes(32))},
    "key of another method": {"key": Key("other", "textures-4", bytes(range(32)))},
    "nonce": {"nonce": NONCE ^ 1},
    "descriptor": {"descriptor": DESCRIPTOR ^ 1},
    "descriptor's form": {"descriptor": DESCRIPTOR ^ 1 << 30},
    "length": {"length": 51},
    "shorter length": {"length": 49},
    "room": {"room": room_of("jpeg:50")},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_nothing_is_revealed_with_another(wrong):
    room = room_of()
    z, r = arrived(sent(some_bytes(50), room), 0.999)
    right = {"length": 50, "descriptor": DESCRIPTOR, "nonce": NONCE, "key": KEY, "room": room}
    assert bits.read(z, r, **right) == some_bytes(50)
    with pytest.raises(RevealError):
        bits.read(z, r, **(right | wrong))


@pytest.mark.parametrize("length", [0, 50, 300])
def test_innocent_latents_reveal_nothing(length):
    z, r = arrived(rng().standard_normal(3 * SIDE * SIDE), 0.99)
    with pytest.raises(RevealError):
        bits.read(z, r, length, DESCRIPTOR, NONCE, KEY, room_of())


@pytest.mark.parametrize("length", [10**4, 2**24 - 1])
def test_a_length_that_cannot_be_is_refused(length):
    z, r = arrived(rng().standard_normal(3 * SIDE * SIDE), 0.99)
    with pytest.raises(RevealError):
        bits.read(z, r, length, DESCRIPTOR, NONCE, KEY, room_of())


def test_latents_that_are_lost_altogether_reveal_nothing():
    room = room_of()
    z, r = arrived(sent(b"secret", room), 0.0)
    with pytest.raises(RevealError):
        bits.read(z, r, 6, DESCRIPTOR, NONCE, KEY, room)


# -- what it looks like


@pytest.mark.parametrize("data", [b"", bytes(400), b"\xff" * 400, some_bytes(400)], ids=["none", "0", "ff", "random"])
def test_latents_are_normal_whatever_the_message(data):
    """Of many messages together, so that a weak bias would show."""
    room = room_of("jpeg:90")
    many = np.concatenate([bits.write(data, DESCRIPTOR, n, KEY, room)[1] for n in range(12)])
    assert stats.kstest(many, "norm").pvalue > 0.01


def test_the_same_message_twice_shares_nothing():
    """Neither the places nor what lies in them."""
    room = room_of()
    one, other = (sent(bytes(300), room, n) for n in (1, 2))
    both = np.concatenate([s.places for s in room])
    assert abs(np.corrcoef(one[both], other[both])[0, 1]) < 4 / np.sqrt(len(both))
    one, other = (bits.write(bytes(20), DESCRIPTOR, n, KEY, room) for n in (1, 2))
    assert len(np.intersect1d(one[0], other[0])) < 0.95 * len(one[0])


def test_the_same_message_under_another_key_shares_nothing():
    room = room_of()
    one, other = (sent(bytes(300), room, key=k) for k in (KEY, Key("glow2", "textures-4", bytes(32))))
    both = np.concatenate([s.places for s in room])
    assert abs(np.corrcoef(one[both], other[both])[0, 1]) < 4 / np.sqrt(len(both))


def test_neighbours_in_the_picture_are_independent():
    z = np.concatenate([sent(bytes(300), room_of("png"), n) for n in range(4)])
    for lag in (1, 2, 3, SIDE // 2, SIDE):
        assert abs(np.corrcoef(z[lag:], z[:-lag])[0, 1]) < 4 / np.sqrt(len(z))


# -- where it lies


def test_places_are_each_used_once_and_lie_in_the_room():
    room = room_of()
    for length in (0, 100, most(room, "jpeg:80")):
        places, latents = bits.write(some_bytes(length), DESCRIPTOR, NONCE, KEY, room)
        assert places.shape == latents.shape
        assert len(set(places)) == len(places)
        assert set(places) <= set(np.concatenate([s.places for s in room]))


def test_short_messages_lie_in_the_sturdiest_places():
    room = room_of("jpeg:80", side=128)
    places, _ = bits.write(b"", DESCRIPTOR, NONCE, KEY, room)
    assert set(places) <= set(np.concatenate([s.places for s in room if s.bits == room[0].bits]))
    assert len(places) < 200


def test_long_messages_take_all_there_is():
    room = room_of()
    places, _ = bits.write(some_bytes(most(room, "jpeg:80")), DESCRIPTOR, NONCE, KEY, room)
    assert len(places) == sum(len(s.places) for s in room)


def test_a_part_of_a_stretch_is_spread_over_all_of_it():
    """Which part, only the key tells."""
    room = [Stretch(np.arange(4000), 2)]
    places, _ = bits.write(bytes(20), DESCRIPTOR, NONCE, KEY, room)
    assert len(places) == layout.coded_bits(8 * 36, 8000) // 2
    assert np.mean(places) == pytest.approx(2000, abs=200)
    assert np.ptp(places) > 3900


def test_messages_never_change():
    """A stego hidden today must reveal tomorrow, read by other versions on other machines."""
    room = [Stretch(np.arange(20, 30) + 40 * m, m) for m in range(7, 2, -1)] + [Stretch(np.arange(900, 999), 1)]
    places, latents = bits.write(b"stays", DESCRIPTOR, NONCE, KEY, room)
    digest = hashlib.sha256(places.astype("<i8").tobytes() + latents.astype("<f8").tobytes()).hexdigest()
    assert digest == "10344d6244e20a0462be49750ecc5396d885cb777554e5299f92e69c86a720ba"
