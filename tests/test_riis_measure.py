"""What `stego evaluate riis` measures besides, and tools of others beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from riis_helpers import photo

from stegcli import methods
from stegcli.measuring import pictures
from stegcli.methods.riis import measure, rivals
from stegcli.pictures.image import Picture

PHOTOS = [photo(128), photo(128, "chelsea")]


def test_a_channel_is_measured_once_and_behind_another_jpeg() -> None:
    row = measure.through(methods.build("riis"), PHOTOS, "jpeg:80", seed=0)
    assert row["of"] == row["came_back"] == 2
    assert 40 < row["stego_worst"] <= row["stego"] < 46
    assert 15 < row["secret_worst"] <= row["secret"]
    assert row["again_came_back"] in (1, 2)
    clean = measure.through(methods.build("riis"), PHOTOS, "png", seed=0)
    assert "again_came_back" not in clean
    assert clean["secret"] > row["secret"]
    made = dict.fromkeys(measure.STEGO, row) | {"png": clean}
    titles = {title: rows for title, _, rows in measure.tables({"channels": made})}
    assert [f"{clean['stego']:.2f}", f"{clean['secret']:.2f}"] == next(r for t, r in titles.items() if "Table 4" in t)[
        -1
    ][1:]
    ablated = next(r for t, r in titles.items() if "Table 1" in t)
    assert ablated[-2][1:] == ["28.08", "27.32", "28.25", "28.71", "44.19"]
    assert ablated[-1][1:] == [*[f"{row['secret']:.2f}"] * 4, f"{clean['secret']:.2f}"]
    assert next(r for t, r in titles.items() if "Table 3" in t)[-2][1:] == ["28.22", "30.32", "27.32", "28.71"]


def test_four_low_bits_hold_much_and_survive_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = replace(rivals.RIVALS["steghide"], needs="no_such_tool")
    monkeypatch.setattr(rivals, "RIVALS", {"4-bit LSB": rivals.RIVALS["4-bit LSB"], "steghide": missing})
    found = rivals.compared(PHOTOS, seed=0)
    low = found["4-bit LSB"]
    assert low is not None
    assert low["bits"] == 4 * PHOTOS[0].size
    assert low["png"] == {"exact": 2, "right": 1.0}
    assert low["jpeg:90"]["exact"] == 0
    assert 0.45 < low["jpeg:90"]["right"] < 0.6
    assert 28 < low["stego"] < 34
    assert found["steghide"] is None
    ((_, columns, rows),) = measure.tables({"rivals": found})
    assert [row[1] for row in rows] == [str(4 * PHOTOS[0].size), "not installed"]
    assert all(len(row) == len(columns) for row in rows)


@pytest.mark.parametrize("name", ["steghide", "blind-watermark", "invisible-watermark dwtDctSvd"])
def test_an_installed_tool_returns_its_bits(name: str) -> None:
    rival = rivals.RIVALS[name]
    if not rival.installed:
        pytest.skip(f"{name} is not installed")
    cover = photo(256)
    bits = np.random.default_rng(0).integers(0, 2, rival.bits, np.uint8)
    assert np.array_equal(rival.reveal(rival.hide(cover, bits), len(bits)), bits)


def test_pictures_are_reduced_and_never_enlarged() -> None:
    assert pictures.square(Picture(photo(192)[:, :160]), measure.LARGEST).pixels.shape == (160, 160, 3)
    large = Picture(np.zeros((600, 700, 3), np.uint8))
    assert pictures.square(large, measure.LARGEST).pixels.shape == (512, 512, 3)


def test_a_picture_without_loss_does_not_make_the_mean_infinite() -> None:
    assert measure._mean([30.0, float("inf"), 40.0]) == 35
    assert measure._mean([float("inf")]) == float("inf")
