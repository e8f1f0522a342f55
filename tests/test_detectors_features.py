"""Features: SPAM, the small rich model, DCTR."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from detector_helpers import parts

from stegcli.detectors import rich, schemes, spam


def transitions(plane: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """SPAM of one direction by its definition, (7, 7, 7)."""
    counts = np.zeros((7, 7, 7))
    height, width = plane.shape
    for y, x in itertools.product(range(3, height - 3), range(3, width - 3)):
        along = [int(plane[y + k * dy, x + k * dx]) for k in range(4)]
        steps = [a - b for a, b in itertools.pairwise(along)]
        if max(map(abs, steps)) <= 3:
            counts[tuple(s + 3 for s in steps)] += 1
    return counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)


def test_spam_is_what_its_definition_says() -> None:
    plane = np.random.default_rng(0).integers(0, 7, (14, 17))
    straight, diagonal = spam.of_plane(plane).reshape(2, 7, 7, 7)
    ways = [(0, 1), (1, 0), (0, -1), (-1, 0)], [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    for found, directions in zip((straight, diagonal), ways, strict=True):
        assert np.allclose(found, np.mean([transitions(plane, *d) for d in directions], axis=0))


def test_spam_has_planes_of_colours_and_of_differences() -> None:
    (pixels,) = parts(1)
    channels = spam.by_channel(pixels).reshape(3, 686)
    assert np.allclose(spam.mean(pixels), channels.mean(axis=0))
    assert np.allclose(channels[2], spam.of_plane(pixels[..., 2].astype(int)))
    grey = np.repeat(pixels[..., :1], 3, axis=2)
    only_zeros = spam.of_differences(grey).reshape(-1, 7, 7, 7)
    assert np.allclose(only_zeros[:, 3, 3, 3], 1)


def test_groups_of_the_rich_model_are_shares() -> None:
    (pixels,) = parts(1)
    found = rich.features(pixels)
    assert len(found) == 8 * 169 + 5 * 63
    assert found.min() >= 0
    assert found.sum() == pytest.approx(13)


@pytest.mark.parametrize("changed", [lambda p: 255 - p, lambda p: p[::-1], lambda p: p[:, ::-1]])
def test_the_rich_model_does_not_mind_negatives_and_mirrors(changed) -> None:
    """But for rounding, which goes one way, and the border."""
    (pixels,) = parts(1)
    assert np.abs(rich.features(changed(pixels)) - rich.features(pixels)).max() < 0.02


@pytest.mark.parametrize("of", [spam.of_differences, rich.features])
def test_features_move_with_the_payload(of) -> None:
    """More is further, and each step is far beyond what another draw of the same payload does."""
    (pixels,) = parts(1)
    rng = np.random.default_rng(0)
    clean = of(pixels)
    few, same, many = (of(schemes.lsb_matching(pixels, bits, rng)) for bits in (1000, 1000, 8000))
    apart = [float(np.abs(f - clean).sum()) for f in (few, many)]
    assert 0 < apart[0] < apart[1]
    assert float(np.abs(few - same).sum()) < apart[1]
