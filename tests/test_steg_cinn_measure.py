import numpy as np
import pytest
from steg_cinn_helpers import small_method, small_photo

from stegcli.methods.steg_cinn import measure, message, spam
from stegcli.pictures.image import Picture


@pytest.fixture(scope="module")
def method():
    return small_method()


def test_modes_and_latents_fill_their_tables(method, monkeypatch):
    monkeypatch.setattr(measure, "MODES", {n: measure.MODES[n] for n in ("keep, top 2", "recolour")})
    covers = [Picture(small_photo(64, 64))]
    figures = {name: part() for name, part in measure.parts(method, covers, 0).items()}
    keep = figures["modes"]["keep, top 2"]
    assert keep["covers"] == 1
    assert keep["bpp"] > 0.5
    assert keep["right"] > 0.9
    assert keep["most"] < 0.62
    assert figures["latents"]["stegos"] == 1
    assert figures["detectors"] == {}  # too few covers
    titles = [title for title, columns, rows in measure.tables(figures) if all(len(r) == len(columns) for r in rows)]
    assert len(titles) == 4


@pytest.mark.parametrize("installed", [True, False])
def test_looks_are_scored_where_the_package_is_installed(method, monkeypatch, installed):
    monkeypatch.setattr(measure, "MODES", {"keep, top 2": measure.MODES["keep, top 2"]})
    monkeypatch.setattr(
        measure.brisque, "scorer", lambda: (lambda pixels: float(pixels[0, 0, 0])) if installed else None
    )
    cover = small_photo(64, 64)
    figures = {name: part() for name, part in measure.parts(method, [Picture(cover)], 0).items()}
    (table,) = (t for t in measure.tables(figures) if "Table 1" in t[0])
    _, (_, heading), rows = table
    assert ("pip install" in heading) == (not installed)
    assert rows[0] == ["covers", f"{cover[0, 0, 0]:.2f}" if installed else "-"]
    assert (rows[1][1] == "-") == (not installed)
    assert rows[-1] == ["paper, 5 rounds", "19.74"]


def test_covers_without_room_are_passed_over(method, monkeypatch):
    monkeypatch.setattr(measure, "MODES", {"keep, top 2": measure.MODES["keep, top 2"]})
    monkeypatch.setattr(measure, "LEAST_COVERS", 2)
    monkeypatch.setattr(measure, "FOLDS", 2)
    covers = [Picture(np.zeros((64, 64, 3), np.uint8)), Picture(small_photo()), Picture(small_photo()[::-1].copy())]
    figures = {name: part() for name, part in measure.parts(method, covers, 0).items()}
    assert figures["modes"]["keep, top 2"]["covers"] == 2
    assert figures["latents"]["stegos"] == 2
    assert len(figures["detectors"]) == 4
    assert len(figures["told_paper"]) == 4


def test_the_row_of_the_papers_form_has_detectors_of_that_form(method, monkeypatch):
    """A run once printed there what detectors said of stegos without a gap."""
    asked = []

    def told(method, covers, seed, options):
        asked.append(options)
        return {"covers, RGB": 0.8 if options.gap else 0.3}

    monkeypatch.setattr(measure, "MODES", {measure.PAPERS_FORM: measure.PAPERS})
    monkeypatch.setattr(measure, "detectors", told)
    figures = {name: part() for name, part in measure.parts(method, [Picture(small_photo(64, 64))], 0).items()}
    assert asked == [measure.JUDGED, measure.PAPERS]
    shown = {title.split(" (")[0]: rows for title, _, rows in measure.tables(figures)}
    assert shown["flows compared"][0][-1] == "80.0"
    assert shown["stegos told from"] == [["covers, RGB", "30.0 %"]]


@pytest.mark.parametrize("turned", [True, False])
def test_numbers_that_the_key_does_not_turn_are_found_in_the_latents(method, monkeypatch, turned):
    """The control: without its turns a message's numbers lie on the few points of its symbols."""
    places = message.body_places

    def unturned(own, header, numbers):
        chosen, dither = places(own, header, numbers)
        return chosen, dither if turned else np.full_like(dither, 0.01)

    monkeypatch.setattr(message, "body_places", unturned)
    found = measure.latents(method, [Picture(small_photo(64, 96)), Picture(small_photo(96, 64))], 0)
    assert (found["uniform"] > 0.001) == turned
    assert found["below_0.05"] == 1 or turned


def test_a_detector_tells_noise_and_not_the_same_twice():
    rng = np.random.default_rng(0)
    photo = small_photo(80, 80)
    covers = [photo[i : i + 40, j : j + 40] for i in range(0, 40, 4) for j in (0, 20)]
    noisy = [np.clip(c + rng.integers(-1, 2, c.shape), 0, 255).astype(np.uint8) for c in covers]
    assert spam.told_apart(noisy, covers, "RGB", 5) > 0.8
    again = [c.copy() for c in covers]
    assert spam.told_apart(again, covers, "q and p", 5) == pytest.approx(0.5, abs=0.1)


def test_spam_features_are_probabilities():
    found = spam.features(small_photo(64, 64), "q and p").reshape(4, 49, 7)
    sums = found.sum(2)
    assert ((sums < 1 + 1e-9) & (sums >= 0)).all()
    assert found.max() <= 1


def test_lightness_is_that_of_cie():
    from skimage import color

    pixels = small_photo(64, 64)
    assert np.allclose(measure.lightness(pixels), color.rgb2lab(pixels)[..., 0], atol=0.01)
