"""What `stego evaluate lossless-inn --jpeg` measures: rivals at equal payload; detectors that can find."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_helpers import ok, refused, settle
from PIL import Image as Pillow
from skimage import data as samples

from stegcli.detectors import dctr, jpeg_network
from stegcli.errors import CapacityError, UsageError
from stegcli.methods.lossless_inn import jpeg_rivals, measure
from stegcli.methods.lossless_inn.jpeg_rivals import Grey, Rival
from stegcli.methods.lossless_inn.options import EvaluateOptions
from stegcli.pictures.image import Picture

QUALITY, SIDE = 75, 110


def photos(count: int) -> Iterator[Picture]:
    """Parts of photos that scikit-image ships, in turn."""
    pictures = (samples.astronaut(), samples.coffee(), samples.chelsea())
    for index in range(count):
        whole = pictures[index % 3]
        top, left = 23 * (index // 3) % (whole.shape[0] - SIDE), 41 * index % (whole.shape[1] - SIDE)
        yield Picture(np.ascontiguousarray(whole[top : top + SIDE, left : left + SIDE]))


@pytest.fixture(scope="module")
def covers() -> list[Grey]:
    return [measure.grey(p, QUALITY) for p in photos(24)]


def flipped(cover: Grey, rate: float, rng: np.random.Generator) -> np.ndarray:
    """LSB replacement of all AC coefficients but 0 and 1, as jsteg does, with random bits."""
    blocks = cover.blocks.copy()
    flat = blocks.reshape(-1)
    places = np.flatnonzero((flat != 0) & (flat != 1))
    places = places[places % 64 != 0]
    flat[places] = flat[places] & ~1 | rng.integers(0, 2, len(places), np.int16)
    return blocks


def test_covers_are_grey_and_smaller() -> None:
    cover = measure.grey(next(photos(1)), QUALITY)
    assert len(cover.file.components) == 1
    assert cover.blocks.shape == cover.errors.shape == (12, 12, 8, 8)
    assert np.abs(cover.errors).max() < 0.6


# -- schemes


@pytest.mark.parametrize(
    ("name", "most"), [("lossless-inn", 0.5), ("lossless-inn, uerd", 0.5), ("nsF5, at its bound", 0.5)]
)
def test_schemes_change_coefficients_by_one(covers: list[Grey], name: str, most: float) -> None:
    """most: changes per bit."""
    rate, scheme = 0.2, jpeg_rivals.rivals()[name].scheme
    for cover in covers[:2]:
        steps = np.abs(scheme(cover, rate, np.random.default_rng(0)).astype(int) - cover.blocks)
        bits = rate * cover.file.nonzero_ac
        assert 0.05 * bits < (steps > 0).sum() < most * bits
        assert (steps > 1).sum() <= 0.02 * bits


def test_nsf5_lowers_nonzero_ac_coefficients_as_conseal_does(covers: list[Grey]) -> None:
    conseal = pytest.importorskip("conseal")
    cover, counts = covers[0], []
    for seed in range(60):
        blocks = jpeg_rivals.nsf5(cover, 0.4, np.random.default_rng(seed))
        moved = blocks != cover.blocks
        assert (np.abs(blocks) < np.abs(cover.blocks))[moved].all()
        assert not moved[..., 0, 0].any()
        counts.append(moved.sum())
    theirs = conseal.nsF5.simulate_single_channel(cover.blocks, 0.4, seed=0) != cover.blocks
    assert np.mean(counts) == pytest.approx(theirs.sum(), rel=0.05)


def test_conseals_juniward_hides_as_much(covers: list[Grey]) -> None:
    pytest.importorskip("conseal")
    cover = covers[0]
    blocks = jpeg_rivals.juniward_by_conseal(cover, 0.4, np.random.default_rng(0))
    steps = np.abs(blocks.astype(int) - cover.blocks)
    assert blocks.dtype == np.int16
    assert steps.max() == 1
    assert 0.03 < steps.sum() / (0.4 * cover.file.nonzero_ac) < 0.5


PROGRAM = """#!/bin/sh
[ "$(wc -c < data)" -lt 300 ] || exit 1
cp cover.jpg stego.jpg
"""


def test_other_programs_get_cover_and_data(covers: list[Grey], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs in their place hand back what they got, and refuse data that are too long."""
    for name in ("steghide", "outguess"):
        (tmp_path / name).write_text(PROGRAM)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found, cover, rng = jpeg_rivals.rivals(), covers[0], np.random.default_rng(0)
    for name in ("steghide", "outguess"):
        assert found[name].missing == ""
        assert np.array_equal(found[name].scheme(cover, 0.1, rng), cover.blocks)
        with pytest.raises(CapacityError):
            found[name].scheme(cover, 3000 / cover.file.nonzero_ac, rng)
    recompressed = found["outguess"].recompressed
    assert recompressed is not None
    assert np.array_equal(recompressed(cover), cover.blocks)


