"""`stego evaluate --detect`: what is found and what is not, its data, bad input, going on after a stop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import ok, refused, settle
from detector_helpers import folder_of, parts
from PIL import Image as Pillow
from steg_cinn_helpers import small_method

from stegcli import methods, pairs, weights
from stegcli.measuring import crowd, detection, groups
from stegcli.measuring.detection import Plan
from stegcli.measuring.store import Store
from stegcli.methods.lossless_inn.measure_pairs import Coefficients
from stegcli.pairs import Made, Wanted
from stegcli.pictures import channel, image, jpeg
from stegcli.pictures.channel import LOSSLESS

COUNT, RATE = 42, 2.4
_source = detection._source
METHOD = "lossless-inn"
KEYS = {
    "rows": {"scheme", "rate", "unit", "channel", "against", "detector", "accuracy", "low", "high", "auc", "p_e", "roc",
             "note", "psnr"},
    "quick": {"scheme", "rate", "estimator", "mean", "error", "worst"},
    "targeted": {"scheme", "rate", "sign", "covers", "stegos"},
    "leaked": {"scheme", "rate", "detector", "learnt", "accuracy"},
}  # fmt: skip


@pytest.fixture(scope="module")
def covers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("covers"), COUNT)


class Quick(pairs.Given):
    """The method's place is taken by HILL, simulated: its own coder takes longer than all the rest."""

    side_by_side = True

    def make(self, cover: pairs.Cover | None, rng: np.random.Generator) -> Made:
        assert cover is not None
        assert self.wanted.rate is not None
        bits = int(self.wanted.rate * cover.picture.width * cover.picture.height)
        stego = groups.hidden("HILL", image.encode(cover.picture), bits, rng)
        return Made(stego.stego, {pairs.COVERS: cover.written()}, bits, stego.psnr)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detection, "_source", lambda method, wanted: Quick(method, wanted))
        yield


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other schemes beside the method: they take most of the time."""
    monkeypatch.setattr(groups, "rivals", lambda own: {})


def plan(covers: Path | None, **more: Any) -> Plan:
    return Plan(METHOD, covers, **{"payloads": [RATE], "epochs": 0, "weights": ["coset-1"]} | more)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of tests that may share one."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def found(covers: Path, kept: Path) -> dict[str, Any]:
    result: dict[str, Any] = detection.evaluate(plan(covers, leaked=[10, 999], epochs=1, cache=kept))
    return result


def rows_of(found: dict[str, Any], scheme: str) -> dict[str, dict[str, Any]]:
    return {r["detector"]: r for r in found["detection"]["rows"] if r["scheme"] == scheme}


# -- the data


def test_the_result_is_plain_data(found: dict[str, Any]) -> None:
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    detected = found["detection"]
    for part, keys in KEYS.items():
        assert detected[part]
        assert all(set(row) == keys for row in detected[part])
    assert (found["method"], found["covers"], found["rows"], found["measured"]) == (METHOD, COUNT, [], {})
    assert (detected["covers"], detected["learn"], detected["test"], detected["seed"]) == (COUNT, 28, 14, 0)
    assert detected["passed_over"] == []


def test_all_schemes_are_judged_by_all_detectors_at_one_payload(found: dict[str, Any]) -> None:
    for scheme in (METHOD, "LSB replacement", "LSB matching", "HILL", "S-UNIWARD"):
        rows = rows_of(found, scheme)
        assert set(rows) == {"SPAM", "SPAM by channel", "SPAM of colour differences", "rich model", "CNN"}
        for row in rows.values():
            assert (row["rate"], row["unit"], row["channel"], row["against"]) == (RATE, "bpp", "png", "covers")
            assert 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1
            assert row["roc"][0] == [0.0, 0.0]
            assert row["roc"][-1] == [1.0, 1.0]
            assert row["psnr"] > 45


def test_a_leak_is_told_for_each_number_that_there_is(found: dict[str, Any]) -> None:
    leaked = found["detection"]["leaked"]
    assert {r["learnt"] for r in leaked} == {10}
    assert {r["scheme"] for r in leaked} == {METHOD}


# -- controls


def test_replaced_lowest_bits_are_found(found: dict[str, Any]) -> None:
    assert max(r["accuracy"] for r in rows_of(found, "LSB replacement").values()) > 0.8
    moved = {r["estimator"]: r["mean"] for r in found["detection"]["quick"] if r["scheme"] == "LSB replacement"}
    assert moved["SPA"] == pytest.approx(RATE / 6, abs=0.06)  # half of the payload per sample
    assert "LSB replacement at 2.4 bpp: " in " ".join(found["detection"]["advice"])


def test_two_halves_of_covers_are_not_told_apart(found: dict[str, Any]) -> None:
    rows = rows_of(found, "covers, halved").values()
    assert rows
    for row in rows:
        assert row["low"] <= 0.5 <= row["high"]


def test_signs_count_covers_beside_stegos(found: dict[str, Any]) -> None:
    signs = {(r["scheme"], r["sign"]): (r["covers"], r["stegos"]) for r in found["detection"]["targeted"]}
    assert signs[METHOD, "file"] == (0, 0)
    assert ("HILL", "file") not in signs  # simulations write no files of their own
    lone = signs["LSB replacement", "lone"]
    assert lone[1] > lone[0]


@pytest.mark.usefixtures("alone")
def test_a_planted_leak_is_found(covers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stegos that are brighter by one level wherever a key says so."""
    real = Quick.make

    def leaky(self: Quick, cover: pairs.Cover | None, rng: np.random.Generator) -> Made:
        made = real(self, cover, rng)
        pixels = image.decode(made.stego).pixels.copy()
        pixels[::2, ::2, 0] = np.minimum(pixels[::2, ::2, 0], 254) + 1
        return Made(image.encode(image.Picture(pixels)), made.innocents, made.bits)

    monkeypatch.setattr(Quick, "make", leaky)
    result = detection.evaluate(plan(covers, payloads=[0.05]))
    assert max(r["accuracy"] for r in rows_of(result, METHOD).values()) > 0.9


