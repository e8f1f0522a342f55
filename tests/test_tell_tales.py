"""Signs that need no detector: stegos in pixels show no more of them than their covers do."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from skimage import data as samples

pytest.importorskip("conseal")
pytest.importorskip("sklearn")
sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))

import _estimators as estimators
import tell_tales

from stegcli import weights

SIDE, BITS = 96, 96 * 96


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[bytes, bytes]]]:
    """Covers in colour and grey, one of them with a frame and pure white ground; their stegos, and careless ones."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(5):
        Pillow.fromarray(samples.coffee()[40 * number : 300 + 40 * number, :300]).save(folder / f"{number}.png")
    files = list(tell_tales.covers(sorted(folder.iterdir()), SIDE))
    chosen = [*files[:2], *files[-2:]]  # the last is framed
    method = weights.load("lossless-inn", "coset-2")
    return {
        "ours": [(f, tell_tales.stego_of(f, BITS // (1 + i % 2), method)) for i, f in enumerate(chosen)],
        "careless": [(f, tell_tales.careless(f, BITS)) for f in chosen],
    }


def sums(pairs: list[tuple[bytes, bytes]]) -> tuple[dict[str, int], dict[str, int]]:
    before, after = ([tell_tales.signs(file) for file in side] for side in zip(*pairs, strict=True))
    return tuple({s: sum(row[s] for row in rows) for s in tell_tales.SIGNS} for rows in (before, after))


def test_the_file_shows_the_encoder_of_its_cover(pairs: dict[str, list[tuple[bytes, bytes]]]) -> None:
    assert all(tell_tales.make_of(cover) == tell_tales.make_of(stego) for cover, stego in pairs["ours"])
    assert any(tell_tales.make_of(cover) != tell_tales.make_of(stego) for cover, stego in pairs["careless"])


def test_signs_are_those_of_the_covers(pairs: dict[str, list[tuple[bytes, bytes]]]) -> None:
    before, after = sums(pairs["ours"])
    assert before["frames"] > 0
    for sign in ("frames", "coloured"):
        assert after[sign] == before[sign]
    assert after["lone"] <= before["lone"] + 2  # a sample two off its neighbours may have come one nearer
    assert after["clipped"] <= before["clipped"] + 2


def test_the_signs_are_found_where_nobody_cares(pairs: dict[str, list[tuple[bytes, bytes]]]) -> None:
    before, after = sums(pairs["careless"])
    assert after["frames"] < before["frames"]
    assert after["coloured"] > 1000
    assert after["lone"] > before["lone"] + 100
    assert after["clipped"] > before["clipped"] + 100


def test_a_gap_that_is_filled_is_counted() -> None:
    stretched = (np.random.default_rng(0).integers(20, 100, (60, 60)) * 2).astype(np.uint8)
    assert tell_tales._gaps(stretched) == 79
    stretched[0, 0] += 1
    assert tell_tales._gaps(stretched) < 79


# -- estimators of LSB replacement


def replaced(channel: np.ndarray, rate: float) -> np.ndarray:
    """LSB replacement of random bits in a share of the samples."""
    rng = np.random.default_rng(0)
    chosen = rng.random(channel.shape) < rate
    return np.where(chosen, channel & 254 | rng.integers(0, 2, channel.shape, np.uint8), channel).astype(np.uint8)


@pytest.mark.parametrize("estimate", [estimators.spa, estimators.ws, estimators.rs])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.4, 0.8])
def test_estimators_tell_the_share_that_changed(estimate, rate: float) -> None:
    channel = np.ascontiguousarray(samples.camera()[::2, ::2])
    before = estimate(channel)
    assert abs(before) < 0.03
    assert estimate(replaced(channel, rate)) - before == pytest.approx(rate / 2, abs=0.03)


def test_the_test_of_pairs_finds_full_replacement() -> None:
    """It nears 1 there: their statistic is half of what its distribution says, as in the paper."""
    channel = np.ascontiguousarray(samples.camera()[::2, ::2])
    before, after = (estimators.chi_square(c) for c in (channel, replaced(channel, 1.0)))
    assert before < 0.6
    assert after > 0.9


def test_estimates_of_our_stegos_hardly_move(pairs: dict[str, list[tuple[bytes, bytes]]]) -> None:
    moved = [tell_tales.estimates(stego) - tell_tales.estimates(cover) for cover, stego in pairs["ours"]]
    assert np.abs(np.mean(moved, axis=(0, 2))).max() < 0.03
