"""Blocks of numbers under random rotations: normal latents whatever they carry, and a linear channel for the key."""

import numpy as np
import pytest
from scipy import stats

from stegcli.keys.stream import Stream
from stegcli.methods.glow2 import rotation, torus
from stegcli.methods.glow2.rotation import BLOCK, Heard

N = 400
TURNED = rotation.rotations(Stream(bytes(32)), N)


def rng(seed=0):
    return np.random.default_rng([11, seed])


SECRETS = {
    "normal": rng(1).standard_normal((N, BLOCK)),
    "flat": np.zeros((N, BLOCK)),
    "all alike": np.ones((N, BLOCK)),
    "far out": 5 * np.abs(rng(2).standard_normal((N, BLOCK))),
    "one number": np.eye(1, BLOCK, 7).repeat(N, 0),
}


def radial(seed=3):
    return rng(seed).standard_normal(N)


def arrived(z, r, seed=4):
    """Latents through a channel, which is known for each."""
    known = np.broadcast_to(np.float64(r), z.shape)
    return Heard(known * z + np.sqrt(1 - known**2) * rng(seed).standard_normal(z.shape), known)


def read(heard, turned, x, block=None, z=None):
    """With the true lengths of the secret's blocks, and of the latents if z is given."""
    block = np.arange(len(turned)) if block is None else block
    length = np.linalg.norm(x, axis=1)
    seen, r = heard.lengths()
    known = rotation.lengths(r * seen) if z is None else np.linalg.norm(z, axis=1)
    return rotation.read(heard, turned, block, known, length)


def test_rotations_are_orthogonal_and_from_the_stream():
    assert np.abs(TURNED @ TURNED.transpose(0, 2, 1) - np.eye(BLOCK)).max() < 1e-12
    assert np.array_equal(rotation.rotations(Stream(bytes(32)), 3), TURNED[:3])
    assert not np.allclose(rotation.rotations(Stream(b"1" * 32), 1), TURNED[:1], atol=0.1)


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (5, 40), (BLOCK - 1, BLOCK - 1)])
def test_each_entry_is_distributed_as_in_any_random_rotation(place):
    """The square of an entry of a uniform direction is Beta(1/2, (M - 1) / 2), its sign is even."""
    entries = TURNED[:, *place]
    assert stats.kstest(entries**2, stats.beta(0.5, (BLOCK - 1) / 2).cdf).pvalue > 0.001
    assert abs((entries > 0).mean() - 0.5) < 4 * 0.5 / np.sqrt(N)


@pytest.mark.parametrize("x", SECRETS.values(), ids=SECRETS)
def test_latents_are_normal_and_uncorrelated_whatever_they_carry(x):
    z = rotation.write(x, TURNED, radial())
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.001
    assert stats.kstest(np.square(z).sum(1), stats.chi2(BLOCK).cdf).pvalue > 0.001
    between = np.corrcoef(z.T)[np.triu_indices(BLOCK, 1)]
    assert np.abs(between).max() < 5 / np.sqrt(N)
    if x.std():
        assert abs(np.corrcoef(z.ravel(), x.ravel())[0, 1]) < 4 / np.sqrt(z.size)
        assert abs(np.corrcoef(np.abs(z).ravel(), np.abs(x).ravel())[0, 1]) < 4 / np.sqrt(z.size)


def test_without_rotations_the_secret_would_show():
    """The control: what the test above looks for is found."""
    z = rotation.write(SECRETS["normal"], np.eye(BLOCK)[None].repeat(N, 0), radial())
    assert np.corrcoef(z.ravel(), SECRETS["normal"].ravel())[0, 1] > 0.9


@pytest.mark.parametrize("r", [0.3, 0.7, 0.94, 0.99])
def test_a_number_comes_back_with_the_variance_of_a_linear_channel(r):
    x = SECRETS["normal"]
    z = rotation.write(x, TURNED, radial())
    mean, deviation = read(arrived(z, r), TURNED, x, z=z)
    error = np.square(mean - x).mean()
    assert error == pytest.approx(1 - r**2, rel=0.1)
    assert np.square(deviation).mean() == pytest.approx(error, rel=0.1)


