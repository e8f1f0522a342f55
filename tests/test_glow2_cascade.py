"""glow2's cascade: a secret's latents through a stego's, what matters most in the sturdiest places, nothing leaked."""

import numpy as np
import pytest
from scipy import stats

from stegcli.keys.key import Key
from stegcli.methods.glow2 import authentic, carriers, cascade, layout, rotation
from stegcli.methods.glow2.carriers import Carriers
from stegcli.methods.glow2.layout import DEFAULT, Share
from stegcli.nn.wavelet import bands

KEY = Key("glow2", "textures-4", bytes(range(32)))
OTHER = Key("glow2", "textures-4", bytes(32))
NONCE = 0x0123456789ABCDEF
SIDE, LEVELS = 64, 4
OUTER = bands(SIDE, SIDE, LEVELS)
N = 3 * SIDE * SIDE
HEADER = np.concatenate(layout.header_pool(OUTER, Share()))[:500]


def rng(seed=0):
    return np.random.default_rng([7, seed])


def carriers_of(channel="jpeg:80", key=KEY, nonce=NONCE, times=1, taken=HEADER):
    """times: how often each block is carried."""
    inner = SIDE if times == 1 else SIDE // 2
    order = carriers.in_blocks(bands(inner, inner, LEVELS), DEFAULT[channel], times)
    free = carriers.places(OUTER, DEFAULT[channel], Share(), taken, key, nonce)
    return carriers.carried(free, order, channel != "png")


class Sent:
    """A secret's latents z1 in a stego's z."""

    def __init__(self, z1, channel="jpeg:80", key=KEY, nonce=NONCE, times=1):
        self.at, self.n = carriers_of(channel, key, nonce, times), len(z1)
        self.keyed = cascade.Keyed(self.at, key, nonce)
        self.z = rng(9).standard_normal(N)
        cascade.write(self.z, z1, self.at, self.keyed)

    def arrived(self, r, seed=0):
        known = np.broadcast_to(np.float64(r), self.z.shape)
        z = known * self.z + np.sqrt(1 - known**2) * rng(100 + seed).standard_normal(len(self.z))
        return z.astype(np.float32), known.astype(np.float32)

    def read(self, r, keyed=None):
        return cascade.read(self.arrived(r), self.at, keyed or self.keyed, self.n)[0]


def secret(times=1, seed=0):
    return rng(seed).standard_normal(N if times == 1 else N // 4).astype(np.float32)


def rms(a, b=0.0):
    return np.sqrt(np.mean((a - b) ** 2))


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1]


def reached(at: Carriers):
    return np.unique(at.ranks)


# -- there and back


@pytest.mark.parametrize("r", [0.9, 0.99, 0.999])
@pytest.mark.parametrize("times", [1, 4])
def test_numbers_come_back_with_the_channels_noise_over_the_copies(r, times):
    """As in a linear channel: signals r^2 / (1 - r^2) of copies add up."""
    z1 = secret(times)
    sent = Sent(z1, times=times)
    found, where = sent.read(r), reached(sent.at)
    copies = len(sent.at.block) / len(sent.at.numbers)
    expected = 1 / (1 + copies * r**2 / (1 - r**2))
    assert found.shape == z1.shape
    assert found.dtype == np.float32
    assert np.square(found - z1)[where].mean() == pytest.approx(expected, rel=0.25)


def test_almost_without_noise_they_come_back_nearly_as_they_were():
    z1 = secret(4)
    sent = Sent(z1, times=4)
    assert rms(sent.read(0.9999)[reached(sent.at)], z1[reached(sent.at)]) < 0.02


@pytest.mark.parametrize("amount", [0.0, 0.4, 2.5])
def test_flat_and_glaring_pictures_come_back_too(amount):
    z1 = amount * secret()
    sent = Sent(z1)
    found, where = sent.read(0.999), reached(sent.at)
    assert np.isfinite(found).all()
    if amount:
        assert rms(found[where], z1[where]) < 0.2 * amount


def test_what_found_no_place_is_zero():
    """The header and the pilots take latents, so that the least important numbers stay at home."""
    sent = Sent(secret())
    missing = np.setdiff1d(np.arange(N), reached(sent.at))
    assert len(missing) > len(HEADER)
    assert not sent.read(0.999)[missing].any()


def test_copies_that_are_known_to_be_lost_do_no_harm():
    """Fine latents of the stego are gone, as after JPEG; what lay in the others is as good as ever."""
    z1, r = secret(4), np.full(N, 0.995)
    for band in OUTER:
        if DEFAULT["jpeg:80"].bits(band) == 0:
            r[band.stretch] = 0.0
    sent = Sent(z1, times=4)
    found = sent.read(r)
    kept = sent.at.numbers[np.unique(sent.at.block[(r[sent.at.used] > 0).all(1)])]
    assert kept.size > N // 16
    assert rms(found[kept], z1[kept]) < 0.12


def test_where_nothing_arrives_the_mean_is_found():
    assert rms(Sent(secret(4), times=4).read(0.0)) < 1e-3


def test_the_deviation_is_one_where_nothing_was_sent_and_small_where_all_arrived():
    sent = Sent(secret())
    _, deviation = cascade.read(sent.arrived(0.9999), sent.at, sent.keyed, N)
    missing = np.setdiff1d(np.arange(N), reached(sent.at))
    assert deviation.dtype == np.float32
    assert np.median(deviation[reached(sent.at)]) < 0.03
    assert (deviation[missing] == 1).all()


# -- for nobody else