# -- other kinds of stegos


class QuickJpeg(Coefficients):
    """nsF5 in the place of the method's own coder."""

    def make(self, cover: pairs.Cover | None, rng: np.random.Generator) -> Made:
        assert cover is not None
        assert cover.file is not None
        bits = int(0.3 * jpeg.read(cover.file).nonzero_ac)
        stego = groups.hidden("nsF5", cover.file, bits, rng)
        return Made(stego.stego, {pairs.COVERS: cover.file}, bits, stego.psnr)


@pytest.fixture(scope="module")
def found_in_jpegs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    options = methods.about(METHOD).evaluate(jpeg=75)
    covers = folder_of(tmp_path_factory.mktemp("jpegs"), 36, 96)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detection, "_source", lambda method, wanted: QuickJpeg(method, wanted))
        patch.setattr(groups.jpeg_schemes, "missing", lambda name: "not installed" if name == "steghide" else "")
        result: dict[str, Any] = detection.evaluate(plan(covers, payloads=[0.3], options=options, epochs=1))
    return result


def test_jpeg_coefficients_are_judged_by_theirs(found_in_jpegs: dict[str, Any]) -> None:
    detected = found_in_jpegs["detection"]
    schemes = {r["scheme"] for r in detected["rows"]}
    assert {METHOD, "nsF5", "UERD", "J-UNIWARD", "steghide", "covers, halved"} == schemes
    for row in (r for r in detected["rows"] if not r["note"]):
        assert (row["unit"], row["channel"], row["rate"]) == ("bpnzAC", "jpeg:75", 0.3)
        assert row["detector"] in ("DCTR", "calibrated Markov", "CNN")
    assert detected["quick"] == detected["targeted"] == []


def test_a_program_that_is_not_installed_is_a_row(found_in_jpegs: dict[str, Any]) -> None:
    assert [r["note"] for r in rows_of(found_in_jpegs, "steghide").values()] == ["not installed"]


class Draws(pairs.Drawn):
    """Draws of noise; stegos are draws too, or show what they are."""

    shows = False

    def make(self, cover: pairs.Cover | None, rng: np.random.Generator) -> Made:
        one, other = rng.integers(90, 110, (2, 64, 64, 3), np.uint8)
        if self.shows:
            one[:, ::2] = one[:, 1::2]
        files = [image.encode(image.Picture(p)) for p in (one, other)]
        return Made(files[0], {pairs.DRAWS: files[1]}, 640)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("shows", [False, True])
def test_draws_are_compared_with_draws_and_with_real_pictures(
    covers: Path, shows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detection, "_source", lambda method, wanted: Draws(method, wanted))
    monkeypatch.setattr(Draws, "shows", shows)
    result = detection.evaluate(plan(covers, payloads=None, limit=48))
    told = {(r["against"], r["detector"]): r for r in result["detection"]["rows"] if r["scheme"] == METHOD}
    assert {against for against, _ in told} == {"innocent draws", "real pictures"}
    draws = [r for (against, _), r in told.items() if against == "innocent draws"]
    if shows:
        assert max(r["accuracy"] for r in draws) > 0.95
    else:
        assert all(r["low"] <= 0.5 <= r["high"] for r in draws)
    assert max(r["accuracy"] for (a, _), r in told.items() if a == "real pictures") > 0.95
    assert all(r["rate"] == pytest.approx(640 / 64**2, abs=1e-3) for r in draws)


