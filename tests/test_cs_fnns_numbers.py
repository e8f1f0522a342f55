"""The number that a cover tells: read with the key from what arrives, and hidden from everybody else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from flow_helpers import settled
from scipy import stats

from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream
from stegcli.methods.cs_fnns import cover, numbers
from stegcli.methods.cs_fnns.cover import Textures
from stegcli.nn.wavelet import Band, WaveletFlow

KEY = Key("cs-fnns", "x", bytes(range(32)))
SIDE = 64


@pytest.fixture(scope="module", autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def textures() -> Textures:
    return Textures(settled(WaveletFlow([4, 4, 4], [1, 1, 1]), 0.05).requires_grad_(False), 0.9)


def drawn(textures: Textures, number: int, key: Key = KEY) -> np.ndarray:
    return cover.ground(textures, key, number, SIDE, SIDE).cover(2.0).pixels


def latents(textures: Textures, number: int, key: Key = KEY) -> np.ndarray:
    normals = Stream(number.to_bytes(32, "big")).normal
    return textures.telling(normals, number, key, SIDE, SIDE)(3 * SIDE * SIDE)


# -- reading


@pytest.mark.parametrize("number", [0, 1, 12_345, 2**numbers.BITS - 1])
def test_whoever_has_the_key_reads_the_number(textures: Textures, number: int) -> None:
    assert textures.numbers(drawn(textures, number), KEY) == (number,)


def test_receivers_of_one_group_read_the_same(textures: Textures) -> None:
    assert textures.numbers(drawn(textures, 7), keys.beside(KEY)) == (7,)


def test_noise_on_the_stego_does_no_harm(textures: Textures) -> None:
    noise = np.random.default_rng(0).normal(0, 2, (SIDE, SIDE, 3))
    noisy = (drawn(textures, 7) + noise).round().clip(0, 255).astype(np.uint8)
    assert textures.numbers(noisy, KEY) == (7,)


def test_other_keys_read_another(textures: Textures) -> None:
    assert textures.numbers(drawn(textures, 7), replace(KEY, secret=bytes(32))) != (7,)


def test_the_vectors_of_the_specification() -> None:
    page = (Path(__file__).parent.parent / "docs" / "format.md").read_text(encoding="utf-8")
    band = Band("y5", 5, 3, 64, 64, 0, 2)
    for found in (
        ", ".join(str(numbers.scrambled(n, KEY)) for n in (0, 1, 12345)),
        np.packbits(numbers._signs(0, KEY) > 0).tobytes().hex(),
        ", ".join(map(str, numbers._places(KEY, band)[:8])),
    ):
        assert f"`{found}`" in page


# -- what others see


def test_latents_stay_normal(textures: Textures) -> None:
    band = numbers.band_of(textures.flow, SIDE, SIDE)
    places = numbers._places(KEY, band)
    assert len(np.unique(places)) == numbers.STAGES * numbers.SIGNS
    assert band.start <= places.min() <= places.max() < band.start + band.size
    told = np.concatenate([latents(textures, n)[places] for n in range(60)])
    assert stats.kstest(told, "norm").pvalue > 1e-3


def test_only_signs_change(textures: Textures) -> None:
    told, plain = latents(textures, 5), Stream((5).to_bytes(32, "big")).normal(3 * SIDE * SIDE)
    assert np.array_equal(abs(told), abs(plain))
    changed = np.flatnonzero(told != plain)
    assert 0 < len(changed) <= numbers.STAGES * numbers.SIGNS


def test_no_relation_between_signs_holds_in_all_covers() -> None:
    """Numbers that follow each other are the hardest: without scrambling they would share two stages of three."""
    signs = np.array([numbers._signs(n, KEY) for n in range(200)])
    pairs = signs.T @ signs / len(signs)
    assert abs(pairs[np.triu_indices(len(pairs), 1)]).max() < 6 / np.sqrt(len(signs))
    likeness = (signs @ signs.T / signs.shape[1])[np.triu_indices(len(signs), 1)]
    assert abs(likeness).max() < 0.6  # two of 200 may share a stage, but not two stages
    assert likeness.std() < 1.1 / np.sqrt(signs.shape[1])


def test_without_scrambling_covers_would_be_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "scrambled", lambda number, key: number)
    first, second = (numbers._signs(n, KEY) for n in (0, 1))
    assert (first == second).mean() > 2 / 3


# -- scrambling


def test_scrambling_can_be_undone() -> None:
    for number in (
        0,
        1,
        2**24,
        2**numbers.BITS - 1,
        *np.random.default_rng(0).integers(0, 2**numbers.BITS, 20).tolist(),
    ):
        value = numbers.scrambled(number, KEY)
        assert 0 <= value < 2**numbers.BITS
        assert numbers.unscrambled(value, KEY) == number


def test_scrambling_depends_on_the_key() -> None:
    assert numbers.scrambled(0, KEY) != numbers.scrambled(0, replace(KEY, secret=bytes(32)))