@pytest.mark.parametrize("key", [KEY, OTHER], ids=["key", "other key"])
@pytest.mark.parametrize("nonce", [NONCE, NONCE ^ 1], ids=["nonce", "other nonce"])
def test_another_key_or_nonce_finds_nothing(key, nonce):
    """Even at the right places."""
    z1 = secret(4)
    sent = Sent(z1, times=4)
    found, where = sent.read(0.999, cascade.Keyed(sent.at, key, nonce)), reached(sent.at)
    if (key, nonce) == (KEY, NONCE):
        assert correlation(found[where], z1[where]) > 0.99
    else:
        assert abs(correlation(found[where], z1[where])) < 4 / np.sqrt(len(where))


SECRETS = {
    "normal": secret,
    "flat": lambda times: np.zeros_like(secret(times)),
    "far out": lambda times: 5 * np.abs(secret(times)),
}


@pytest.mark.parametrize("make", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("times", [1, 4])
def test_latents_are_normal_whatever_the_secret(make, times):
    sent = Sent(make(times), times=times)
    assert stats.kstest(sent.z[sent.at.used.ravel()], "norm").pvalue > 0.01
    assert stats.kstest(np.square(sent.z[sent.at.used]).sum(1), stats.chi2(48).cdf).pvalue > 0.01


@pytest.mark.parametrize("times", [1, 4])
def test_latents_are_uncorrelated_with_the_secrets(times):
    """In place of the paper's, which stay correlated: in order of the places, of the picture, and from copy to copy."""
    z1 = secret(times)
    sent = Sent(z1, times=times)
    latents, carried = sent.z[sent.at.used].ravel(), z1[sent.at.ranks]
    assert abs(correlation(latents, carried)) < 4 / np.sqrt(len(latents))
    assert abs(correlation(np.abs(latents), np.abs(carried))) < 4 / np.sqrt(len(latents))
    assert abs(correlation(sent.z[: len(z1)], z1)) < 4 / np.sqrt(len(z1))
    same = np.flatnonzero(sent.at.block[1:] == sent.at.block[:-1])
    if times > 1:
        one, two = sent.z[sent.at.used[same]].ravel(), sent.z[sent.at.used[same + 1]].ravel()
        assert abs(correlation(one, two)) < 4 / np.sqrt(len(one))


@pytest.mark.parametrize("other", [{"nonce": NONCE + 1}, {"key": OTHER}], ids=["nonce", "key"])
def test_the_same_secret_twice_shares_nothing(other):
    one, two = Sent(secret(4), times=4), Sent(secret(4), times=4, **other)
    used = np.intersect1d(one.at.used, two.at.used)
    assert len(used) > 9_000
    assert abs(correlation(one.z[used], two.z[used])) < 4 / np.sqrt(len(used))


# -- whether it is the sender's


def turned(sent, by):
    """The turn that is found when all latents are stretched."""
    z, r = sent.arrived(0.97)
    blocks = rotation.Heard(*(part[sent.at.used].astype(np.float64) for part in (by * z, r)))
    return authentic.turn(*blocks.lengths(), sent.keyed.pads)


def test_honest_pictures_are_authentic():
    sent = Sent(secret())
    assert cascade.is_authentic(sent.arrived(0.97), sent.at, sent.keyed)


def test_stretching_all_latents_shows_in_the_turn():
    """Here for 240 blocks; a stego of 128x128 has four times as many, and twice the turn."""
    sent = Sent(secret())
    assert abs(turned(sent, 1)) < 3
    assert turned(sent, 0.93) < -5
    assert turned(sent, 1.07) > 5


def test_another_key_or_other_latents_are_not_authentic():
    sent = Sent(secret())
    z, r = sent.arrived(0.99)
    assert not cascade.is_authentic((z, r), sent.at, cascade.Keyed(sent.at, OTHER, NONCE))
    assert not cascade.is_authentic((-z, r), sent.at, sent.keyed)
    assert not cascade.is_authentic((np.roll(z, 1), r), sent.at, sent.keyed)


# -- tokens


def drawn_stego():
    return rng(50).standard_normal(N)


def token_for(z, z1, key):
    """A token, the places it is for, and the signs of its numbers."""
    at = carriers_of(key=key, times=4, taken=np.empty(0, np.int64))
    signs = authentic.signs(key, NONCE, at.used.size)
    return cascade.token(z, at, z1, signs, rng(60 + key.secret[1]).random(len(z))), at, signs


def read_token(heard, made, at, signs, n):
    used = at.used.ravel()
    z, r = heard
    return cascade.read_numbers((z[used], r[used]), made[used].astype(np.float64), at.ranks, n, signs)[0]


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
        made, at, signs = token_for(z, z1, key)
        found, where = read_token((arrived, r), made, at, signs, len(z1)), reached(at)
        assert rms(found[where], z1[where]) < 0.15
        assert abs(correlation(found, other)) < 4 / np.sqrt(len(other))


def test_a_token_is_worth_nothing_with_another_stego():
    z1 = secret(4)
    made, at, signs = token_for(drawn_stego(), z1, KEY)
    other = rng(80).standard_normal(len(made))
    found = read_token((other, np.full(len(other), 0.999)), made, at, signs, len(z1))
    assert abs(correlation(found, z1)) < 4 / np.sqrt(len(z1))


def test_tokens_at_the_ends_of_the_circle_stay_below_one():
    """float32 would round 1 - 1e-9 to 1."""
    at = Carriers(np.arange(48)[None], np.zeros(1, int), np.arange(48)[None], np.arange(0))
    z = np.concatenate([np.linspace(-8, 8, 48), [0.0, 0.0]])
    filler = np.append(np.full(48, 1 - 1e-9), [1 - 1e-9, 0.7])
    made = cascade.token(z, at, np.linspace(-10, 10, 48), np.ones(48), filler)
    assert made.max() < 1
    assert made[-2:].tolist() == [0, np.float32(0.7)]
