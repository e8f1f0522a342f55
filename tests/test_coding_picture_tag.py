"""The tag of a picture that travels without loss."""

import numpy as np
import pytest

from stegcli.coding.picture_tag import BITS, PictureTag, solve, tagged
from stegcli.keys.stream import Stream

SHAPE = (24, 40, 3)


def tag_of(seed: int, shape=SHAPE) -> PictureTag:
    return PictureTag(Stream(bytes([seed] * 32)), *shape[:2])


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, SHAPE, np.uint8)


def costs(seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, 1]).random(SHAPE)


@pytest.mark.parametrize("receivers", [1, 2, 3, 4])
def test_every_receiver_accepts(receivers):
    tags = [tag_of(s) for s in range(receivers)]
    made = tagged(picture(), costs(), tags)
    assert all(tag_of(s).holds(made) for s in range(receivers))
    assert not tag_of(receivers).holds(made)


def test_a_plain_picture_is_refused():
    assert not any(tag_of(s).holds(picture(s)) for s in range(100))


def test_few_samples_move_by_one_level_and_the_cheapest():
    before, price = picture(), costs()
    after = tagged(before, price, [tag_of(1)])
    moved = before != after
    assert 16 <= moved.sum() <= BITS
    assert (before >> 1 == after >> 1).all()
    assert price[moved].max() <= np.sort(price, axis=None)[BITS + 16]


def test_what_may_not_move_does_not():
    price = np.full(SHAPE, np.inf)
    price[:10] = 1
    after = tagged(picture(), price, [tag_of(1), tag_of(2)])
    assert (after[10:] == picture()[10:]).all()
    assert tag_of(2).holds(after)


@pytest.mark.parametrize("change", [1, 2, 128, 255])
def test_each_changed_sample_is_noticed(change):
    made = tagged(picture(), costs(), [tag_of(1)])
    for place in np.random.default_rng(3).integers(0, made.size, 200):
        forged = made.copy()
        forged.reshape(-1)[place] ^= change
        assert not tag_of(1).holds(forged)


def test_moved_pixels_and_other_shapes_are_noticed():
    made = tagged(picture(), costs(), [tag_of(1)])
    assert not tag_of(1).holds(made[::-1])
    assert not tag_of(1).holds(np.roll(made, 1, 1))
    turned = np.ascontiguousarray(made.transpose(1, 0, 2))
    assert not tag_of(1, turned.shape).holds(turned)


def test_remainders_are_uniform():
    """The chance that a forged picture is accepted is 2^-64 only if all bits of the remainder are fair."""
    tag = tag_of(5)
    made = tagged(picture(), costs(), [tag])
    bits = np.zeros(BITS)
    for seed in range(400):
        draw = np.random.default_rng(seed)
        forged = made.copy().reshape(-1)
        places = draw.integers(0, made.size, 3)
        forged[places] ^= draw.integers(1, 256, 3, np.uint8) if seed % 2 else 1
        bits += [tag.remainder(forged.reshape(SHAPE)) >> i & 1 for i in range(BITS)]
    assert abs(bits / 400 - 0.5).max() < 0.13


def test_solve_finds_the_sum_or_says_that_there_is_none():
    draw = np.random.default_rng(1)
    words = [int(w) for w in draw.integers(0, 2**63, 90, np.uint64)]
    wanted = words[3] ^ words[40] ^ words[80]
    total = 0
    for index in solve(words, wanted):
        total ^= words[index]
    assert total == wanted
    assert solve([], 0) == []
    with pytest.raises(ValueError, match="no such words"):
        solve([1, 2, 3], 4)


def test_remainder_is_fixed():
    """docs/format.md has the same vector."""
    pixels = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    assert f"{PictureTag(Stream(bytes(range(32))), 8, 8).remainder(pixels):016x}" == "60a2f96e9be71ce2"