@pytest.mark.parametrize(("r", "most"), [(0.7, 1.15), (0.94, 1.15), (0.999, 1.4)])
def test_the_length_is_estimated_from_what_arrived(r, most):
    x = SECRETS["normal"]
    z = rotation.write(x, TURNED, radial())
    mean, _ = read(arrived(z, r), TURNED, x)
    assert np.square(mean - x).mean() < most * (1 - r**2)


def test_copies_add_up():
    """Three places with signals of 2 each are as good as one with 6."""
    s, x = 2.0, SECRETS["normal"][: N // 4]
    r = np.sqrt(s / (1 + s))
    block = np.arange(3 * len(x)) % len(x)
    z = rotation.write(x[block], TURNED[: len(block)], radial()[: len(block)])
    mean, _ = read(arrived(z, r), TURNED[: len(block)], x, block, z)
    assert np.square(mean - x).mean() == pytest.approx(1 / (1 + 3 * s), rel=0.1)


def test_places_of_a_block_may_differ():
    """Half of the places lost: half of the numbers' variance is left open, wherever they lay."""
    x, r = SECRETS["normal"], np.where(np.arange(BLOCK) % 2, 0.999, 0.0)
    z = rotation.write(x, TURNED, radial())
    mean, deviation = read(arrived(z, r), TURNED, x, z=z)
    assert np.square(mean - x).mean() == pytest.approx(0.5, rel=0.1)
    assert np.square(deviation).mean() == pytest.approx(0.5, rel=0.1)


def test_where_nothing_arrives_the_mean_is_found():
    x = SECRETS["normal"]
    mean, deviation = read(arrived(np.zeros_like(x), 0.0), TURNED, x)
    assert not mean.any()
    assert np.square(deviation).mean() == pytest.approx(1, rel=0.05)


def test_another_rotation_finds_nothing():
    x = SECRETS["normal"]
    z = rotation.write(x, TURNED, radial())
    mean, _ = read(arrived(z, 0.999), TURNED[::-1], x)
    assert abs(np.corrcoef(mean.ravel(), x.ravel())[0, 1]) < 4 / np.sqrt(x.size)


@pytest.mark.parametrize("r", [0.8, 0.9, 0.99])
def test_lengths_arrive_with_the_correlation_that_is_told(r):
    sent = radial()
    heard, told = arrived(rotation.write(SECRETS["normal"], TURNED, sent), r).lengths()
    assert np.corrcoef(heard, sent)[0, 1] == pytest.approx(told.mean(), abs=0.08)
    assert heard.std() == pytest.approx(1, abs=0.12)


def test_lengths_and_radial_latents_are_inverse_to_each_other():
    sent = np.linspace(-5, 5, 21)
    assert rotation.radial(rotation.lengths(sent) ** 2) == pytest.approx(sent, abs=1e-6)
    assert np.isfinite(rotation.radial(np.array([0.0, 1e9]))).all()


def test_sizes_are_about_normal_and_tell_the_length_of_any_picture():
    sizes = rotation.sizes(SECRETS["normal"])
    assert abs(sizes.mean()) < 0.2
    assert sizes.std() == pytest.approx(0.7, abs=0.1)
    for factor in (0.25, 1, 4):
        x = factor * SECRETS["all alike"]
        assert np.abs(rotation.sizes(x)).max() < torus.MOST
        assert rotation.length_of(rotation.sizes(x)) == pytest.approx(np.linalg.norm(x, axis=1))


def test_rotations_never_change():
    """A stego hidden today must reveal tomorrow; last bits do not matter."""
    found = rotation.rotations(Stream(bytes(range(32))), 2)[1, [0, 1, -1], [0, 7, -1]]
    assert found.tolist() == pytest.approx([-0.22989485738014, -0.01296615117977, 0.07589506951931], abs=1e-9)