def test_what_is_not_installed_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(jpeg_rivals.importlib.util, "find_spec", lambda name: None)
    found = jpeg_rivals.rivals()
    assert found["steghide"].missing == found["outguess"].missing == "not installed"
    assert found["J-UNIWARD, by conseal"].missing == "not installed: pip install conseal"
    assert next(name for name, rival in found.items() if not rival.missing) == "lossless-inn"


# -- detectors


def test_dctr_finds_lsb_replacement_and_nothing_in_covers(covers: list[Grey]) -> None:
    bench = measure.Bench(covers, 0, 0)
    (found,) = bench.rows("LSB", Rival(flipped), [0.4])
    assert found["covers"] == len(covers)
    assert found["dctr"] > 0.7
    (none,) = bench.rows("nothing", Rival(lambda cover, rate, rng: cover.blocks), [0.4])
    assert none["dctr"] == pytest.approx(0.5)  # two that are alike: one of them is told rightly


def test_the_network_learns_lsb_replacement(covers: list[Grey]) -> None:
    torch.manual_seed(0)
    detector = jpeg_network.Detector(8)
    clean, full = (
        np.stack([measure._plane(c, b) for c, b in zip(covers, side, strict=True)])
        for side in (
            [c.blocks for c in covers],
            [flipped(c, 0, np.random.default_rng(i)) for i, c in enumerate(covers)],
        )
    )
    jpeg_network.teach(detector, clean[:12], full[:12], 25, np.random.default_rng(0))
    assert jpeg_network.accuracy(detector, clean[12:], full[12:]) > 0.8


def test_dctr_counts_each_place_once(covers: list[Grey]) -> None:
    features = dctr.features(covers[0].file.components[0], QUALITY)
    assert features.shape == (8000,)
    assert features.reshape(-1, 5).sum(axis=1) == pytest.approx(1)


# -- the command


def test_evaluate_prints_a_row_for_each_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(tmp_path, monkeypatch)
    (tmp_path / "covers").mkdir()
    for index, picture in enumerate(photos(8)):
        Pillow.fromarray(picture.pixels).save(f"covers/{index}.png")
    monkeypatch.setenv("PATH", "/nowhere")
    chosen = ("lossless-inn, uerd", "nsF5, at its bound", "steghide")
    every = jpeg_rivals.rivals()
    monkeypatch.setattr(measure, "rivals", lambda: {name: every[name] for name in chosen})
    argv = ("evaluate", "lossless-inn", "--covers", "covers", "--jpeg", 75, "--rate", 0.2, "--epochs", 1)
    found = ok(*argv, "--json").json
    assert found["rows"] == []
    (measured,) = found["measured"].values()
    rows = {row["scheme"]: row for row in measured["jpeg"]["rows"]}
    assert tuple(rows) == chosen
    assert rows["steghide"]["note"] == "not installed"
    for name in chosen[:2]:
        assert (rows[name]["covers"], rows[name]["rate"]) == (8, 0.2)
        assert 0 <= rows[name]["dctr"] <= 1
        assert 0 <= rows[name]["cnn"] <= 1
    assert measure.tables(measured)[0][2][0][0] == chosen[0]


def test_wrong_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(tmp_path, monkeypatch)
    argv = ("evaluate", "lossless-inn", "--covers", ".")
    refused(2, *argv, "--rate", 0.2, says="--rate and --epochs go with --jpeg")
    refused(2, *argv, "--jpeg", 99, says="--jpeg 99 is out of range")
    refused(2, *argv, "--jpeg", 75, "--payload", 1, says="payloads and attacks mean nothing")
    refused(2, *argv, "--jpeg", 75, says="only 0 covers have enough texture")
    with pytest.raises(UsageError):
        measure.detected([Picture(np.zeros((64, 64, 3), np.uint8))] * 9, 0, EvaluateOptions(jpeg=75))


def test_a_scheme_that_fits_nowhere_gets_a_note(covers: list[Grey]) -> None:
    def full(cover: Grey, rate: float, rng: np.random.Generator) -> np.ndarray:
        raise CapacityError(0, 1)

    (row,) = measure.Bench(covers[:8], 0, 0).rows("full", Rival(full), [0.4])
    assert row["note"] == "fits in 0 covers only"
    assert measure._told(row) == ["full", "0.4", "", "fits in 0 covers only", ""]