@pytest.mark.parametrize("size", [(64, 64), None])
def test_real_pictures_that_are_smaller_than_the_draws_are_left_out(
    size: tuple[int, int] | None, tmp_path: Path
) -> None:
    source = Draws(methods.build("cs-fnns"), Wanted(None, LOSSLESS, "x", size=size))
    Pillow.fromarray(next(parts(1, 48))).save(folder_of(tmp_path / "mixed", 3) / "small.png")
    found = crowd.load(tmp_path / "mixed", source, None, None)
    assert [p.partition(":")[0] for p in found.passed_over] == (["small.png"] if size else [])
    group = groups.of_method(source, found, 4, Store(None), lambda pairs: None)
    assert len(group.which) == len(group.innocents[pairs.DRAWS]) == 4
    assert len(group.innocents[pairs.REAL]) == 3


# -- going on


def forbidden(*args: Any) -> Any:
    raise AssertionError("this was made before")


def test_a_run_goes_on_where_it_stopped(covers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = plan(covers, limit=30, cache=tmp_path / "kept", epochs=1)
    monkeypatch.setattr(groups, "rivals", lambda own: {"HILL": ""})
    real, made = Quick.make, []

    def stops(self: Quick, cover: pairs.Cover | None, rng: np.random.Generator) -> Made:
        if len(made) == 20:
            raise KeyboardInterrupt
        made.append(1)
        return real(self, cover, rng)

    monkeypatch.setattr(Quick, "make", stops)
    with pytest.raises(KeyboardInterrupt):
        detection.evaluate(asked)
    monkeypatch.setattr(Quick, "make", lambda *args: (made.append(1), real(*args))[1])
    first = detection.evaluate(asked)
    assert 30 <= len(made) < 20 + 30  # what was whole when it stopped is not made again
    for target, name in ((Quick, "make"), (groups, "hidden")):
        monkeypatch.setattr(target, name, forbidden)
    monkeypatch.setattr("stegcli.measuring.learner._teach", forbidden)
    assert detection.evaluate(asked) == first


def test_another_seed_is_another_run(covers: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detection.evaluate(plan(covers, limit=30, cache=kept))
    monkeypatch.setattr(Quick, "make", forbidden)
    with pytest.raises(AssertionError, match="made before"):
        detection.evaluate(plan(covers, limit=30, cache=kept, seed=1))


def test_progress_goes_from_nothing_to_all(covers: Path, kept: Path) -> None:
    told: list[tuple[float, float]] = []
    detection.evaluate(plan(covers, limit=30, epochs=1, cache=kept), lambda done, left: told.append((done, left)))
    shares = [done for done, _ in told]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.5
    assert shares[-1] == pytest.approx(1, abs=0.02)


# -- bad input


def test_too_few_covers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(tmp_path, monkeypatch)
    folder_of(tmp_path / "few", 3)
    argv = ("evaluate", METHOD, "--covers", "few", "--detect")
    refused(3, *argv, says=f"only 3 usable covers, and detectors need {crowd.LEAST}")


def test_covers_of_two_sizes_are_refused_with_the_size_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(tmp_path, monkeypatch)
    folder_of(tmp_path / "mixed", 30)
    Pillow.fromarray(next(parts(1, 80))).save(tmp_path / "mixed" / "larger.png")
    argv = ("evaluate", METHOD, "--covers", "mixed", "--detect", "--cnn", "0", "--payload", "0.4")
    result = refused(2, *argv, says="the covers differ in size")
    assert "--size 64x64" in result.err


@pytest.mark.usefixtures("alone")
def test_broken_files_are_named_and_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(tmp_path, monkeypatch)
    folder = folder_of(tmp_path / "some", 30)
    (folder / "aaa.png").write_bytes(b"no picture")
    monkeypatch.setattr(detection, "_source", _source)
    asked = ("--detect", "--cnn", "0", "--payload", "0.1", "--weights", "coset-1")
    result = ok("evaluate", METHOD, "--covers", "some", *asked)
    assert "passed over: aaa.png" in result.err
    assert b"told apart, chance 50 %: 30 pairs, 20 learnt from, 10 judged" in result.out
    assert b"PSNR does not tell" in result.out.splitlines()[-1]


def test_photos_that_were_jpegs_are_reduced(tmp_path: Path) -> None:
    method = weights.load(METHOD, "coset-1", "cpu")
    source = pairs.source(method, Wanted(0.4, LOSSLESS, "coset-1"))
    for index, pixels in enumerate(parts(6, 80)):
        Pillow.fromarray(pixels).save(tmp_path / (f"{index}.png" if index % 2 else f"{index}.jpg"))
    found = crowd.load(tmp_path, source, None, None)
    assert found.was_jpeg == ["0.jpg", "2.jpg", "4.jpg"]
    assert {(c.picture.width, c.picture.height) for c in found.covers} == {(64, 64)}  # the others are cut to that
    assert all(c.file is None for c in found.covers)


@pytest.mark.parametrize(("argv", "says"), [
    (("--leaked", "20"), "--leaked goes with --detect"),
    (("--cache", "kept"), "--cache goes with --detect"),
    (("--cnn", "2"), "--cnn goes with --detect"),
    (("--detect", "--secrets", "."), "takes no --secrets"),
    (("--detect", "--jpeg", "75", "--epochs", "3"), "--epochs means nothing to --detect"),
    (("--detect", "--jpeg", "75", "--attack", "jpeg:80"), "--jpeg and --attack do not go together"),
    (("--detect", "--attack", "fax"), "no channel"),
])  # fmt: skip
def test_wrong_usage_is_refused(
    argv: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detection, "_source", _source)
    settle(tmp_path, monkeypatch)
    refused(2, "evaluate", METHOD, "--covers", ".", *argv, says=says)


def test_a_method_that_needs_covers_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(tmp_path, monkeypatch)
    refused(2, "evaluate", METHOD, "--detect", says=f"{METHOD} needs --covers DIR")


def test_a_payload_that_fits_nowhere_is_a_row(covers: Path) -> None:
    result = detection.evaluate(plan(covers, payloads=[90.0], limit=30))
    (row,) = result["detection"]["rows"]
    assert (row["accuracy"], row["note"]) == (None, "fits in none of the covers")


# -- what methods make


def cover_of(side: int) -> pairs.Cover:
    (pixels,) = parts(1, side)
    return pairs.Cover("one.png", image.Picture(pixels))


def test_a_jpeg_and_its_stego_hold_as_much_as_asked() -> None:
    method = weights.load(METHOD, "coset-3", "cpu")
    wanted = Wanted(0.2, LOSSLESS, "coset-3", options=methods.about(METHOD).evaluate(jpeg=75))
    source = _source(method, wanted)
    cover = source.ready(cover_of(128))
    made = source.make(cover, np.random.default_rng(0))
    before, after = (jpeg.read(f) for f in (made.innocents[pairs.COVERS], made.stego))
    assert made.bits == int(0.2 * before.nonzero_ac)
    changed = sum(int((a.blocks != b.blocks).sum()) for a, b in zip(before.components, after.components, strict=True))
    assert 0.05 * made.bits < changed < 0.6 * made.bits


def test_colourings_of_one_cover_are_stego_innocent_and_real() -> None:
    source = _source(small_method(), Wanted(None, LOSSLESS, "photos-2"))
    made = source.make(cover_of(64), np.random.default_rng(0))
    assert list(made.innocents) == [pairs.COLOURINGS, pairs.REAL]
    stego, innocent, real = (
        image.decode(f).pixels for f in (made.stego, made.innocents[pairs.COLOURINGS], made.innocents[pairs.REAL])
    )
    assert np.array_equal(real, cover_of(64).picture.pixels)
    for one, other in ((stego, innocent), (stego, real), (innocent, real)):
        assert (one != other).any()
    assert made.bits > 0


@pytest.mark.parametrize(("survive", "rates"), [("png", (0.4,)), ("jpeg:75", (None,))])
def test_all_that_fits_is_hidden_where_a_channel_leaves_little(survive: str, rates: tuple[float | None, ...]) -> None:
    method = methods.build("riis")
    source = pairs.source(method, Wanted(None, channel.parse(survive), "coded-1"))
    assert tuple(source.rates) == rates
    made = source.make(cover_of(128), np.random.default_rng(0))
    before, after = (image.decode(f) for f in (made.innocents[pairs.COVERS], made.stego))
    assert (before.jpeg is None) == (survive == "png")
    assert (before.pixels != after.pixels).any()
    assert made.bits > 500


def test_draws_and_stegos_of_a_generator_are_made_alike() -> None:
    method = weights.load("glow2", "landscapes", "cpu")
    source = pairs.source(method, Wanted(None, LOSSLESS, "landscapes", size=(64, 64)))
    made = source.make(None, np.random.default_rng(0))
    assert list(made.innocents) == [pairs.DRAWS]
    shapes = {image.decode(f).pixels.shape for f in (made.stego, made.innocents[pairs.DRAWS])}
    assert shapes == {(64, 64, 3)}
    assert made.bits > 8000
