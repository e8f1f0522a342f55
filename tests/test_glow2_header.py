"""glow2's headers: read by whoever has the key and nothing else, out of strong noise; to all others fair signs."""

import hashlib

import numpy as np
import pytest
from scipy.special import log_ndtr

from stegcli.errors import RevealError
from stegcli.keys.key import Key
from stegcli.methods.glow2 import header

KEY = Key("glow2", "textures-4", bytes(range(32)))
NONCE, DESCRIPTOR = 0x0123456789ABCDEF, 0xC0FFEE42
STAGE = header.SIGNS


def other_key(number):
    return Key("glow2", "textures-4", bytes([number + 1] * 32))


def nonces(count, seed=0):
    return [int(n) for n in np.random.default_rng(seed).integers(0, 2**64, count, np.uint64)]


def odds_through(signs, r, seed=0):
    """Signs -> log-odds from the latents that arrive, as the method finds them."""
    rng = np.random.default_rng(seed)
    z = r * signs * np.abs(rng.standard_normal(len(signs))) + np.sqrt(1 - r**2) * rng.standard_normal(len(signs))
    ratio = z * r / np.sqrt(1 - r**2)
    return log_ndtr(ratio) - log_ndtr(-ratio)


def shared(a, b):
    """Share of equal signs, and by how many standard deviations it is off one half."""
    same = (a == b).mean()
    return same, abs(same - 0.5) * 2 * np.sqrt(np.size(a))


@pytest.mark.parametrize(("nonce", "descriptor"), [(0, 0), (1, 2**32 - 1), (NONCE, DESCRIPTOR), (2**64 - 1, 1)])
def test_reads_back(nonce, descriptor):
    signs = header.write(nonce, descriptor, KEY)
    assert signs.shape == (header.SLOTS,)
    assert set(signs) == {-1.0, 1.0}
    assert header.read(3 * signs, KEY) == (nonce, descriptor)


@pytest.mark.parametrize("seed", range(6))
def test_reads_back_under_strong_noise(seed):
    """Every sixth sign is wrong."""
    nonce = nonces(6)[seed]
    signs = header.write(nonce, DESCRIPTOR, KEY)
    odds = odds_through(signs, 0.85, seed)
    assert ((odds > 0) != (signs > 0)).mean() > 0.12
    assert header.read(odds, KEY) == (nonce, DESCRIPTOR)


def test_reads_back_when_most_latents_are_lost_but_known_to_be():
    signs = header.write(NONCE, DESCRIPTOR, KEY)
    odds = 5 * signs * (np.arange(header.SLOTS) % 2)
    assert header.read(odds, KEY) == (NONCE, DESCRIPTOR)


@pytest.mark.parametrize("seed", range(4))
def test_another_key_finds_nothing(seed):
    signs = header.write(nonces(8)[seed], DESCRIPTOR, KEY)
    with pytest.raises(RevealError):
        header.read(5 * signs, other_key(seed))


@pytest.mark.parametrize("odds", [0.0, 1.0, 5000.0])
def test_innocent_pictures_hold_nothing(odds):
    """However sure the receiver is of each sign."""
    for seed in range(2):
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], header.SLOTS)
        with pytest.raises(RevealError):
            header.read(odds * signs, KEY)


def test_damage_of_any_stage_is_noticed():
    """Stages follow from one another: with one of them wrong, the check is another one."""
    signs = header.write(NONCE, DESCRIPTOR, KEY).reshape(-1, STAGE)
    for stage in range(header.STAGES + 1):
        damaged = 5 * signs.copy()
        damaged[stage] = 5 * np.random.default_rng(stage).choice([-1.0, 1.0], STAGE)
        with pytest.raises(RevealError):
            header.read(damaged.reshape(-1), KEY)


def test_signs_are_balanced():
    many = np.stack([header.write(n, DESCRIPTOR, KEY) for n in nonces(60)])
    assert shared(many, np.ones_like(many))[1] < 4
    each = np.abs(many.sum(0)) / np.sqrt(len(many))
    assert each.max() < 5
    assert each.std() > 0


def test_messages_of_one_key_share_signs_by_chance_alone():
    many = [header.write(n, DESCRIPTOR, KEY) for n in nonces(60)]
    assert shared(np.stack(many[:-1]), np.stack(many[1:]))[1] < 4
    closest = max(shared(a, b)[0] for i, a in enumerate(many) for b in many[:i])
    assert closest < 0.6


def test_keys_share_signs_by_chance_alone():
    first = header.write(NONCE, DESCRIPTOR, KEY)
    for number in range(20):
        assert shared(first, header.write(NONCE, DESCRIPTOR, other_key(number)))[1] < 4


@pytest.mark.parametrize("stage", range(header.STAGES))
def test_everything_after_a_difference_is_drawn_anew(stage):
    """One bit of the nonce or the descriptor: what is before stays, from there on all is chance."""
    whole = NONCE << 32 | DESCRIPTOR
    changed = whole ^ 1 << 16 * (header.STAGES - 1 - stage)
    a, b = (header.write(w >> 32, w & 0xFFFFFFFF, KEY) for w in (whole, changed))
    start = stage * STAGE
    assert np.array_equal(a[:start], b[:start])
    assert shared(a[start:], b[start:])[1] < 4


def test_neighbouring_signs_are_independent():
    many = np.stack([header.write(n, 7, KEY) for n in nonces(40, 1)])
    for lag in (1, 2, 8, STAGE):
        assert shared(many[:, lag:], many[:, :-lag])[1] < 4


def test_shares_are_alone_first_then_of_two_and_so_on():
    assert list(header.shares(1)) == [(0, 1)]
    assert list(header.shares(3)) == [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]


def test_headers_never_change():
    """A stego hidden today must reveal tomorrow."""
    signs = header.write(NONCE, DESCRIPTOR, KEY)
    digest = hashlib.sha256(np.packbits(signs > 0).tobytes()).hexdigest()
    assert digest == "6609daa67a7bb67f1b59df46efb15104868afe0a8d0cd281df25a9e2006d93cd"
