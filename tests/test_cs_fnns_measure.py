"""What `stego evaluate cs-fnns` measures: on the shipped covers, small and quick."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as samples

from stegcli import weights
from stegcli.measuring import pictures
from stegcli.method import Secret
from stegcli.methods.cs_fnns import measure
from stegcli.methods.cs_fnns.options import HideOptions
from stegcli.pictures import image
from stegcli.pictures.image import Picture

SIZE = (128, 128)


@pytest.fixture(scope="module")
def figures():
    method = weights.load("cs-fnns")
    secrets = [Picture(image.resized(samples.chelsea(), 64, 64))]
    with torch.no_grad():
        return {name: part() for name, part in measure.parts(method, secrets, [], SIZE, 0).items()}


def test_more_receivers_get_less(figures):
    two, three, four = (figures["receivers"][n] for n in ("2", "3", "4"))
    assert two["secret"] > three["secret"] > four["secret"] > measure.PAPER_RECEIVERS[4]
    assert two["stego"] >= 40.2


def test_strangers_get_nothing(figures):
    for read in figures["strangers"].values():
        assert read["psnr"] < 16
        assert read["correlation"] < 0.2


def test_a_key_that_may_read_is_found_among_strangers(monkeypatch):
    """The control: the receiver's own key in place of another's reads the secret, and the measure says so."""
    group = measure.group
    monkeypatch.setattr(measure, "group", lambda seed, index, count: group(seed, index, 1) * count)
    with torch.no_grad():
        secrets = [Secret(b"", Picture(image.resized(samples.coffee(), 64, 64)))]
        found = measure.strangers(weights.load("cs-fnns"), secrets, HideOptions(size=SIZE), 0)
    assert found["another receiver's key"]["correlation"] > 0.9
    assert found["another receiver's key"]["activity"] > 0.8
    assert found["a key of its own cover"]["correlation"] < 0.2


def test_small_errors_of_the_cover_cost_little(figures):
    exact, *wrong = figures["covers"].values()
    assert exact > wrong[0] > wrong[1] > wrong[2]
    assert exact - wrong[1] < 2.5


def test_tables_hold_every_figure(figures):
    tables = measure.tables(figures)
    assert [len(rows) for _, _, rows in tables] == [3, 2, 1]
    assert all(len(row) == len(columns) for _, columns, rows in tables for row in rows)


def test_activity_is_where_a_picture_is_busy():
    pixels = np.full((16, 16, 3), 90, np.uint8)
    pixels[:8, 8:] = np.random.default_rng(0).integers(0, 256, (8, 8, 1))
    assert (measure._activity(pixels) > 0).tolist() == [[False, True], [False, False]]


def test_secrets_that_come_back_smaller_are_compared_at_their_size(tmp_path: Path, monkeypatch):
    """Half the side of the stego travels; the figure is of the secret that was hidden."""
    monkeypatch.setattr(measure, "parts", lambda *rest: {})  # measured above
    Image.fromarray(samples.coffee()[:256, :256]).save(tmp_path / "photo.png")
    found = pictures.evaluate("cs-fnns", tmp_path, weights=["covers-4"], attacks=["jpeg:90"], size=SIZE, limit=1)
    assert [row["came_back"] for row in found["rows"]] == [1.0, 1.0]
    assert all(15 < row["psnr"] < 40 for row in found["rows"])
    assert found["rows"][0]["cover_psnr"] >= 46
