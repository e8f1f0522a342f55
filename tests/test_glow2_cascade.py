"""glow2's cascade: a secret's latents through a stego's, what matters most in the sturdiest places, nothing leaked."""

import hashlib

import numpy as np
import pytest
from scipy import stats

from stegcli.keys.key import Key
from stegcli.methods.glow2 import cascade, layout, torus
from stegcli.methods.glow2.layout import CHANNELS, DEFAULT, Share, Table
from stegcli.nn.wavelet import bands

KEY = Key("glow2", "textures-2", bytes(range(32)))
OTHER = Key("glow2", "textures-2", bytes(32))
NONCE = 0x0123456789ABCDEF
SIDE, LEVELS = 64, 4
OUTER = bands(SIDE, SIDE, LEVELS)
NONE_TAKEN = np.empty(0, np.int64)
HEADER = np.concatenate(layout.header_pool(OUTER, Share()))[:500]


def rng(seed=0):
    return np.random.default_rng([7, seed])


def ranks_of(copies):
    inner = SIDE if copies == 1 else SIDE // 2
    return cascade.importance(bands(inner, inner, LEVELS))


def free_places(channel="jpeg:80", share=Share(), taken=HEADER, key=KEY, nonce=NONCE):  # noqa: B008
    return cascade.places(OUTER, DEFAULT[channel], share, taken, key, nonce)


class Sent:
    """A secret's latents z1 in a stego's z."""

    def __init__(self, z1, copies, channel="jpeg:80", key=KEY, nonce=NONCE):
        self.ranks = ranks_of(copies)
        self.used = free_places(channel, key=key, nonce=nonce)[: copies * len(self.ranks)]
        self.pads = cascade.pad(key, nonce, len(self.used))
        self.carried = cascade.numbers(z1, self.ranks, len(self.used))
        self.z = rng(9).standard_normal(3 * SIDE * SIDE)
        self.z[self.used] = torus.write_numbers(self.carried, self.pads)

    def read(self, r, pads=None, seed=0):
        known = np.broadcast_to(np.float64(r), self.z.shape)
        arrived = known * self.z + np.sqrt(1 - known**2) * rng(100 + seed).standard_normal(len(self.z))
        pads = self.pads if pads is None else pads
        return cascade.read(arrived.astype(np.float32), known.astype(np.float32), self.used, self.ranks, pads)[0]


def secret(copies, seed=0):
    return rng(seed).standard_normal(len(ranks_of(copies))).astype(np.float32)


def rms(a, b=0.0):
    return np.sqrt(np.mean((a - b) ** 2))


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1]


# -- order


def test_importance_is_every_latent_once_the_base_first():
    inner = bands(32, 32, LEVELS)
    order = cascade.importance(inner)
    assert np.array_equal(np.sort(order), np.arange(3 * 32 * 32))
    band_of = np.concatenate([np.full(b.size, i) for i, b in enumerate(inner)])[order]
    names = [inner[i].name for i in dict.fromkeys(band_of)]
    assert names[0] == "base"
    assert names[1] == f"y{LEVELS}"
    assert names[-1] == "c1"
    assert (np.diff(band_of) != 0).sum() == len(inner) - 1


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


def test_coarse_bands_of_the_secret_lie_in_the_sturdiest_places():
    """Read from the stego's side: what the sturdiest latents carry is the secret's base."""
    inner = bands(SIDE, SIDE, LEVELS)
    z1 = np.empty(3 * SIDE * SIDE, np.float32)
    for index, band in enumerate(inner):
        z1[band.stretch] = index
    sent = Sent(z1, copies=1)
    sturdy = sent.used[: inner[-1].size]
    outer_bits = [DEFAULT["jpeg:80"].bits(b) for b in OUTER for p in sturdy if b.start <= p < b.start + b.size]
    assert set(sent.carried[: len(sturdy)]) == {len(inner) - 1}
    assert set(outer_bits) == {max(DEFAULT["jpeg:80"].bits(b) for b in OUTER)}
    fine = {"c1", "y1", "c2"}
    assert {inner[int(i)].name for i in sent.carried[-3000:]} <= fine


def test_copies_go_round_in_the_same_order():
    z1, ranks = secret(4), ranks_of(4)
    carried = cascade.numbers(z1, ranks, 2 * len(ranks) + 100)
    assert np.array_equal(carried[: len(ranks)], z1[ranks])
    assert np.array_equal(carried[len(ranks) : 2 * len(ranks)], z1[ranks])
    assert np.array_equal(carried[2 * len(ranks) :], z1[ranks[:100]])


# -- there and back


