"""Ways to hide in JPEG coefficients of colour photos, to compare with."""

from __future__ import annotations

import numpy as np
import pytest
from detector_helpers import parts
from picture_helpers import saved

from stegcli.coding import jpeg_costs
from stegcli.detectors import dctr, jpeg_schemes, markov
from stegcli.errors import CapacityError
from stegcli.pictures import jpeg


@pytest.fixture(scope="module")
def cover() -> jpeg.Jpeg:
    (pixels,) = parts(1, 128)
    return jpeg.read(saved(pixels, "JPEG", quality=75))


@pytest.mark.parametrize(("name", "most"), [("nsF5", 0.5), ("UERD", 0.4), ("J-UNIWARD", 0.4)])
def test_schemes_spread_few_changes_over_the_colours(cover: jpeg.Jpeg, name: str, most: float) -> None:
    """most: changes per bit."""
    bits = int(0.3 * cover.nonzero_ac)
    blocks = jpeg_schemes.SCHEMES[name](cover, bits, np.random.default_rng(0))
    changes = [np.abs(b.astype(int) - c.blocks) for b, c in zip(blocks, cover.components, strict=True)]
    assert len(cover.components) == 3
    assert all(b.dtype == np.int16 for b in blocks)
    assert max(c.max() for c in changes) == 1
    assert 0.05 * bits < sum(c.sum() for c in changes) < most * bits
    assert changes[0].sum() > 0
    if name == "nsF5":  # the others leave weak colours alone
        assert changes[1].sum() + changes[2].sum() > 0


def test_a_file_of_the_blocks_can_be_written(cover: jpeg.Jpeg) -> None:
    blocks = jpeg_schemes.SCHEMES["UERD"](cover, 200, np.random.default_rng(0))
    again = jpeg.read(jpeg.write(cover, blocks).file)
    assert all(np.array_equal(c.blocks, b) for c, b in zip(again.components, blocks, strict=True))


def test_nsf5_takes_one_bit_for_each_coefficient_at_most(cover: jpeg.Jpeg) -> None:
    with pytest.raises(CapacityError):
        jpeg_schemes.nsf5(cover, cover.nonzero_ac + 1, np.random.default_rng(0))


def test_what_is_not_installed_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert jpeg_schemes.missing("steghide") == "not installed"
    assert jpeg_schemes.missing("nsF5") == ""


def test_dctr_features_are_shares_for_each_cosine(cover: jpeg.Jpeg) -> None:
    found = dctr.features(cover.components[0], 75).reshape(-1, dctr.LEVELS)
    assert found.shape == (64 * 25, 5)
    assert np.allclose(found.sum(axis=1), 1)
    blocks = jpeg_schemes.nsf5(cover, int(0.4 * cover.nonzero_ac), np.random.default_rng(0))
    changed = jpeg.Component(blocks[0], cover.components[0].steps, 1, 1)
    assert np.abs(dctr.features(changed, 75).reshape(-1, 5) - found).max() > 0.01


def test_the_reference_of_calibration_is_the_picture_cut_and_compressed_anew(cover: jpeg.Jpeg) -> None:
    luminance = cover.components[0]
    again = markov.reference(luminance)
    rows, columns = luminance.blocks.shape[:2]
    assert again.shape == (rows - 1, columns - 1, 8, 8)
    whole, cut = (jpeg_costs.decoded(jpeg.Component(b, luminance.steps, 1, 1)) for b in (luminance.blocks, again))
    assert np.abs(whole[4:-4, 4:-4] - cut).mean() < luminance.steps[0, 0] / 2


def test_markov_features_are_shares_and_see_nsf5(cover: jpeg.Jpeg) -> None:
    luminance = cover.components[0]
    clean = markov.features(luminance)
    assert clean.shape == (2 * 596,)
    assert clean.min() >= 0
    assert np.allclose(clean[6 * 81 : 596].reshape(10, 11).sum(axis=1), 1)
    blocks = jpeg_schemes.nsf5(cover, int(0.4 * cover.nonzero_ac), np.random.default_rng(0))
    full = markov.features(jpeg.Component(blocks[0], luminance.steps, 1, 1))
    zeros = slice(596 - 11 + 5, 596 - 11 + 6)
    assert full[zeros] > clean[zeros]  # nsF5 makes zeros
    moved = np.abs(full - clean).reshape(2, 596)[:, -11:].sum(axis=1)
    assert moved[1] < moved[0]  # the reference forgets most of it