@pytest.mark.parametrize(("copies", "most"), [(1, 0.32), (2, 0.2), (4, 0.13)])
def test_numbers_come_back_nearly(copies, most):
    z1 = secret(copies)
    sent = Sent(z1, copies)
    found = sent.read(0.99)
    reached = sent.ranks[: len(sent.used)]
    assert found.shape == z1.shape
    assert found.dtype == np.float32
    assert rms(found[reached], z1[reached]) < most


def test_almost_without_noise_they_come_back_to_the_grid():
    z1 = secret(4)
    assert rms(Sent(z1, 4).read(0.9999), z1) < 0.03


def test_copies_that_are_known_to_be_lost_do_no_harm():
    """Fine latents of the stego are gone, as after JPEG; what lay in the others is as good as ever."""
    z1, r = secret(4), np.full(3 * SIDE * SIDE, 0.995)
    for band in OUTER:
        if DEFAULT["jpeg:80"].bits(band) == 0:
            r[band.stretch] = 0.0
    sent = Sent(z1, 4)
    copies_left = (r[sent.used] > 0).sum() / len(z1)
    assert 1 < copies_left < 2.5
    found = sent.read(r)
    first = sent.ranks[: len(z1) // 2]
    assert rms(found[first], z1[first]) < 0.2


def test_what_found_no_place_is_zero():
    """The header takes latents, so that with one copy the least important numbers stay at home."""
    z1 = secret(1)
    sent = Sent(z1, 1)
    missing = sent.ranks[len(sent.used) :]
    assert len(missing) == len(HEADER)
    assert np.abs(sent.read(0.999)[missing]).max() < 1e-4


def test_where_nothing_arrives_the_mean_is_found():
    assert rms(Sent(secret(4), 4).read(0.0)) < 1e-3


def test_harsher_noise_costs_the_least_important_first():
    """Noise as it is: the less a latent survives, the fewer bits the table trusts it with."""
    z1, r = secret(4), np.empty(3 * SIDE * SIDE)
    for band in OUTER:
        r[band.stretch] = (0.1, 0.5, 0.9, 0.98, 0.99)[DEFAULT["jpeg:40"].bits(band)]
    sent = Sent(z1, 4, "jpeg:40")
    errors = np.abs(sent.read(r) - z1)[sent.ranks]
    parts = [rms(part) for part in np.split(errors, [200, 1000])]
    assert parts[0] < 0.7 * parts[2]
    assert parts == sorted(parts)


@pytest.mark.parametrize("copies", [1, 4])
def test_the_deviation_is_one_where_nothing_arrived_and_small_where_all_did(copies):
    z1, r = secret(copies), np.full(3 * SIDE * SIDE, 0.9999)
    for band in OUTER:
        if DEFAULT["jpeg:80"].bits(band) == 0:
            r[band.stretch] = 0.0
    sent = Sent(z1, copies)
    _, deviation = cascade.read(sent.z, r, sent.used, sent.ranks, sent.pads)
    reached = np.zeros(len(z1), bool)
    reached[sent.ranks[np.flatnonzero(r[sent.used] > 0) % len(z1)]] = True
    assert deviation.dtype == np.float32
    assert np.median(deviation[reached]) < 0.05
    assert deviation[~reached] == pytest.approx(1, abs=1e-3)
    assert (~reached).any() == (copies == 1)


# -- for nobody else


@pytest.mark.parametrize("key", [KEY, OTHER], ids=["key", "other key"])
@pytest.mark.parametrize("nonce", [NONCE, NONCE ^ 1], ids=["nonce", "other nonce"])
def test_another_key_or_nonce_finds_nothing(key, nonce):
    z1 = secret(4)
    sent = Sent(z1, 4)
    found = sent.read(0.999, cascade.pad(key, nonce, len(sent.used)))
    if (key, nonce) == (KEY, NONCE):
        assert correlation(found, z1) > 0.99
    else:
        assert abs(correlation(found, z1)) < 4 / np.sqrt(len(z1))


def test_every_copy_has_a_pad_of_its_own():
    pads = cascade.pad(KEY, NONCE, 4 * 3072).reshape(4, -1)
    assert pads.min() > 0
    assert pads.max() < 1
    for i in range(4):
        for j in range(i):
            assert abs(correlation(pads[i], pads[j])) < 4 / np.sqrt(3072)


SECRETS = {
    "normal": secret,
    "flat": lambda copies: np.zeros_like(secret(copies)),
    "far out": lambda copies: 5 * np.abs(secret(copies)),
}


@pytest.mark.parametrize("make", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("copies", [1, 4])
def test_latents_are_normal_whatever_the_secret(make, copies):
    sent = Sent(make(copies), copies)
    assert stats.kstest(sent.z[sent.used], "norm").pvalue > 0.01


@pytest.mark.parametrize("copies", [1, 2, 4])
def test_latents_are_uncorrelated_with_the_secrets(copies):
    """In place of the paper's, which stay correlated: in order of the places, of the picture, and from copy to copy."""
    z1 = secret(copies)
    sent = Sent(z1, copies)
    latents = sent.z[sent.used]
    assert abs(correlation(latents, sent.carried)) < 4 / np.sqrt(len(latents))
    assert abs(correlation(np.abs(latents), np.abs(sent.carried))) < 4 / np.sqrt(len(latents))
    assert abs(correlation(sent.z[: len(z1)], z1)) < 4 / np.sqrt(len(z1))
    for start in range(len(z1), len(latents) - len(z1), len(z1)):
        assert abs(correlation(latents[: len(z1)], latents[start : start + len(z1)])) < 4 / np.sqrt(len(z1))


@pytest.mark.parametrize("other", [{"nonce": NONCE + 1}, {"key": OTHER}], ids=["nonce", "key"])
def test_the_same_secret_twice_shares_nothing(other):
    one, two = Sent(secret(4), 4), Sent(secret(4), 4, **other)
    used = np.intersect1d(one.used, two.used)
    assert len(used) > 10_000
    assert abs(correlation(one.z[used], two.z[used])) < 4 / np.sqrt(len(used))
    assert abs(correlation(one.z[one.used], two.z[two.used])) < 4 / np.sqrt(len(used))


# -- tokens


def drawn_stego():
    return rng(50).standard_normal(3 * SIDE * SIDE)


def token_for(z, z1, key, copies=4):
    """A token, the places it is for, and the secret's ranks."""
    ranks = ranks_of(copies)
    used = free_places(taken=NONE_TAKEN, key=key)[: copies * len(ranks)]
    made = cascade.token(z, used, cascade.numbers(z1, ranks, len(used)), rng(60 + key.secret[1]).random(len(z)))
    return made, used, ranks


@pytest.mark.parametrize("make", SECRETS.values(), ids=SECRETS)
def test_tokens_are_uniform_whatever_the_secret(make):
    made, _, _ = token_for(drawn_stego(), make(4), KEY)
    assert made.dtype == np.float32
    assert made.min() >= 0
    assert made.max() < 1
    assert stats.kstest(made, "uniform").pvalue > 0.01


def test_each_receiver_finds_a_secret_of_its_own_in_one_stego():
    z, secrets = drawn_stego(), [secret(4, 1), secret(4, 2)]
    r = np.full(len(z), 0.99, np.float32)
    arrived = (0.99 * z + np.sqrt(1 - 0.99**2) * rng(70).standard_normal(len(z))).astype(np.float32)
    for z1, other, key in zip(secrets, secrets[::-1], (KEY, OTHER), strict=True):
        made, used, ranks = token_for(z, z1, key)
        found, _ = cascade.read(arrived, r, used, ranks, made[used].astype(np.float64))
        assert rms(found, z1) < 0.13
        assert abs(correlation(found, other)) < 4 / np.sqrt(len(other))


def test_a_token_is_worth_nothing_with_another_stego():
    z1 = secret(4)
    made, used, ranks = token_for(drawn_stego(), z1, KEY)
    other = rng(80).standard_normal(len(made))
    found, _ = cascade.read(other, np.full(len(other), 0.999), used, ranks, made[used].astype(np.float64))
    assert abs(correlation(found, z1)) < 4 / np.sqrt(len(z1))


def test_tokens_at_the_ends_of_the_circle_stay_below_one():
    """float32 would round 1 - 1e-9 to 1."""
    z = torus.to_normal(np.array([1e-12, 0.5, 1 - 1e-12]))
    carried = np.array([-10.0, 0.0, 10.0])
    filler = np.array([1 - 1e-9, 1 - 1e-9, 0.0, 0.7])
    made = cascade.token(np.append(z, 0.0), np.arange(3), carried, filler)
    assert made.max() < 1
    assert made[3] == np.float32(0.7)
    assert cascade.token(np.zeros(2), np.arange(0), np.empty(0), np.array([1 - 1e-9, 0.25])).tolist() == [0, 0.25]


# -- format


def test_places_and_pads_never_change():
    """A stego hidden today must reveal tomorrow."""
    table, taken = Table((1, 2, 3), (0, 1), 4, 0.5), np.arange(3001, 3011, 2)
    found = cascade.places(bands(32, 32, 2), table, Share(1, 2), taken, KEY, NONCE)
    digest = hashlib.sha256(found.astype("<i8").tobytes() + cascade.pad(KEY, NONCE, 99).astype("<f8").tobytes())
    assert digest.hexdigest() == "2555b5a27be0309b7d437eb262e80180105c5d756782f1b75bb56a4d24a05613"
